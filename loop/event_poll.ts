/**
 * epoll in user space: waits for sources that have no descriptor, with the kernel's semantics.
 *
 * Nothing here needs a kernel or a runtime: it works wherever JavaScript does. The lists are those of
 * `fs/eventpoll.c`, and so is the order of what is reported; `tests/event_poll_fuzz.ts` compares both.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { abortSignal, integer, options as checkOptions } from "../handles/validate.ts";
import { Entries } from "./event_entries.ts";
import { Entry, EntryList, type EntryOwner, unlink } from "./event_entry.ts";
import { EntryFlags, EventMask, READ_WORDS } from "./event_mask.ts";
import { checkDepth, checkPaths, nests } from "./event_nesting.ts";
import {
  checkExclusive,
  type FileIdentifier,
  identifier,
  refused,
  set,
  settings,
} from "./event_settings.ts";
import { Sleepers } from "./sleepers.ts";
import { type SourceListener, type Waitable, WaiterQueue } from "./waitable.ts";

/** The most events of one call: EP_MAX_EVENTS, what epoll_wait(2) takes. */
const MOST_EVENTS = 178_956_970;

/** One report. */
export interface PollEvent {
  /** What is ready, in the words of {@link EventMask}. */
  readonly mask: number;
  /** What was given with the entry, as it was given. */
  readonly data: number | bigint;
}

/** How {@link EventPoll.wait} waits. */
export interface PollWaitOptions {
  /** How long at most; without it, for as long as it takes. 0 only looks. */
  timeout?: Duration;
  /** Ends the wait: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A set of sources and what to wait for on each: `epoll(7)` without the kernel, for queues, message
 * ports, streams and whatever else is a {@link Waitable}.
 *
 * What it reports, in which order, and what it refuses are the kernel's:
 * - ERR and HUP are reported whether asked for or not.
 * - Without `EdgeTriggered` an entry is reported by every call for as long as it is ready; where more
 *   are ready than asked for, they take turns. With it, once for each change; changes combine.
 * - `addEntry` and `updateEntry` are such changes: what is ready already is reported.
 * - `OneShot` reports once, and is then silent, also about ERR and HUP, until `updateEntry`.
 * - A source under another number is another entry.
 * - It is itself a source, readable while something would be reported, so polls can be in polls, five
 *   deep. Its wake-ups say IN and nothing else: an outer entry that waits for RDNORM alone sees a
 *   change only when it is polled for another reason. The kernel does the same.
 * - An entry vanishes when its source is released.
 *
 * Platforms: all, Node and browsers included. See epoll(7), epoll_ctl(2), epoll_wait(2).
 *
 * @example
 * ```ts
 * import { BoundedQueue, EventMask, EventPoll } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * const jobs = new BoundedQueue<string>(10);
 * poll.addEntry({ file: jobs }, 0, EventMask.IN, 0xdeadbeef_feedfacen);
 * setTimeout(() => jobs.push("wash up"), 1);
 * const [event] = await poll.wait(1);
 * assertEquals(event, { mask: EventMask.IN, data: 0xdeadbeef_feedfacen });
 * assertEquals(jobs.take(), "wash up");
 * assertEquals(poll.readEvents(1), []);
 * ```
 */
export class EventPoll implements Waitable, Disposable {
  readonly #entries: Entries = new Entries();
  readonly #listeners: WaiterQueue = new WaiterQueue();
  readonly #sleepers: Sleepers = new Sleepers();
  readonly #owner: EntryOwner;
  readonly #ready: EntryList = new EntryList();
  /** Noted while a scan was in progress, in order; null while none is. */
  #missed: Entry[] | null = null;
  #closed = false;

  /** Makes an empty poll. */
  constructor() {
    const sleepers = this.#sleepers;
    this.#owner = {
      poll: this,
      get isWaitedFor(): boolean {
        return sleepers.size > 0;
      },
      entries: () => this.#entries.each(),
      noted: (entry) => this.#note(entry),
      lost: (entry) => this.#remove(entry),
    };
    nests(this.#owner);
  }

  /** Always `"EventPoll"`. */
  get [Symbol.toStringTag](): string {
    return "EventPoll";
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether {@link EventPoll.release} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Puts a source into the poll: `epoll_ctl(EPOLL_CTL_ADD)`.
   *
   * @param id the source, and the number that it has here
   * @param flags how to report, in the words of {@link EntryFlags}; 0 is level-triggered
   * @param mask what to wait for, in the words of {@link EventMask}; 0 waits for ERR and HUP alone
   * @param data 64 bits that its reports carry, as they are
   * @throws {TypeError} when an argument is of the wrong type
   * @throws {RangeError} when a word is unknown, or the data does not fit
   * @throws {ClosedError} after `release`
   * @throws {EventPollError} EEXIST, when it is in the poll under that number; EINVAL, for the poll
   *   itself, a misused `Exclusive`, or too many ways through nested polls; ELOOP, when polls would be
   *   nested in a circle or too deep; EPERM, for a source that says it cannot be waited for
   */
  addEntry(id: FileIdentifier, flags: number, mask: number, data: number | bigint): void {
    const what = "EventPoll.addEntry";
    const { file, fd } = identifier(id, what);
    const checked = settings(flags, mask, data, what);
    this.#check(file);
    if ((flags & EntryFlags.Exclusive) !== 0) checkExclusive(file, flags, mask);
    checkDepth(this.#owner, file);
    if (this.#entries.find(file, fd) !== null) {
      throw refused("EEXIST", "It is in the poll already: change it with updateEntry");
    }
    const entry = new Entry(this.#owner, file, fd, (flags & EntryFlags.Exclusive) !== 0);
    this.#entries.add(entry);
    try {
      checkPaths(entry);
      set(entry, checked);
      entry.attach();
      this.#look(entry);
    } catch (error) {
      this.#remove(entry);
      throw error;
    }
  }

  /**
   * Changes an entry: `epoll_ctl(EPOLL_CTL_MOD)`. What is ready by the new mask is reported, also where
   * it was reported before; an entry that `OneShot` silenced is not any more.
   *
   * @param id as it was added
   * @param flags how to report
   * @param mask what to wait for
   * @param data 64 bits that its reports carry
   * @throws {TypeError} when an argument is of the wrong type
   * @throws {RangeError} when a word is unknown, or the data does not fit
   * @throws {ClosedError} after `release`
   * @throws {EventPollError} ENOENT, when it is not in the poll; EINVAL, when it was added with
   *   `Exclusive`, or `Exclusive` is asked for; EPERM and EINVAL as for {@link EventPoll.addEntry}
   */
  updateEntry(id: FileIdentifier, flags: number, mask: number, data: number | bigint): void {
    const what = "EventPoll.updateEntry";
    const { file, fd } = identifier(id, what);
    const checked = settings(flags, mask, data, what);
    this.#check(file);
    const isExclusive = (flags & EntryFlags.Exclusive) !== 0;
    if (isExclusive) throw refused("EINVAL", "Exclusive is for addEntry only");
    const entry = this.#existing(file, fd);
    if (entry.exclusive) throw refused("EINVAL", "It is exclusive: remove it and add it again");
    set(entry, checked);
    entry.attach();
    this.#look(entry);
  }

  /**
   * Takes an entry out: `epoll_ctl(EPOLL_CTL_DEL)`. What it had to report is gone.
   *
   * @param id as it was added
   * @throws {TypeError} when it is no identifier
   * @throws {ClosedError} after `release`
   * @throws {EventPollError} ENOENT, when it is not in the poll; EPERM and EINVAL as for
   *   {@link EventPoll.addEntry}
   */
  removeEntry(id: FileIdentifier): void {
    const { file, fd } = identifier(id, "EventPoll.removeEntry");
    this.#check(file);
    this.#remove(this.#existing(file, fd));
  }

  /**
   * Takes what is ready, without waiting: `epoll_wait(2)` with a timeout of 0.
   *
   * @param max how many at most; where more are ready, the next call reports them first
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is less than 1, or more than the kernel takes
   * @throws {ClosedError} after `release`
   * @throws {Error} when it is called by a source that this very poll is asking whether it is ready
   */
  readEvents(max: number): PollEvent[] {
    const most = integer(max, "EventPoll.readEvents: max", 1, MOST_EVENTS);
    this.#checkOpen();
    if (this.#missed !== null) {
      throw new Error("EventPoll.readEvents: it is in progress; a source must not call it");
    }
    const events: PollEvent[] = [];
    this.#scan((entry) => {
      const { settings } = entry;
      const mask = this.#ask(entry, events.length > 0);
      if (mask === null) return false;
      if (mask === 0) return true;
      events.push({ mask, data: entry.data });
      // One that was updated while it was asked is armed anew.
      if (entry.oneShot && entry.settings === settings) entry.mask = 0;
      else if (!entry.edge) this.#list(entry);
      return events.length < most;
    });
    return events;
  }

  /**
   * Waits until something is ready: `epoll_wait(2)`, as a promise. Answers the reports, none when
   * nothing was ready in time. It is never early.
   *
   * Where several wait, a change wakes one of them, in the order in which they came, and that one wakes
   * the next when it leaves something.
   *
   * @param max how many reports at most
   * @throws {TypeError} when an argument is of the wrong type
   * @throws {RangeError} when the timeout is negative, not finite, or longer than 292 years; when `max`
   *   is out of bounds
   * @throws {ClosedError} when it is released, before or while it waits
   */
  async wait(max: number, options: PollWaitOptions = {}): Promise<PollEvent[]> {
    const { timeout, signal } = checkOptions(options, "EventPoll.wait: options");
    abortSignal(signal, "EventPoll.wait: signal");
    const limit = timeout === undefined
      ? Infinity
      : toMilliseconds(timeout, "EventPoll.wait: timeout");
    signal?.throwIfAborted();
    const end = limit === Infinity ? Infinity : performance.now() + limit;
    for (;;) {
      const events = this.readEvents(max);
      if (events.length > 0 || performance.now() >= end) return events;
      await this.#sleepers.sleep(end, signal);
    }
  }

  /**
   * What the poll itself is ready for: IN and RDNORM, while {@link EventPoll.readEvents} would report
   * something. Entries that turn out not to be ready any more are not asked again until they change.
   */
  readiness(mask: number): number {
    if (this.#closed) return 0;
    let found = false;
    // Asked by one of its own sources: what is listed counts, and nobody is asked.
    if (this.#missed !== null) found = this.#ready.first !== null || this.#missed.length > 0;
    else {
      this.#scan((entry, rest) => {
        unlink(entry);
        found = entry.poll() !== 0;
        if (found && entry.next === null && entry.present) rest.unshift(entry);
        return !found;
      });
    }
    return found ? READ_WORDS & mask : 0;
  }

  /** Tells a listener when something may have become ready: see {@link Waitable}. */
  register(listener: SourceListener): void {
    this.#checkOpen();
    this.#listeners.register(listener);
  }

  /** Tells it no more. */
  unregister(listener: SourceListener): void {
    this.#listeners.unregister(listener);
  }

  /**
   * Stops to listen to the sources, and keeps the entries: what was noted before can still be read,
   * and `updateEntry` makes one listen again. For a source that is to be moved elsewhere.
   */
  unregisterEpollWaiters(): void {
    for (const entry of this.#entries.each()) entry.detach();
  }

  /**
   * Gives everything back: its entries are gone, the polls that it is in lose it, waits are rejected
   * with {@link ClosedError}. The sources are their owners'. Releasing again does nothing.
   */
  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const entry of [...this.#entries.each()]) this.#remove(entry);
    this.#listeners.release();
    this.#sleepers.end(new ClosedError("EventPoll"));
  }

  /** {@link EventPoll.release}. */
  [Symbol.dispose](): void {
    this.release();
  }

  /**
   * Goes through what is listed as ready, until `take` answers false. What is noted meanwhile comes
   * behind what was not gone through, and before what `take` lists again.
   */
  #scan(take: (entry: Entry, rest: EntryList) => boolean): void {
    const taken = new EntryList();
    taken.prepend(this.#ready);
    const missed: Entry[] = this.#missed = [];
    try {
      for (let entry = taken.first; entry !== null && take(entry, taken);) entry = taken.first;
    } finally {
      this.#missed = null;
      for (let entry = missed.pop(); entry !== undefined; entry = missed.pop()) {
        entry.missed = false;
        if (entry.next === null && entry.present) this.#ready.unshift(entry);
      }
      this.#ready.prepend(taken);
      if (this.#ready.first !== null) this.#sleepers.wakeOne();
    }
  }

  /**
   * Asks a source. What it throws must not cost the reports that were taken before: the scan then ends
   * (null), and the source, at the end of the list, is asked again by the next.
   */
  #ask(entry: Entry, hasReports: boolean): number | null {
    // Before it is asked, so that an update while it is asked lists it again.
    unlink(entry);
    try {
      return entry.poll();
    } catch (error) {
      this.#list(entry);
      if (hasReports) return null;
      throw error;
    }
  }

  /** Lists an entry, unless it is listed, or was removed while it was asked. */
  #list(entry: Entry): void {
    if (entry.next === null && entry.present) this.#ready.push(entry);
  }

  /** Takes a note of a source: `ep_poll_callback`. */
  #note(entry: Entry): void {
    if (this.#missed !== null) {
      if (!entry.missed) this.#missed.push(entry);
      entry.missed = true;
    } else if (entry.next === null) this.#ready.push(entry);
    this.#wake();
  }

  /** Lists an entry that is ready now. */
  #look(entry: Entry): void {
    if (entry.poll() === 0 || entry.next !== null || !entry.present) return;
    this.#ready.push(entry);
    this.#wake();
  }

  #wake(): void {
    this.#sleepers.wakeOne();
    this.#listeners.notify(EventMask.IN);
  }

  #remove(entry: Entry): void {
    this.#entries.remove(entry);
    unlink(entry);
  }

  #existing(file: Waitable, fd: number): Entry {
    const entry = this.#entries.find(file, fd);
    if (entry === null) throw refused("ENOENT", "It is not in the poll: add it first");
    return entry;
  }

  /** What the kernel checks before it looks whether there is an entry. */
  #check(file: Waitable): void {
    this.#checkOpen();
    if (file.pollable === false) {
      throw refused("EPERM", "Its kind cannot be waited for: it is always ready");
    }
    if (file === this) throw refused("EINVAL", "A poll cannot be in itself");
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("EventPoll");
  }
}
