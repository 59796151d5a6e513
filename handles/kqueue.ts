/**
 * Events of descriptors, processes, signals, files, timers and programs: the kqueue of the BSDs.
 *
 * Kernel: macOS, FreeBSD 12; Linux with libkqueue.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { type KqueueSystem, kqueueSystem } from "../ffi/kqueue.ts";
import { check, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Cell } from "./cell.ts";
import { ClosedError } from "./closed_error.ts";
import {
  acquire,
  Descriptor,
  OWNED,
  release,
  sharedCell,
  type SharedDescriptor,
} from "./descriptor.ts";
import type { Duration } from "./duration.ts";
import { milliseconds } from "./epoll_wait.ts";
import {
  ChangeList,
  checkChanges,
  type CheckedChange,
  isOfDescriptor,
  type KqueueChange,
  NOW,
} from "./kqueue_changes.ts";
import {
  type EventMemory,
  FILTER_FLAGS,
  type KqueueEvents,
  memoryOf,
  received,
} from "./kqueue_events.ts";
import { KqueueMembers } from "./kqueue_members.ts";
import { waitOn } from "./kqueue_wait.ts";
import { EV, NOTE } from "./kqueue_words.ts";
import { descriptorNumber, flag, options as checkOptions, shown } from "./validate.ts";

const ENOENT = errnoNumber("ENOENT");
const ESRCH = errnoNumber("ESRCH");

/** What a kqueue is made with. */
export interface KqueueOptions {
  /** Whether the queue stays open across exec. Default: false. */
  inherit?: boolean;
}

/** A {@link Kqueue} in the form that `postMessage` carries. */
export type SharedKqueue = SharedDescriptor;

/** Makes a kqueue on another system than this machine's: how tests work without a kernel. */
export let createOn: (system: KqueueSystem) => Kqueue;

/** Makes an empty list of changes for a queue, for {@link applyTo}. */
export let changesFor: (queue: Kqueue) => ChangeList;

/** Makes the changes of a list: answers 0 or an errno, as {@link ChangeList.apply} does. */
export let applyTo: (queue: Kqueue, changes: ChangeList) => number;

/**
 * A queue of kernel events: `kqueue(2)`. One call changes what it watches and takes what it reports.
 *
 * A handle whose events are in a queue leaves it when it is closed.
 *
 * What surprises:
 * - An event is known by its filter and its ident together. `ADD` of one that is there changes it.
 * - Without `CLEAR` a READ or WRITE event is reported by every call for as long as it is so.
 *   `ONESHOT` removes an event with its report, `DISPATCH` disables it until `ENABLE`.
 * - Every change sets `udata` anew, also one that only triggers a USER event: repeat it. On macOS it
 *   sets the time of a TIMER anew, too, also one that only enables it: repeat `data` and `fflags`.
 * - `SIGNAL` reports also what is ignored, and does not keep a signal from being handled: set the
 *   disposition, or the signal does what it does.
 * - `PROC` can be asked for processes that have ended only until they were waited for (ESRCH).
 * - Closing a kqueue removes all that is in it. It is not inherited by a child of fork(2).
 * - The ways in which libkqueue, the emulation on Linux, differs are in its BUGS.md.
 *
 * Platforms: macOS, FreeBSD; Linux with libkqueue, by its path in the variable `FDLOOP_KQUEUE_LIB`.
 * See kqueue(2), kevent(2).
 *
 * @example
 * ```ts
 * import { EV, Kqueue, KqueueEvents, pipe, supports } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * if (supports("kqueue")) {
 *   using queue = Kqueue.create();
 *   using ends = pipe();
 *   queue.control([{ filter: "READ", ident: ends.reader, flags: EV.ADD, udata: 3n }]);
 *
 *   const events = new KqueueEvents(16);
 *   assertEquals(queue.control(null, events, 10), 0); // nothing for 10 ms
 *   ends.writer.write(new Uint8Array(5));
 *   assertEquals(queue.control(null, events), 1);
 *   assertEquals([events.filter(0), events.data(0), events.udata(0)], ["READ", 5, 3n]);
 * }
 * ```
 */
export class Kqueue extends Descriptor {
  readonly #system: KqueueSystem;
  readonly #changes: ChangeList;
  readonly #members: KqueueMembers;
  /** Whether the queue has the event that ends the waits of all threads when it is closed. */
  #hasBell: boolean;

  private constructor(
    key: symbol,
    owned: number | Cell,
    system: KqueueSystem,
    hasBell: boolean = false,
  ) {
    super(key, owned);
    this.#system = system;
    this.#changes = new ChangeList(system);
    this.#members = new KqueueMembers(this, () => new ChangeList(system));
    this.#hasBell = hasBell;
  }

  static {
    createOn = (system) => {
      const number = system.calls.kqueue();
      if (number === -1) throw new SyscallError("kqueue", system.errno());
      return new Kqueue(OWNED, number, system);
    };
    changesFor = (queue) => new ChangeList(queue.#system);
    applyTo = (queue, changes) => {
      const number = acquire(queue);
      const code = changes.apply(number);
      release(queue);
      return code;
    };
  }

  /** Always `"Kqueue"`. */
  get [Symbol.toStringTag](): string {
    return "Kqueue";
  }

  /**
   * Makes an empty queue: `kqueue(2)`, closed on exec unless asked otherwise.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {SyscallError} EMFILE, ENFILE, ENOMEM, when there is nothing left
   * @throws {UnsupportedError} on a system without kqueue
   */
  static create(options: KqueueOptions = {}): Kqueue {
    const { inherit = false } = checkOptions(options, "Kqueue.create: options");
    const flags = flag(inherit, "Kqueue.create: inherit") ? 0 : posix.FD_CLOEXEC;
    const queue = createOn(kqueueSystem());
    try {
      // Not all systems leave it off by themselves, and libkqueue sets it by itself.
      check("fcntl", libc.fcntl(queue.raw, posix.F_SETFD, flags), queue.raw);
    } catch (error) {
      queue.close();
      throw error;
    }
    return queue;
  }

  /**
   * Takes ownership of a kqueue by its number. From here on nothing else may close it.
   *
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it, or it is something else
   * @throws {UnsupportedError} on a system without kqueue
   */
  static adopt(number: number): Kqueue {
    const fd = descriptorNumber(number, "Kqueue.adopt: the number") | 0;
    const system = kqueueSystem();
    if (system.calls.kevent(fd, null, 0, null, 0, NOW) === -1) {
      const remedy = "If it is open it is not a kqueue: adopt it as an FD";
      throw new SyscallError("kevent", system.errno(), fd, remedy);
    }
    return new Kqueue(OWNED, fd, system);
  }

  /**
   * Makes a handle of what {@link Kqueue.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `Kqueue`
   * @throws {UnsupportedError} on a system without kqueue
   */
  static from(shared: SharedKqueue): Kqueue {
    return new Kqueue(OWNED, sharedCell(shared, "Kqueue"), kqueueSystem(), true);
  }

  /**
   * Makes changes, and then waits for events: `kevent(2)`.
   *
   * All changes are checked before the first is made, and each is made or refused by itself. A refusal,
   * and every change with `RECEIPT`, is answered by an event with `ERROR`, whose data is the errno or
   * 0; when there are answers the call returns with them and does not wait. Without room for all of
   * them the first refusal is thrown, or 0 is answered at once when nothing was refused.
   *
   * Answers how many events it put into the buffer, 0 when nothing was reported in time. It is never
   * early, and a signal neither ends nor lengthens it. Blocks the whole thread while it waits;
   * allocates nothing when there are no changes and the timeout is a number.
   *
   * @param changes a list, or anything else that can be iterated over; null for none
   * @param events where the events go; null for a call that only makes changes
   * @param timeout 0 only looks; null, the default, waits for as long as it takes
   * @throws {TypeError} when an argument is of the wrong type
   * @throws {RangeError} when a number of a change is out of bounds; when the timeout is negative, not
   *   finite, or longer than 292 years
   * @throws {ClosedError} when the queue, or a handle in a change, is closed; also while it waits, by
   *   another thread
   * @throws {SyscallError} the first change that was refused, when there is no room to answer: ENOENT,
   *   when there is no such event to change; ESRCH, when there is no such process; EBADF, when a number
   *   is not open; EACCES, on macOS, for EXITSTATUS of a process that this one may not signal; EINVAL,
   *   when the filter cannot do it. The others were made all the same
   */
  control(
    changes: Iterable<KqueueChange> | null,
    events: KqueueEvents | null = null,
    timeout: Duration | null = null,
  ): number {
    const checked = changes === null ? null : checkChanges(changes, "Kqueue.control");
    const memory = events === null ? null : this.#memoryFor(events);
    const limit = milliseconds(timeout, "Kqueue.control: the timeout (null for none)");
    if (checked !== null && checked.length > 0) {
      const answers = this.#change(checked, events, memory);
      if (answers !== null) return answers;
    }
    if (events === null || memory === null) {
      if (this.closed) throw new ClosedError(this[Symbol.toStringTag]);
      return 0;
    }
    return this.#wait(events, memory, limit);
  }

  /**
   * Puts the queue into a form that `postMessage` carries to a worker, where {@link Kqueue.from} makes
   * a handle of it again. All of them are one: any thread can change it, and any number can wait.
   *
   * Closing it on one thread ends the waits of all others with a {@link ClosedError}.
   *
   * @throws {ClosedError} when the queue is closed
   * @throws {SyscallError} ENOMEM, EMFILE, when there is nothing left
   *
   * @example
   * ```ts
   * import { EV, Kqueue, KqueueEvents, NOTE, supports } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * if (supports("kqueue")) {
   *   using here = Kqueue.create();
   *   const there = Kqueue.from(structuredClone(here.share()));
   *   there.control([{ filter: "USER", ident: 1, flags: EV.ADD }]);
   *   there.control([{ filter: "USER", ident: 1, flags: 0, fflags: NOTE.TRIGGER }]);
   *   assertEquals(here.control(null, new KqueueEvents(1)), 1);
   * }
   * ```
   */
  override share(): SharedKqueue {
    const shared = super.share();
    if (!this.#hasBell) {
      const code = this.#ring(acquire(this), EV.ADD, 0);
      release(this);
      if (code !== 0) throw new SyscallError("kevent", code, this.raw);
      this.#hasBell = true;
    }
    return shared;
  }

  /** Lets go of the members and wakes the threads that wait. */
  protected override closing(number: number): void {
    this.#members.clear();
    // Without EV_CLEAR it is reported to every wait from here on.
    if (this.#hasBell) this.#ring(number, 0, NOTE.TRIGGER);
  }

  /** Changes the event that ends all waits. Its ident is one that no program can give. */
  #ring(number: number, flags: number, fflags: number): number {
    const changes = new ChangeList(this.#system);
    changes.add("USER", -1, flags, fflags, 0);
    changes.words(0).fill(-1, 0, 2);
    const code = changes.apply(number);
    return code === 0 ? changes.errnoOf(0) : code;
  }

  #memoryFor(events: KqueueEvents): EventMemory {
    const memory = memoryOf(events);
    if (memory !== null && memory.tables.name === this.#system.name) return memory;
    throw new TypeError(
      `Kqueue.control: the events must be KqueueEvents, or null; got ${shown(events)}`,
    );
  }

  /** Makes changes: answers how many answers were put into the buffer, null when there are none. */
  #change(
    checked: readonly CheckedChange[],
    events: KqueueEvents | null,
    memory: EventMemory | null,
  ): number | null {
    const list = this.#changes;
    const queue = acquire(this);
    let lent = 0;
    try {
      list.clear();
      for (const change of checked) {
        const { ident } = change;
        list.addChecked(change, typeof ident === "number" ? ident : acquire(ident));
        lent++;
      }
      const joined = this.#join(checked);
      const code = list.apply(queue);
      if (code !== 0) throw new SyscallError("kevent", code, queue);
      this.#settle(checked, joined);
    } finally {
      for (const { ident } of checked.slice(0, lent)) {
        if (typeof ident !== "number") release(ident);
      }
      release(this);
    }
    return this.#answer(checked, events, memory);
  }

  /**
   * Before the call, so that a close on another thread that comes right after it finds the queue.
   * Answers which of the events were not known.
   */
  #join(checked: readonly CheckedChange[]): boolean[] {
    return checked.map(({ filter, ident, flags }) =>
      typeof ident !== "number" && (flags & EV.ADD) !== 0 && this.#members.join(ident, filter)
    );
  }

  /** Forgets the handles whose events are out: deleted, not there, or refused when they were new. */
  #settle(checked: readonly CheckedChange[], joined: readonly boolean[]): void {
    checked.forEach(({ filter, ident, flags }, index) => {
      if (typeof ident === "number") return;
      const code = this.#changes.errnoOf(index);
      const added = (flags & EV.ADD) !== 0;
      const gone = added
        ? code !== 0 && joined[index]
        : (flags & EV.DELETE) !== 0 || code === ENOENT;
      if (gone) this.#members.leave(ident, filter);
      else if (added && code === 0) this.#members.join(ident, filter); // behind a DELETE in the list
    });
  }

  #answer(
    checked: readonly CheckedChange[],
    events: KqueueEvents | null,
    memory: EventMemory | null,
  ): number | null {
    const list = this.#changes;
    const answered = checked.flatMap(({ flags }, index) =>
      (flags & EV.RECEIPT) !== 0 || list.errnoOf(index) !== 0 ? [index] : []
    );
    if (answered.length === 0) return null;
    if (events === null || memory === null || answered.length > memory.capacity) {
      const refused = checked.findIndex((_, index) => list.errnoOf(index) !== 0);
      if (refused >= 0) throw this.#refused(checked[refused]!, refused, checked.length);
      if (events !== null) received(events, 0);
      return 0;
    }
    const stride = this.#system.layout.size / 4;
    answered.forEach((index, place) => {
      memory.words.set(list.words(index), place * stride);
      // FreeBSD answers with ERROR alone, the others add it to what was asked for.
      const at = place * stride + FILTER_FLAGS;
      const flags = checked[index]!.flags | EV.ERROR;
      memory.words[at] = (memory.words[at]! & 0xffff) | flags << 16;
    });
    received(events, answered.length);
    return answered.length;
  }

  #refused({ filter, ident }: CheckedChange, index: number, length: number): SyscallError {
    const code = this.#changes.errnoOf(index);
    const number = typeof ident === "number" ? ident : ident.raw;
    const which = length === 1 ? "" : ` (change ${index} of ${length}; the others were made)`;
    const remedy = code === ENOENT
      ? ": it is not in the queue, add it first"
      : code === ESRCH
      ? ": there is no such process, or it was waited for already"
      : "";
    const fd = isOfDescriptor(filter) ? number : this.raw;
    return new SyscallError("kevent", code, fd, `${filter} ${number}${remedy}${which}`);
  }

  #wait(events: KqueueEvents, { words, capacity }: EventMemory, limit: number): number {
    const queue = acquire(this);
    const count = waitOn(this.#system, queue, words, capacity, limit);
    const { closed } = this;
    release(this);
    received(events, closed || count < 0 ? 0 : count); // one of them may be the bell's
    if (closed) throw new ClosedError(this[Symbol.toStringTag]);
    if (count < 0) throw new SyscallError("kevent", -count, queue);
    return count;
  }
}
