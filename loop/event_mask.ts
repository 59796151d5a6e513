/**
 * The words that an `EventPoll` is spoken to in: what to wait for, and how.
 *
 * They have the values of epoll_ctl(2) on Linux, on every system: nothing here comes from one.
 *
 * @module
 */

import { integer } from "../handles/validate.ts";

/** The words of an {@link EventMask}, by the names of epoll_ctl(2) without their `EPOLL`. */
export interface EventMaskWords {
  /** There is something to read, or the end of it. */
  readonly IN: number;
  /** Something exceptional. */
  readonly PRI: number;
  /** There is room to write. */
  readonly OUT: number;
  /** An error. Always reported, asked for or not. */
  readonly ERR: number;
  /** The other side is gone for both directions. Always reported, asked for or not. */
  readonly HUP: number;
  /** As IN; not everything that reports IN reports it. */
  readonly RDNORM: number;
  /** Priority data can be read. */
  readonly RDBAND: number;
  /** As OUT; not everything that reports OUT reports it. */
  readonly WRNORM: number;
  /** Priority data can be written. */
  readonly WRBAND: number;
  /** Never reported. */
  readonly MSG: number;
  /** The other side will write no more. */
  readonly RDHUP: number;
}

/**
 * What a source can be ready for: the bits of `poll(2)` and `epoll(7)`, with the kernel's values.
 *
 * @example
 * ```ts
 * import { EventMask } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const reported = EventMask.IN | EventMask.RDHUP;
 * assertEquals((reported & EventMask.HUP) !== 0, false);
 * ```
 */
export const EventMask: EventMaskWords = Object.freeze({
  IN: 0x1,
  PRI: 0x2,
  OUT: 0x4,
  ERR: 0x8,
  HUP: 0x10,
  RDNORM: 0x40,
  RDBAND: 0x80,
  WRNORM: 0x100,
  WRBAND: 0x200,
  MSG: 0x400,
  RDHUP: 0x2000,
});

/** The words of an {@link EntryFlags}. */
export interface EntryFlagWords {
  /** Silent after one report, until `updateEntry`: EPOLLONESHOT. */
  readonly OneShot: number;
  /** Reports what changes, not what is: EPOLLET. */
  readonly EdgeTriggered: number;
  /** Of several polls whose `wait` is in progress, one change wakes one: EPOLLEXCLUSIVE. */
  readonly Exclusive: number;
  /** Accepted, and without effect, because nothing here sleeps with the machine: EPOLLWAKEUP. */
  readonly WakeUp: number;
}

/**
 * How an entry of an `EventPoll` reports: `epoll_ctl(2)`'s input flags. 0 is level-triggered.
 *
 * @example
 * ```ts
 * import { EntryFlags, EventMask, EventPoll, MemoryCounter } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * using counter = MemoryCounter.create({ initial: 1 });
 * poll.addEntry({ file: counter }, EntryFlags.EdgeTriggered, EventMask.IN, 7);
 * assertEquals(poll.readEvents(8).length, 1);
 * assertEquals(poll.readEvents(8).length, 0); // nothing has changed
 * ```
 */
export const EntryFlags: EntryFlagWords = Object.freeze({
  OneShot: 1,
  EdgeTriggered: 2,
  Exclusive: 4,
  WakeUp: 8,
});

/** What every entry waits for, asked or not. */
export const UNASKED: number = EventMask.ERR | EventMask.HUP;

/** All that can be read, in the words of most sources. */
export const READ_WORDS: number = EventMask.IN | EventMask.RDNORM;

/** All that can be written, in the words of most sources. */
export const WRITE_WORDS: number = EventMask.OUT | EventMask.WRNORM;

const ALL_WORDS: number = Object.values(EventMask).reduce((all, word) => all | word, 0);
const ALL_FLAGS: number = Object.values(EntryFlags).reduce((all, flag) => all | flag, 0);

/**
 * Checks a mask.
 *
 * @throws {TypeError} when it is no number
 * @throws {RangeError} when it has a bit that no word has
 */
export function eventMask(mask: unknown, what: string): number {
  return made(mask, ALL_WORDS, "EventMask", what);
}

/**
 * Checks flags.
 *
 * @throws {TypeError} when they are no number
 * @throws {RangeError} when they have a bit that no flag has
 */
export function entryFlags(flags: unknown, what: string): number {
  return made(flags, ALL_FLAGS, "EntryFlags", what);
}

function made(value: unknown, words: number, name: string, what: string): number {
  const bits = integer(value, what, 0, 0xffff_ffff);
  const unknown = (bits & ~words) >>> 0;
  if (unknown === 0) return bits;
  throw new RangeError(
    `${what} must be made of the words of ${name}; none of them has 0x${unknown.toString(16)}`,
  );
}
