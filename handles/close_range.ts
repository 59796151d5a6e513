/**
 * Many descriptors closed at once, or marked to be closed on exec.
 *
 * Kernel: close_range is Linux 5.9, CLOSE_RANGE_CLOEXEC 5.11.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { flag, integer, options as checkOptions } from "./validate.ts";

const EINVAL = errnoNumber("EINVAL");
const ENOSYS = errnoNumber("ENOSYS");

/** The numbers below belong to the standard streams, which are never closed by number here. */
const FIRST = 3;

/** The highest number that the call takes, an `unsigned int`. */
const LAST = 0xffff_ffff;

/** What {@linkcode closeRange} does with the descriptors of a range. */
export interface CloseRangeOptions {
  /**
   * Whether they are marked to be closed on exec instead of being closed now: `CLOSE_RANGE_CLOEXEC`.
   * Linux 5.11. Default: false.
   */
  cloexec?: boolean;
  /**
   * Whether the calling thread first gets a table of descriptors of its own, so that all other threads
   * keep theirs: `CLOSE_RANGE_UNSHARE`. What any thread opens from then on, the other cannot see, and a
   * runtime with threads does not survive that for long. Default: false.
   */
  unshare?: boolean;
}

/**
 * Closes all descriptors of a range, or marks them to be closed on exec: `close_range(2)`. Numbers
 * in it that are not open are passed over.
 *
 * With `cloexec` it is how a program that was started with unknown descriptors keeps them from its
 * children, and harmless: `closeRange(3, Infinity, { cloexec: true })`.
 *
 * Without it, it closes whatever it finds, and that is rarely what a program in JavaScript wants.
 * The runtime keeps descriptors of its own in between, for its event loop above all, and stops working
 * or waits for ever without them. A handle of this library does not learn that its number was closed:
 * its next call reaches whatever has the number then. Close only numbers that this program knows,
 * all of them, to be its own; for handles there is `close()`.
 *
 * Platforms: Linux 5.9. See close_range(2).
 *
 * @param first the lowest number, from 3
 * @param last the highest number, which is in the range as well; `Infinity` for all from the first on
 * @throws {TypeError} when an argument is of the wrong type
 * @throws {RangeError} when a number is below 3 or no number that a descriptor can have; when the
 *   last is below the first
 * @throws {UnsupportedError} when the kernel is too old; on a system other than Linux
 * @throws {SyscallError} EMFILE or ENOMEM, when there is no room for a table of its own
 *
 * @example
 * ```ts
 * import { closeRange, EventFD, FD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using counter = EventFD.create({ inherit: true });
 * using again = FD.duplicate(counter.raw);
 * again.setCloexec(false);
 * closeRange(again.raw, Infinity, { cloexec: true });
 * assertEquals(again.cloexec, true);
 * ```
 */
export function closeRange(first: number, last: number, options: CloseRangeOptions = {}): void {
  const what = "closeRange";
  integer(first, `${what}: first`, FIRST, LAST);
  const end = last === Infinity ? LAST : integer(last, `${what}: last`, first, LAST);
  const { cloexec = false, unshare = false } = checkOptions(options, `${what}: options`);
  const flags = (flag(cloexec, `${what}: cloexec`) ? linux.CLOSE_RANGE_CLOEXEC : 0) |
    (flag(unshare, `${what}: unshare`) ? linux.CLOSE_RANGE_UNSHARE : 0);
  if (libc.close_range(first, end, flags) === 0) return;
  const code = errno();
  if (code === ENOSYS) throw new UnsupportedError("close_range(2)", "Linux 5.9");
  // The range was checked: all that is left to be unknown is the flag that came later.
  if (code === EINVAL && cloexec) throw new UnsupportedError("CLOSE_RANGE_CLOEXEC", "Linux 5.11");
  throw new SyscallError("close_range", code);
}
