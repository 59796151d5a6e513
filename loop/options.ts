/**
 * What a Loop, and what waits on it, can be told.
 *
 * @module
 */

import type { VirtualPoller } from "./poller_virtual.ts";

/**
 * How a loop is made.
 *
 * What blocks what: how late something comes, in µs, Bun / Deno, the medians of `bench/latency.ts` on
 * two shared cores.
 *
 * |                             | dedicated             | attached   | no loop    |
 * | --------------------------- | --------------------- | ---------- | ---------- |
 * | report to callback          | 50 / 80               | 130 / 170  |            |
 * | report to line after await  | 60 / 100              | 160 / 180  |            |
 * | timer of the loop           | 130 / 160             | 190 / 230  |            |
 * | `setTimeout`                | next turn             | 150 / 1200 | 150 / 1200 |
 * | `postMessage` of a worker   | next turn / or later  | 40 / 100   | 50 / 100   |
 * | `fetch`, there and back     | next turn / 57 turns  | 200 / 700  | 80 / 530   |
 *
 * Dedicated, only microtasks run on by themselves. Whatever else the runtime does (its timers, messages,
 * `fetch`, its sockets, files and child processes) it does after a turn that something of the loop has
 * caused, and one that takes the runtime several steps takes several turns.
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
  /**
   * What it waits on instead of the kernel, for tests that are the same every time: it takes sources in
   * memory, and its time is the poller's. The loop closes it. Default: the kernel's.
   */
  poller?: VirtualPoller;
}

/** How something waits. */
export interface WaitOptions {
  /** Ends the wait: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}
