/**
 * Waking a loop from another thread, with at most one write for each time that it slept.
 *
 * Two words of shared memory decide whether a write is needed at all. The loop says "asleep" and
 * then looks at the count of wakes once more; a waker counts and then looks whether the loop is
 * asleep. Whoever comes second sees the other, so no wake is lost, and only the waker that turns
 * "asleep" into "awake" writes.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { OWNED } from "../handles/descriptor.ts";
import { type Bell, bellFrom, type SharedBell } from "./bell.ts";
import { LoopClosedError } from "./loop_closed_error.ts";

const STATE = 0;
const WAKES = 1;
const AWAKE = 0;
const ASLEEP = 1;

/** A waker in a form that `postMessage` can carry. Take it apart with {@link LoopWaker.from}. */
export interface SharedWaker {
  /** Tells it from the shared form of a handle. */
  readonly kind: "LoopWaker";
  /** The two words. */
  readonly words: SharedArrayBuffer;
  /** What is rung to end the wait. */
  readonly bell: SharedBell;
}

/** The loop's side of the two words. */
export class SleepWord {
  readonly words: Int32Array;
  #seen = 0;

  /** Makes the two words, awake. */
  constructor() {
    this.words = new Int32Array(new SharedArrayBuffer(8));
  }

  /**
   * Says that the loop is about to wait. Answers false when it was woken since it last slept, and takes
   * back what it said, unless a waker has read it and rings: that ring belongs to the wait.
   */
  fallAsleep(): boolean {
    const { words } = this;
    if (Atomics.load(words, WAKES) === this.#seen) {
      Atomics.store(words, STATE, ASLEEP);
      if (Atomics.load(words, WAKES) === this.#seen) return true;
      if (Atomics.compareExchange(words, STATE, ASLEEP, AWAKE) !== ASLEEP) return true;
    }
    this.#seen = Atomics.load(words, WAKES);
    return false;
  }

  /** Says that the wait is over. */
  wakeUp(): void {
    Atomics.store(this.words, STATE, AWAKE);
    this.#seen = Atomics.load(this.words, WAKES);
  }
}

/**
 * Wakes a Loop that runs on another thread, so that it takes a turn. Hand over what it is for through
 * shared memory or a handle: messages that were posted to that thread arrive in that turn on Bun, and
 * when Deno 2.9 finds the time, which can be several turns later.
 *
 * Wakes are coalesced: however many come while the loop is awake, none costs more than an atomic
 * addition, and the first one that finds it asleep makes the one `write(2)`.
 *
 * @example
 * ```ts
 * import { Loop, LoopWaker } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * const shared = structuredClone(loop.shareWaker()); // as postMessage would carry it
 * const { port1, port2 } = new MessageChannel();
 * let received = "";
 * port1.onmessage = ({ data }) => {
 *   received = data;
 *   loop.stop();
 * };
 * port2.postMessage("delivered in the turn that the wake causes");
 * LoopWaker.from(shared).wake();
 * await loop.run();
 * port1.close();
 * assertEquals(received, "delivered in the turn that the wake causes");
 * ```
 */
export class LoopWaker {
  readonly #words: Int32Array;
  readonly #bell: Bell;

  private constructor(key: symbol, words: Int32Array, bell: Bell) {
    if (key !== OWNED) {
      throw new TypeError("new LoopWaker() is not possible: call LoopWaker.from()");
    }
    this.#words = words;
    this.#bell = bell;
  }

  /**
   * Makes a waker of what `Loop.shareWaker` returned on the loop's thread.
   *
   * @throws {TypeError} when it is something else
   */
  static from(shared: SharedWaker): LoopWaker {
    if (shared?.kind !== "LoopWaker" || !(shared.words instanceof SharedArrayBuffer)) {
      throw new TypeError("LoopWaker.from takes what Loop.shareWaker() returned");
    }
    return new LoopWaker(OWNED, new Int32Array(shared.words), bellFrom(shared.bell));
  }

  /**
   * Makes the loop take a turn. Callable at any time from any thread that has the waker.
   *
   * @throws {LoopClosedError} when the loop was closed
   */
  wake(): void {
    if (this.#bell.closed) throw new LoopClosedError();
    Atomics.add(this.#words, WAKES, 1);
    if (Atomics.compareExchange(this.#words, STATE, ASLEEP, AWAKE) !== ASLEEP) return;
    try {
      this.#bell.signal();
    } catch (error) {
      // The loop was closed between the look and the ring.
      throw error instanceof ClosedError ? new LoopClosedError() : error;
    }
  }
}
