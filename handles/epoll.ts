/**
 * Readiness of many descriptors at once.
 *
 * Kernel: epoll_create1 is Linux 2.6.27, EPOLLEXCLUSIVE 4.5, epoll_pwait2 5.11.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Cell } from "./cell.ts";
import { ClosedError } from "./closed_error.ts";
import {
  acquire,
  Descriptor,
  OWNED,
  release,
  sharedCell,
  type SharedDescriptor,
} from "./descriptor.ts";
import { Doorbell } from "./doorbell.ts";
import type { Duration } from "./duration.ts";
import {
  control,
  giveBack,
  lend,
  recall,
  recallData,
  refuseBlocking,
  remember,
  writeData,
  writeMask,
} from "./epoll_ctl.ts";
import { EPOLL, type EpollEvents, memoryOf, received, STRIDE } from "./epoll_events.ts";
import { Members } from "./epoll_members.ts";
import { milliseconds, sleep, waitOn } from "./epoll_wait.ts";
import { descriptorNumber, flag, options as checkOptions, shown } from "./validate.ts";

const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = linux;

const ET = EPOLL.ET | 0;

const EINVAL = errnoNumber("EINVAL");
const ENOENT = errnoNumber("ENOENT");

/** What an epoll set is made with. */
export interface EpollOptions {
  /** Whether the set stays open across exec. Default: false. */
  inherit?: boolean;
}

/** An {@link Epoll} in the form that `postMessage` carries. */
export interface SharedEpoll extends SharedDescriptor {
  /** The lifetime word of what wakes the threads that wait when the set is closed. */
  readonly doorbell: SharedArrayBuffer;
}

/**
 * A set of descriptors and what to wait for on each: `epoll(7)`.
 *
 * A handle that is in a set leaves it when it is closed, on whatever thread. The bare kernel object
 * would go on reporting a descriptor of which a duplicate is open somewhere; this one does not.
 *
 * What surprises:
 * - `ERR` and `HUP` are reported whether asked for or not.
 * - Without `ET` a descriptor is reported by every wait for as long as it is ready. With `ET` it is
 *   reported once for each change, for all of its words together, and must be read or written until
 *   it would block; a descriptor that blocks is therefore refused.
 * - `add` and `modify` are such changes: what is ready already is reported.
 * - `ONESHOT` reports once and is then silent, but stays in the set: {@link Epoll.rearm}.
 * - `EXCLUSIVE` goes with `IN`, `OUT`, `WAKEUP` and `ET` only, in `add` only.
 * - An event says what was true when the kernel looked. Where a handle is closed while a batch is
 *   worked off, a later event of that batch can still be about it: put a generation into the data.
 * - A set is itself readable when a wait on it would report something, so sets can be in sets, five
 *   deep.
 *
 * Platforms: Linux. See epoll(7), epoll_ctl(2), epoll_wait(2).
 *
 * @example
 * ```ts
 * import { EPOLL, Epoll, EpollEvents, pipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using set = Epoll.create();
 * using ends = pipe();
 * set.add(ends.reader, EPOLL.IN);
 *
 * const events = new EpollEvents(16);
 * assertEquals(set.wait(events, 10), 0); // nothing for 10 ms
 * ends.writer.write(new Uint8Array(3));
 * assertEquals(set.wait(events), 1);
 * assertEquals([events.mask(0), events.dataLow(0)], [EPOLL.IN, ends.reader.raw]);
 *
 * ends.reader.close(); // leaves the set
 * assertEquals(set.wait(events, 0), 0);
 * ```
 */
export class Epoll extends Descriptor {
  readonly #members: Members;
  /** Once the set is shared. */
  #doorbell: Doorbell | null;

  private constructor(key: symbol, owned: number | Cell, doorbell: Doorbell | null = null) {
    super(key, owned);
    this.#members = new Members(this);
    this.#doorbell = doorbell;
  }

  /** Always `"Epoll"`. */
  get [Symbol.toStringTag](): string {
    return "Epoll";
  }

  /**
   * Makes an empty set: `epoll_create1(2)`, closed on exec unless asked otherwise.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   * @throws {UnsupportedError} on anything but Linux
   */
  static create(options: EpollOptions = {}): Epoll {
    const { inherit = false } = checkOptions(options, "Epoll.create: options");
    const flags = flag(inherit, "Epoll.create: inherit") ? 0 : linux.EPOLL_CLOEXEC;
    return new Epoll(OWNED, check("epoll_create1", libc.epoll_create1(flags)));
  }

  /**
   * Takes ownership of an epoll set by its number. From here on nothing else may close it.
   *
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it; EINVAL, when it is something else
   * @throws {UnsupportedError} on anything but Linux
   */
  static adopt(number: number): Epoll {
    const fd = descriptorNumber(number, "Epoll.adopt: the number") | 0;
    check("fcntl", libc.fcntl(fd, posix.F_GETFD, 0), fd);
    // A new descriptor is in no set: DEL says ENOENT of a set, and EINVAL of anything else.
    const stranger = check("epoll_create1", libc.epoll_create1(linux.EPOLL_CLOEXEC));
    libc.epoll_ctl(fd, EPOLL_CTL_DEL, stranger, null);
    const code = errno();
    libc.close(stranger);
    if (code === ENOENT) return new Epoll(OWNED, fd);
    const remedy = code === EINVAL ? "It is not an epoll set: adopt it as an FD" : "";
    throw new SyscallError("epoll_ctl", code, fd, remedy);
  }

  /**
   * Makes a handle of what {@link Epoll.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of an `Epoll`
   */
  static from(shared: SharedEpoll): Epoll {
    const cell = sharedCell(shared, "Epoll");
    if (!Cell.isMemory(shared.doorbell)) {
      throw new TypeError("Epoll.from takes what Epoll.share() returned, got one without doorbell");
    }
    return new Epoll(OWNED, cell, new Doorbell(new Cell(shared.doorbell)));
  }

  /**
   * Puts a descriptor into the set: `epoll_ctl(EPOLL_CTL_ADD)`.
   *
   * @param target a handle, which leaves the set when it is closed; or a number, which does only
   *   when its last duplicate is closed
   * @param mask what to wait for, in the words of {@link EPOLL}; 0 waits for `ERR` and `HUP` alone
   * @param data 64 bits that its events carry, as they are. Default: its number
   * @throws {TypeError} when an argument is of the wrong type; when `ET` is asked for a descriptor
   *   that blocks
   * @throws {RangeError} when the mask has a bit that no word has, or the data more than 64 bits
   * @throws {ClosedError} when the set or the handle is closed
   * @throws {SyscallError} EEXIST, when it is in the set already; EPERM, for files and directories,
   *   which are always ready; EINVAL, for the set itself or a misused `EXCLUSIVE`; ELOOP, when sets
   *   would be nested in a circle or too deep; EBADF, for a number that is not open; ENOSPC, at the
   *   limit in /proc/sys/fs/epoll/max_user_watches. `fd` is the target's number
   */
  add(target: Descriptor | number, mask: number, data?: number | bigint): void {
    writeMask(mask, "Epoll.add: the mask");
    if (data !== undefined) writeData(data, "Epoll.add: the data");
    this.#hold(target, "Epoll.add: the target", (fd) => {
      if (data === undefined) recallData(undefined, fd);
      if ((mask & ET) !== 0 && !(target instanceof Epoll)) refuseBlocking(this, fd);
      this.#members.admit(EPOLL_CTL_ADD, target, fd);
    });
  }

  /**
   * Changes what a descriptor of the set is waited for: `epoll_ctl(EPOLL_CTL_MOD)`. What is ready
   * by the new mask is reported, also where `ET` or `ONESHOT` had it reported before.
   *
   * @param target a handle or a number that is in the set
   * @param mask what to wait for, in the words of {@link EPOLL}
   * @param data 64 bits that its events carry. Default: what this copy of the set gave it last, its
   *   number where it gave nothing
   * @throws {TypeError} when an argument is of the wrong type; when `ET` is asked for a descriptor
   *   that blocks
   * @throws {RangeError} when the mask has a bit that no word has, or the data more than 64 bits
   * @throws {ClosedError} when the set or the handle is closed
   * @throws {SyscallError} ENOENT, when it is not in the set; EINVAL, when it was added with
   *   `EXCLUSIVE`, or `EXCLUSIVE` is asked for; EPERM, EBADF as for {@link Epoll.add}
   */
  modify(target: Descriptor | number, mask: number, data?: number | bigint): void {
    writeMask(mask, "Epoll.modify: the mask");
    if (data !== undefined) writeData(data, "Epoll.modify: the data");
    const fd = lend(target, "Epoll.modify: the target");
    try {
      const member = this.#members.get(fd);
      if (data === undefined) recallData(this.#members.getOpen(fd), fd);
      if ((mask & ET) !== 0 && !(target instanceof Epoll)) refuseBlocking(this, fd);
      const isOther = typeof target === "number"
        ? member?.descriptor?.closed === true
        : member?.descriptor !== target;
      if (member === undefined || isOther) {
        return this.#hold(target, "Epoll.modify: the target", () => {
          this.#members.admit(EPOLL_CTL_MOD, target, fd);
        });
      }
      control(this, EPOLL_CTL_MOD, fd);
      remember(member);
    } finally {
      giveBack(target);
    }
  }

  /**
   * Makes a descriptor that `ONESHOT` silenced report again: `epoll_ctl(EPOLL_CTL_MOD)` with the
   * mask and the data that this copy of the set gave it last. What is ready is reported at once.
   *
   * @throws {TypeError} when the target is neither a handle nor a number
   * @throws {RangeError} when this copy of the set has not added it: use {@link Epoll.modify}
   * @throws {ClosedError} when the set or the handle is closed
   * @throws {SyscallError} ENOENT, when it is not in the set any more
   *
   * @example
   * ```ts
   * import { EPOLL, Epoll, EpollEvents, EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using set = Epoll.create();
   * using counter = EventFD.create({ initial: 1 });
   * set.add(counter, EPOLL.IN | EPOLL.ONESHOT);
   * const events = new EpollEvents(1);
   * assertEquals([set.wait(events), set.wait(events, 0)], [1, 0]);
   * set.rearm(counter);
   * assertEquals(set.wait(events), 1);
   * ```
   */
  rearm(target: Descriptor | number): void {
    const fd = lend(target, "Epoll.rearm: the target");
    try {
      const member = this.#members.getOpen(fd);
      if (member === undefined) {
        throw new RangeError(
          `Epoll.rearm: fd ${fd} was not added through this object, so that its mask is not known ` +
            "here: call modify with the mask",
        );
      }
      recall(member, fd);
      control(this, EPOLL_CTL_MOD, fd);
    } finally {
      giveBack(target);
    }
  }

  /**
   * Takes a descriptor out of the set: `epoll_ctl(EPOLL_CTL_DEL)`. Events of it that were not waited
   * for yet are gone. A handle that is closed needs no `delete`.
   *
   * @throws {TypeError} when the target is neither a handle nor a number
   * @throws {ClosedError} when the set or the handle is closed
   * @throws {SyscallError} ENOENT, when it is not in the set; EBADF, for a number that is not open
   */
  delete(target: Descriptor | number): void {
    this.#hold(target, "Epoll.delete: the target", (fd) => this.#members.delete(fd));
  }

  /**
   * Waits until something is ready: `epoll_wait(2)`, and `epoll_pwait2(2)` for a timeout that is not
   * of whole milliseconds (before Linux 5.11 it is rounded up to them). Blocks the whole thread.
   *
   * Answers how many events it put into the buffer, 0 when nothing was ready in time. It is never
   * early, and a signal neither ends nor lengthens it. Allocates nothing when the timeout is a number.
   *
   * @param events where the events go; their number is limited by its capacity
   * @param timeout 0 only looks; null, the default, waits for as long as it takes
   * @throws {TypeError} when an argument is of the wrong type
   * @throws {RangeError} when the timeout is negative, not finite, or longer than 292 years
   * @throws {ClosedError} when the set is closed; also while it waits, by another thread
   */
  wait(events: EpollEvents, timeout: Duration | null = null): number {
    const memory = memoryOf(events);
    if (memory === null) {
      throw new TypeError(`Epoll.wait: the events must be EpollEvents, got ${shown(events)}`);
    }
    const limit = milliseconds(timeout, "Epoll.wait: the timeout (null for none)");
    if (this.#doorbell !== null) return this.#waitShared(this.#doorbell, events, memory, limit);
    const set = acquire(this);
    const count = waitOn(set, memory, memory.length / STRIDE, limit);
    release(this);
    return outcome(events, count, set);
  }

  /**
   * Puts the set into a form that `postMessage` carries to a worker, where {@link Epoll.from} makes
   * a handle of it again. All of them are one: any thread can add, and any number can wait.
   *
   * Closing it on one thread ends the waits of all others with a {@link ClosedError}; to that end
   * the set holds one more descriptor from here on, an eventfd.
   *
   * @throws {ClosedError} when the set is closed
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   *
   * @example
   * ```ts
   * import { EPOLL, Epoll, EpollEvents, pipe } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using here = Epoll.create();
   * const there = Epoll.from(structuredClone(here.share()));
   * using ends = pipe();
   * there.add(ends.writer, EPOLL.OUT);
   * assertEquals(here.wait(new EpollEvents(1)), 1);
   * ```
   */
  override share(): SharedEpoll {
    this.#doorbell ??= Doorbell.hang(this);
    return { ...super.share(), doorbell: this.#doorbell.memory };
  }

  /** Lets go of the members and wakes the threads that wait. */
  protected override closing(_number: number): void {
    this.#members.clear();
    this.#doorbell?.ring();
  }

  /**
   * Waits where another thread can close the set: inside the doorbell's lifetime too while it
   * sleeps, because a doorbell that was closed wakes nobody.
   */
  #waitShared(
    doorbell: Doorbell,
    events: EpollEvents,
    memory: Uint32Array,
    limit: number,
  ): number {
    const set = acquire(this);
    const room = memory.length / STRIDE;
    let count = waitOn(set, memory, room, 0);
    if (count === 0 && limit !== 0 && doorbell.enter()) {
      count = sleep(set, memory, room, limit);
      doorbell.leave();
    }
    const { closed } = this;
    if (closed) this.#members.clear();
    release(this);
    if (!closed) return outcome(events, count, set);
    received(events, 0); // one of them may be the doorbell's
    throw new ClosedError(this[Symbol.toStringTag]);
  }

  /** Lends both numbers to what is more than one call. */
  #hold(target: Descriptor | number, what: string, work: (fd: number) => void): void {
    const fd = lend(target, what);
    try {
      acquire(this);
      try {
        work(fd);
      } finally {
        release(this);
      }
    } finally {
      giveBack(target);
    }
  }
}

/** Ends a wait: what it answers, or the error that `count` is below zero. */
function outcome(events: EpollEvents, count: number, set: number): number {
  if (count >= 0) {
    received(events, count);
    return count;
  }
  received(events, 0);
  throw new SyscallError("epoll_wait", -count, set);
}
