/**
 * The bridge between the two worlds, one way: an EventPoll whose reports a Loop gives.
 *
 * @module
 */

import { EventFD } from "../handles/event_fd.ts";
import { shown } from "../handles/validate.ts";
import { EventMask } from "./event_mask.ts";
import { EventPoll, type PollEvent } from "./event_poll.ts";
import type { LoopBase } from "./loop_base.ts";
import type { SourceListener } from "./waitable.ts";
import type { Watch } from "./watch.ts";

/** How many reports one turn gives before the loop's other watches have theirs. */
const BATCH = 64;

/**
 * Calls back, inside the turns of a Loop, with what an {@link EventPoll} reports: through one
 * `eventfd(2)`, however much is in the poll, and with at most one write for each turn.
 *
 * What a level-triggered entry reports is reported by every turn until it is taken, as in epoll.
 * Closing the loop ends it; cancel it to give the eventfd back. Platforms: Linux.
 *
 * @example
 * ```ts
 * import { BoundedQueue, EventMask, EventPoll, Loop, PollWatch } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using poll = new EventPoll();
 * const queue = new BoundedQueue<number>(4);
 * poll.addEntry({ file: queue }, 0, EventMask.IN, 5);
 * const taken: (number | null)[] = [];
 * using watch = new PollWatch(loop, poll, ({ data }) => {
 *   taken.push(Number(data), queue.take());
 *   if (taken.length === 4) watch.cancel();
 * });
 * loop.post(() => void (queue.push(1), queue.push(2)));
 * await loop.run();
 * assertEquals(taken, [5, 1, 5, 2]);
 * ```
 */
export class PollWatch implements Disposable {
  readonly #poll: EventPoll;
  readonly #callback: (event: PollEvent) => void;
  readonly #bell: EventFD;
  readonly #watch: Watch;
  readonly #listener: SourceListener;
  /** Whether the bell was rung since the last turn: a ring for each turn is enough. */
  #rung = false;

  /**
   * Begins to watch a poll, until it is cancelled or the poll is released.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {ClosedError} when the poll is released
   * @throws {LoopClosedError} when the loop is closed
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   */
  constructor(loop: LoopBase, poll: EventPoll, callback: (event: PollEvent) => void) {
    if (typeof loop?.watch !== "function") {
      throw new TypeError(`PollWatch: the loop must be a Loop, got ${shown(loop)}`);
    }
    if (!(poll instanceof EventPoll)) {
      throw new TypeError(`PollWatch: the poll must be an EventPoll, got ${shown(poll)}`);
    }
    if (typeof callback !== "function") {
      throw new TypeError(`PollWatch: the callback must be a function, got ${shown(callback)}`);
    }
    this.#poll = poll;
    this.#callback = callback;
    this.#listener = {
      exclusive: false,
      notify: () => {
        this.#ring();
        return true;
      },
      released: () => this.cancel(),
    };
    this.#bell = EventFD.create();
    try {
      this.#watch = loop.watch(this.#bell, { readable: true }, () => this.#give());
      poll.register(this.#listener);
      if (poll.readiness(EventMask.IN) !== 0) this.#ring();
    } catch (error) {
      poll.unregister(this.#listener);
      this.#bell.close(); // and with it, the watch
      throw error;
    }
  }

  /** Whether the loop still watches. */
  get active(): boolean {
    return this.#watch.active;
  }

  /** Ends the watch. The poll and what is in it stay as they are. */
  cancel(): void {
    this.#poll.unregister(this.#listener);
    this.#watch.cancel();
    this.#bell.close();
  }

  /** {@link PollWatch.cancel}. */
  [Symbol.dispose](): void {
    this.cancel();
  }

  #ring(): void {
    if (this.#rung) return;
    this.#rung = true;
    // A loop that was closed has ended the watch without a word.
    if (this.active) this.#bell.signal();
    else this.cancel();
  }

  #give(): void {
    this.#bell.wait();
    this.#rung = false;
    try {
      for (const event of this.#poll.readEvents(BATCH)) {
        if (!this.active) return;
        this.#callback(event);
      }
    } finally {
      // What is ready still is reported by the next turn, as a level is.
      if (this.active && this.#poll.readiness(EventMask.IN) !== 0) this.#ring();
    }
  }
}
