/**
 * The clocks that a timer can run by.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { oneOf } from "./validate.ts";

/**
 * The clock of a {@linkcode TimerFD}.
 *
 * - `"monotonic"`: time since some point before the machine started, without the time it slept;
 *   nobody can set it.
 * - `"boottime"`: the same with the time it slept.
 * - `"realtime"`: time since 1970, as `Date.now()` has it; an administrator can set it.
 * - `"realtime-alarm"`, `"boottime-alarm"`: like the two, and the machine is woken from its sleep.
 */
export type TimerClock =
  | "monotonic"
  | "realtime"
  | "boottime"
  | "realtime-alarm"
  | "boottime-alarm";

/** What a clock is to the kernel. */
export interface Clock {
  /** The clock id that timers are made with. */
  readonly timer: number;
  /** The clock id that tells the same time: the alarm clocks tell none without the hardware. */
  readonly time: number;
  /** Whether an administrator can set it. */
  readonly settable: boolean;
}

/** The clocks by their names. */
export const CLOCKS: Readonly<Record<TimerClock, Clock>> = {
  monotonic: { timer: posix.CLOCK_MONOTONIC, time: posix.CLOCK_MONOTONIC, settable: false },
  realtime: { timer: posix.CLOCK_REALTIME, time: posix.CLOCK_REALTIME, settable: true },
  boottime: { timer: linux.CLOCK_BOOTTIME, time: linux.CLOCK_BOOTTIME, settable: false },
  "realtime-alarm": {
    timer: linux.CLOCK_REALTIME_ALARM,
    time: posix.CLOCK_REALTIME,
    settable: true,
  },
  "boottime-alarm": {
    timer: linux.CLOCK_BOOTTIME_ALARM,
    time: linux.CLOCK_BOOTTIME,
    settable: false,
  },
};

const NAMES = Object.keys(CLOCKS) as readonly TimerClock[];

/**
 * Checks the name of a clock.
 *
 * @throws {TypeError} when it is none
 */
export function timerClock(value: unknown, what: string): TimerClock {
  return oneOf(value, NAMES, what);
}
