/**
 * The contract between a Loop and the kernel object that it waits on.
 *
 * Invariants that every poller keeps, and that `tests/poller_conformance.ts` holds each one to:
 * - A target is in a poller at most once: `add` twice is EEXIST, `modify` and `delete` of a target
 *   that is not in it are ENOENT, and a refused call changes nothing.
 * - `wait` reports each target at most once per call, with all that is known of it combined.
 * - Slot and generation come back exactly as they were given; the poller never looks at them.
 * - A level-triggered target is reported by every `wait` for as long as it is ready; an edge is
 *   reported once, then after new activity or `modify`; `once` is silent after one report until
 *   `modify`.
 * - ERROR and HANGUP are reported whatever was asked for.
 * - A target whose handle is closed is out of the poller before its number is given back. Where a copy
 *   on another thread closes it, the `wait` in progress or the next one ends and reports it in
 *   {@link CLOSED_SLOT}, which no target has: once its `closingBell` is in the target's lifetime word.
 * - `wait` is never early, and a signal never ends it.
 * - `wake` from any thread ends the `wait` that is in progress, or the next one, and is reported in
 *   {@link WAKE_SLOT}, which no target has.
 * - `alarm` ends a wait at its time, once, and never early; a new one replaces it. It is reported in
 *   {@link ALARM_SLOT}.
 *
 * A poller reports readiness. A completion back end will report bytes: what is built on a Loop must
 * not assume that bytes come from a read that follows a report.
 *
 * @module
 */

import type { Descriptor } from "../handles/descriptor.ts";
import type { SharedBell } from "./bell.ts";
import type { SharedSentry } from "./sentry.ts";
import type { Waitable } from "./waitable.ts";

/** There is something to read, a connection to accept, or the end of the file. */
export const READABLE = 1;
/** There is room to write. */
export const WRITABLE = 2;
/** There is urgent data: out-of-band bytes, a packet-mode event of a pty. */
export const PRIORITY = 4;
/** The peer has shut down its writing side. */
export const PEER_CLOSED = 8;
/** Both directions are gone. Reported unasked. */
export const HANGUP = 16;
/** The descriptor has an error waiting. Reported unasked. */
export const ERROR = 32;
/** Mode: report a change once, instead of a state for as long as it lasts. */
export const EDGE = 64;
/** Mode: report once, then be silent until `modify`. */
export const ONCE = 128;

/** The slot in which a poller reports that it was woken. */
export const WAKE_SLOT = 0xffff_ffff;

/** The slot in which a poller reports that its alarm has gone off. */
export const ALARM_SLOT = 0xffff_fffe;

/** The slot in which a poller reports that another thread has closed targets. */
export const CLOSED_SLOT = 0xffff_fffd;

/** Generations are counted modulo this, so that slot and generation are one exact number together. */
export const GENERATIONS: number = 2 ** 21;

/**
 * What a poller watches: a handle, or the number of a descriptor that somebody else owns; on a
 * `VirtualPoller`, which has no kernel, a source in memory.
 */
export type Target = Descriptor | number | Waitable;

/** What a Loop needs of the kernel: see the invariants above. */
export interface Poller extends Disposable {
  /** The number of the kernel object, by which a shared handle knows the sets that it is in. */
  readonly raw: number;
  /** The poller itself, for a thread that blocks until it has something to report. */
  share(): SharedSentry;
  /** A handle through which another thread can wake it: see `LoopWaker`. */
  shareBell(): SharedBell;
  /**
   * The number of what a thread rings that closes a shared target: `InterestSet.bell`. It stays open
   * as long as the poller does.
   */
  closingBell(): number;
  /** Starts to watch a target. `interest` is made of the bits above. */
  add(target: Target, interest: number, slot: number, generation: number): void;
  /** Changes what is watched for; it is also what re-arms `ONCE` and re-reports an `EDGE`. */
  modify(target: Target, interest: number, slot: number, generation: number): void;
  /** Stops to watch a target. */
  delete(target: Target): void;
  /**
   * Waits for reports, at most `milliseconds` (−1: for ever), and answers how many there are. They
   * are read with the three calls below until the next wait.
   */
  wait(milliseconds: number): number;
  /**
   * What a poller has that cannot block the thread: a promise that settles when {@link Poller.wait} may
   * have something, null when it has something now. `wait` without a limit then only looks.
   */
  arrival?(): Promise<void> | null;
  /** The slot that report `index` belongs to. */
  slot(index: number): number;
  /** The generation that report `index` was registered with. */
  generation(index: number): number;
  /** What report `index` says, in the bits above. */
  readiness(index: number): number;
  /** Ends the wait in progress or the next one. */
  wake(): void;
  /** The time, in milliseconds since any fixed moment. It never goes back. */
  now(): number;
  /** Ends a wait `milliseconds` from now, at the earliest. */
  alarm(milliseconds: number): void;
  /** Gives everything back. The targets are their owners' and stay open. */
  close(): void;
}
