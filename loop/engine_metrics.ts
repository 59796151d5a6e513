/**
 * What an engine counts: each worker publishes its loop's counters and its own in shared memory, once
 * in a turn, and the engine reads them without asking it.
 *
 * A worker writes into one of two places while the other one is read, and says which is the new one by
 * counting. A reader that finds that the count has not changed while it copied has a picture of one
 * moment, in which everything adds up. Neither ever waits for the other: a worker that was stopped in
 * the middle has only spoilt the place that nobody reads.
 *
 * @module
 */

import { BUCKETS, type Counters, type LoopMetrics, withoutEmpty } from "./metrics.ts";

/** What a worker counts besides its loop. */
export const CONNECTION_COUNTS = [
  "accepts",
  "adopted",
  "registered",
  "closes",
  "moved",
  "errors",
  "refused",
  "messages",
  "requests",
] as const;

const LOOP_COUNTS = [
  "turns",
  "sleeps",
  "wakeUps",
  "events",
  "staleEvents",
  "wouldBlocks",
  "budgetHits",
  "bytesIn",
  "bytesOut",
  "connections",
  "pendingBytes",
] as const;

const TIMERS = CONNECTION_COUNTS.length + LOOP_COUNTS.length;
const BATCH_SIZES = TIMERS + 1;
const TURN_TIMES = BATCH_SIZES + BUCKETS;
const LENGTH = TURN_TIMES + BUCKETS;

/** The counter of publications has 8 bytes to itself, so that the numbers are aligned. */
const COUNT_BYTES = 8;

/** How many bytes a worker's metrics take. */
export const METRICS_BYTES: number = COUNT_BYTES + 2 * LENGTH * 8;

/** What a worker counts besides its loop: each event is one addition. */
export type ConnectionCounts = Record<(typeof CONNECTION_COUNTS)[number], number>;

/** The counters of a worker, all of one moment between two turns of its loop. */
export interface WorkerMetrics extends LoopMetrics {
  /** Connections that were accepted. */
  readonly accepts: number;
  /** Connections that `adoptConn` has handed over, and those that were moved here, or came back. */
  readonly adopted: number;
  /** Descriptors that `registerConn` has registered. */
  readonly registered: number;
  /** How many of these three are over. */
  readonly closes: number;
  /** How many were moved away: `accepts + adopted + registered - closes - moved` is `open`. */
  readonly moved: number;
  /** Connections that are open. */
  readonly open: number;
  /** Connections that ended with an error, and errors of the listener. */
  readonly errors: number;
  /** Connections that were turned away with FIN: those that waited when the listener was closed, too. */
  readonly refused: number;
  /** Calls of `onData`. */
  readonly messages: number;
  /** What the handler has counted by `EngineWorker.countRequests`. */
  readonly requests: number;
}

/** A moment's counters of an engine. */
export interface EngineMetrics {
  /** Those of each worker, with those of the workers that had its number before it. */
  readonly workers: readonly WorkerMetrics[];
  /** The sums of all workers. */
  readonly total: WorkerMetrics;
  /** How often a worker has died. */
  readonly deaths: number;
}

/** Begins to count. */
export function noConnections(): ConnectionCounts {
  const counts = {} as ConnectionCounts;
  for (const name of CONNECTION_COUNTS) counts[name] = 0;
  return counts;
}

/** The worker's side. */
export class MetricsPublisher {
  readonly #count: Int32Array;
  readonly #values: Float64Array;
  #published: number;

  /** Publishes in memory of {@linkcode METRICS_BYTES}. */
  constructor(memory: SharedArrayBuffer) {
    this.#count = new Int32Array(memory, 0, 1);
    this.#values = new Float64Array(memory, COUNT_BYTES);
    this.#published = Atomics.load(this.#count, 0);
  }

  /** Publishes what was counted until now. */
  publish(connections: ConnectionCounts, loop: Counters, timers: number): void {
    const values = this.#values;
    let at = place(++this.#published);
    const begin = at;
    for (const name of CONNECTION_COUNTS) values[at++] = connections[name];
    for (const name of LOOP_COUNTS) values[at++] = loop[name];
    values[at] = timers;
    loop.batchSizes.copyTo(values, begin + BATCH_SIZES);
    loop.turnMicroseconds.copyTo(values, begin + TURN_TIMES);
    Atomics.add(this.#count, 0, 1);
  }
}

/** A copy of everything that one worker has published. */
export type Snapshot = Float64Array<ArrayBuffer>;

/** Copies what was published last, all of one moment. */
export function readSnapshot(memory: SharedArrayBuffer): Snapshot {
  const count = new Int32Array(memory, 0, 1);
  const values = new Float64Array(memory, COUNT_BYTES);
  const copy = new Float64Array(new ArrayBuffer(LENGTH * 8));
  for (;;) {
    const before = Atomics.load(count, 0);
    const at = place(before);
    copy.set(values.subarray(at, at + LENGTH));
    // An addition of 0, because a load could be made before the copying is done.
    if (Atomics.add(count, 0, 0) === before) return copy;
  }
}

/** What a worker leaves behind that has died: all that was open is closed. */
export function closedSnapshot(snapshot: Snapshot): Snapshot {
  const { open } = workerMetrics(snapshot);
  const closed = snapshot.slice();
  closed[CONNECTION_COUNTS.indexOf("closes")]! += open;
  for (const name of ["connections", "pendingBytes"] as const) {
    closed[CONNECTION_COUNTS.length + LOOP_COUNTS.indexOf(name)] = 0;
  }
  closed[TIMERS] = 0;
  return closed;
}

/** The sum of several snapshots. */
export function sumOf(snapshots: readonly Snapshot[]): Snapshot {
  const sum = new Float64Array(new ArrayBuffer(LENGTH * 8));
  for (const snapshot of snapshots) snapshot.forEach((value, index) => sum[index]! += value);
  return sum;
}

/** A snapshot in words. */
export function workerMetrics(snapshot: Snapshot): WorkerMetrics {
  const named: Record<string, number | number[]> = {};
  const names = [...CONNECTION_COUNTS, ...LOOP_COUNTS, "timers"];
  names.forEach((name, index) => named[name] = snapshot[index]!);
  const { accepts, adopted, registered, closes, moved } = named as ConnectionCounts;
  named.open = accepts + adopted + registered - closes - moved;
  named.batchSizes = withoutEmpty(snapshot.subarray(BATCH_SIZES, TURN_TIMES));
  named.turnMicroseconds = withoutEmpty(snapshot.subarray(TURN_TIMES));
  return named as unknown as WorkerMetrics;
}

function place(count: number): number {
  return (count & 1) * LENGTH;
}
