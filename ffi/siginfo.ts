/**
 * The union inside a siginfo_t: which member a signal has, and where its fields are.
 *
 * @module
 */

import { linux } from "./const_linux.ts";
import { posix } from "./const_posix.ts";
import { signalNumber } from "./signals.ts";

/** The size of a siginfo_t of Linux, and its fields in bytes. Several have one place: the union. */
export const SIGINFO = {
  size: 128,
  si_signo: 0,
  si_errno: 4,
  si_code: 8,
  // Sent by a process, with or without a value; about a child.
  si_pid: 16,
  si_uid: 20,
  // A POSIX timer, with a value.
  si_timerid: 16,
  si_overrun: 20,
  // I/O became possible. A long, of which signalfd(2) reports the lower half.
  si_band: 16,
  si_fd: 24,
  // A value: an int or a pointer.
  si_value: 24,
  // About a child.
  si_status: 24,
  si_utime: 32,
  si_stime: 40,
} as const;

/** The members of the union, but for those of a fault: signals that a fault raises are not received. */
export type SiginfoMember = "kill" | "queue" | "timer" | "poll" | "child";

/** Up to here the codes above 0 are those of SIGCHLD and SIGIO: NSIGCHLD and NSIGPOLL. */
const LAST_OWN_CODE = 6;

/** Which member the kernel fills: siginfo_layout() in its kernel/signal.c, since Linux 4.16. */
export function siginfoMember(signo: number, code: number): SiginfoMember {
  if (code > posix.SI_USER && code < posix.SI_KERNEL) {
    if (code > LAST_OWN_CODE) return "kill";
    return signo === signalNumber("SIGCHLD") ? "child" : "poll";
  }
  if (code === posix.SI_TIMER) return "timer";
  if (code === linux.SI_SIGIO) return "poll";
  return code < 0 ? "queue" : "kill";
}
