/**
 * The union inside a siginfo_t: which member a signal has.
 *
 * @module
 */

import { linux } from "./const_linux.ts";
import { posix } from "./const_posix.ts";
import { signalNumber } from "./signals.ts";

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
