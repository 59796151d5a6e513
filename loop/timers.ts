/**
 * The timers of a loop: any number of them on the poller's one alarm, which is set for the next.
 *
 * @module
 */

import { OWNED } from "../handles/descriptor.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { shown } from "../handles/validate.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import type { Poller } from "./poller.ts";
import { ABSENT, type Deadline, TimerQueue } from "./timer_queue.ts";

/** The shortest period, 1 ns: what is shorter is lost in the clock's own fractions. */
const SHORTEST_MS = 1e-6;

/** The longest alarm: the kernel's clocks take 292 years and not a fraction more. */
const LONGEST_MS = 2 ** 42;

/** A timer, as the queue has it. */
interface Entry extends Deadline {
  readonly callback: (times: number) => void;
  /** Between two times of an interval; 0 for a timer that fires once. */
  readonly period: number;
}

/**
 * A timer of a Loop. It keeps `run()` going until it has fired or was cancelled.
 *
 * @example
 * ```ts
 * import { Loop } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * const begin = performance.now();
 * let ticks = 0;
 * loop.setTimer(20, () => assert(performance.now() - begin >= 20)); // never early
 * const clock = loop.setInterval(5, (times) => {
 *   ticks += times;
 *   if (ticks >= 4) clock.cancel();
 * });
 * await loop.run(); // ends by itself when no timer is left
 * assertEquals(clock.active, false);
 * ```
 */
export class LoopTimer implements Disposable {
  readonly #timers: Timers;
  readonly #entry: Entry;

  /** Timers are made by `Loop.setTimer` and `Loop.setInterval`. */
  constructor(key: symbol, timers: Timers, entry: Entry) {
    if (key !== OWNED) throw new TypeError("new LoopTimer() is not possible: call Loop.setTimer()");
    this.#timers = timers;
    this.#entry = entry;
  }

  /** Whether it will fire. */
  get active(): boolean {
    return this.#entry.position !== ABSENT;
  }

  /**
   * Sets it anew, whether it has fired, was cancelled, or is still to come.
   *
   * @param delay from now
   * @throws {TypeError} when the delay is no length of time
   * @throws {RangeError} when it is negative, not finite, or longer than 292 years
   * @throws {LoopClosedError} when the loop is closed
   */
  reset(delay: Duration): void {
    this.#timers.set(this.#entry, toMilliseconds(delay, "LoopTimer.reset: the delay"));
  }

  /** Stops it. Stopping it again does nothing. */
  cancel(): void {
    this.#timers.remove(this.#entry);
  }

  /** Stops it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** All timers of one loop. */
export class Timers {
  readonly #poller: Poller;
  readonly #changed: () => void;
  readonly #queue: TimerQueue<Entry> = new TimerQueue();
  /** When the alarm is to go off, Infinity when it is not set. */
  #alarm = Infinity;
  #closed = false;

  /** Starts without timers, on the alarm and the clock of a poller; tells when their number changes. */
  constructor(poller: Poller, changed: () => void) {
    this.#poller = poller;
    this.#changed = changed;
  }

  /** How many are set. */
  get size(): number {
    return this.#queue.size;
  }

  /** Makes a timer of a program's: checks what it is given, and sets it. */
  start(
    time: Duration,
    callback: (times: number) => void,
    repeats: boolean,
    what: string,
  ): LoopTimer {
    const milliseconds = toMilliseconds(time, `${what}: the ${repeats ? "period" : "delay"}`);
    if (repeats && milliseconds === 0) {
      throw new RangeError(`${what}: the period must be longer than 0; Loop.post has no delay`);
    }
    if (typeof callback !== "function") {
      throw new TypeError(`${what}: the callback must be a function, got ${shown(callback)}`);
    }
    return this.create(callback, milliseconds, repeats ? Math.max(milliseconds, SHORTEST_MS) : 0);
  }

  /** Makes a timer and sets it, in milliseconds. A `period` of 0 fires once. */
  create(callback: (times: number) => void, delay: number, period: number): LoopTimer {
    const entry = { callback, period, deadline: 0, order: 0, position: ABSENT };
    this.set(entry, delay);
    return new LoopTimer(OWNED, this, entry);
  }

  /** Sets a timer for a time from now, in milliseconds. */
  set(entry: Entry, delay: number): void {
    if (this.#closed) throw new LoopClosedError();
    this.#queue.add(entry, this.#poller.now() + delay);
    try {
      this.#setAlarm();
    } catch (error) {
      this.#queue.remove(entry);
      throw error;
    }
    this.#changed();
  }

  /**
   * Stops a timer. An alarm that was set for it stays: moving it costs a call, and most timers that
   * are stopped are timeouts, which others follow.
   */
  remove(entry: Entry): void {
    this.#queue.remove(entry);
    this.#changed();
  }

  /** Fires what is due, each through `call`, and sets the alarm for the next. */
  run(call: (code: () => void) => void): void {
    const queue = this.#queue;
    if (queue.next === Infinity && this.#alarm === Infinity) return;
    const now = this.#poller.now();
    if (now >= this.#alarm) this.#alarm = Infinity;
    const before = queue.added;
    for (let due = queue.takeDue(now, before); due !== null; due = queue.takeDue(now, before)) {
      const entry = due;
      call(() => entry.callback(this.#beat(entry, now)));
    }
    this.#setAlarm();
  }

  /** Forgets all, for good: the loop is closed. */
  clear(): void {
    this.#closed = true;
    while (this.#queue.takeDue(Infinity) !== null);
  }

  /** How many times of an interval have passed; it keeps its beat, however late it is called. */
  #beat(entry: Entry, now: number): number {
    if (entry.period === 0) return 1;
    const times = 1 + Math.floor((now - entry.deadline) / entry.period);
    this.#queue.add(entry, entry.deadline + times * entry.period);
    return times;
  }

  /** The alarm only ever has to come earlier: one that comes too early sets the next. */
  #setAlarm(): void {
    const { next } = this.#queue;
    if (next >= this.#alarm) return;
    const now = this.#poller.now();
    const delay = Math.min(Math.max(0, next - now), LONGEST_MS);
    this.#poller.alarm(delay);
    this.#alarm = Math.min(next, now + delay);
  }
}
