/**
 * Signals to a process that a pidfd is for: what goes with them, and what can go wrong.
 *
 * Kernel: pidfd_send_signal is Linux 5.1, its scopes 6.9.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { integer, oneOf, options as checkOptions, shown } from "./validate.ts";

/** Who gets a signal: one thread, the process, or every process of a group. */
export type SignalScope = "thread" | "group" | "processGroup";

/** What goes with a signal that {@linkcode PidFD.sendSignal} sends. */
export interface SendSignalOptions {
  /**
   * A value for the receiver, as of sigqueue(3): 64 bits, of which `SignalInfo.int` shows the lower
   * 32 and `SignalInfo.ptr` all. A real-time signal is then queued as often as it is sent. Default:
   * none, and the signal is as kill(2) sends it.
   */
  value?: number | bigint;
  /**
   * What the receiver finds as `si_code`, from −2³¹ to 2³¹ − 1. A code from 0 on, and `SI_TKILL`, are
   * the kernel's own, and only a thread may send them, to itself. Default: `SI_QUEUE`, −1, when there
   * is a value.
   */
  code?: number;
  /**
   * Who gets it: one thread (of a process, the first), the process (thread group), or every process
   * of the process group that the process leads. Linux 6.9. Default: what the handle was opened for.
   */
  scope?: SignalScope;
}

const SCOPES: Readonly<Record<SignalScope, number>> = {
  thread: linux.PIDFD_SIGNAL_THREAD,
  group: linux.PIDFD_SIGNAL_THREAD_GROUP,
  processGroup: linux.PIDFD_SIGNAL_PROCESS_GROUP,
};

const SCOPE_WORDS = Object.keys(SCOPES) as SignalScope[];

const EAGAIN = errnoNumber("EAGAIN");
const EINVAL = errnoNumber("EINVAL");
const EPERM = errnoNumber("EPERM");
const ESRCH = errnoNumber("ESRCH");

const at = structs.siginfo_t;

/** The arguments of pidfd_send_signal(2) that options stand for. */
export interface Parcel {
  /** A `siginfo_t`, null when the kernel is to make it. */
  readonly info: Uint8Array<ArrayBuffer> | null;
  readonly flags: number;
}

/** What is sent without options. */
export const PLAIN: Parcel = { info: null, flags: 0 };

/**
 * Checks options and makes the arguments of them.
 *
 * @throws {TypeError} when an option is not what it should be
 * @throws {RangeError} when a value does not fit in 64 bits, or a code in 32
 */
export function parcel(signal: number, options: SendSignalOptions, what: string): Parcel {
  const { value, code, scope } = checkOptions(options, `${what}: options`);
  const flags = scope === undefined ? 0 : SCOPES[oneOf(scope, SCOPE_WORDS, `${what}: scope`)];
  if (value === undefined && code === undefined) return { info: null, flags };
  const view = new DataView(new ArrayBuffer(at.size));
  view.setInt32(at.si_signo, signal, true);
  view.setInt32(
    at.si_code,
    integer(code === undefined ? posix.SI_QUEUE : code, `${what}: code`, -0x8000_0000, 0x7fff_ffff),
    true,
  );
  view.setInt32(at.si_pid, libc.getpid(), true);
  view.setUint32(at.si_uid, libc.getuid(), true);
  view.setBigInt64(at.si_value, bits64(value === undefined ? 0 : value, `${what}: value`), true);
  return { info: new Uint8Array(view.buffer), flags };
}

/** Makes the error of a signal that was not sent. */
export function sendFailure(code: number, fd: number, parcel: Parcel): Error {
  // The signal and its siginfo were checked: all that is left to be unknown is the scope.
  if (code === EINVAL && parcel.flags !== 0) {
    return new UnsupportedError("the scope of a signal (PIDFD_SIGNAL_THREAD …)", "Linux 6.9");
  }
  return new SyscallError("pidfd_send_signal", code, fd, remedy(code, parcel));
}

function remedy(code: number, { info, flags }: Parcel): string {
  switch (code) {
    case ESRCH:
      return (flags & SCOPES.processGroup) !== 0
        ? "The process leads no process group, or it has ended"
        : "The process has ended, and nothing was sent, even if its pid is another's now";
    case EPERM:
      return "It takes the user of the process or the capability CAP_KILL" +
        (info === null ? "" : ", and a code below 0 that is not SI_TKILL");
    case EAGAIN:
      return "As many signals are queued as the user may have (RLIMIT_SIGPENDING): send it later, " +
        "or without a value";
    default:
      return "";
  }
}

/** A 64-bit value, signed or not, as its bits. */
function bits64(value: unknown, what: string): bigint {
  if (typeof value === "number") {
    return BigInt(integer(value, what, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
  }
  if (typeof value !== "bigint") {
    throw new TypeError(`${what} must be a whole number or a bigint, got ${shown(value)}`);
  }
  if (value < -(2n ** 63n) || value >= 2n ** 64n) {
    throw new RangeError(`${what} must fit in 64 bits, got ${value}n`);
  }
  return BigInt.asIntN(64, value);
}
