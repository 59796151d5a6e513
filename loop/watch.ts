/**
 * One watch of a Loop, as its owner holds it.
 *
 * @module
 */

import { OWNED } from "../handles/descriptor.ts";
import type { Core } from "./core.ts";
import { type Interest, interestBits, type Readiness, Report } from "./interest.ts";
import { PRIORITY, READABLE, type Target, WRITABLE } from "./poller.ts";
import type { Source } from "./source.ts";

/**
 * A descriptor that a Loop watches, until it is cancelled or its handle is closed.
 *
 * @example
 * ```ts
 * import { Loop, pipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using ends = pipe();
 * let reports = 0;
 * const watch = loop.watch(ends.reader, { readable: true, mode: "once" }, () => {
 *   if (++reports === 2) watch.cancel();
 *   else watch.rearm();
 * });
 * ends.writer.write(new Uint8Array(1));
 * await loop.run(); // ends by itself when nothing is watched any more
 * assertEquals([reports, watch.active], [2, false]);
 * ```
 */
export class Watch implements Disposable {
  readonly #core: Core;
  readonly #source: Source;

  /** Watches are made by `Loop.watch`. */
  constructor(
    key: symbol,
    core: Core,
    target: Target,
    interest: number,
    callback: (ready: Readiness) => void,
  ) {
    if (key !== OWNED) throw new TypeError("new Watch() is not possible: call Loop.watch()");
    const ready = new Report();
    const report = (readiness: number): void => {
      ready.bits = readiness;
      callback(ready);
    };
    this.#core = core;
    this.#source = core.registry.watch(target, interest, report, "Loop.watch");
  }

  /** Whether the loop still watches. It stops when the handle is closed, too. */
  get active(): boolean {
    return this.#core.registry.isLive(this.#source);
  }

  /**
   * Changes what is watched for: `epoll_ctl(EPOLL_CTL_MOD)`. What is so already is reported again.
   *
   * @throws {TypeError} when the interest is not what it should be
   * @throws {Error} when the watch is over
   */
  modify(interest: Interest): void {
    this.#arm(interestBits(interest, "Watch.modify"));
  }

  /**
   * Asks for the next report of a watch in mode `"once"`, and for a new look in mode `"edge"`.
   *
   * @throws {Error} when the watch is over
   */
  rearm(): void {
    this.#arm(this.#source.interest);
  }

  /**
   * Asks to be called again in the next turn, without a report from the kernel: for a callback in mode
   * `"edge"` that stops before would-block, so that others have their turn.
   *
   * @throws {Error} when the watch is over
   */
  again(): void {
    this.#checkActive();
    const { interest, report } = this.#source;
    this.#core.continueLater({
      resume: () => {
        if (this.active) report?.(interest & (READABLE | WRITABLE | PRIORITY));
      },
    });
  }

  /** Ends the watch. The callback is not called again, not even for a report already fetched. */
  cancel(): void {
    this.#core.registry.cancel(this.#source);
  }

  /** Ends the watch at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.cancel();
  }

  #arm(interest: number): void {
    this.#checkActive();
    this.#core.registry.arm(this.#source, interest);
  }

  #checkActive(): void {
    if (this.active) return;
    throw new Error("Watch: it is over, cancelled or its handle closed: call Loop.watch again");
  }
}
