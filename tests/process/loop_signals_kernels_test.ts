// X04, C35: signals as an iteration of a loop, on either kernel.

import process from "node:process";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { signalNumber } from "../../ffi/signals.ts";
import { Loop } from "../../loop/loop.ts";
import { LoopClosedError } from "../../loop/loop_closed_error.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated } from "../kqueue_queue.ts";
import { spawnScript, test } from "../support.ts";

const USR1 = signalNumber("SIGUSR1");
const USR2 = signalNumber("SIGUSR2");

const send = (name: string): void => void process.kill(process.pid, name);

test("C35 signals: what comes before the first step is not lost, and break puts all back", async () => {
  using loop = Loop.create();
  const signals = loop.signals(["SIGUSR1", "SIGUSR2"]);
  send("SIGUSR1");
  const seen: unknown[] = [];
  loop.post(async () => {
    for await (const one of signals) {
      seen.push(one);
      if (seen.length === 2) break;
      send("SIGUSR2");
    }
  });
  await loop.run(); // goes on for as long as somebody waits for a signal
  assertEquals(seen, [
    { name: "SIGUSR1", signo: USR1, times: 1 },
    { name: "SIGUSR2", signo: USR2, times: 1 },
  ]);
  assertEquals(await signals.next(), { done: true, value: undefined });
});

test("C35 signals: of two iterations the first has it, and then the other", async () => {
  using loop = Loop.create({ attached: true });
  const first = loop.signals([USR1]);
  const second = loop.signals([USR1]);
  send("SIGUSR1");
  assertEquals((await first.next()).value?.name, "SIGUSR1");
  await first.return?.();
  send("SIGUSR1");
  assertEquals((await second.next()).value?.name, "SIGUSR1");
  await second.return?.();
});

test("C35 signals: an AbortSignal and the loop's end close it, whether or not somebody waits", async () => {
  const loop = Loop.create({ attached: true });
  const stop = new AbortController();
  const idle = loop.signals([USR2], { signal: stop.signal });
  const waiting = loop.signals([USR2], { signal: stop.signal });
  const step = assertRejects(() => waiting.next(), Error, "enough");
  stop.abort(new Error("enough"));
  await step;
  await assertRejects(() => idle.next(), Error, "enough");
  assertEquals((await waiting.next()).done, true);
  assertEquals((await loop.signals([USR2], { signal: stop.signal }).return?.())?.done, true);

  const asleep = loop.signals([USR2]);
  const awake = loop.signals([USR2]);
  const end = assertRejects(() => awake.next(), LoopClosedError);
  loop.close();
  await end;
  await assertRejects(() => asleep.next(), LoopClosedError);
  assertThrows(() => loop.signals([USR2]), LoopClosedError);
});

test("C35 signals: what is wrong is refused before anything is opened", () => {
  using loop = Loop.create();
  assertThrows(() => loop.signals(["SIGKILL"]), RangeError, "SIGKILL");
  assertThrows(() => loop.signals("SIGUSR1" as never), TypeError);
  assertThrows(
    () => loop.signals([USR1], { signal: 1 as never }),
    TypeError,
    "Loop.signals: signal",
  );
  assertThrows(() => loop.signals([USR1], null as never), TypeError, "Loop.signals: options");
});

withKqueue("Loop.signals by a kqueue")(
  "C35 SIGNAL: each is counted, none kills, the disposition is put back",
  async () => {
    const blocked = emulated ? ["USR1", "USR2"] : [];
    const child = await spawnScript("tests/loop_signals_child.ts", { blocked });
    assertEquals([child.stderr, child.code], ["", 0]);
    const { seen, dispositions, hasWork } = JSON.parse(child.stdout);
    assertEquals(seen, Array(3).fill(`SIGUSR1 ${USR1} 1`));
    assertEquals([dispositions, hasWork], [[0, true, true], false]);
  },
);
