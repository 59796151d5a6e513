// linux-test-project/ltp, testcases/kernel/syscalls/pidfd_open, pidfd_send_signal and pidfd_getfd: what
// they observe. The error tables call libc itself where the class refuses such arguments before the
// call. A pid that is reused (pidfd_send_signal03) is in tests/process/pidfd_reuse_test.ts.

import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { structs } from "../../ffi/structs.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { pipe } from "../../handles/pipe.ts";
import { TargetFDError } from "../../handles/target_fd_error.ts";
import {
  AS_NOBODY,
  CAP_KILL,
  CAP_SYS_PTRACE,
  exited,
  NO_PID,
  orphan,
  shell,
  sleeper,
  start,
} from "../children.ts";
import { withoutCapability } from "../privileges.ts";
import { flagsOf, readable } from "../probes.ts";
import { hasCommand, test, waitUntil } from "../support.ts";

const LATE_MS = 10_000;
const ROOT = process.getuid!() === 0;

/** The name of the error of a call that must fail. */
function failed(result: number): string {
  const code = errno();
  assertEquals(result, -1);
  return errnoName(code);
}

test("ltp: pidfd_open01 the descriptor is closed on exec without asking", () => {
  using self = PidFD.open(process.pid);
  assertEquals(flagsOf(self).cloexec, true);
});

test("ltp: pidfd_open02 expired pid ESRCH, invalid pid EINVAL, invalid flags EINVAL", () => {
  assertEquals(failed(libc.pidfd_open(NO_PID, 0)), "ESRCH");
  assertEquals(assertThrows(() => PidFD.open(NO_PID), SyscallError).code, "ESRCH");
  for (const pid of [-1, 0]) {
    assertEquals(failed(libc.pidfd_open(pid, 0)), "EINVAL");
    assertThrows(() => PidFD.open(pid), RangeError);
  }
  assertEquals(failed(libc.pidfd_open(process.pid, 1)), "EINVAL");
});

test("ltp: pidfd_open03 poll waits until the process ends", async () => {
  await using child = await shell("read line");
  using handle = PidFD.open(child.pid);
  assertEquals(readable(handle, 20), false);
  void child.write("");
  await waitUntil(() => readable(handle), LATE_MS, "the end of the child");
});

test("ltp: pidfd_open04 PIDFD_NONBLOCK is O_NONBLOCK, and waitid says EAGAIN until the end", async () => {
  using child = await orphan("exec sleep 60");
  using handle = PidFD.open(child.pid);
  assertEquals(flagsOf(handle).nonblock, true);
  const info = new Uint8Array(new ArrayBuffer(structs.siginfo_t.size));
  const result = libc.waitid(linux.P_PIDFD, handle.raw, info, posix.WEXITED);
  assertEquals(failed(result), "EAGAIN");
  assertEquals(handle.wait(), null);
  handle.sendSignal("SIGKILL");
  assert(readable(handle, LATE_MS));
  assertEquals(handle.wait({ reap: true })?.code, "killed");
});

test.if(
  hasCommand("python3"),
  "python3 is not installed",
  "ltp: pidfd_send_signal01 a signal arrives with the siginfo that it was sent with",
  async () => {
    await using child = await start("python3", [
      "-c",
      `import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
info = signal.sigwaitinfo([signal.SIGUSR1])
print(info.si_signo, info.si_code, info.si_pid, info.si_uid, info.si_status, flush=True)`,
    ]);
    using handle = PidFD.open(child.pid);
    assertEquals(await child.line(), "ready");
    handle.sendSignal("SIGUSR1", { value: 0xdead });
    const sent = `10 -1 ${process.pid} ${process.getuid!()} ${0xdead}`;
    assertEquals(await child.line(), sent);
    assertEquals(await child.ended, [0, null]);
    assertEquals(handle.exitStatus(), exited(0));
  },
);

/** A siginfo as sigqueue(3) makes it. */
function queued(signal: number): Uint8Array {
  const info = new DataView(new ArrayBuffer(structs.siginfo_t.size));
  info.setInt32(structs.siginfo_t.si_signo, signal, true);
  info.setInt32(structs.siginfo_t.si_code, posix.SI_QUEUE, true);
  return new Uint8Array(info.buffer);
}

test("ltp: pidfd_send_signal02 flags EINVAL, no pidfd EBADF, another signal in the siginfo EINVAL", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  using ends = pipe();
  const send = libc.pidfd_send_signal;
  assertEquals(failed(send(handle.raw, 10, queued(10), 99999)), "EINVAL");
  assertEquals(failed(libc.pidfd_send_signal(ends.reader.raw, 10, queued(10), 0)), "EBADF");
  assertEquals(failed(libc.pidfd_send_signal(handle.raw, 12, queued(10), 0)), "EINVAL");
  assertEquals(handle.exitStatus(), null);
});

test.if(
  ROOT,
  "only root can become somebody else",
  "ltp: pidfd_send_signal02 and pidfd_getfd02 without privileges EPERM",
  async () => {
    await using child = await start("setpriv", AS_NOBODY);
    await child.line();
    using handle = PidFD.open(child.pid);
    const value = { value: 1 };
    const code = withoutCapability(
      CAP_KILL,
      () => assertThrows(() => handle.sendSignal(10, value), SyscallError).code,
    );
    assertEquals(code, "EPERM");
    const other = withoutCapability(
      CAP_SYS_PTRACE,
      () => assertThrows(() => handle.getFD(0), SyscallError).code,
    );
    assertEquals(other, "EPERM");
  },
);

test("ltp: pidfd_getfd01 the descriptor is closed on exec, and shares the open file", async () => {
  await using child = await shell("exec 8>/dev/null 9<>/dev/zero; echo 9; read line");
  using handle = PidFD.open(child.pid);
  using file = handle.getFD(Number(await child.line()));
  assertEquals(flagsOf(file).cloexec, true);
  assertEquals(file.nonblock, false);
  file.setNonblock(true); // which is the open file's
  using again = handle.getFD(9);
  assertEquals(again.nonblock, true);
});

test("ltp: pidfd_getfd02 EBADF of either number, flags EINVAL, a process that was reaped ESRCH", async () => {
  await using child = await shell("exit 0");
  using gone = PidFD.open(child.pid);
  using self = PidFD.open(process.pid);
  assertEquals(failed(libc.pidfd_getfd(-1, 0, 0)), "EBADF");
  assertEquals(failed(libc.pidfd_getfd(self.raw, -1, 0)), "EBADF");
  assertThrows(() => self.getFD(-1), RangeError);
  assertThrows(() => self.getFD(987654), TargetFDError);
  assertEquals(failed(libc.pidfd_getfd(self.raw, 0, 1)), "EINVAL");
  await child.ended;
  assertEquals(assertThrows(() => gone.getFD(0), SyscallError).code, "ESRCH");
});
