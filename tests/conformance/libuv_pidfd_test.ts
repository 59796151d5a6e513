// libuv, test/test-signal.c and test-spawn.c: what its cases about kill observe.

import process from "node:process";
import { assertEquals, assertThrows } from "@std/assert";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { shell } from "../children.ts";
import { test } from "../support.ts";

test("libuv: kill_invalid_signum, −1 and NSIG are EINVAL and refused before the call, 0 is not", () => {
  using self = PidFD.open(process.pid);
  for (const signal of [-1, 65, 4096]) {
    assertEquals(libc.pidfd_send_signal(self.raw, signal, null, 0), -1);
    assertEquals(errnoName(errno()), "EINVAL");
    assertThrows(() => self.sendSignal(signal), RangeError);
  }
  self.sendSignal(0);
});

test("libuv: kill of a process that has ended and was reaped is ESRCH", async () => {
  await using child = await shell("exit 0");
  using handle = PidFD.open(child.pid);
  await child.ended;
  assertEquals(assertThrows(() => handle.sendSignal("SIGTERM"), SyscallError).code, "ESRCH");
});
