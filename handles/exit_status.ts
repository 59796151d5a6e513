/**
 * How a process ended, and how it changed on the way, in words.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { signalName } from "../ffi/signals.ts";

/** How a process ended. A plain object, the same whoever waited for the process. */
export interface ExitStatus {
  /** What it gave to exit(3), 0 to 255; null when a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it, such as `"SIGKILL"`; null when it ended by itself. */
  readonly signal: string | null;
  /** Whether it left a core dump. */
  readonly coreDumped: boolean;
}

/**
 * What happened to a process: it called exit(3), a signal ended it, without or with a core dump, a
 * signal stopped it, SIGCONT let it go on, or a tracer stopped it.
 */
export type StateChange = "exited" | "killed" | "dumped" | "stopped" | "continued" | "trapped";

/** What waitid(2) reports of a process, in the words of its `siginfo_t`. */
export interface ProcessState {
  /** The process. */
  readonly pid: number;
  /** Its real user. */
  readonly uid: number;
  /** What happened: `si_code`. */
  readonly code: StateChange;
  /** What it gave to exit(3) when it exited, otherwise the number of the signal: `si_status`. */
  readonly status: number;
  /** The name of the signal, null when it exited. */
  readonly signal: string | null;
}

const CHANGES: ReadonlyMap<number, StateChange> = new Map([
  [posix.CLD_EXITED, "exited"],
  [posix.CLD_KILLED, "killed"],
  [posix.CLD_DUMPED, "dumped"],
  [posix.CLD_STOPPED, "stopped"],
  [posix.CLD_CONTINUED, "continued"],
  [posix.CLD_TRAPPED, "trapped"],
]);

// A wait status, on every system: what was given to exit(3) in bits 8 to 15, or the signal in bits
// 0 to 6 with the core dump in bit 7. A process that goes on has all seven bits set.
const SIGNAL_BITS = 0x7f;
const CORE_BIT = 0x80;

/**
 * Reads a wait status as wait(2) and `PIDFD_GET_INFO` give it.
 *
 * @throws {RangeError} when it is that of a process that was stopped or continued, and goes on
 */
export function exitStatusOf(waitStatus: number): ExitStatus {
  const signal = waitStatus & SIGNAL_BITS;
  if (signal === SIGNAL_BITS) {
    throw new RangeError(`the wait status 0x${waitStatus.toString(16)} is not that of an exit`);
  }
  return signal === 0
    ? { code: (waitStatus >>> 8) & 0xff, signal: null, coreDumped: false }
    : { code: null, signal: signalName(signal), coreDumped: (waitStatus & CORE_BIT) !== 0 };
}

/** Reads what waitid(2) reported of a process that ended. */
export function exitStatusFrom({ code, status, signal }: ProcessState): ExitStatus {
  return { code: code === "exited" ? status : null, signal, coreDumped: code === "dumped" };
}

/**
 * Puts the fields of the `siginfo_t` of waitid(2) into words.
 *
 * @throws {RangeError} when the code is not one that waitid(2) gives
 */
export function processState(pid: number, uid: number, code: number, status: number): ProcessState {
  const change = CHANGES.get(code);
  if (change === undefined) throw new RangeError(`waitid(2) reports no si_code ${code}`);
  return {
    pid,
    uid,
    code: change,
    status,
    signal: change === "exited" ? null : signalName(status),
  };
}
