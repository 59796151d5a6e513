/**
 * The error of a timer whose clock was set.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";

/**
 * The realtime clock was set while a timer was armed with `cancelOnSet`: the deadline may lie at
 * another distance now, or behind. Its `code` is `"ECANCELED"`.
 *
 * From a call that reads, it means: look at the clock and arm the timer again. From
 * {@linkcode TimerFD.armAt} it means that the clock was set before the call; the new setting is in
 * effect all the same, and nothing needs to be repeated if its deadline was computed from the new
 * time.
 *
 * @example
 * ```ts
 * import { ClockChangedError, TimerFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using alarm = TimerFD.create({ clock: "realtime" });
 * const nextHour = (): number => Math.ceil(Date.now() / 3_600_000 + 1e-9) * 3_600_000;
 *
 * function due(): boolean {
 *   try {
 *     return alarm.expirations() !== null;
 *   } catch (error) {
 *     if (!(error instanceof ClockChangedError)) throw error;
 *     alarm.armAt(nextHour(), 0, { cancelOnSet: true });
 *     return false;
 *   }
 * }
 *
 * alarm.armAt(nextHour(), 0, { cancelOnSet: true });
 * assertEquals(due(), false);
 * ```
 */
export class ClockChangedError extends SyscallError {
  /** Always `"ClockChangedError"`. */
  override readonly name: string = "ClockChangedError";

  /**
   * Describes the call that reported it.
   *
   * @param syscall the C name of the call
   * @param fd the timer's descriptor
   */
  constructor(syscall: string, fd: number) {
    const remedy = syscall === "read"
      ? "The clock was set: arm the timer again, for the time that it is now"
      : "The clock was set before; the timer is armed anew all the same";
    super(syscall, errnoNumber("ECANCELED"), fd, remedy);
  }
}
