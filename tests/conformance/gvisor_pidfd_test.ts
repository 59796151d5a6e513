// gVisor, test/syscalls/linux: what its cases about pidfds observe.

import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { structs } from "../../ffi/structs.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import {
  AS_NOBODY,
  CAP_KILL,
  CAP_SYS_PTRACE,
  exited,
  killed,
  sleeper,
  start,
} from "../children.ts";
import type { PidFDWorker } from "../pid_fd_worker.ts";
import { withoutCapability } from "../privileges.ts";
import { readable } from "../probes.ts";
import { kernelAtLeast, test, type TestWorker, waitUntil, worker } from "../support.ts";

const LATE_MS = 10_000;
const ROOT = process.getuid!() === 0;
const THREADS = kernelAtLeast(6, 9);
const NO_THREADS = "PIDFD_THREAD is Linux 6.9";
const SI_TKILL = linux.SI_TKILL;

const startWorker = (): TestWorker<PidFDWorker> =>
  worker<PidFDWorker>(new URL("../pid_fd_worker.ts", import.meta.url));

/** The name of the error of a call that must fail. */
function failed(result: number): string {
  const code = errno();
  assertEquals(result, -1);
  return errnoName(code);
}

/** A siginfo of any signal and code. */
function siginfo(signal: number, code: number): Uint8Array {
  const info = new DataView(new ArrayBuffer(structs.siginfo_t.size));
  info.setInt32(structs.siginfo_t.si_signo, signal, true);
  info.setInt32(structs.siginfo_t.si_code, code, true);
  return new Uint8Array(info.buffer);
}

test("gvisor: pidfd OpenInvalid, pids and flags are EINVAL", () => {
  for (const pid of [0, -1, -(2 ** 31)]) {
    assertEquals(failed(libc.pidfd_open(pid, 0)), "EINVAL");
    assertThrows(() => PidFD.open(pid), RangeError);
  }
  for (const flags of [1, 0o2000000, 0xffff_ffff]) {
    assertEquals(failed(libc.pidfd_open(process.pid, flags)), "EINVAL");
  }
});

test("gvisor: pidfd OpenSelf, and a signal to itself", () => {
  using self = PidFD.open(process.pid);
  self.sendSignal(0);
  self.sendSignal("SIGWINCH");
  self.sendSignal("SIGURG", { value: 1 });
});

test("gvisor: pidfd SendSignalRejection, a siginfo of another signal", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  const info = siginfo(12, posix.SI_QUEUE);
  assertEquals(failed(libc.pidfd_send_signal(handle.raw, 10, info, 0)), "EINVAL");
  assertEquals(handle.exitStatus(), null);
});

test("gvisor: pidfd SendSignalRejection, a code that only the kernel gives is EPERM to others", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  for (const code of [posix.SI_USER, 1, posix.SI_KERNEL, SI_TKILL]) {
    const error = assertThrows(() => handle.sendSignal("SIGTERM", { code }), SyscallError);
    assertEquals(error.code, "EPERM", `si_code ${code}`);
  }
  assertEquals(handle.exitStatus(), null);
  handle.sendSignal("SIGTERM", { code: posix.SI_QUEUE });
  await child.ended;
  assertEquals(handle.exitStatus(), killed("SIGTERM"));
});

// "Itself" is a thread to the kernel, and Deno runs tests on another than the first of the process.
test.if(
  THREADS,
  NO_THREADS,
  "gvisor: pidfd SendSignalRejection, to itself a thread sends any code",
  () => {
    using self = PidFD.open(libc.gettid(), { thread: true });
    for (const code of [posix.SI_USER, posix.SI_KERNEL, SI_TKILL, posix.SI_QUEUE]) {
      self.sendSignal("SIGWINCH", { code });
    }
  },
);

test.if(
  ROOT,
  "only root can become somebody else",
  "gvisor: pidfd Unprivileged, signal and getfd are EPERM",
  async () => {
    await using child = await start("setpriv", AS_NOBODY);
    await child.line();
    using handle = PidFD.open(child.pid);
    withoutCapability(CAP_KILL, () => {
      assertEquals(assertThrows(() => handle.sendSignal("SIGTERM"), SyscallError).code, "EPERM");
    });
    withoutCapability(CAP_SYS_PTRACE, () => {
      assertEquals(assertThrows(() => handle.getFD(0), SyscallError).code, "EPERM");
    });
  },
);

test("gvisor: pidfd InvalidPidfd, every call on another descriptor is EBADF", () => {
  using counter = EventFD.create();
  for (const fd of [counter.raw, -1]) {
    assertEquals(failed(libc.pidfd_send_signal(fd, 0, null, 0)), "EBADF");
    assertEquals(failed(libc.pidfd_getfd(fd, 0, 0)), "EBADF");
  }
  assertEquals(failed(libc.waitid(linux.P_PIDFD, counter.raw, null, posix.WEXITED)), "EBADF");
  assertThrows(() => PidFD.adopt(counter.raw), TypeError);
});

test.if(
  THREADS,
  NO_THREADS,
  "gvisor: PidfdThread, the flag is 0x80, and a process can be opened with it",
  () => {
    assertEquals(linux.PIDFD_THREAD, 0x80);
    using leader = PidFD.open(process.pid, { thread: true });
    leader.sendSignal(0);
    assertEquals(leader.info()?.pid, process.pid);
  },
);

test.if(
  THREADS,
  NO_THREADS,
  "gvisor: PidfdThread, a thread is not opened without the flag",
  async () => {
    await using other = startWorker();
    const thread = await other.call("thread");
    const { code } = assertThrows(() => PidFD.open(thread), SyscallError);
    assertEquals(code, kernelAtLeast(6, 15) ? "ENOENT" : "EINVAL");
    PidFD.open(thread, { thread: true }).close();
  },
);

test.if(
  THREADS,
  NO_THREADS,
  "gvisor: PidfdThread, the end of a thread is its own, the process goes on",
  async () => {
    const [one, two] = [startWorker(), startWorker()];
    try {
      using first = PidFD.open(await one.call("thread"), { thread: true });
      using second = PidFD.open(await two.call("thread"), { thread: true });
      using self = PidFD.open(process.pid);
      await one.terminate();
      await waitUntil(() => readable(first), LATE_MS, "the end of the thread");
      assertEquals([readable(second), readable(self)], [false, false]);
      assertEquals(failed(libc.pidfd_send_signal(first.raw, 0, null, 0)), "ESRCH");
      if (kernelAtLeast(6, 15)) assertEquals(first.exitStatus(), exited(0));
      second.sendSignal(0);
    } finally {
      await Promise.all([one.terminate(), two.terminate()]);
    }
  },
);

test.if(THREADS, NO_THREADS, "gvisor: PidfdThread, a thread is not waited for", async () => {
  await using other = startWorker();
  using handle = PidFD.open(await other.call("thread"), { thread: true });
  assertEquals(assertThrows(() => handle.wait(), SyscallError).code, "ECHILD");
});

test.if(
  THREADS,
  NO_THREADS,
  "gvisor: PidfdThread, a descriptor of the thread is the process's",
  async () => {
    await using other = startWorker();
    using handle = PidFD.open(await other.call("thread"), { thread: true });
    using counter = EventFD.create({ initial: 5 });
    using same = handle.getFD(counter.raw);
    const bytes = new Uint8Array(8);
    assertEquals([same.read(bytes), bytes[0], counter.wait()], [8, 5, null]);
  },
);

test.if(THREADS, NO_THREADS, "gvisor: PidfdThread, non-blocking as well", async () => {
  await using other = startWorker();
  const thread = await other.call("thread");
  const flags = linux.PIDFD_THREAD | linux.PIDFD_NONBLOCK;
  using handle = PidFD.adopt(libc.pidfd_open(thread, flags));
  assert(handle.valid);
  assertEquals(handle.exitStatus(), null);
});
