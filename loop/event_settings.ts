/**
 * What an entry of an `EventPoll` is known by and what it is set to, and what may be in either.
 *
 * @module
 */

import { integer, options as checkOptions, shown, unsigned64 } from "../handles/validate.ts";
import type { Entry } from "./event_entry.ts";
import { EntryFlags, entryFlags, EventMask, eventMask, UNASKED } from "./event_mask.ts";
import { isPoll } from "./event_nesting.ts";
import { EventPollError } from "./event_poll_error.ts";
import { type Waitable, waitable } from "./waitable.ts";

/** What an exclusive entry may wait for. */
const EXCLUSIVE_WORDS = EventMask.IN | EventMask.OUT | UNASKED;

/** What an entry is known by: the file and the number, as epoll(7) has it. */
export interface FileIdentifier {
  /** The source. */
  readonly file: Waitable;
  /** A number of the caller's choice: one file can be in a poll under several. Default: 0. */
  readonly fd?: number;
}

/** What an entry is set to. */
export interface Settings {
  readonly flags: number;
  readonly mask: number;
  readonly data: number | bigint;
}

/**
 * Checks an identifier.
 *
 * @throws {TypeError} when it is none
 */
export function identifier(id: FileIdentifier, what: string): Required<FileIdentifier> {
  const { file, fd = 0 } = checkOptions(id, `${what}: the identifier`);
  return {
    file: waitable(file, `${what}: file`),
    fd: integer(fd, `${what}: fd`, 0, 0x7fff_ffff),
  };
}

/**
 * Checks what an entry is to be set to.
 *
 * @throws {TypeError} when an argument is of the wrong type
 * @throws {RangeError} when a word is unknown, or the data does not fit in 64 bits
 */
export function settings(
  flags: number,
  mask: number,
  data: number | bigint,
  what: string,
): Settings {
  if (typeof data !== "number" && typeof data !== "bigint") {
    throw new TypeError(`${what}: data must be a whole number or a bigint, got ${shown(data)}`);
  }
  unsigned64(data, `${what}: data`);
  return {
    flags: entryFlags(flags, `${what}: flags`),
    mask: eventMask(mask, `${what}: the mask`),
    data,
  };
}

/** Sets an entry. */
export function set(entry: Entry, { flags, mask, data }: Settings): void {
  entry.settings++;
  entry.mask = mask | UNASKED;
  entry.data = data;
  entry.edge = (flags & EntryFlags.EdgeTriggered) !== 0;
  entry.oneShot = (flags & EntryFlags.OneShot) !== 0;
}

/**
 * Checks that an entry may be exclusive.
 *
 * @throws {EventPollError} EINVAL, when it may not
 */
export function checkExclusive(file: Waitable, flags: number, mask: number): void {
  const fits = (mask & ~EXCLUSIVE_WORDS) === 0 && (flags & EntryFlags.OneShot) === 0;
  if (fits && !isPoll(file)) return;
  throw refused("EINVAL", "Exclusive goes with IN, OUT and EdgeTriggered only, and not for a poll");
}

/** What `epoll_ctl(2)` refuses with. */
export function refused(
  code: "EEXIST" | "EINVAL" | "ENOENT" | "EPERM",
  remedy: string,
): EventPollError {
  return new EventPollError("epoll_ctl", code, remedy);
}
