/**
 * What a firehose does to its neighbours: how long 100 connections wait for the echo of a byte while
 * another one brings as many bytes as the machine can move; without it, with it under the budget of
 * connections, and with it read as people do who have no budget: until there is nothing left.
 *
 *     node .ci/bench.mjs fairness         both runtimes
 *     bun bench/fairness.ts
 *     deno run -A bench/fairness.ts
 *
 * The firehose is `cat /dev/zero` in another process, the clients are a thread of this one.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { FD } from "../handles/fd.ts";
import { type SocketPair, socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { median } from "./_statistics.ts";
import type { PingerAnswer, PingerOrders } from "./_pinger.ts";

const CLIENTS = 100;
const SECONDS = 2;
const ROUNDS = 5;

/** What p99 may be with the firehose, over p99 without it. */
const AIM = 3;

type Reader = (loop: Loop, end: FD, take: (bytes: Uint8Array) => void) => void;

/** A connection: 128 KiB a turn. */
const withBudget: Reader = (loop, end, take) => {
  loop.registerConn(end, { onRecv: take });
};

/** An edge, and reads until would-block: right by the book, and endless when the writer is as fast. */
const withoutBudget: Reader = (loop, end, take) => {
  const buffer = new Uint8Array(new ArrayBuffer(64 * 1024));
  // It would never come back by itself, and the measurement has to end.
  const last = performance.now() + SECONDS * 1000;
  loop.watch(end, { readable: true, mode: "edge" }, () => {
    for (let got = end.read(buffer); got !== null; got = end.read(buffer)) {
      take(buffer.subarray(0, got));
      if (performance.now() > last) return;
    }
  });
};

/** Looks at every byte, as a program does: slower than they come, so that more is always there. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.byteLength; at++) sum = (sum + bytes[at]!) | 0;
  return sum;
}

interface Result {
  readonly times: Float64Array;
  readonly lost: number;
  readonly bytes: number;
}

async function measure(reader: Reader | null): Promise<Result> {
  using stack = new DisposableStack();
  using loop = Loop.create();
  const pairs = Array.from({ length: CLIENTS }, (): SocketPair => stack.use(socketPair()));
  for (const { left } of pairs) {
    loop.registerConn(left, { onRecv: (bytes, conn) => void conn.write(bytes) });
  }
  let bytes = 0;
  const hose = stack.use(socketPair());
  hose.right.setNonblock(false);
  const cat = reader === null
    ? null
    : spawn("cat", ["/dev/zero"], { stdio: ["ignore", hose.right.raw, "ignore"] });
  const workerData: PingerOrders = {
    clients: pairs.map(({ right }) => right.share()),
    waker: loop.shareWaker(),
    seconds: SECONDS,
  };
  const worker = new Worker(new URL("./_pinger.ts", import.meta.url), { workerData });
  const answer = once(worker, "message").then(([answer]) => {
    loop.stop();
    return answer as PingerAnswer;
  });
  reader?.(loop, hose.left, (part) => void (bytes += part.byteLength + checksum(part)));
  // The thread's answer is a message, which a loop that sleeps does not take.
  using _clock = loop.setInterval(50, () => {});
  await loop.run();
  const { times, lost } = await answer;
  if (cat !== null) {
    const ended = once(cat, "exit");
    cat.kill("SIGKILL");
    await ended;
  }
  await worker.terminate();
  return { times: times.sort(), lost, bytes };
}

function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percent / 100))]!;
}

/** Prints what the rounds of one case gave, and answers its p99: medians, as rounds are noisy. */
function report(name: string, results: readonly Result[]): number {
  const of = (value: (result: Result) => number): number => median(results.map(value));
  const p99 = of(({ times }) => percentile(times, 99));
  const cells = [
    of(({ times }) => times.length),
    of(({ times }) => percentile(times, 50)),
    p99,
    of(({ times }) => times.at(-1)!),
    of(({ lost }) => lost),
    of(({ bytes }) => bytes / SECONDS / 2 ** 20),
  ];
  console.log(row(name, cells.map((cell) => cell.toFixed(0))));
  return p99;
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(28) + cells.map((cell) => cell.padStart(11)).join("");
}

async function main(): Promise<void> {
  const cases = [
    ["without a firehose", null],
    ["beside one, with the budget", withBudget],
    ["beside one, without", withoutBudget],
  ] as const;
  const results: Result[][] = cases.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, [, reader]] of cases.entries()) {
      results[index]!.push(await measure(reader));
    }
  }
  console.log(row("", ["pings", "p50 us", "p99 us", "most us", "no echo", "hose MiB/s"]));
  const [alone, fair] = cases.map(([name], index) => report(name, results[index]!));
  const ratio = (fair! / alone!).toFixed(2);
  console.log(`\np99 with the budget is ${ratio} times p99 without a firehose, aim <= ${AIM}`);
}

await main();
