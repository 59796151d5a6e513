/**
 * The waiting itself: epoll_wait(2) where milliseconds say it all, epoll_pwait2(2) where they do
 * not, and a deadline that no signal moves.
 *
 * Kernel: epoll_pwait2 is Linux 5.11. Where it is missing, fractions are rounded up.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { type Duration, toNanoseconds, writeTimespec } from "./duration.ts";

const EINTR = errnoNumber("EINTR");
const ENOSYS = errnoNumber("ENOSYS");
const EPERM = errnoNumber("EPERM");

/** What {@link milliseconds} answers for no limit: the −1 of epoll_wait(2). */
export const FOREVER = -1;

/** The longest wait that the `int` of epoll_wait(2) can say: 24 days. */
const LONGEST_MS = 0x7fffffff;

/** Size of the kernel's `sigset_t`; only the bare system call looks at it. */
const SIGSET_BYTES = 8;

const timespec = new Uint32Array(new ArrayBuffer(16));

/** Whether to try epoll_pwait2(2): until it was called and was not there. */
let tryNanoseconds = true;

/**
 * A timeout in milliseconds, {@link FOREVER} for null. Allocates nothing for a number.
 *
 * @throws {TypeError} when it is no length of time
 * @throws {RangeError} when it is negative, not finite, or longer than 292 years
 */
export function milliseconds(timeout: Duration | null, what: string): number {
  if (timeout === null) return FOREVER;
  if (typeof timeout !== "number") return Number(toNanoseconds(timeout, what)) / 1e6;
  if ((timeout | 0) === timeout && timeout >= 0) return timeout | 0;
  // The same check as a timer's, and the cheapest way to have it.
  writeTimespec(timespec, 0, timeout, what);
  return timeout;
}

/**
 * Waits on a set for at most so many milliseconds: answers the number of events that were written,
 * 0 when there was none in time, or the errno below zero. EINTR is never among them.
 */
export function waitOn(set: number, memory: Uint32Array, capacity: number, limit: number): number {
  if (limit < 0) return sleep(set, memory, capacity, limit);
  // A wait with a limit looks first: what is ready already costs one call and no look at a clock.
  const count = libc.epoll_wait(set, memory, capacity, 0);
  if (count > 0 || (count === 0 && limit === 0)) return count;
  if (count < 0) {
    const code = errno();
    if (code !== EINTR) return -code;
  }
  return sleep(set, memory, capacity, limit);
}

/** Does what {@link waitOn} does, but for the look at what is ready already. */
export function sleep(set: number, memory: Uint32Array, capacity: number, limit: number): number {
  if (limit >= 0) return sleepUntil(set, memory, capacity, limit);
  for (;;) {
    const count = libc.epoll_wait(set, memory, capacity, FOREVER);
    if (count > 0) return count;
    const code = errno();
    if (code !== EINTR) return -code;
  }
}

function sleepUntil(set: number, memory: Uint32Array, capacity: number, limit: number): number {
  const deadline = performance.now() + limit;
  for (let left = limit; left > 0; left = deadline - performance.now()) {
    const count = block(set, memory, capacity, left);
    if (count > 0) return count;
    if (count < 0 && count !== -EINTR) return count;
  }
  return 0;
}

/** Blocks once, for as long as is left or as long as the call can say. */
function block(set: number, memory: Uint32Array, capacity: number, left: number): number {
  const part = Math.min(left, LONGEST_MS);
  if (tryNanoseconds && !Number.isInteger(part)) {
    writeTimespec(timespec, 0, part, "what is left of the timeout");
    const count = libc.epoll_pwait2(set, memory, capacity, timespec, null, SIGSET_BYTES);
    if (count >= 0) return count;
    const code = errno();
    // EPERM is how container runtimes before 2021 refused a call that they did not know.
    if (code !== ENOSYS && code !== EPERM) return -code;
    tryNanoseconds = false;
  }
  const count = libc.epoll_wait(set, memory, capacity, Math.ceil(part));
  return count >= 0 ? count : -errno();
}
