// Signals that reach a thread while it waits. Being stopped and continued is the one that every
// process can be sent: it ends epoll_wait(2) with EINTR although no handler runs, see signal(7).

import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { sleepers } from "../epoll_fixture.ts";
import { root, type RunningScript, startScript, test, turn, waitUntil } from "../support.ts";

/** A script that prints its set's number, and then waits: it lives until `process.exit`. */
const BEGINNING = `
  import process from "node:process";
  import { errno, libc } from "${root}ffi/libc.ts";
  import { Epoll } from "${root}handles/epoll.ts";
  import { EPOLL, EpollEvents } from "${root}handles/epoll_events.ts";
  let handled = 0;
  process.on("SIGUSR2", () => handled++);
  const set = Epoll.create();
  const events = new EpollEvents(4);
  const began = performance.now();
  const elapsed = () => (performance.now() - began).toFixed(3);
  console.log(set.raw);`;

function state(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)![0]!;
}

/**
 * Stops and continues a script that waits so many times while it does, or as often as its wait lasts
 * on a busy machine, but once. By process.kill, since Deno's
 * ChildProcess.kill sends one signal and ignores the next (2.9.6).
 */
async function interrupted(script: RunningScript, times: number): Promise<void> {
  const set = Number(await script.line());
  let over = false;
  script.result.catch(() => {}).finally(() => over = true);
  for (let time = 0; time < times; time++) {
    try {
      await waitUntil(() => over || sleepers(set, script.pid) > 0, 10_000, "the script sleeps");
      process.kill(script.pid, "SIGSTOP");
      await waitUntil(() => over || state(script.pid) === "T", 10_000, "the script is stopped");
      process.kill(script.pid, "SIGCONT");
    } catch (error) {
      await turn(500); // what is known of its end
      if (!over || time === 0) throw error;
    }
  }
}

async function lastLine(script: RunningScript): Promise<string> {
  const { code, stdout, stderr } = await script.result;
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  return stdout.trimEnd().split("\n").at(-1)!;
}

test("R11 the danger is real: the bare call ends with EINTR when the process is continued", async () => {
  await using script = startScript(`${BEGINNING}
    const result = libc.epoll_wait(set.raw, new Uint32Array(new ArrayBuffer(16)), 1, 20_000);
    console.log(result, errno());
    process.exit(0);`);
  await interrupted(script, 1);
  assertEquals(await lastLine(script), "-1 4");
});

for (const timeout of ["900", "900.25", "900_250_000n"]) {
  test(`R11 EINTR neither ends nor lengthens a wait of ${timeout}`, async () => {
    await using script = startScript(`${BEGINNING}
      console.log(set.wait(events, ${timeout}), elapsed());
      process.exit(0);`);
    await interrupted(script, 4);
    const [count, ms] = (await lastLine(script)).split(" ");
    assertEquals(count, "0");
    assertGreaterOrEqual(Number(ms), 900);
    assert(Number(ms) < 2700, `${ms} ms: the limit began anew with each signal`);
  });
}

test("R11 EINTR does not end a wait without limit", async () => {
  await using script = startScript(`${BEGINNING}
    set.add(0, EPOLL.IN, 5);
    console.log(set.wait(events), events.dataLow(0));
    process.exit(0);`);
  await interrupted(script, 3);
  script.write(".");
  assertEquals(await lastLine(script), "1 5");
});

test("R11 EINTR does not end the wait of a shared set", async () => {
  await using script = startScript(`${BEGINNING}
    set.share();
    console.log(set.wait(events, 600), elapsed());
    process.exit(0);`);
  await interrupted(script, 3);
  const [count, ms] = (await lastLine(script)).split(" ");
  assertEquals(count, "0");
  assertGreaterOrEqual(Number(ms), 600);
});

test("R11 a signal with a handler does not end a wait; the handler runs after it", async () => {
  await using script = startScript(`${BEGINNING}
    const count = set.wait(events, 2000);
    const [ms, during] = [elapsed(), handled];
    const end = setTimeout(() => process.exit(3), 10_000);
    while (handled === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    clearTimeout(end);
    console.log(count, ms, during);
    process.exit(0);`);
  const set = Number(await script.line());
  await waitUntil(() => sleepers(set, script.pid) > 0, 10_000, "the script sleeps");
  for (let signal = 0; signal < 5; signal++) process.kill(script.pid, "SIGUSR2");
  const [count, ms, during] = (await lastLine(script)).split(" ");
  assertEquals([count, during], ["0", "0"]);
  assertGreaterOrEqual(Number(ms), 2000);
});
