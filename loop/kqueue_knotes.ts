/**
 * The events that a kqueue has for one target of a poller, and what they say together.
 *
 * kqueue knows reading and writing as two events, where a poller knows one target. It has no word for
 * a hang-up: EV_EOF says that one direction has ended, and poll(2) is asked then whether both have.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import type { ChangeList } from "../handles/kqueue_changes.ts";
import { EV, type KqueueFilter } from "../handles/kqueue_words.ts";
import {
  EDGE,
  ERROR,
  HANGUP,
  ONCE,
  PEER_CLOSED,
  READABLE,
  type Target,
  WRITABLE,
} from "./poller.ts";

/** Registrations are counted modulo this, in the bits of the udata that the generation leaves. */
const ARMINGS = 2 ** 11;

/** Where the count begins above the generation, in the upper half of the udata. */
const ARMING_SHIFT = 21;

/** What a poller knows of a target. */
export interface Member {
  readonly target: Target;
  interest: number;
  slot: number;
  /** The upper half of the udata: the generation, and how often it was registered. */
  tag: number;
  /** Whether it has made the one report that it was asked for. */
  spent: boolean;
  /** The wait that reported it last, and as which report. */
  wait: number;
  index: number;
}

/** A target that no event was asked for yet. */
export function newMember(target: Target): Member {
  return { target, interest: 0, slot: 0, tag: 0, spent: false, wait: 0, index: 0 };
}

/**
 * Notes a registration. It gets a udata that no earlier one had: a report that was taken before it
 * belongs to what was asked for then.
 */
export function register(member: Member, interest: number, slot: number, generation: number): void {
  const arming = ((member.tag >>> ARMING_SHIFT) + 1) % ARMINGS;
  member.interest = interest;
  member.slot = slot;
  member.tag = (arming << ARMING_SHIFT | generation) >>> 0;
  member.spent = false;
}

/** Whether reading is watched: for itself, or because only the end is to be told. */
function watchesReading(interest: number): boolean {
  return (interest & WRITABLE) === 0 || (interest & ~(WRITABLE | EDGE | ONCE)) !== 0;
}

/** Adds the changes that take out what is registered for a number. */
export function removal(changes: ChangeList, fd: number, interest: number): void {
  if (watchesReading(interest)) changes.add("READ", fd, EV.DELETE, 0, 0);
  if ((interest & WRITABLE) !== 0) changes.add("WRITE", fd, EV.DELETE, 0, 0);
}

/** Adds the changes that register a member under its number. */
export function addition(changes: ChangeList, fd: number, member: Member): void {
  const { interest } = member;
  // Bytes that nobody asked for must not be reported again and again: they are seen here, and dropped.
  const unasked = (interest & READABLE) === 0;
  if (watchesReading(interest)) add(changes, "READ", fd, member, unasked);
  if ((interest & WRITABLE) !== 0) add(changes, "WRITE", fd, member, false);
}

function add(
  changes: ChangeList,
  filter: KqueueFilter,
  fd: number,
  { interest, slot, tag }: Member,
  unasked: boolean,
): void {
  const edge = unasked || (interest & EDGE) !== 0 ? EV.CLEAR : 0;
  // What nobody asked for must not use up the one report.
  const once = !unasked && (interest & ONCE) !== 0 ? EV.DISPATCH : 0;
  changes.add(filter, fd, EV.ADD | edge | once, 0, 0);
  changes.setUdata(slot, tag);
}

/** What one event says of a member, in the poller's bits: 0 when it says nothing that was asked for. */
export function readinessOf(
  interest: number,
  filter: KqueueFilter,
  fd: number,
  flags: number,
  fflags: number,
): number {
  let bits = filter === "READ" ? interest & READABLE : WRITABLE;
  if ((flags & EV.EOF) === 0) return bits;
  if (filter === "READ") bits |= interest & PEER_CLOSED;
  if (fflags !== 0) bits |= ERROR;
  return bits | endsOf(fd, filter === "READ" ? posix.POLLOUT : posix.POLLIN);
}

const pollfd = new Int16Array(new ArrayBuffer(structs.pollfd.size));
const number = new Int32Array(pollfd.buffer);

/**
 * Which ends of a descriptor are gone, one direction of which has ended. The other one is asked for:
 * macOS says POLLHUP of each direction that it is asked for, where the others say it unasked of both.
 */
function endsOf(fd: number, other: number): number {
  number[structs.pollfd.fd / 4] = fd;
  pollfd[structs.pollfd.events / 2] = other;
  if (libc.poll(pollfd, 1, 0) !== 1) return 0;
  const found = pollfd[structs.pollfd.revents / 2]!;
  return ((found & posix.POLLHUP) !== 0 ? HANGUP : 0) | ((found & posix.POLLERR) !== 0 ? ERROR : 0);
}
