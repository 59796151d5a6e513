// libkqueue proc.c: ends of processes.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { exitStatusOf } from "../../handles/exit_status.ts";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated, TestQueue } from "../kqueue_queue.ts";

const real = withKqueue("libkqueue: processes");

const EXIT = (NOTE.EXIT | NOTE.EXITSTATUS) >>> 0;

/** A child that does what a line of shell says. Until the runtime has a turn nobody waits for it. */
function child(line: string): ChildProcess {
  return spawn("sh", ["-c", `exec 2>/dev/null; ${line}`], { stdio: "ignore" });
}

const SLEEP = "exec sleep 60";

/** Lets the runtime see the end, too. */
async function over(one: ChildProcess): Promise<void> {
  if (one.exitCode === null && one.signalCode === null) await once(one, "exit");
}

real("libkqueue: proc add, get: NOTE_EXIT with the status of wait(2), and the udata", async () => {
  using queue = new TestQueue();
  const one = child("exit 64");
  queue.add("PROC", one.pid!, EV.CLEAR, { fflags: EXIT, udata: 0xfedc_ba98_7654_3210n });
  const { filter, ident, fflags, data, udata } = queue.one();
  assertEquals([filter, ident, udata], ["PROC", one.pid!, 0xfedc_ba98_7654_3210n]);
  assert((fflags & NOTE.EXIT) !== 0);
  assertEquals(exitStatusOf(data).code, 64);
  await over(one);
});

real("libkqueue: proc exit_status_ok, error, killed", async () => {
  using queue = new TestQueue();
  const ends = [["exit 0", 0, null], ["exit 3", 3, null], ["kill -KILL $$", null, "SIGKILL"], [
    "kill -TERM $$",
    null,
    "SIGTERM",
  ]] as const;
  for (const [line, code, signal] of ends) {
    const one = child(line);
    queue.add("PROC", one.pid!, EV.CLEAR, { fflags: EXIT });
    const status = exitStatusOf(queue.one().data);
    assertEquals([status.code, status.signal], [code, signal]);
    await over(one);
  }
});

real("libkqueue: proc del, disable_and_enable: silent, and then told", async () => {
  using queue = new TestQueue();
  const deleted = child(SLEEP);
  const disabled = child(SLEEP);
  queue.add("PROC", deleted.pid!, EV.CLEAR, { fflags: EXIT });
  queue.add("PROC", disabled.pid!, EV.CLEAR, { fflags: EXIT });
  assertEquals(queue.change("PROC", deleted.pid!, EV.DELETE), "");
  assertEquals(queue.change("PROC", deleted.pid!, EV.DELETE), "ENOENT");
  assertEquals(queue.change("PROC", disabled.pid!, EV.DISABLE), "");
  assertEquals(queue.change("PROC", disabled.pid!, EV.ENABLE), "");
  assertEquals(queue.now(), []);
  for (const one of [deleted, disabled]) process.kill(one.pid!, "SIGKILL");
  assertEquals(queue.one().ident, disabled.pid);
  assertEquals(queue.now(), []);
  await Promise.all([over(deleted), over(disabled)]);
});

real("libkqueue: proc multiple_kqueue: each queue is told", async () => {
  using one = new TestQueue();
  using other = new TestQueue();
  const both = child("exit 7");
  for (const queue of [one, other]) queue.add("PROC", both.pid!, EV.CLEAR, { fflags: EXIT });
  for (const queue of [one, other]) assertEquals(exitStatusOf(queue.one().data).code, 7);
  await over(both);
});

real("libkqueue: proc of no process: ESRCH", () => {
  using queue = new TestQueue();
  assertEquals(queue.change("PROC", 2 ** 22 + 1, EV.ADD, { fflags: EXIT }), "ESRCH");
});

real("libkqueue: proc of a process that is no child", () => {
  using queue = new TestQueue();
  // A kernel observes whatever it shows; the emulation only children, and says so or stays silent.
  const code = queue.change("PROC", 1, EV.ADD, { fflags: EXIT });
  assert(["", "EPERM", "EACCES", "ESRCH", "ECHILD", "EINVAL"].includes(code), code);
  if (!emulated) return;
  assertEquals(queue.now(), []);
});
