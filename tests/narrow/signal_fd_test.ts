// Deno with no permission but --allow-ffi=<path of libc>: /proc is read through libc.

import { assertEquals } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { test, useDescriptorProbe } from "../support.ts";
import { openDescriptors } from "./descriptors.ts";

useDescriptorProbe(openDescriptors);

test("X02 SignalFD works under the narrow grant", () => {
  const pid = libc.getpid();
  using fd = SignalFD.create(["SIGTERM", "SIGUSR2"], { blocking: true });
  for (const signal of [15, 12]) {
    libc.kill(pid, signal);
    const info = fd.read()!;
    assertEquals([info.signo, info.code, info.pid, info.uid], [signal, 0, pid, libc.getuid()]);
  }
  fd.setMask(["SIGUSR2"]);
  assertEquals([...fd.mask], ["SIGUSR2"]);
});
