/**
 * What a timer is set to: `struct itimerspec`.
 *
 * @module
 */

import { readTimespec } from "./duration.ts";

// A struct itimerspec in 32-bit words: two struct timespec, the interval before the value.
/** Where the interval lies. */
export const INTERVAL = 0;
/** Where the time until the next expiration lies. */
export const VALUE = 4;
const ITIMERSPEC_BYTES = 32;

/** What a timer is set to, in nanoseconds. */
export interface TimerSetting {
  /** Until it expires next, 0 when it is disarmed. */
  readonly remaining: bigint;
  /** Between expirations after that, 0 when there is none. */
  readonly interval: bigint;
}

/** Room for one setting, disarmed. */
export function itimerspec(): Uint32Array<ArrayBuffer> {
  return new Uint32Array(new ArrayBuffer(ITIMERSPEC_BYTES));
}

/** Takes a setting out of the kernel's form. */
export function setting(words: Uint32Array): TimerSetting {
  return { remaining: readTimespec(words, VALUE), interval: readTimespec(words, INTERVAL) };
}

/** Whether a `struct timespec` says 0, which to the kernel means: disarm. */
export function isZero(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0;
}
