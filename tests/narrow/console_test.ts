// X02: terminals on Deno with --allow-ffi=<path of libc> and nothing else.

import { Console, Epoller, Loop } from "@fdloop/fdloop";
import { assertEquals } from "@std/assert";
import { test, useDescriptorProbe } from "../support.ts";
import { openDescriptors } from "./descriptors.ts";

useDescriptorProbe(openDescriptors);

test("X02 Console: both sides of a pty, settings, a size", () => {
  using pty = Console.openPty({ columns: 80, rows: 24 });
  pty.slave.setRaw();
  pty.slave.write(new Uint8Array([10]));
  assertEquals([pty.master.read(new Uint8Array(8)), pty.master.size().columns], [1, 80]);
  pty.slave.reset();
});

test("X02 Console.spawn, and an Epoller: a program whose environment is given", async () => {
  using loop = Loop.create();
  using poller = Epoller.create({ loop });
  await using child = Console.spawn(["sh", "-c", "echo hello; exit 3"], { env: { PATH: "/bin" } });
  await using screen = poller.add(child.console, { hangup: "eof" });
  const all = new Response(screen.readable).text().finally(() => poller.stop());
  await poller.wait();
  assertEquals(await all, "hello\r\n");
  const ended = child.process.exited({ loop }).finally(() => poller.stop());
  await poller.wait();
  assertEquals((await ended).code, 3);
});
