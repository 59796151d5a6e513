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
import type { SourceListener, Waitable } from "./waitable.ts";

/** What a target is known by. */
export type TargetKey = number | Waitable;

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
  /** What the target is known by: its number for the kernel, or itself where there is none. */
  readonly key: TargetKey;
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
  /** Through this a source in memory tells that it is gone. */
  listener: SourceListener | null;
  /** Who waits for READABLE, for WRITABLE, and for nothing but what is reported unasked. */
  readonly readers: Waiter[];
  readonly writers: Waiter[];
  readonly enders: Waiter[];
}

/** The sources of one loop, by slot and by target. */
export class Sources {
  readonly #slots: (Source | null)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  readonly #byKey: Map<TargetKey, Source> = new Map();

  /** How many there are. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The source that a report is for, or null when it went away before. */
  reported(slot: number, generation: number): Source | null {
    const source = this.#slots[slot];
    return source?.generation === generation ? source : null;
  }

  /** The source of a target. */
  get(key: TargetKey): Source | undefined {
    return this.#byKey.get(key);
  }

  /** Makes a source in a free slot. */
  add(target: Target, key: TargetKey): Source {
    const slot = this.#free.pop() ?? this.#slots.length;
    const generation = ((this.#generations[slot] ?? 0) + 1) % GENERATIONS;
    this.#generations[slot] = generation;
    const source: Source = {
      target,
      key,
      slot,
      generation,
      registered: false,
      interest: 0,
      report: null,
      dropped: null,
      listener: null,
      readers: [],
      writers: [],
      enders: [],
    };
    this.#slots[slot] = source;
    this.#byKey.set(key, source);
    return source;
  }

  /** Takes a source out. Taking it out again does nothing. */
  remove(source: Source): void {
    if (this.#slots[source.slot] !== source) return;
    this.#slots[source.slot] = null;
    this.#free.push(source.slot);
    this.#byKey.delete(source.key);
  }

  /** Every source, in no order. */
  values(): IterableIterator<Source> {
    return this.#byKey.values();
  }
}
