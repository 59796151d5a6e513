// An idle loop: none of its threads runs, not once. A thread that wakes up and sleeps again counts a
// voluntary context switch, see /proc/pid/task/tid/status in proc(5).

import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { root, type RunningScript, startScript, test, turn } from "../support.ts";

/** How long nothing may happen. */
const WINDOW_MS = 3000;

/** In how many such times it may have to be looked for. */
const WINDOWS = 3;

/** poll(2) and ppoll(2), in one of which the thread of an attached loop waits, on x64 and on arm64. */
const WAITER = /^(7|73|271) /;

/** Starts a loop with all that it can wait for, and nothing that happens. Prints its thread. */
function start(attached: boolean): RunningScript {
  return startScript(
    `
    import { EventFD } from "${root}handles/event_fd.ts";
    import { socketPair } from "${root}handles/pipe.ts";
    import { libc } from "${root}ffi/libc.ts";
    import { Loop } from "${root}loop/loop.ts";
    const loop = Loop.create({ attached: ${attached} });
    const ends = Array.from({ length: 100 }, () => socketPair());
    for (const { left } of ends) {
      loop.registerConn(left, { onRecv() {} }, { timeouts: { idle: 3_600_000 } });
    }
    const counter = EventFD.create();
    loop.watch(counter, { readable: true }, () => {});
    void loop.readable(ends[0].right);
    loop.setTimer(3_600_000, () => {});
    loop.shareWaker();
    console.log(libc.gettid());
    if (!loop.attached) await loop.run();`,
    // Bun wakes its main thread about once a second to ask whether there is garbage.
    { env: { BUN_GC_TIMER_DISABLE: "1" } },
  );
}

function read(pid: number, thread: string, file: string): string {
  return fs.readFileSync(`/proc/${pid}/task/${thread}/${file}`, "utf8");
}

function switches(pid: number, thread: string): number {
  return Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(read(pid, thread, "status"))![1]);
}

/** The thread that waits for an attached loop. */
function waiters(pid: number): string[] {
  return fs.readdirSync(`/proc/${pid}/task`).filter((thread) => {
    try {
      return WAITER.test(read(pid, thread, "syscall"));
    } catch {
      return false; // it has ended since
    }
  });
}

/** How often the threads of a loop ran in a while in which it had no reason to. */
async function runs(script: RunningScript, attached: boolean): Promise<number[]> {
  const { pid } = script;
  const main = await script.line();
  const expected = attached ? 2 : 1;
  let threads: string[] = [];
  const counts = (): number[] => threads.map((thread) => switches(pid, thread));
  // A runtime that has just started still has things to do, and polls for some of them, too.
  for (let quiet = 0, last = ""; quiet < 10;) {
    threads = [main, ...(attached ? waiters(pid).filter((thread) => thread !== main) : [])];
    const now = `${threads}: ${counts()}`;
    quiet = now === last && threads.length === expected ? quiet + 1 : 0;
    last = now;
    await turn(50);
  }
  // The main thread of an attached loop is the runtime's, which may have something to do once.
  let ran: number[] = [];
  for (let window = 0; window < WINDOWS; window++) {
    const before = counts();
    await turn(WINDOW_MS);
    ran = counts().map((count, index) => count - before[index]!);
    if (ran.every((times) => times === 0)) break;
  }
  return ran;
}

test("C18 an idle loop does not run at all, dedicated and attached", async () => {
  await using dedicated = start(false);
  await using attached = start(true);
  const all = await Promise.all([runs(dedicated, false), runs(attached, true)]);
  assertEquals(all, [[0], [0, 0]]);
});
