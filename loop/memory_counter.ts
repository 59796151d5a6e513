/**
 * An eventfd without a descriptor.
 *
 * @module
 */

import { flag, options as checkOptions, unsigned64 } from "../handles/validate.ts";
import { EventMask } from "./event_mask.ts";
import { MemoryFile, OpenFile } from "./memory_file.ts";

/** 2⁶⁴ − 1, which the counter never holds: it is what stands for "overflown" in eventfd(2). */
const LIMIT = 0xffff_ffff_ffff_ffffn;

/** Given to the constructor by {@link MemoryCounter.create}. */
const MADE: unique symbol = Symbol("made");

/** What a {@link MemoryCounter} is made with. */
export interface MemoryCounterOptions {
  /** What it counts from, 0 to 2⁶⁴ − 2. Default: 0. */
  initial?: number | bigint;
  /** Whether a `wait` takes 1 and not all. Default: false. */
  semaphore?: boolean;
}

class CounterFile extends OpenFile {
  count: bigint;
  readonly semaphore: boolean;

  constructor(count: bigint, semaphore: boolean) {
    super();
    this.count = count;
    this.semaphore = semaphore;
  }

  readiness(mask: number): number {
    const words = (this.count > 0n ? EventMask.IN : 0) |
      (this.count < LIMIT - 1n ? EventMask.OUT : 0);
    return words & mask;
  }

  protected released(): void {}
}

/**
 * A counter that can be waited for: `eventfd(2)` in memory, with its limits and its wake-ups.
 *
 * It is IN while it is above 0, and OUT while 1 can be added. Every `signal` is a change for those
 * who wait by edges, also while it is above 0 already.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, MemoryCounter } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * using counter = MemoryCounter.create();
 * poll.addEntry({ file: counter }, 0, EventMask.IN, 1);
 * counter.signal(2);
 * counter.signal(3);
 * assertEquals(poll.readEvents(1), [{ mask: EventMask.IN, data: 1 }]);
 * assertEquals([counter.wait(), counter.wait()], [5n, null]);
 * ```
 */
export class MemoryCounter extends MemoryFile {
  readonly #file: CounterFile;

  /** Counters are made by {@link MemoryCounter.create}. */
  constructor(key: symbol, file: object) {
    if (key !== MADE) throw new TypeError("counters are made by MemoryCounter.create()");
    super(file as CounterFile);
    this.#file = file as CounterFile;
  }

  /**
   * Makes a counter: `eventfd(2)` in memory.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {RangeError} when the initial value does not fit
   */
  static create(options: MemoryCounterOptions = {}): MemoryCounter {
    const { initial = 0, semaphore = false } = checkOptions(
      options,
      "MemoryCounter.create: options",
    );
    const count = amount(initial, "MemoryCounter.create: initial");
    const isSemaphore = flag(semaphore, "MemoryCounter.create: semaphore");
    return new MemoryCounter(MADE, new CounterFile(count, isSemaphore));
  }

  /** Always `"MemoryCounter"`. */
  get [Symbol.toStringTag](): string {
    return "MemoryCounter";
  }

  /** Another handle of the same counter: `dup(2)`. Throws {@link ClosedError} after `close`. */
  dup(): MemoryCounter {
    this.checkOpen();
    return new MemoryCounter(MADE, this.#file.retain());
  }

  /**
   * Adds to the counter: false when it does not fit, and nothing was added.
   *
   * @param value from 0 to 2⁶⁴ − 2
   * @throws {TypeError} when it is neither a number nor a bigint
   * @throws {RangeError} when it is out of bounds
   * @throws {ClosedError} after `close`
   */
  signal(value: number | bigint = 1n): boolean {
    const more = amount(value, "MemoryCounter.signal: the value");
    this.checkOpen();
    if (LIMIT - this.#file.count <= more) return false;
    this.#file.count += more;
    this.#file.notify(EventMask.IN);
    return true;
  }

  /** Takes what is there, or 1 of it in semaphore mode; null at 0. Throws {@link ClosedError} after `close`. */
  wait(): bigint | null {
    this.checkOpen();
    const { count, semaphore } = this.#file;
    if (count === 0n) return null;
    const taken = semaphore ? 1n : count;
    this.#file.count -= taken;
    this.#file.notify(EventMask.OUT);
    return taken;
  }
}

function amount(value: number | bigint, what: string): bigint {
  const checked = unsigned64(value, what);
  if (checked < LIMIT) return checked;
  throw new RangeError(`${what} must be at most 2^64 - 2, got ${value}`);
}
