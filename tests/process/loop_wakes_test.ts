// A million wakes from another thread, with every write(2) of them counted there.

import { assert, assertGreater, assertLessOrEqual } from "@std/assert";
import { Loop } from "../../loop/loop.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { test, worker } from "../support.ts";

const WAKES = 1_000_000;

for (const attached of [false, true]) {
  const driver = attached ? "attached" : "dedicated";
  test(`C17 a million wakes from another thread: at most one write for each sleep, ${driver}`, async () => {
    await using thread = worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));
    await thread.ready;
    using loop = Loop.create({ attached });
    const shared = loop.shareWaker();
    const before = loop.metrics();
    const waking = thread.call("wake", shared, WAKES);
    waking.then(() => loop.stop(), () => loop.stop());
    // The answer is a message for this thread, which a loop that sleeps does not take.
    using _clock = loop.setInterval(1, () => {});
    if (!attached) await loop.run();
    const writes = await waking;
    const { sleeps, turns, wakeUps } = loop.metrics();
    assertGreater(writes, 0, "writes: without one the loop never slept meanwhile");
    assertLessOrEqual(writes, sleeps - before.sleeps + 1, `${turns} turns`);
    assert(wakeUps <= writes, `${wakeUps} reports of ${writes} writes`);
  });
}
