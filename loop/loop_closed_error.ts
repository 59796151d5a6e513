/**
 * The error of a call on a loop that was closed.
 *
 * @module
 */

/**
 * A loop was used after it was closed, or was closed while a promise of it was still pending.
 *
 * @example
 * ```ts
 * import { Loop, LoopClosedError, pipe } from "@fdloop/fdloop";
 * import { assertRejects } from "@std/assert";
 *
 * using ends = pipe();
 * const loop = Loop.create();
 * const readable = loop.readable(ends.reader);
 * loop.close();
 * await assertRejects(() => readable, LoopClosedError);
 * ```
 */
export class LoopClosedError extends Error {
  /** Always `"LoopClosedError"`. */
  override readonly name: string = "LoopClosedError";

  /** Says that the loop is closed. */
  constructor() {
    super("the Loop is closed: create another one; its handles are still their owners'");
  }
}
