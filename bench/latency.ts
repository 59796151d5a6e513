/**
 * What blocks what: how late something comes to the program under each driver of a loop, and without
 * a loop. Median (least–most) in µs.
 *
 *     node .ci/bench.mjs latency          both runtimes
 *     bun bench/latency.ts
 *     deno run -A bench/latency.ts
 *
 * A dedicated loop gives the runtime a turn after each of its own, and sleeps in the kernel between
 * them: what only the runtime waits for comes with the loop's next turn. Here it takes one each 10 ms.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { EventFD } from "../handles/event_fd.ts";
import { Loop } from "../loop/loop.ts";
import { now, type PeerOrders, type PeerRequest } from "./_latency_peer.ts";
import { median } from "./_statistics.ts";

const TIMES = 200;
const BEAT_MS = 10;
const FETCHES = 20;
const DELAY_MS = 3;

/** Where something is measured. */
interface Place {
  /** Null: the runtime alone. */
  readonly loop: Loop | null;
  readonly counter: EventFD;
  readonly written: Float64Array;
  readonly peer: Worker;
  readonly url: string;
}

type Measurement = (place: Place) => Promise<number[]>;

/** Something that a loop reports: from the write on another thread to the callback. */
const callbacks: Measurement = ({ loop, counter, written, peer }) => {
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const times: number[] = [];
  const watch = loop!.watch(counter, { readable: true }, () => {
    times.push(now() - written[0]!);
    counter.wait();
    written[0] = 0;
    if (times.length < TIMES) return;
    watch.cancel();
    resolve(times);
  });
  ask(peer, "signal");
  return promise;
};

/** The same to the line after an `await`. */
const promises: Measurement = async ({ loop, counter, written, peer }) => {
  const times: number[] = [];
  ask(peer, "signal");
  while (times.length < TIMES) {
    await loop!.readable(counter);
    times.push(now() - written[0]!);
    counter.wait();
    written[0] = 0;
  }
  return times;
};

/** A timer of the loop: how late. */
const loopTimers: Measurement = async ({ loop }) => {
  const times: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    const begin = now();
    await new Promise<void>((resolve) => loop!.setTimer(DELAY_MS, resolve));
    times.push(now() - begin - DELAY_MS * 1000);
  }
  return times;
};

/** A timer of the runtime: how late. */
const hostTimers: Measurement = async () => {
  const times: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    const begin = now();
    await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
    times.push(now() - begin - DELAY_MS * 1000);
  }
  return times;
};

/** A message of another thread: from the `postMessage` to its listener. */
const messages: Measurement = ({ peer }) => {
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const times: number[] = [];
  const listen = (sent: number): void => {
    times.push(now() - sent);
    if (times.length < TIMES) return;
    peer.off("message", listen);
    resolve(times);
  };
  peer.on("message", listen);
  ask(peer, "message");
  return promise;
};

/** A request to a server in this process, on the other thread: there and back. */
const fetches: Measurement = async ({ url }) => {
  const times: number[] = [];
  for (let time = 0; time < FETCHES; time++) {
    const begin = now();
    await (await fetch(url)).text();
    times.push(now() - begin);
  }
  return times;
};

function ask(peer: Worker, request: PeerRequest): void {
  peer.postMessage(request);
}

/** Measures with a beat that lets the runtime have its turn, where the row needs one. */
async function measure(
  what: Measurement,
  kind: "dedicated" | "attached" | "none",
  needsTurns: boolean,
  rest: Omit<Place, "loop">,
): Promise<number[]> {
  if (kind === "none") return await what({ ...rest, loop: null });
  using loop = Loop.create({ attached: kind === "attached" });
  const work = what({ ...rest, loop });
  if (kind === "attached") return await work;
  // A sleep that never ends keeps the loop in run() where nothing of it is waited for.
  using _beat = loop.setInterval(needsTurns ? BEAT_MS : 600_000, () => {});
  void work.then(() => loop.stop(), () => loop.stop());
  await loop.run();
  return await work;
}

const ROWS: readonly (readonly [name: string, what: Measurement, ofTheRuntime: boolean])[] = [
  ["report to callback", callbacks, false],
  ["report to await", promises, false],
  ["timer of the loop, late by", loopTimers, false],
  ["setTimeout, late by", hostTimers, true],
  ["postMessage of a worker", messages, true],
  ["fetch, there and back", fetches, true],
];

function shown(times: readonly number[]): string {
  const [middle, least, most] = [median(times), Math.min(...times), Math.max(...times)];
  return `${middle.toFixed(0)} (${least.toFixed(0)}–${most.toFixed(0)})`;
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(28) + cells.map((cell) => cell.padStart(24)).join("");
}

async function main(): Promise<void> {
  using counter = EventFD.create();
  const written = new Float64Array(new SharedArrayBuffer(8));
  const workerData: PeerOrders = {
    counter: counter.share(),
    written: written.buffer as SharedArrayBuffer,
  };
  const peer = new Worker(new URL("./_latency_peer.ts", import.meta.url), { workerData });
  const [port] = await once(peer, "message") as [number];
  const rest = { counter, written, peer, url: `http://127.0.0.1:${port}/` };
  console.log(row("us", ["dedicated", "attached", "no loop"]));
  for (const [name, what, ofTheRuntime] of ROWS) {
    const cells: string[] = [];
    for (const kind of ["dedicated", "attached", "none"] as const) {
      if (kind === "none" && !ofTheRuntime) continue;
      cells.push(shown(await measure(what, kind, ofTheRuntime, rest)));
      ask(peer, "nothing");
      await new Promise((resolve) => setTimeout(resolve, 20)); // what was under way has come
      if (counter.wait() !== null) written[0] = 0;
    }
    console.log(row(name, cells));
  }
  console.log(`\nunder dedicated, the last three with a turn of the loop each ${BEAT_MS} ms`);
  const ended = once(peer, "exit");
  ask(peer, "end");
  await ended;
}

await main();
