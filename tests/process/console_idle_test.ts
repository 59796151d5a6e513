// A master whose programs have gone costs nothing while it waits for the next one.

import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { root, startScript, test, turn } from "../support.ts";

const HUNG_UP_MS = 2000;
const MOST_CPU_MS = 20;

function script(attached: boolean): string {
  return `
    import process from "node:process";
    import { libc } from "${root}ffi/libc.ts";
    import { posix } from "${root}ffi/const_posix.ts";
    import { makePoller, reopen } from "${root}tests/console_fixture.ts";
    import { Console, Loop } from "@fdloop/fdloop";
    using loop = Loop.create({ attached: ${attached} });
    using poller = makePoller(loop);
    using pty = Console.openPty();
    pty.slave.setRaw();
    const path = pty.slave.path;
    const screen = poller.add(pty.master);
    const read = screen.read(new Uint8Array(64));
    const cpu = () => {
      const time = new BigInt64Array(new ArrayBuffer(16));
      libc.clock_gettime(posix.CLOCK_THREAD_CPUTIME_ID, time);
      return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
    };
    let begin = 0;
    loop.setTimer(200, () => {
      pty.slave.close();
      // Not at once: what the runtime still compiles is not the loop's.
      loop.setTimer(300, () => {
        console.log("measuring");
        begin = cpu();
      });
      // The parent says when: it may have looked late.
      loop.readable(0).then(() => {
        console.log("used", cpu() - begin);
        const again = reopen(path);
        again.write(new Uint8Array(5));
        loop.setTimer(50, () => again.close());
      });
    });
    const over = read.then((count) => {
      console.log("read", count);
      poller.stop();
    });
    await poller.wait();
    await over;`;
}

/** poll(2) and ppoll(2), in one of which the thread of an attached loop waits, on x64 and on arm64. */
const WAITER = /^(7|73|271) /;

/** The CPU time of the threads that wait for a loop. */
function waiters(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    let [call, stat] = ["", ""];
    try {
      call = fs.readFileSync(`/proc/${pid}/task/${thread}/syscall`, "utf8");
      stat = fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    } catch {
      // It has ended since.
    }
    if (!WAITER.test(call)) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    times.set(thread, (Number(fields[11]) + Number(fields[12])) * 10);
  }
  return times;
}

async function hangUp(attached: boolean): Promise<void> {
  const kind = attached ? "an attached" : "a dedicated";
  await using running = startScript(script(attached), { env: { BUN_GC_TIMER_DISABLE: "1" } });
  assertEquals(await running.line(), "measuring");
  const before = waiters(running.pid);
  await turn(HUNG_UP_MS);
  const after = waiters(running.pid);
  running.write("enough\n");
  const used = Number((await running.line()).split(" ")[1]);
  assertEquals(await running.line(), "read 5");
  console.log(`K03 ${kind} loop: ${used.toFixed(1)} ms of CPU time in ${HUNG_UP_MS} ms hung up`);
  assert(used < MOST_CPU_MS, `${used} ms`);
  for (const [thread, time] of after) {
    const waited = time - (before.get(thread) ?? time);
    assert(waited < MOST_CPU_MS, `thread ${thread}: ${waited} ms`);
  }
}

test(`K03 hung up for ${HUNG_UP_MS} ms: under ${MOST_CPU_MS} ms of CPU time, then output again`, async () => {
  await Promise.all([hangUp(false), hangUp(true)]);
});
