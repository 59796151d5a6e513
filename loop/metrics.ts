/**
 * What a loop counts about itself.
 *
 * @module
 */

/** Buckets of a histogram: bucket n counts the values below 2ⁿ that no lower bucket counts. */
export const BUCKETS: number = 32;

/**
 * How often values of each size came. Bucket 0 counts 0, bucket n the values from 2ⁿ⁻¹ to 2ⁿ − 1,
 * and the last one everything above.
 */
export class Histogram {
  readonly #counts: Float64Array = new Float64Array(new ArrayBuffer(BUCKETS * 8));

  /** Counts a value; its fraction does not matter. It may stand for several that were not looked at. */
  record(value: number, times: number = 1): void {
    const bucket = 32 - Math.clz32(value);
    this.#counts[bucket < BUCKETS ? bucket : BUCKETS - 1]! += times;
  }

  /** A copy of the counts, without the empty buckets at the end. */
  counts(): number[] {
    return withoutEmpty(this.#counts);
  }

  /** Copies the counts to a place in another array. */
  copyTo(target: Float64Array, at: number): void {
    target.set(this.#counts, at);
  }
}

/** A copy of a histogram's counts without the empty buckets at its end. */
export function withoutEmpty(buckets: ArrayLike<number>): number[] {
  const counts = Array.from(buckets);
  while (counts.length > 0 && counts.at(-1) === 0) counts.pop();
  return counts;
}

/** A moment's copy of a loop's counters, all since the loop was made. */
export interface LoopMetrics {
  /** Turns that were taken. */
  readonly turns: number;
  /** Turns that went to sleep in the kernel. */
  readonly sleeps: number;
  /** Times that another thread had to end a sleep: never more than `sleeps`. */
  readonly wakeUps: number;
  /** Reports that were given to a watch, a promise or a connection. */
  readonly events: number;
  /** Reports whose watch was gone when their turn came. */
  readonly staleEvents: number;
  /** How many reports one wait brought: a count for each power of two (see {@link Histogram}). */
  readonly batchSizes: readonly number[];
  /** How long a turn kept the other watches waiting, in µs: a count for each power of two. */
  readonly turnMicroseconds: readonly number[];
  /**
   * How long reports waited for the others of their turn, in µs, from the return of the kernel's wait
   * to the call of their callback or the settling of their promise: a count for each power of two.
   *
   * A look at the clock costs 30 to 90 ns, as much as the dispatch itself. So one report of each turn,
   * chosen at random, is timed and stands for all of that turn: there are as many counts as `events`.
   * What the thread of an attached loop takes to hand a wait over comes before, and is not in it.
   */
  readonly dispatchMicroseconds: readonly number[];
  /** Reads and writes of connections that found nothing to do. */
  readonly wouldBlocks: number;
  /** Times that a connection had more to read than its budget for one turn. */
  readonly budgetHits: number;
  /** Bytes that connections received. */
  readonly bytesIn: number;
  /** Bytes that the kernel took from connections. */
  readonly bytesOut: number;
  /** Connections that are registered now. */
  readonly connections: number;
  /** Bytes that wait in the backlogs of connections now. */
  readonly pendingBytes: number;
  /** Timers that are set now. */
  readonly timers: number;
}

/** The counters themselves: plain numbers, so that counting is one addition. */
export class Counters {
  turns = 0;
  sleeps = 0;
  wakeUps = 0;
  events = 0;
  staleEvents = 0;
  wouldBlocks = 0;
  budgetHits = 0;
  bytesIn = 0;
  bytesOut = 0;
  connections = 0;
  pendingBytes = 0;
  readonly batchSizes: Histogram = new Histogram();
  readonly turnMicroseconds: Histogram = new Histogram();
  readonly dispatchMicroseconds: Histogram = new Histogram();

  /** A copy. */
  snapshot(timers: number): LoopMetrics {
    return {
      turns: this.turns,
      sleeps: this.sleeps,
      wakeUps: this.wakeUps,
      events: this.events,
      staleEvents: this.staleEvents,
      batchSizes: this.batchSizes.counts(),
      turnMicroseconds: this.turnMicroseconds.counts(),
      dispatchMicroseconds: this.dispatchMicroseconds.counts(),
      wouldBlocks: this.wouldBlocks,
      budgetHits: this.budgetHits,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      connections: this.connections,
      pendingBytes: this.pendingBytes,
      timers,
    };
  }
}
