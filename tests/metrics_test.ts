import { assert, assertEquals } from "@std/assert";
import { EventFD } from "../handles/event_fd.ts";
import { Loop } from "../loop/loop.ts";
import { Histogram } from "../loop/metrics.ts";
import { test } from "./support.ts";

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

test("C28 a histogram has a bucket for each power of two, and the last one has the rest", () => {
  const histogram = new Histogram();
  assertEquals(histogram.counts(), []);
  for (const value of [0, 0.9, 1, 2, 3.99, 4, 7, 8]) histogram.record(value);
  assertEquals(histogram.counts(), [2, 1, 2, 2, 1]);
  histogram.record(5, 10);
  assertEquals(histogram.counts(), [2, 1, 2, 12, 1]);
  histogram.record(2 ** 31);
  assertEquals(histogram.counts().length, 32);
});

test("C28 a copy of the counts does not change any more", () => {
  const histogram = new Histogram();
  histogram.record(1);
  const copy = histogram.counts();
  histogram.record(1);
  assertEquals([copy, histogram.counts()], [[0, 1], [0, 2]]);
});

test("C28 dispatch latency: a report that is alone waits for nobody", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  let reports = 0;
  const watch = loop.watch(counter, { readable: true }, () => {
    if (++reports === 20) watch.cancel();
  });
  await loop.run();
  using other = EventFD.create({ initial: 1 });
  await Promise.all([loop.readable(other), loop.run()]);
  assertEquals(loop.metrics().dispatchMicroseconds, [21]);
});

test("C28 dispatch latency: who is behind a slow callback has waited for it", async () => {
  const TURNS = 60;
  const SLOW_MS = 1.1;
  using loop = Loop.create();
  using one = EventFD.create({ initial: 1 });
  using two = EventFD.create({ initial: 1 });
  let first = true;
  let turns = 0;
  const callback = (): void => {
    const begin = performance.now();
    while (first && performance.now() - begin < SLOW_MS);
    first = !first;
    if (first && ++turns === TURNS) loop.stop();
  };
  for (const counter of [one, two]) loop.watch(counter, { readable: true }, callback);
  await loop.run();
  const { dispatchMicroseconds, events } = loop.metrics();
  assertEquals([events, sum(dispatchMicroseconds)], [2 * TURNS, 2 * TURNS]);
  // Every other report was the second of its turn; that none of 60 draws hits one does not happen.
  const slow = sum(dispatchMicroseconds.slice(11));
  assert(slow > 0, `${dispatchMicroseconds}`);
  assertEquals(dispatchMicroseconds[0]! + slow, 2 * TURNS, "the others were the first of theirs");
});

test("C28 dispatch latency: a turn whose wake was drawn is counted with the next one", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  let turns = 0;
  // The bell and the alarm are reports, too, but for nobody.
  const clock = loop.setInterval(0.1, () => {});
  const watch = loop.watch(counter, { readable: true }, () => {
    if (++turns < 500) return;
    watch.cancel();
    clock.cancel();
  });
  await loop.run();
  const { events, dispatchMicroseconds } = loop.metrics();
  assertEquals(events, 500);
  assert(sum(dispatchMicroseconds) <= 500 && sum(dispatchMicroseconds) > 450);
});
