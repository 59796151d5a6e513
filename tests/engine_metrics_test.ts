import { Worker } from "node:worker_threads";
import { assertEquals, assertGreater } from "@std/assert";
import {
  closedSnapshot,
  METRICS_BYTES,
  MetricsPublisher,
  noConnections,
  readSnapshot,
  sumOf,
  workerMetrics,
} from "../loop/engine_metrics.ts";
import { Counters } from "../loop/metrics.ts";
import { test } from "./support.ts";

test("C28 engine metrics: what is published is what is read, and nothing before", () => {
  const memory = new SharedArrayBuffer(METRICS_BYTES);
  const publisher = new MetricsPublisher(memory);
  assertEquals(workerMetrics(readSnapshot(memory)).accepts, 0);
  const counts = { ...noConnections(), accepts: 5, adopted: 2, registered: 1, closes: 3 };
  const loop = new Counters();
  loop.turns = 9;
  loop.batchSizes.record(4);
  loop.turnMicroseconds.record(1000);
  publisher.publish(counts, loop, 7);
  const metrics = workerMetrics(readSnapshot(memory));
  assertEquals([metrics.accepts, metrics.open, metrics.turns, metrics.timers], [5, 5, 9, 7]);
  assertEquals(metrics.batchSizes, [0, 0, 0, 1]);
  assertEquals(metrics.turnMicroseconds, loop.turnMicroseconds.counts());
  for (let turn = 0; turn < 5; turn++) {
    counts.requests++;
    publisher.publish(counts, loop, 0);
    assertEquals(workerMetrics(readSnapshot(memory)).requests, turn + 1);
  }
});

test("C28 engine metrics: a worker that has died leaves nothing open, and its sums stay", () => {
  const memory = new SharedArrayBuffer(METRICS_BYTES);
  const counts = { ...noConnections(), accepts: 5, closes: 1, messages: 50 };
  const loop = new Counters();
  loop.connections = 4;
  loop.pendingBytes = 100;
  new MetricsPublisher(memory).publish(counts, loop, 3);
  const dead = workerMetrics(closedSnapshot(readSnapshot(memory)));
  assertEquals([dead.open, dead.closes, dead.connections, dead.pendingBytes], [0, 5, 0, 0]);
  assertEquals([dead.timers, dead.accepts, dead.messages], [0, 5, 50]);
  const sum = sumOf([readSnapshot(memory), readSnapshot(memory)]);
  assertEquals([workerMetrics(sum).open, workerMetrics(sum).messages], [8, 100]);
  assertEquals(workerMetrics(sumOf([])).accepts, 0);
});

test("C28 engine metrics: every picture of a thread that publishes without a pause adds up", async () => {
  const memory = new SharedArrayBuffer(METRICS_BYTES);
  const words = new Int32Array(new SharedArrayBuffer(8)); // 1 when enough was seen; the last count
  const source = `
    import { workerData } from "node:worker_threads";
    const { words } = workerData;
    const { MetricsPublisher, noConnections } = await import(workerData.metrics);
    const { Counters } = await import(workerData.counters);
    const publisher = new MetricsPublisher(workerData.memory);
    const [counts, loop] = [noConnections(), new Counters()];
    for (let n = 1; n <= 200_000 || (Atomics.load(words, 0) === 0 && n < 2e8); n++) {
      counts.accepts = counts.messages = loop.turns = n;
      counts.closes = loop.bytesIn = n - n % 7;
      publisher.publish(counts, loop, n);
      words[1] = n;
    }`;
  const here = (name: string): string => new URL(`../loop/${name}.ts`, import.meta.url).href;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { memory, words, metrics: here("engine_metrics"), counters: here("metrics") },
  });
  let over = false;
  const gone = new Promise((resolve) => thread.on("exit", resolve)).finally(() => over = true);
  thread.on("error", (error) => console.error(error));
  let [pictures, last] = [0, 0];
  while (!over) {
    for (let burst = 0; burst < 500; burst++) {
      const { accepts, messages, turns, timers, closes, bytesIn } = workerMetrics(
        readSnapshot(memory),
      );
      assertEquals([messages, turns, timers], [accepts, accepts, accepts]);
      assertEquals([closes, bytesIn], [accepts - accepts % 7, closes]);
      if (accepts !== last) pictures++;
      last = accepts;
    }
    if (pictures > 10) Atomics.store(words, 0, 1);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals([await gone, last], [0, words[1]]);
  assertGreater(pictures, 10);
});
