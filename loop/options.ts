/**
 * What a Loop, and what waits on it, can be told.
 *
 * @module
 */

/**
 * How a loop is made.
 *
 * @example
 * ```ts
 * import { EventFD, Loop } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create({ attached: true }); // beside the runtime's own event loop
 * using counter = EventFD.create();
 * setTimeout(() => counter.signal(5), 10); // fires while the loop waits
 * await loop.readable(counter); // no run(): its turns come by themselves
 * assertEquals(counter.wait(), 5n);
 * ```
 */
export interface LoopOptions {
  /**
   * Whether it lives beside the runtime's own event loop: a thread of its own waits in the kernel, and
   * callbacks run between the runtime's own, so timers, `fetch` and servers go on. Without it, `run()`
   * makes the thread the loop's own. Default: false.
   */
  attached?: boolean;
}

/** How something waits. */
export interface WaitOptions {
  /** Ends the wait: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}
