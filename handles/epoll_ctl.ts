/**
 * Changing an epoll set: the one `struct epoll_event` that goes to epoll_ctl(2), what may be in it,
 * and what to do about a refusal.
 *
 * Kernel: EPOLLEXCLUSIVE is Linux 4.5.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { acquire, Descriptor, release } from "./descriptor.ts";
import { DATA, EPOLL } from "./epoll_events.ts";
import { descriptorNumber, integer, shown, unsigned64 } from "./validate.ts";

/** An operation that epoll_ctl(2) does not have: it checks both descriptors and then says EINVAL. */
const EPOLL_CTL_NOTHING = 0;

const { EPOLL_CTL_MOD } = linux;
const { F_GETFL, O_NONBLOCK } = posix;

const EEXIST = errnoNumber("EEXIST");
const EINVAL = errnoNumber("EINVAL");
const ELOOP = errnoNumber("ELOOP");
const ENOENT = errnoNumber("ENOENT");
const ENOSPC = errnoNumber("ENOSPC");
const EPERM = errnoNumber("EPERM");

const KNOWN_BITS = Object.values(EPOLL).reduce((all, word) => all | word, 0);

/** What {@link control} gives to the kernel: the mask first, the data from {@link DATA} on. */
const event = new Uint32Array(new ArrayBuffer(16));
const eventView = new DataView(event.buffer);

/**
 * Writes the mask of {@link event}: 32 bits, signed or not, since `|` makes what has ET negative.
 * The kernel ignores bits that it does not know, so that a wrong one would be a silent mistake.
 *
 * @throws {TypeError} when it is no number
 * @throws {RangeError} when it is not whole, or has a bit that none of the words has
 */
export function writeMask(mask: number, what: string): void {
  if (typeof mask !== "number" || (mask & KNOWN_BITS) !== mask) checkMask(mask, what);
  event[0] = mask;
}

function checkMask(mask: number, what: string): void {
  if (typeof mask !== "number" || (mask | 0) !== mask) integer(mask, what, 0, 0xffff_ffff);
  const unknown = (mask & ~KNOWN_BITS) >>> 0;
  if (unknown === 0) return;
  throw new RangeError(
    `${what} must be made of the words of EPOLL; none of them has 0x${unknown.toString(16)}`,
  );
}

/**
 * Writes the data of {@link event}.
 *
 * @throws {TypeError} when it is neither a number nor a bigint
 * @throws {RangeError} when it does not fit in 64 unsigned bits, or is not exact
 */
export function writeData(data: number | bigint, what: string): void {
  if (typeof data === "number" && (data & 0x7fff_ffff) === data) {
    event[DATA] = data;
    event[DATA + 1] = 0;
  } else writeLong(data, what);
}

/** Apart, so that the rest stays small enough for V8 to inline it into `modify`. */
function writeLong(data: number | bigint, what: string): void {
  if (typeof data === "number") {
    event[DATA] = integer(data, what, 0, Number.MAX_SAFE_INTEGER);
    event[DATA + 1] = data / 0x1_0000_0000;
  } else eventView.setBigUint64(DATA * 4, unsigned64(data, what), true);
}

/** What one copy of a set knows of a registration, in 32-bit integers. */
export interface Member {
  readonly descriptor: Descriptor | null;
  mask: number;
  low: number;
  high: number;
}

/** Notes what the kernel was given. */
export function remember(member: Member): void {
  member.mask = event[0]! | 0;
  member.low = event[DATA]! | 0;
  member.high = event[DATA + 1]! | 0;
}

/** Writes the data that the kernel was given last, the number where that is not known. */
export function recallData(member: Member | undefined, fd: number): void {
  event[DATA] = member === undefined ? fd : member.low;
  event[DATA + 1] = member === undefined ? 0 : member.high;
}

/** Writes all that the kernel was given last. */
export function recall(member: Member, fd: number): void {
  event[0] = member.mask;
  recallData(member, fd);
}

/** Lends the number of a target to one call; {@link giveBack} must follow. */
export function lend(target: Descriptor | number, what: string): number {
  if (typeof target === "number") return descriptorNumber(target, what) | 0;
  if (target instanceof Descriptor) return acquire(target);
  throw new TypeError(`${what} must be a handle or a descriptor's number, got ${shown(target)}`);
}

/** Ends what {@link lend} began. */
export function giveBack(target: Descriptor | number): void {
  if (typeof target !== "number") release(target);
}

/**
 * Makes one `epoll_ctl(2)`, with the event that was written.
 *
 * @throws {ClosedError} when the set is closed
 * @throws {SyscallError} with the number of the target
 */
export function control(set: Descriptor, operation: number, fd: number): void {
  const number = acquire(set);
  if (libc.epoll_ctl(number, operation, fd, event) === -1) {
    throw refused(set, operation, fd, number);
  }
  release(set);
}

/** Ends a call that failed. */
function refused(set: Descriptor, operation: number, fd: number, number: number): SyscallError {
  const code = errno();
  release(set);
  return new SyscallError("epoll_ctl", code, fd, remedy(operation, code, fd === number));
}

/**
 * Refuses ET for a descriptor that blocks: it would block in the read or write that is to find the
 * end of what there is, which ET makes necessary.
 *
 * @throws {TypeError} when it blocks
 * @throws {SyscallError} EPERM, when it cannot be in a set anyway
 */
export function refuseBlocking(set: Descriptor, fd: number): void {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  // What is not open, or is the set itself, the kernel refuses by a name of its own.
  if (flags === -1 || (flags & O_NONBLOCK) !== 0 || fd === set.raw) return;
  try {
    control(set, EPOLL_CTL_NOTHING, fd);
  } catch (error) {
    // And so it does a file, for which O_NONBLOCK would be no remedy.
    if (!hasErrno(error, EINVAL)) throw error;
  }
  throw new TypeError(
    `Epoll: ET cannot be asked for fd ${fd}, which blocks: a read or write that has to go on until ` +
      "it would block never returns. Call setNonblock(true), or make it with blocking: false",
  );
}

/** Whether an error says that a descriptor is in the set already. */
export function isThere(error: unknown): boolean {
  return hasErrno(error, EEXIST);
}

function hasErrno(error: unknown, code: number): boolean {
  return error instanceof SyscallError && error.errno === code;
}

/** What to do about a refusal, where its name does not say it. */
function remedy(operation: number, code: number, self: boolean): string {
  switch (code) {
    case EEXIST:
      return "It is in the set already: change it with modify";
    case ENOENT:
      return "It is not in the set: add it first";
    case EPERM:
      return "Its kind cannot be waited for: files and directories are always ready";
    case ELOOP:
      return "Sets can be in one another five deep and not in a circle";
    case ENOSPC:
      return "The limit is in /proc/sys/fs/epoll/max_user_watches";
    case EINVAL:
      if (self) return "A set cannot be in itself";
      return operation === EPOLL_CTL_MOD
        ? "EXCLUSIVE is for add only, and what was added with it is changed by delete and add"
        : "EXCLUSIVE goes with IN, OUT, WAKEUP and ET only, and not for another set";
    default:
      return "";
  }
}
