/**
 * A queue that can be waited for.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { integer } from "../handles/validate.ts";
import { EventMask, READ_WORDS, WRITE_WORDS } from "./event_mask.ts";
import { WaitableBase } from "./waitable.ts";

/** 2²⁰: who needs more needs no bound. */
const MOST = 1_048_576;

/**
 * Values that wait for whoever takes them, up to a number of them.
 *
 * It is IN while there is one, OUT while there is room; after `close` it is HUP, and IN for the end,
 * too. Who waits by edges is told of every value, and of room where there was none.
 *
 * @example
 * ```ts
 * import { BoundedQueue, EventMask, EventPoll } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * const queue = new BoundedQueue<string>(1);
 * poll.addEntry({ file: queue }, 0, EventMask.IN | EventMask.OUT, 1);
 * assertEquals(poll.readEvents(1), [{ mask: EventMask.OUT, data: 1 }]);
 * assertEquals([queue.push("a"), queue.push("b")], [true, false]);
 * assertEquals(poll.readEvents(1), [{ mask: EventMask.IN, data: 1 }]);
 * assertEquals([queue.take(), queue.take()], ["a", null]);
 * ```
 */
export class BoundedQueue<T> extends WaitableBase implements Disposable {
  readonly #values: (T | undefined)[];
  #first = 0;
  #size = 0;
  #closed = false;

  /**
   * Makes an empty queue.
   *
   * @param capacity how many values it holds at most, 1 to 1,048,576
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is out of bounds
   */
  constructor(capacity: number) {
    super();
    const length = integer(capacity, "BoundedQueue: the capacity", 1, MOST);
    this.#values = new Array(length).fill(undefined);
  }

  /** Always `"BoundedQueue"`. */
  get [Symbol.toStringTag](): string {
    return "BoundedQueue";
  }

  /** How many values it holds at most. */
  get capacity(): number {
    return this.#values.length;
  }

  /** How many values there are. */
  get size(): number {
    return this.#size;
  }

  /** Whether {@link BoundedQueue.close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** What it is ready for: see the class. */
  readiness(mask: number): number {
    const words = (this.#size > 0 || this.#closed ? READ_WORDS : 0) |
      (this.#size < this.capacity && !this.#closed ? WRITE_WORDS : 0) |
      (this.#closed ? EventMask.HUP : 0);
    return words & mask;
  }

  /**
   * Adds a value at the end: false when there is no room.
   *
   * @throws {ClosedError} after `close`
   */
  push(value: T): boolean {
    if (this.#closed) throw new ClosedError("BoundedQueue");
    const { capacity } = this;
    if (this.#size === capacity) return false;
    this.#values[(this.#first + this.#size) % capacity] = value;
    this.#size++;
    this.listeners.notify(READ_WORDS);
    return true;
  }

  /** Takes the first value: null when there is none. */
  take(): T | null {
    if (this.#size === 0) return null;
    const { capacity } = this;
    const value = this.#values[this.#first] as T;
    this.#values[this.#first] = undefined;
    this.#first = (this.#first + 1) % capacity;
    if (this.#size-- === capacity) this.listeners.notify(WRITE_WORDS);
    return value;
  }

  /** Ends it: what is in it can still be taken. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.listeners.notify(0);
  }

  /** Ends it and takes it out of every poll. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.listeners.release();
  }
}
