/**
 * What a program asks a Loop to watch for, and what it is told.
 *
 * @module
 */

import { flag, oneOf, options } from "../handles/validate.ts";
import { EDGE, ERROR, HANGUP, ONCE, PEER_CLOSED, PRIORITY, READABLE, WRITABLE } from "./poller.ts";

/** What to watch a descriptor for. An error and a hang-up are reported whatever is asked. */
export interface Interest {
  /** Something can be read, or the end of the file has come. */
  readable?: boolean;
  /** Something can be written. */
  writable?: boolean;
  /** There is urgent data. */
  priority?: boolean;
  /** The peer has shut down its writing side (EPOLLRDHUP). */
  peerClosed?: boolean;
  /**
   * `"level"` reports for as long as it is so, `"edge"` when it becomes so, `"once"` a single time
   * until `Watch.rearm`. An edge is for those who read until would-block. Default: `"level"`.
   */
  mode?: "level" | "edge" | "once";
}

/** The bits that the poller knows an interest by. */
export function interestBits(interest: Interest, what: string): number {
  const { readable = false, writable = false, priority = false, peerClosed = false } = options(
    interest,
    `${what}: the interest`,
  );
  const mode = oneOf(interest.mode ?? "level", ["level", "edge", "once"], `${what}: mode`);
  return (flag(readable, `${what}: readable`) ? READABLE : 0) |
    (flag(writable, `${what}: writable`) ? WRITABLE : 0) |
    (flag(priority, `${what}: priority`) ? PRIORITY : 0) |
    (flag(peerClosed, `${what}: peerClosed`) ? PEER_CLOSED : 0) |
    (mode === "edge" ? EDGE : mode === "once" ? ONCE : 0);
}

/**
 * What a descriptor was reported to be. One object serves every report of a loop: it is valid
 * during the callback, and holds the next report afterwards.
 */
export interface Readiness {
  /** Something can be read, or the end of the file has come. */
  readonly readable: boolean;
  /** Something can be written. */
  readonly writable: boolean;
  /** There is urgent data. */
  readonly priority: boolean;
  /** The peer has shut down its writing side. */
  readonly peerClosed: boolean;
  /** Both directions are gone. */
  readonly hangup: boolean;
  /** An error is waiting; reading or writing tells which. */
  readonly error: boolean;
}

/** The one object that {@link Readiness} describes, with the bits behind it. */
export class Report implements Readiness {
  /** The bits of the report. */
  bits = 0;

  get readable(): boolean {
    return (this.bits & READABLE) !== 0;
  }
  get writable(): boolean {
    return (this.bits & WRITABLE) !== 0;
  }
  get priority(): boolean {
    return (this.bits & PRIORITY) !== 0;
  }
  get peerClosed(): boolean {
    return (this.bits & PEER_CLOSED) !== 0;
  }
  get hangup(): boolean {
    return (this.bits & HANGUP) !== 0;
  }
  get error(): boolean {
    return (this.bits & ERROR) !== 0;
  }
}
