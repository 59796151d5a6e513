/**
 * The words of kqueue: the filters by name, and the bits of `flags` and `fflags`.
 *
 * Kernel: macOS, FreeBSD 12. FreeBSD always reports how a process ended; macOS does with EXITSTATUS.
 *
 * @module
 */

import { BSD_COLUMNS, pick } from "../ffi/columns.ts";
import { BSD_TABLE } from "../ffi/const_bsd.ts";
import { type KqueueConstants, kqueueHere, kqueueSystem } from "../ffi/kqueue.ts";

/** A kernel filter, by its name in kevent(2) without `EVFILT_`. */
export type KqueueFilter = "READ" | "WRITE" | "VNODE" | "PROC" | "SIGNAL" | "TIMER" | "USER";

/** Every filter that a change can name. */
export const FILTERS: readonly KqueueFilter[] = [
  "READ",
  "WRITE",
  "VNODE",
  "PROC",
  "SIGNAL",
  "TIMER",
  "USER",
];

/** The bits of `flags`, by the names of kevent(2) without their `EV_`. */
export interface KqueueFlagWords {
  /** Registers the event, enabled, or changes the one that is registered: a disabled one stays so. */
  readonly ADD: number;
  /** Takes the event out. */
  readonly DELETE: number;
  /** Lets it be reported again. */
  readonly ENABLE: number;
  /** Keeps it, and does not report it. */
  readonly DISABLE: number;
  /** Reports it once and takes it out. */
  readonly ONESHOT: number;
  /** Reports what changes, not what is: the state starts anew with each report. */
  readonly CLEAR: number;
  /** Answers this change with an event that has `ERROR`, also when it succeeded: its data is 0 then. */
  readonly RECEIPT: number;
  /** Reports it once and disables it. */
  readonly DISPATCH: number;
  /** Reported only: the data is the errno of a change that failed, or 0. */
  readonly ERROR: number;
  /** Reported only: the other side has closed; `fflags` is a socket's error, if it has one. */
  readonly EOF: number;
}

/** They have the same numbers on every system: a test looks. */
const common = pick(BSD_TABLE, BSD_COLUMNS, "darwin");

/**
 * The words that `flags` are made of: `EV.ADD | EV.CLEAR`.
 *
 * Platforms: macOS, FreeBSD; Linux with libkqueue. See kevent(2).
 *
 * @example
 * ```ts
 * import { EV } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(EV.ADD | EV.CLEAR, 0x21);
 * ```
 */
export const EV: KqueueFlagWords = Object.freeze({
  ADD: common.EV_ADD,
  DELETE: common.EV_DELETE,
  ENABLE: common.EV_ENABLE,
  DISABLE: common.EV_DISABLE,
  ONESHOT: common.EV_ONESHOT,
  CLEAR: common.EV_CLEAR,
  RECEIPT: common.EV_RECEIPT,
  DISPATCH: common.EV_DISPATCH,
  ERROR: common.EV_ERROR,
  EOF: common.EV_EOF,
});

/** The bits of `fflags`, by the names of kevent(2) without their `NOTE_`. Each filter has its own. */
export interface KqueueNoteWords {
  /** READ, WRITE: reports from `data` bytes on. */
  readonly LOWAT: number;
  /** VNODE: the file was removed. */
  readonly DELETE: number;
  /** VNODE: the file was written to. */
  readonly WRITE: number;
  /** VNODE: the file has become longer. */
  readonly EXTEND: number;
  /** VNODE: its attributes have changed. */
  readonly ATTRIB: number;
  /** VNODE: its number of links has changed. */
  readonly LINK: number;
  /** VNODE: it was renamed. */
  readonly RENAME: number;
  /** VNODE: access was revoked, or its file system unmounted. */
  readonly REVOKE: number;
  /** PROC: the process has ended. */
  readonly EXIT: number;
  /** PROC: the data of EXIT is to be the status of wait(2). It is 0 where it always is. */
  readonly EXITSTATUS: number;
  /** PROC: the process has forked. */
  readonly FORK: number;
  /** PROC: the process runs another program. */
  readonly EXEC: number;
  /** USER: leave the stored bits alone. */
  readonly FFNOP: number;
  /** USER: and the stored bits with those that are given. */
  readonly FFAND: number;
  /** USER: or them. */
  readonly FFOR: number;
  /** USER: replace them. */
  readonly FFCOPY: number;
  /** USER: the mask of the bits that a program can store. */
  readonly FFLAGSMASK: number;
  /** USER: report it. */
  readonly TRIGGER: number;
  /** TIMER: the data is in seconds. */
  readonly SECONDS: number;
  /** TIMER: the data is in milliseconds, as it is without a unit. */
  readonly MSECONDS: number;
  /** TIMER: the data is in microseconds. */
  readonly USECONDS: number;
  /** TIMER: the data is in nanoseconds. */
  readonly NSECONDS: number;
  /** TIMER: the data is a time of the wall clock, since 1970. */
  readonly ABSOLUTE: number;
}

/** One number of this machine, NaN where it has no kqueue. */
function here(word: (constants: KqueueConstants) => number): number {
  return kqueueHere() === null ? NaN : word(kqueueSystem().constants);
}

/** A word that some system does not need: it is 0 there. */
const optional = (word: number): number => Number.isNaN(word) ? 0 : word;

/**
 * The words that `fflags` are made of: `NOTE.WRITE | NOTE.EXTEND`. Those of timers differ between the
 * systems, and so does EXITSTATUS; they are those of this machine, NaN where it has no kqueue.
 *
 * Platforms: macOS, FreeBSD; Linux with libkqueue. See kevent(2).
 *
 * @example
 * ```ts
 * import { NOTE } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(NOTE.WRITE | NOTE.EXTEND, 6);
 * ```
 */
export const NOTE: KqueueNoteWords = Object.freeze({
  LOWAT: common.NOTE_LOWAT,
  DELETE: common.NOTE_DELETE,
  WRITE: common.NOTE_WRITE,
  EXTEND: common.NOTE_EXTEND,
  ATTRIB: common.NOTE_ATTRIB,
  LINK: common.NOTE_LINK,
  RENAME: common.NOTE_RENAME,
  REVOKE: common.NOTE_REVOKE,
  EXIT: common.NOTE_EXIT,
  FORK: common.NOTE_FORK,
  EXEC: common.NOTE_EXEC,
  FFNOP: common.NOTE_FFNOP,
  FFAND: common.NOTE_FFAND,
  FFOR: common.NOTE_FFOR,
  FFCOPY: common.NOTE_FFCOPY,
  FFLAGSMASK: common.NOTE_FFLAGSMASK,
  TRIGGER: common.NOTE_TRIGGER,
  get EXITSTATUS(): number {
    return here((constants) => optional(constants.NOTE_EXITSTATUS));
  },
  get SECONDS(): number {
    return here((constants) => constants.NOTE_SECONDS);
  },
  get MSECONDS(): number {
    return here((constants) => optional(constants.NOTE_MSECONDS));
  },
  get USECONDS(): number {
    return here((constants) => constants.NOTE_USECONDS);
  },
  get NSECONDS(): number {
    return here((constants) => constants.NOTE_NSECONDS);
  },
  get ABSOLUTE(): number {
    return here(({ NOTE_ABSOLUTE, NOTE_ABSTIME }) => optional(NOTE_ABSOLUTE) || NOTE_ABSTIME);
  },
});
