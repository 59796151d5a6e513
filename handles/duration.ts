/**
 * Lengths of time as people write them, in the units that the kernel takes.
 *
 * @module
 */

import { shown } from "./validate.ts";

/** The part of `Temporal.Duration` that is needed here, so that it works wherever Temporal exists. */
export interface DurationLike {
  /** A year has no length of its own: only 0 is accepted. */
  readonly years: number;
  /** A month has no length of its own: only 0 is accepted. */
  readonly months: number;
  /** Weeks of 7 days. */
  readonly weeks: number;
  /** Days of 24 hours. */
  readonly days: number;
  /** Hours. */
  readonly hours: number;
  /** Minutes. */
  readonly minutes: number;
  /** Seconds. */
  readonly seconds: number;
  /** Milliseconds. */
  readonly milliseconds: number;
  /** Microseconds. */
  readonly microseconds: number;
  /** Nanoseconds. */
  readonly nanoseconds: number;
}

/**
 * A length of time: a `number` is milliseconds, fractions allowed and rounded up to the nanosecond,
 * so that nothing is ever early; a `bigint` is nanoseconds; a `Temporal.Duration` is itself.
 */
export type Duration = number | bigint | DurationLike;

/** 2⁶³ − 1 ns, 292 years: the kernel's own clocks end there. */
const MOST_NANOSECONDS = 0x7fff_ffff_ffff_ffffn;
const MOST_MILLISECONDS = 9_223_372_036_854;

/** Units from the largest, and how many of the next smaller one each has. */
const UNITS = [
  ["weeks", 7n],
  ["days", 24n],
  ["hours", 60n],
  ["minutes", 60n],
  ["seconds", 1000n],
  ["milliseconds", 1000n],
  ["microseconds", 1000n],
  ["nanoseconds", 1n],
] as const;

const scratch = new Uint32Array(new ArrayBuffer(16));

/** A thousandth of a nanosecond, the error of a decimal fraction of milliseconds in binary. */
const ROUNDING_ERROR = 1e-3;

/**
 * Writes a length of time as a `struct timespec` (two 64-bit fields, in 32-bit words) and allocates
 * nothing when it is a number.
 *
 * @throws {TypeError} when it is no length of time
 * @throws {RangeError} when it is negative, not finite, or longer than 292 years
 */
export function writeTimespec(
  words: Uint32Array,
  at: number,
  duration: Duration,
  what: string,
): void {
  if (typeof duration !== "number") {
    const nanoseconds = toNanoseconds(duration, what);
    writeSeconds(words, at, Number(nanoseconds / 1_000_000_000n));
    words[at + 2] = Number(nanoseconds % 1_000_000_000n);
    words[at + 3] = 0;
    return;
  }
  checkMilliseconds(duration, what);
  let seconds = Math.floor(duration / 1000);
  let nanoseconds = Math.ceil((duration - seconds * 1000) * 1e6 - ROUNDING_ERROR);
  if (nanoseconds >= 1e9) {
    seconds += 1;
    nanoseconds -= 1e9;
  }
  // A length that is not zero must not become the zero that disarms a timer.
  if (seconds === 0 && nanoseconds <= 0) nanoseconds = duration > 0 ? 1 : 0;
  writeSeconds(words, at, seconds);
  words[at + 2] = nanoseconds;
  words[at + 3] = 0;
}

/**
 * A length of time that no code of the program runs any more to tell: the fields of an object may be
 * getters, which must be through before the first word of a setting is written.
 *
 * @throws {TypeError} when it is no length of time
 * @throws {RangeError} when it is negative or longer than 292 years
 */
export function settled(duration: Duration, what: string): number | bigint {
  return typeof duration === "number" ? duration : toNanoseconds(duration, what);
}

/** Reads a `struct timespec` as nanoseconds. */
export function readTimespec(words: Uint32Array, at: number): bigint {
  const seconds = words[at]! + words[at + 1]! * 0x1_0000_0000;
  return BigInt(seconds) * 1_000_000_000n + BigInt(words[at + 2]!);
}

/**
 * A length of time in nanoseconds.
 *
 * @throws {TypeError} when it is no length of time
 * @throws {RangeError} when it is negative, not finite, or longer than 292 years
 */
export function toNanoseconds(duration: Duration, what: string): bigint {
  if (typeof duration === "bigint") {
    if (duration < 0n || duration > MOST_NANOSECONDS) {
      throw new RangeError(`${what} must be from 0 ns to 2^63 - 1 ns, got ${duration}n`);
    }
    return duration;
  }
  if (typeof duration === "number") {
    writeTimespec(scratch, 0, duration, what);
    return readTimespec(scratch, 0);
  }
  if (typeof duration?.nanoseconds === "number") {
    return toNanoseconds(fieldsOf(duration, what), what);
  }
  throw new TypeError(
    `${what} must be a number of milliseconds, a bigint of nanoseconds or a Temporal.Duration, ` +
      `got ${shown(duration)}`,
  );
}

/** `total()` would give a number, which is not exact beyond 104 days. */
function fieldsOf(duration: DurationLike, what: string): bigint {
  if (duration.years !== 0 || duration.months !== 0) {
    throw new RangeError(`${what} must be in weeks or smaller units: years and months differ`);
  }
  let total = 0n;
  for (const [unit, factor] of UNITS) total = (total + BigInt(duration[unit])) * factor;
  return total;
}

/**
 * A length of time in milliseconds, with its fraction: never less than it is.
 *
 * @throws {TypeError} when it is no length of time
 * @throws {RangeError} when it is negative, not finite, or longer than 292 years
 */
export function toMilliseconds(duration: Duration, what: string): number {
  if (typeof duration !== "number") return Number(toNanoseconds(duration, what)) / 1e6;
  checkMilliseconds(duration, what);
  return duration;
}

function checkMilliseconds(duration: number, what: string): void {
  if (duration >= 0 && duration <= MOST_MILLISECONDS) return;
  throw new RangeError(
    `${what} must be from 0 ms to ${MOST_MILLISECONDS} ms (292 years), got ${duration}`,
  );
}

function writeSeconds(words: Uint32Array, at: number, seconds: number): void {
  words[at] = seconds % 0x1_0000_0000;
  words[at + 1] = seconds / 0x1_0000_0000;
}
