import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { assertEquals, assertRejects } from "@std/assert";
import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Core, FOREVER } from "../loop/core.ts";
import { exitedByQueue } from "../loop/exited.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { KqueuePoller } from "../loop/poller_kqueue.ts";
import { withKqueue } from "./kqueue_fixture.ts";
import { test } from "./support.ts";

const onQueue = withKqueue("Loop.exited by a kqueue");

/** A child that does what a line of shell says. */
const child = (line: string): number => spawn("sh", ["-c", line], { stdio: "ignore" }).pid!;

test("C35 exited: how a child ended, on an attached and on a dedicated loop", async () => {
  using attached = Loop.create({ attached: true });
  assertEquals(await attached.exited(child("exit 3")), {
    code: 3,
    signal: null,
    coreDumped: false,
  });
  using loop = Loop.create();
  const killed = loop.exited(child("kill -TERM $$"));
  await loop.run(); // goes on until the child has ended
  assertEquals((await killed).signal, "SIGTERM");
});

test("C35 exited: what is no process, and what ends the wait", async () => {
  using loop = Loop.create({ attached: true });
  await assertRejects(() => loop.exited(0), RangeError, "pid");
  await assertRejects(() => loop.exited("1" as never), TypeError, "pid");
  await assertRejects(() => loop.exited(2 ** 22 + 1), SyscallError, "ESRCH");
  await assertRejects(() => loop.exited(process.pid, 3 as never), TypeError, "options");
  await assertRejects(() => loop.exited(process.pid, { signal: 3 as never }), TypeError, "signal");

  const sleeper = spawn("sleep", ["60"]);
  const stop = new AbortController();
  const waiting = loop.exited(sleeper.pid!, { signal: stop.signal });
  const aborted = assertRejects(() => waiting, Error, "enough");
  stop.abort(new Error("enough"));
  await aborted;
  const closed = assertRejects(() => loop.exited(sleeper.pid!), LoopClosedError);
  loop.close();
  await closed;
  await assertRejects(() => loop.exited(sleeper.pid!), LoopClosedError);
  sleeper.kill("SIGKILL");
  await once(sleeper, "exit");
});

/** A loop's core on a kqueue. */
function onKqueue(): { core: Core; poller: KqueuePoller } & Disposable {
  const poller = new KqueuePoller();
  const core = new Core(poller);
  return { core, poller, [Symbol.dispose]: () => core.close(new LoopClosedError()) };
}

/**
 * Takes turns until nothing is left to wait for, and gives the runtime none in between: it would wait
 * for its children, and what is left of them is all that libkqueue can ask.
 */
async function drain(core: Core): Promise<void> {
  while (core.hasWork) {
    core.turn(FOREVER);
    for (let step = 0; step < 10; step++) await null;
  }
}

onQueue("K14 PROC: NOTE_EXIT with the status of wait(2)", async () => {
  using loop = onKqueue();
  const statuses = ["exit 3", "kill -KILL $$"].map((line) =>
    exitedByQueue(loop.core, child(line), undefined)
  );
  await drain(loop.core);
  assertEquals(await Promise.all(statuses), [
    { code: 3, signal: null, coreDumped: false },
    { code: null, signal: "SIGKILL", coreDumped: false },
  ]);
});

/** A wait for a process that goes on ends by its signal, and leaves its loop without work. */
async function assertEndsBySignal(core: Core, pid: number): Promise<void> {
  const stop = new AbortController();
  const waiting = exitedByQueue(core, pid, stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  assertEquals(core.hasWork, false);
}

onQueue(
  "C35 exited: a child that cannot be observed any more, before and after it has ended",
  async () => {
    using loop = onKqueue();
    const { core, poller } = loop;
    // As on macOS, where a queue refuses a process from the moment that it begins to end.
    poller.observe = () => {
      throw new SyscallError("kevent", errnoNumber("ESRCH"));
    };
    const ending = exitedByQueue(core, child("sleep 0.05; exit 5"), undefined);
    assertEquals(core.hasWork, true);
    await drain(core);
    assertEquals((await ending).code, 5);
    const none = exitedByQueue(core, 2 ** 22 + 1, undefined);
    await assertRejects(() => none, SyscallError, "ESRCH");

    const sleeper = spawn("sleep", ["60"]);
    await assertEndsBySignal(core, sleeper.pid!);
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
  },
);

onQueue(
  "K14 PROC: two waits for one process, an abort, the loop's end, and no process",
  async () => {
    using loop = onKqueue();
    const { core } = loop;
    const pid = child("sleep 0.05; exit 4");
    const both = [0, 1].map(() => exitedByQueue(core, pid, undefined));
    await drain(core);
    assertEquals((await Promise.all(both)).map(({ code }) => code), [4, 4]);
    await assertRejects(() => exitedByQueue(core, 2 ** 22 + 1, undefined), SyscallError, "ESRCH");

    const sleeper = spawn("sleep", ["60"]);
    await assertEndsBySignal(core, sleeper.pid!);
    const last = exitedByQueue(core, sleeper.pid!, undefined);
    assertEquals(core.hasWork, true);
    core.close(new LoopClosedError());
    await assertRejects(() => last, LoopClosedError);
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
  },
);
