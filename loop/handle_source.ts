/**
 * The bridge between the two worlds, the other way: a handle of a Loop as a source of an EventPoll.
 *
 * @module
 */

import { Descriptor } from "../handles/descriptor.ts";
import { polled } from "../handles/poll.ts";
import { shown } from "../handles/validate.ts";
import { EventMask } from "./event_mask.ts";
import type { Readiness } from "./interest.ts";
import type { LoopBase } from "./loop_base.ts";
import { WaitableBase } from "./waitable.ts";
import type { Watch } from "./watch.ts";

const EVERYTHING = {
  readable: true,
  writable: true,
  priority: true,
  peerClosed: true,
  mode: "edge",
} as const;

/**
 * A handle as a source of an {@link EventPoll}: what it is ready for is asked of the kernel, `poll(2)`,
 * whenever the poll asks, and a Loop's watch tells of changes. It has the loop's one watch of the
 * handle.
 *
 * Changes are told while the loop runs: on a loop that is attached, whenever. After the handle was
 * closed, the source leaves a poll when it is asked next. Platforms: Linux.
 *
 * @example
 * ```ts
 * import { EventFD, EventMask, EventPoll, HandleSource, Loop } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create({ attached: true });
 * using counter = EventFD.create();
 * using source = new HandleSource(loop, counter);
 * using poll = new EventPoll();
 * poll.addEntry({ file: source }, 0, EventMask.IN, 3);
 * counter.signal();
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN, data: 3 }]);
 * counter.wait();
 * assertEquals(poll.readEvents(1), []);
 * ```
 */
export class HandleSource extends WaitableBase implements Disposable {
  readonly #handle: Descriptor;
  readonly #watch: Watch;

  /**
   * Begins to watch a handle, until it is disposed of.
   *
   * @throws {TypeError} when an argument is not what it should be, or when the handle blocks
   * @throws {SyscallError} EEXIST, when the loop watches it already; EPERM, when it cannot be watched
   * @throws {ClosedError} when the handle is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  constructor(loop: LoopBase, handle: Descriptor) {
    super();
    if (typeof loop?.watch !== "function") {
      throw new TypeError(`HandleSource: the loop must be a Loop, got ${shown(loop)}`);
    }
    if (!(handle instanceof Descriptor)) {
      throw new TypeError(`HandleSource: the handle must be one, got ${shown(handle)}`);
    }
    this.#handle = handle;
    this.#watch = loop.watch(handle, EVERYTHING, (ready) => this.listeners.notify(wordsOf(ready)));
  }

  /** Always `"HandleSource"`. */
  get [Symbol.toStringTag](): string {
    return "HandleSource";
  }

  /** What the kernel says that it is ready for now. */
  readiness(mask: number): number {
    if (!this.#handle.closed) return polled(this.#handle, mask);
    this[Symbol.dispose]();
    return 0;
  }

  /** Ends the watch, and leaves every poll. The handle is its owner's to close. */
  [Symbol.dispose](): void {
    this.#watch.cancel();
    this.listeners.release();
  }
}

function wordsOf(ready: Readiness): number {
  return (ready.readable ? EventMask.IN | EventMask.RDNORM : 0) |
    (ready.writable ? EventMask.OUT | EventMask.WRNORM : 0) |
    (ready.priority ? EventMask.PRI | EventMask.RDBAND : 0) |
    (ready.peerClosed ? EventMask.RDHUP : 0) |
    (ready.hangup ? EventMask.HUP : 0) |
    (ready.error ? EventMask.ERR : 0);
}
