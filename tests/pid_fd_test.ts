import process from "node:process";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { FD } from "../handles/fd.ts";
import type { Handle } from "../handles/interfaces.ts";
import { PidFD, type PidFDOptions } from "../handles/pid_fd.ts";
import { pipe } from "../handles/pipe.ts";
import { TargetFDError } from "../handles/target_fd_error.ts";
import { Loop } from "../loop/loop.ts";
import {
  AS_NOBODY,
  CAP_SYS_PTRACE,
  exited,
  killed,
  NO_PID,
  openBare,
  shell,
  sleeper,
  start,
} from "./children.ts";
import type { PidFDWorker } from "./pid_fd_worker.ts";
import { withoutCapability } from "./privileges.ts";
import { flagsOf, isOpen, readable } from "./probes.ts";
import { kernelAtLeast, test, type TestWorker, waitUntil, worker } from "./support.ts";

const LATE_MS = 10_000;
const ROOT = process.getuid!() === 0;

const startWorker = (): TestWorker<PidFDWorker> =>
  worker<PidFDWorker>(new URL("./pid_fd_worker.ts", import.meta.url));

// Opening.

test("I11 open: non-blocking and closed on exec unless asked otherwise", () => {
  for (const blocking of [undefined, false, true]) {
    for (const inherit of [undefined, false, true]) {
      using self = PidFD.open(process.pid, { blocking, inherit } as PidFDOptions);
      assertEquals(flagsOf(self), { nonblock: blocking !== true, cloexec: inherit !== true });
      assertEquals([self.pid, self.valid], [process.pid, true]);
    }
  }
});

test("I11 open refuses what is no pid, before the call", () => {
  for (const bad of [0, -0, -1, -(2 ** 31), 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1, 2 ** 53]) {
    assertThrows(() => PidFD.open(bad), RangeError, "PidFD.open: the pid");
  }
  for (const bad of [undefined, null, "1", 1n, {}, [1], true]) {
    assertThrows(() => PidFD.open(bad as never), TypeError, "PidFD.open: the pid");
  }
  for (const bad of [null, 3, "blocking", true]) {
    assertThrows(() => PidFD.open(1, bad as never), TypeError, "PidFD.open: options");
  }
  for (const name of ["blocking", "thread", "inherit"]) {
    for (const bad of [null, 0, 1, "true"]) {
      assertThrows(() => PidFD.open(1, { [name]: bad } as never), TypeError, `PidFD.open: ${name}`);
    }
  }
});

test("I16 open says ESRCH of a pid that nobody has", () => {
  for (const pid of [NO_PID, 2 ** 31 - 1]) {
    const error = assertThrows(() => PidFD.open(pid), SyscallError, "ESRCH");
    assertEquals([error.code, error.errno, error.syscall, error.fd], [
      "ESRCH",
      3,
      "pidfd_open",
      -1,
    ]);
  }
});

test.if(kernelAtLeast(6, 9), "PIDFD_THREAD is Linux 6.9", "I12 open: a thread", async () => {
  const other = startWorker();
  try {
    const thread = await other.call("thread");
    const { code } = assertThrows(() => PidFD.open(thread), SyscallError, "thread: true");
    assertEquals(code, kernelAtLeast(6, 15) ? "ENOENT" : "EINVAL");
    using handle = PidFD.open(thread, { thread: true });
    assertEquals([handle.pid, readable(handle), handle.exitStatus()], [thread, false, null]);
    const { pid, tgid, ppid } = handle.info()!;
    assertEquals([pid, tgid, ppid], [thread, process.pid, process.ppid]);
    handle.sendSignal(0);
    await other.terminate();
    await waitUntil(() => readable(handle), LATE_MS, "the end of the thread");
    assertEquals([handle.exitStatus(), handle.info()], [exited(0), null]);
    assertThrows(() => handle.sendSignal(0), SyscallError, "ESRCH");
  } finally {
    await other.terminate();
  }
});

test("I11 adopt takes a pidfd, whose pid it does not know, and no other descriptor", async () => {
  await using child = await sleeper();
  using handle = PidFD.adopt(openBare(child.pid));
  assertEquals([handle.pid, handle.exitStatus(), handle.info()?.pid], [null, null, child.pid]);
  using ends = pipe();
  using folder = FD.adopt(libc.open(new TextEncoder().encode("/proc/self\0"), posix.O_RDONLY, 0));
  for (const other of [ends.reader, folder]) {
    assertThrows(() => PidFD.adopt(other.raw), TypeError, "must be a pidfd");
    assert(other.valid && isOpen(other.raw));
  }
  const { fd } = assertThrows(() => PidFD.adopt(987654), SyscallError, "EBADF");
  assertEquals(fd, 987654);
  for (const bad of [-1, 1.5, NaN, 2 ** 31]) {
    assertThrows(() => PidFD.adopt(bad), RangeError, "PidFD.adopt");
  }
  for (const bad of [undefined, null, "3", 3n]) {
    assertThrows(() => PidFD.adopt(bad as never), TypeError, "PidFD.adopt");
  }
});

// Descriptors of another process.

test("I11 getFD shares the open file, and closes on exec", async () => {
  await using child = await shell("exec 7<&0; echo ready; read line <&7; echo $line");
  assertEquals(await child.line(), "ready");
  using handle = PidFD.open(child.pid);
  using input = handle.getFD(7);
  using same = handle.getFD(7);
  assertEquals(flagsOf(input).cloexec, true);
  assert(input instanceof FD && input.raw !== same.raw);
  // Both are a socket or a pipe of the runtime's, which leads to the other end.
  using output = handle.getFD(1);
  assertEquals(output.write(new TextEncoder().encode("from outside\n")), 13);
  assertEquals(await child.line(), "from outside");
});

test("I11 getFD: a number that is not open there is the target's, not ours", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  const error = assertThrows(() => handle.getFD(4321), TargetFDError, "no open descriptor 4321");
  assertInstanceOf(error, SyscallError);
  assertEquals(
    [error.name, error.code, error.errno, error.syscall, error.fd, error.targetFd, error.pid],
    ["TargetFDError", "EBADF", 9, "pidfd_getfd", -1, 4321, child.pid],
  );
  assert(error.message.includes(`Process ${child.pid}`) && !error.message.includes("on fd"));
  using unknown = PidFD.adopt(openBare(child.pid));
  assertEquals(
    assertThrows(() => unknown.getFD(4321), TargetFDError, "The other process").pid,
    null,
  );
  for (const bad of [-1, 1.5, NaN, 2 ** 31]) {
    assertThrows(() => handle.getFD(bad), RangeError, "PidFD.getFD: the number");
  }
  for (const bad of [undefined, null, "0", 0n, {}]) {
    assertThrows(() => handle.getFD(bad as never), TypeError, "PidFD.getFD: the number");
  }
});

test("I16 getFD: a pidfd that somebody else closed is ours", async () => {
  await using child = await sleeper();
  const handle = PidFD.open(child.pid);
  const number = handle.raw;
  libc.close(number);
  const error = assertThrows(() => handle.getFD(0), SyscallError, `on fd ${number}`);
  assert(!(error instanceof TargetFDError));
  assertEquals([error.code, error.fd], ["EBADF", number]);
  assertThrows(() => handle.close(), SyscallError, "EBADF");
});

test("I16 getFD of a process that was reaped: ESRCH", async () => {
  await using child = await shell("exit 0");
  using handle = PidFD.open(child.pid);
  await child.ended;
  assertEquals(assertThrows(() => handle.getFD(0), SyscallError).code, "ESRCH");
});

test.if(
  ROOT,
  "only root can become somebody else",
  "I16 getFD of another user's process: EPERM",
  async () => {
    await using child = await start("setpriv", AS_NOBODY);
    await child.line();
    using handle = PidFD.open(child.pid);
    withoutCapability(CAP_SYS_PTRACE, () => {
      const error = assertThrows(() => handle.getFD(0), SyscallError, "CAP_SYS_PTRACE");
      assertEquals([error.code, error.syscall, error.fd], ["EPERM", "pidfd_getfd", handle.raw]);
    });
    handle.getFD(0).close();
  },
);

// Readiness.

test("I19 a process that ends is reported by an epoll set, once it has ended and not before", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  using set = Epoll.create();
  const events = new EpollEvents(4);
  set.add(handle, EPOLL.IN);
  assertEquals(set.wait(events, 0), 0);
  handle.sendSignal("SIGSTOP");
  handle.sendSignal("SIGCONT");
  assertEquals(set.wait(events, 0), 0);
  handle.sendSignal("SIGKILL");
  assertEquals([set.wait(events, LATE_MS), events.mask(0)], [1, EPOLL.IN]);
  assertEquals(handle.exitStatus(), killed("SIGKILL"));
  await child.ended;
  assertEquals([set.wait(events, 0), events.mask(0)], [1, EPOLL.IN | EPOLL.HUP]);
  handle.close();
  assertEquals(set.wait(events, 0), 0);
});

test("I12 the end of a process is awaited, and the wait can be aborted", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  using loop = Loop.create();
  const controller = new AbortController();
  const aborted = loop.readable(handle, { signal: controller.signal });
  loop.post(() => controller.abort(new Error("enough")));
  const rejected = assertRejects(() => aborted, Error, "enough");
  await loop.run();
  await rejected;
  const ended = loop.readable(handle).then(() => handle.exitStatus());
  loop.post(() => handle.sendSignal("SIGTERM"));
  await loop.run();
  assertEquals(await ended, killed("SIGTERM"));
});

// Sharing and closing.

test("I01 PidFD.from takes what share() returned, and nothing else", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  const shared = handle.share();
  const same = PidFD.from(structuredClone(shared));
  assertEquals([same.pid, same.raw, same.exitStatus()], [child.pid, handle.raw, null]);
  for (const bad of [undefined, null, 3, {}, { ...shared, kind: "EventFD" }]) {
    assertThrows(() => PidFD.from(bad as never), TypeError, "PidFD.from takes");
  }
  for (const pid of [0, -1, 1.5, 2 ** 31]) {
    assertThrows(() => PidFD.from({ ...shared, pid }), RangeError, "PidFD.from: the pid");
  }
  for (const pid of [undefined, "1"]) {
    assertThrows(() => PidFD.from({ ...shared, pid } as never), TypeError, "PidFD.from: the pid");
  }
  using unknown = PidFD.adopt(openBare(child.pid));
  assertEquals(PidFD.from(unknown.share()).pid, null);
  same.close();
  assertEquals([handle.closed, handle.raw], [true, -1]);
});

test("I01 one thread kills, the other looks; closing there is closing here", async () => {
  await using thread = startWorker();
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  assertEquals(await thread.call("pid", handle.share()), child.pid);
  assertEquals(await thread.call("exitStatus", handle.share()), null);
  handle.sendSignal("SIGKILL");
  await child.ended;
  assertEquals(await thread.call("exitStatus", handle.share()), killed("SIGKILL") as never);
  await thread.call("close", handle.share());
  assertThrows(() => handle.exitStatus(), ClosedError);
});

test("X03 after close every method of PidFD says so", () => {
  const handle = PidFD.open(process.pid);
  handle.close();
  handle.close();
  assertEquals([handle.raw, handle.valid, handle.closed], [-1, false, true]);
  assertEquals(handle.pid, process.pid);
  const calls: (() => unknown)[] = [
    () => handle.sendSignal(0),
    () => handle.sendSignal("SIGKILL"),
    () => handle.sendSignal("SIGKILL", { value: 1, scope: "group" }),
    () => handle.getFD(0),
    () => handle.wait(),
    () => handle.wait({ reap: true }),
    () => handle.exitStatus(),
    () => handle.info(),
    () => handle.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "PidFD is closed");
});

test("I17 PidFD is a Handle, and made by its factories only", () => {
  using self: Handle = PidFD.open(process.pid);
  assertEquals([self.valid, String(self)], [true, "[object PidFD]"]);
  const construct = PidFD as unknown as new (...args: unknown[]) => PidFD;
  assertThrows(() => new construct(Symbol("owned"), 1, 1), TypeError, "factories of PidFD");
});
