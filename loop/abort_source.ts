/**
 * An AbortSignal that can be waited for.
 *
 * @module
 */

import { abortSignal } from "../handles/validate.ts";
import { READ_WORDS } from "./event_mask.ts";
import { WaitableBase } from "./waitable.ts";

/**
 * An AbortSignal as a source of an {@link EventPoll}: IN once it is aborted.
 *
 * @example
 * ```ts
 * import { AbortSource, EventMask, EventPoll } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * const controller = new AbortController();
 * using source = new AbortSource(controller.signal);
 * poll.addEntry({ file: source }, 0, EventMask.IN, 9);
 * setTimeout(() => controller.abort(), 1);
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN, data: 9 }]);
 * ```
 */
export class AbortSource extends WaitableBase implements Disposable {
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.listeners.notify(READ_WORDS);

  /**
   * Listens to a signal, until it is disposed of.
   *
   * @throws {TypeError} when it is no AbortSignal
   */
  constructor(signal: AbortSignal) {
    super();
    const checked = abortSignal(signal ?? null, "AbortSource: the signal")!;
    this.#signal = checked;
    checked.addEventListener("abort", this.#onAbort);
  }

  /** Always `"AbortSource"`. */
  get [Symbol.toStringTag](): string {
    return "AbortSource";
  }

  /** What it is ready for: see the class. */
  readiness(mask: number): number {
    return this.#signal.aborted ? READ_WORDS & mask : 0;
  }

  /** Listens no more, and leaves every poll. */
  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.listeners.release();
  }
}
