import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { PidFD } from "../handles/pid_fd.ts";
import { blockedInWaitid, exited, killed, orphan, sleeper, stranger } from "./children.ts";
import type { PidFDWorker } from "./pid_fd_worker.ts";
import { isOpen, readable } from "./probes.ts";
import { hasCommand, test, type TestWorker, waitUntil, worker } from "./support.ts";

const LATE_MS = 10_000;
const PYTHON = hasCommand("python3");
const NO_PYTHON = "python3 is not installed";

const startWorker = (): TestWorker<PidFDWorker> =>
  worker<PidFDWorker>(new URL("./pid_fd_worker.ts", import.meta.url));

test("I12 wait: nothing yet is null, and the end is reported to everybody who asks", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  assertEquals([handle.wait(), handle.wait({ stopped: true, continued: true })], [null, null]);
  handle.sendSignal("SIGKILL");
  assert(readable(handle, LATE_MS));
  const end = {
    pid: child.pid,
    uid: process.getuid!(),
    code: "killed",
    status: 9,
    signal: "SIGKILL",
  };
  for (let look = 0; look < 3; look++) {
    assertEquals<unknown>(handle.wait(), end);
    assertEquals(handle.exitStatus(), killed("SIGKILL"));
  }
  assertEquals(await child.ended, [null, "SIGKILL"], "the runtime has seen it, too");
  const error = assertThrows(() => handle.wait(), SyscallError, "exitStatus() knows more");
  assertEquals([error.code, error.syscall, error.fd], ["ECHILD", "waitid", handle.raw]);
  assertEquals(handle.exitStatus(), killed("SIGKILL"));
});

test("I12 wait with reap takes the report, and what is left of the process", async () => {
  using child = await orphan("exit 42");
  using handle = PidFD.open(child.pid);
  assert(readable(handle, LATE_MS));
  const end = { pid: child.pid, uid: process.getuid!(), code: "exited", status: 42, signal: null };
  assertEquals<unknown>(handle.wait(), end);
  assertEquals<unknown>(handle.wait({ reap: true }), end);
  assertEquals(assertThrows(() => handle.wait(), SyscallError).code, "ECHILD");
  assertEquals(assertThrows(() => handle.sendSignal(0), SyscallError).code, "ESRCH");
  assertEquals([handle.exitStatus(), handle.info()], [exited(42), null]);
});

test("I12 wait: a child of the runtime stops and goes on; its reports can be taken, its end is left", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid, { blocking: true });
  using other = PidFD.open(child.pid);
  const [stop, go] = [{ exited: false, stopped: true }, { exited: false, continued: true }];
  for (let round = 0; round < 3; round++) {
    handle.sendSignal("SIGSTOP");
    for (const reap of [false, false, true]) {
      const { code, status, signal } = handle.wait({ ...stop, reap })!;
      assertEquals([code, status, signal], ["stopped", 19, "SIGSTOP"]);
    }
    assertEquals(other.wait({ ...stop, continued: true }), null, "it was taken");
    assertEquals([other.exitStatus(), readable(other)], [null, false], "a stop is no end");
    handle.sendSignal("SIGCONT");
    for (const reap of [false, false, true]) {
      const { code, status, signal } = handle.wait({ ...go, reap })!;
      assertEquals([code, status, signal], ["continued", 18, "SIGCONT"]);
    }
    assertEquals(other.wait({ ...go, stopped: true }), null, "it was taken");
  }
  handle.sendSignal("SIGTERM");
  assertEquals(handle.wait()?.code, "killed");
  assertEquals(await child.ended, [null, "SIGTERM"]);
});

test("I12 wait refuses options that are none, and having nothing to wait for", () => {
  using self = PidFD.open(process.pid);
  for (const bad of [null, 3, "exited", true]) {
    assertThrows(() => self.wait(bad as never), TypeError, "PidFD.wait: options");
  }
  for (const name of ["exited", "stopped", "continued", "reap"]) {
    for (const bad of [null, 0, 1, "yes"]) {
      assertThrows(() => self.wait({ [name]: bad } as never), TypeError, `PidFD.wait: ${name}`);
    }
  }
  assertThrows(() => self.wait({ exited: false }), TypeError, "nothing to wait for");
  assertEquals(assertThrows(() => self.wait(), SyscallError, "no child").code, "ECHILD");
});

test.if(PYTHON, NO_PYTHON, "I12 wait: a process that is no child is ECHILD", async () => {
  await using other = await stranger("sleep", "60");
  using handle = PidFD.open(other.pid);
  for (const reap of [false, true]) {
    assertEquals(assertThrows(() => handle.wait({ reap }), SyscallError).code, "ECHILD");
  }
});

test("I12 wait blocks the thread with a blocking pidfd, until the process ends", async () => {
  await using thread = startWorker();
  using child = await orphan("exec sleep 60"); // the runtime would reap it first
  using handle = PidFD.open(child.pid, { blocking: true });
  const waiting = thread.call("wait", handle.share());
  await waitUntil(() => blockedInWaitid(handle.raw), LATE_MS, "a thread in waitid");
  assertEquals(handle.exitStatus(), null, "exitStatus never blocks");
  handle.sendSignal("SIGKILL");
  const state = await waiting;
  assertEquals([state?.code, state?.status], ["killed", 9]);
});

test("I02 closed during a blocking wait: it ends normally, then the number is free", async () => {
  await using thread = startWorker();
  using child = await orphan("exec sleep 60"); // the runtime would reap it first
  const handle = PidFD.open(child.pid, { blocking: true });
  using other = PidFD.open(child.pid);
  const number = handle.raw;
  const waiting = thread.call("wait", handle.share());
  await waitUntil(() => blockedInWaitid(number), LATE_MS, "a thread in waitid");
  handle.close();
  assertEquals([handle.raw, isOpen(number)], [-1, true]);
  assertThrows(() => handle.wait(), ClosedError);
  other.sendSignal("SIGKILL");
  assertEquals((await waiting)?.code, "killed");
  assert(!isOpen(number));
});
