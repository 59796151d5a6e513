/**
 * What the engine's thread costs to hear: a round trip to a sleeping worker, a pause and a resume of
 * four listeners, and a picture of the metrics.
 *
 *     node .ci/bench.mjs engine      both runtimes
 *     bun bench/engine.ts
 *     deno run -A bench/engine.ts
 */

import { socketPair } from "../handles/pipe.ts";
import { Engine } from "../loop/engine.ts";
import { spread } from "./_statistics.ts";

const WORKERS = 4;
const ROUNDS = 300;

const source = `
  let self;
  export function onStart(_loop, worker) { self = worker; }
  export function onMessage(value) { self.post(value); }
  export function onData() {}`;

let answered: () => void = () => {};
const handler = `data:text/javascript;base64,${btoa(source)}`;
const engine = Engine.create({
  handler,
  address: "127.0.0.1:0",
  workers: WORKERS,
  onMessage: () => answered(),
});

/** Prints how long something takes, in µs. */
async function measure(what: string, each: () => unknown, after?: () => unknown): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    await each();
    times.push((performance.now() - begun) * 1000);
    await after?.();
  }
  console.log(`${what.padEnd(48)} ${spread(times)} µs`);
}

const begun = performance.now();
await engine.listen();
console.log(`${WORKERS} workers begun in ${(performance.now() - begun).toFixed(0)} ms`);
using pair = socketPair();
const worker = engine.workerLoop(0);
await worker.registerConn(pair.left, handler);
const byte = new Uint8Array(1);
const room = new Uint8Array(64);
await measure(
  "write on a worker's loop, until it has answered",
  () => worker.write(pair.left, byte),
  () => {
    pair.right.read(room);
  },
);
await measure("a value to a worker and back", () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  answered = resolve;
  engine.post(1, 5);
  return promise;
});
await measure("pauseAccept", () => engine.pauseAccept(), () => engine.resumeAccept());
await engine.pauseAccept();
await measure("resumeAccept", () => engine.resumeAccept(), () => engine.pauseAccept());
await measure("metrics of all workers", () => engine.metrics());
await engine.shutdown({ deadline: 0 });
