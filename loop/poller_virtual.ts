/**
 * What a program gives to a Loop in place of the kernel.
 *
 * @module
 */

import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { flag, options as checkOptions, shown } from "../handles/validate.ts";
import type { Poller } from "./poller.ts";
import { MemoryPoller, unshared } from "./poller_memory.ts";

/** How a {@link VirtualPoller} is made. */
export interface VirtualPollerOptions {
  /**
   * Whether time stands still until {@link VirtualPoller.advance}. Otherwise it jumps to the next timer
   * whenever there is nothing else to do. Default: false.
   */
  manual?: boolean;
}

/** Gives a poller to the one loop that it is for. */
let claim: (poller: VirtualPoller) => Poller;

/**
 * Takes the poller for a new loop, which closes it.
 *
 * @throws {TypeError} when it is none, has had a loop already, or cannot do what is asked for
 */
export function takePoller(poller: VirtualPoller, isAttached: boolean): Poller {
  if (!(poller instanceof VirtualPoller)) {
    throw new TypeError(`Loop.create: poller must be a VirtualPoller, got ${shown(poller)}`);
  }
  if (isAttached) throw unshared();
  return claim(poller);
}

/**
 * What a Loop waits on in tests of programs: no kernel, no real time, the same outcome every time.
 *
 * A loop on it takes sources in memory only, such as {@link memorySocketPair}'s, and its timers follow
 * the poller's own clock, which begins at 0. While nothing is ready the clock jumps to the next timer:
 * an hour of a program takes as long as what it does. What promises of the runtime bring, a message or
 * a stream, is waited for in real time when no timer is set.
 *
 * Platforms: all.
 *
 * @example
 * ```ts
 * import { Loop, VirtualPoller } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const poller = new VirtualPoller();
 * using loop = Loop.create({ poller });
 * const seen: number[] = [];
 * loop.setTimer(3_600_000, () => seen.push(poller.now())); // an hour
 * const clock = loop.setInterval(1_200_000, () => {
 *   seen.push(poller.now());
 *   if (seen.length === 2) clock.cancel();
 * });
 * await loop.run(); // at once
 * assertEquals(seen, [1_200_000, 2_400_000, 3_600_000]);
 * ```
 */
export class VirtualPoller {
  readonly #poller: MemoryPoller;
  #claimed = false;

  static {
    claim = (poller) => {
      if (poller.#claimed) {
        throw new TypeError("Loop.create: the poller belongs to another loop: make one for each");
      }
      poller.#claimed = true;
      return poller.#poller;
    };
  }

  /**
   * Makes a poller for one loop.
   *
   * @throws {TypeError} when an option is not what it should be
   */
  constructor(options: VirtualPollerOptions = {}) {
    const { manual = false } = checkOptions(options, "VirtualPoller: options");
    this.#poller = new MemoryPoller(flag(manual, "VirtualPoller: manual"));
  }

  /** Always `"VirtualPoller"`. */
  get [Symbol.toStringTag](): string {
    return "VirtualPoller";
  }

  /** The poller's own time, in milliseconds from 0. */
  now(): number {
    return this.#poller.now();
  }

  /**
   * Moves the clock on. Timers that are due by then fire in the loop's next turn, all of them late, as
   * after a pause of the whole machine; advance in steps where each is to have its own time.
   *
   * @throws {TypeError} when it is no length of time
   * @throws {RangeError} when it is negative, not finite, or longer than 292 years
   */
  advance(duration: Duration): void {
    this.#poller.advance(toMilliseconds(duration, "VirtualPoller.advance: the duration"));
  }
}
