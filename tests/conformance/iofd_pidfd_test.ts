// hayabusa-cloud/iofd, iofd_test.go and internal_test.go: what its PidFD cases observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { test } from "../support.ts";

test("iofd: PidFD create, blocking and not, of the process that always exists", () => {
  for (const blocking of [false, true]) {
    using init = PidFD.open(1, { blocking });
    assertEquals([init.pid, init.valid, init.raw >= 0], [1, true, true]);
  }
});

test("iofd: NewPidFD of 0 and of negative pids is refused, of a free pid it is ESRCH", () => {
  for (const pid of [0, -1]) assertThrows(() => PidFD.open(pid), RangeError);
  for (const pid of [4_194_304, 999_999_999]) {
    assertEquals(assertThrows(() => PidFD.open(pid), SyscallError).code, "ESRCH");
  }
});

test("iofd: PidFD SendSignal 0 succeeds or is EPERM, −1 is refused", () => {
  using init = PidFD.open(1);
  try {
    init.sendSignal(0);
  } catch (error) {
    assertEquals((error as SyscallError).code, "EPERM");
  }
  assertThrows(() => init.sendSignal(-1), RangeError);
});

test("iofd: PidFD GetFD of a number that nobody has fails", () => {
  using init = PidFD.open(1);
  const { code } = assertThrows(() => init.getFD(99999), SyscallError);
  assert(code === "EBADF" || code === "EPERM", code);
});

test("iofd: after close every call says so, and raw is −1", () => {
  const init = PidFD.open(1);
  init.close();
  init.close();
  assertEquals([init.raw, init.valid], [-1, false]);
  assertThrows(() => init.sendSignal(0), ClosedError);
  assertThrows(() => init.getFD(0), ClosedError);
});

test("iofd: a pidfd that was closed behind the handle's back fails, and is no closed handle", () => {
  const init = PidFD.open(1);
  libc.close(init.raw);
  for (const call of [() => init.sendSignal(0), () => init.getFD(0), () => init.exitStatus()]) {
    assertEquals(assertThrows(call, SyscallError).code, "EBADF");
  }
  assertThrows(() => init.close(), SyscallError, "EBADF");
  assertEquals(init.closed, true);
});
