/**
 * The error of a call on a handle that was closed before.
 *
 * @module
 */

/**
 * A handle was used after it was closed, here or through any of its copies on another thread.
 *
 * No system call was made: the number may belong to somebody else by now.
 *
 * @example
 * ```ts
 * import { ClosedError, EventFD } from "@fdloop/fdloop";
 * import { assertThrows } from "@std/assert";
 *
 * const counter = EventFD.create();
 * counter.close();
 * assertThrows(() => counter.signal(), ClosedError, "EventFD is closed");
 * ```
 */
export class ClosedError extends Error {
  /** Always `"ClosedError"`. */
  override readonly name: string = "ClosedError";

  /**
   * Names what was closed.
   *
   * @param what the kind of handle
   */
  constructor(what: string) {
    super(`${what} is closed: nothing was called. Open a new one, or use it before close()`);
  }
}
