/**
 * What a Loop watches: one source for each target, in a table of slots.
 *
 * A slot is used again, but never with the same generation, so a report that was already fetched
 * from the kernel when its source went away finds nobody: it cannot reach the slot's next owner,
 * even when that is a new file under the old number.
 *
 * @module
 */

import { GENERATIONS, type Target } from "./poller.ts";

/** Who waits for one report of a source: a promise, or what a splice does next. */
export interface Waiter {
  /** Tells that the report has come, and what it says. */
  resolve(readiness: number): void;
  /** Tells why it never will. */
  reject(reason: unknown): void;
}

/** Who is told when a source is ready: a callback for every report, or promises for the next one. */
export interface Source {
  readonly target: Target;
  /** The number by which the kernel knows the target. */
  readonly number: number;
  readonly slot: number;
  readonly generation: number;
  /** Whether the poller has it. */
  registered: boolean;
  /** The interest that the poller was last given, in its bits. */
  interest: number;
  /** Called with each report; null where promises wait. */
  report: ((readiness: number) => void) | null;
  /** Told why, when the source goes away by itself: its handle was closed, or the loop. */
  dropped: ((reason: unknown) => void) | null;
  /** Who waits for READABLE, for WRITABLE, and for nothing but what is reported unasked. */
  readonly readers: Waiter[];
  readonly writers: Waiter[];
  readonly enders: Waiter[];
}

/** The sources of one loop, by slot and by number. */
export class Sources {
  readonly #slots: (Source | null)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  readonly #byNumber: Map<number, Source> = new Map();

  /** How many there are. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** The source that a report is for, or null when it went away before. */
  reported(slot: number, generation: number): Source | null {
    const source = this.#slots[slot];
    return source?.generation === generation ? source : null;
  }

  /** The source of a number. */
  get(number: number): Source | undefined {
    return this.#byNumber.get(number);
  }

  /** Makes a source in a free slot. */
  add(target: Target, number: number): Source {
    const slot = this.#free.pop() ?? this.#slots.length;
    const generation = ((this.#generations[slot] ?? 0) + 1) % GENERATIONS;
    this.#generations[slot] = generation;
    const source: Source = {
      target,
      number,
      slot,
      generation,
      registered: false,
      interest: 0,
      report: null,
      dropped: null,
      readers: [],
      writers: [],
      enders: [],
    };
    this.#slots[slot] = source;
    this.#byNumber.set(number, source);
    return source;
  }

  /** Takes a source out. Taking it out again does nothing. */
  remove(source: Source): void {
    if (this.#slots[source.slot] !== source) return;
    this.#slots[source.slot] = null;
    this.#free.push(source.slot);
    this.#byNumber.delete(source.number);
  }

  /** Every source, in no order. */
  values(): IterableIterator<Source> {
    return this.#byNumber.values();
  }
}
