/**
 * Who waits for what in a Loop: watches and promises on the one side, the poller on the other.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor, type InterestSet, joinSet, leaveSet } from "../handles/descriptor.ts";
import { descriptorNumber } from "../handles/validate.ts";
import { EventPollError } from "./event_poll_error.ts";
import {
  ERROR,
  HANGUP,
  ONCE,
  PEER_CLOSED,
  type Poller,
  READABLE,
  type Target,
  WRITABLE,
} from "./poller.ts";
import { type Source, Sources, type TargetKey, type Waiter } from "./source.ts";
import { isWaitable } from "./waitable.ts";

const EBADF = errnoNumber("EBADF");
const EEXIST = errnoNumber("EEXIST");
const ENOENT = errnoNumber("ENOENT");
const EPERM = errnoNumber("EPERM");

/** What the kernel says of a number that was closed by its owner: nobody has it, or another file. */
const GONE: readonly number[] = [EBADF, ENOENT, EPERM];

/** Readiness that lets a read, or a write, say more than would-block. */
const WAKES_READERS = READABLE | PEER_CLOSED | HANGUP | ERROR;
const WAKES_WRITERS = WRITABLE | HANGUP | ERROR;
const WAKES_ENDERS = HANGUP | ERROR;

/** Which of a source's waiters are meant. */
export type Side = "readers" | "writers" | "enders";

/** The watches and promises of one loop. */
export class Registry {
  readonly #poller: Poller;
  readonly #sources: Sources = new Sources();
  /** Through this a handle tells that it is being closed. */
  readonly #membership: InterestSet;
  readonly #changed: () => void;
  readonly #left: () => void;
  #active = 0;

  /**
   * Starts empty, on a poller that stays its owner's; tells when there is more or less to wait for, and
   * when a target is no longer watched.
   */
  constructor(poller: Poller, changed: () => void, left: () => void) {
    this.#poller = poller;
    this.#changed = changed;
    this.#left = left;
    this.#membership = {
      raw: poller.raw,
      bell: () => poller.closingBell(),
      forget: (descriptor, number) => {
        leaveSet(descriptor, this.#membership);
        const source = this.#sources.get(number);
        if (source?.target === descriptor) this.#dropGone(source);
      },
    };
  }

  /** How many watches and promises there are. */
  get active(): number {
    return this.#active;
  }

  /** Starts a watch. */
  watch(target: Target, interest: number, report: Source["report"], what: string): Source {
    const idle = (found: Source): boolean =>
      found.report === null &&
      found.readers.length + found.writers.length + found.enders.length === 0;
    let source = this.#open(target, what, idle);
    if (source.registered) {
      // A report for those who waited before may have been fetched already, and is not for this watch.
      this.cancel(source);
      source = this.#open(target, what, idle);
    }
    this.arm(source, interest);
    source.report = report;
    this.#count(1);
    return source;
  }

  /** Waits for one report. */
  async wait(
    target: Target,
    side: Side,
    signal: AbortSignal | undefined,
    what: string,
  ): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { resolve: () => resolve(), reject };
    const source = this.listen(target, side, waiter, what);
    const onAbort = (): void => {
      if (this.unlisten(source, side, waiter)) reject(signal!.reason);
    };
    signal?.addEventListener("abort", onAbort);
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Adds somebody who waits for one report. */
  listen(target: Target, side: Side, waiter: Waiter, what: string): Source {
    const source = this.#open(target, what, (found) => found.report === null);
    source[side].push(waiter);
    this.#count(1);
    try {
      this.#armForWaiters(source);
    } catch (error) {
      this.#forget(source, side, waiter);
      throw error;
    }
    return source;
  }

  /** Lets somebody go who does not want to wait any more. Answers false when it was told before. */
  unlisten(source: Source, side: Side, waiter: Waiter): boolean {
    if (!this.#forget(source, side, waiter)) return false;
    try {
      this.#armForWaiters(source);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    return true;
  }

  /** The source that a report is for, or null when it went away after the report was fetched. */
  reported(slot: number, generation: number): Source | null {
    return this.#sources.reported(slot, generation);
  }

  /** Tells those who waited for a report. */
  settle(source: Source, readiness: number): void {
    if ((readiness & WAKES_READERS) !== 0) this.#resolve(source.readers, readiness);
    if ((readiness & WAKES_WRITERS) !== 0) this.#resolve(source.writers, readiness);
    if ((readiness & WAKES_ENDERS) !== 0) this.#resolve(source.enders, readiness);
    if (!this.isLive(source)) return; // what they did has ended it
    try {
      this.#armForWaiters(source);
    } catch (error) {
      // Closed on another thread, or by the number's owner: whoever still waits must be told.
      this.#leave(source);
      this.#drop(source, error);
    }
  }

  /** Whether a source is still watched. */
  isLive(source: Source): boolean {
    return this.#sources.reported(source.slot, source.generation) === source;
  }

  /** Tells the poller what to report. When it refuses a new source, the source is gone again. */
  arm(source: Source, interest: number): void {
    const { target, slot, generation } = source;
    if (source.registered) {
      this.#poller.modify(target, interest, slot, generation);
    } else {
      try {
        // Before the call, so that a close on another thread that comes right after it rings.
        this.#join(source);
        this.#poller.add(target, interest, slot, generation);
      } catch (error) {
        this.#leave(source);
        this.#sources.remove(source);
        throw error;
      }
      source.registered = true;
    }
    source.interest = interest;
  }

  /** Ends the watch of a source. */
  cancel(source: Source): void {
    if (!this.isLive(source)) return;
    source.dropped = null;
    this.#drop(source, null);
    try {
      this.#poller.delete(source.target);
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#leave(source);
    }
  }

  /** Ends what waits on handles that a copy has closed, on another thread. */
  dropClosed(): void {
    for (const source of [...this.#sources.values()]) {
      if (source.target instanceof Descriptor && source.target.closed) this.#dropGone(source);
    }
  }

  /** Forgets everything; whoever waits is told why. */
  clear(reason: unknown): void {
    for (const source of [...this.#sources.values()]) {
      this.#leave(source);
      this.#drop(source, reason);
    }
  }

  /** Finds the source of a target when its present use allows this one, or makes one. */
  #open(target: Target, what: string, allows: (found: Source) => boolean): Source {
    const key = targetKey(target, what);
    const found = this.#sources.get(key);
    if (found === undefined) return this.#sources.add(target, key);
    // A copy on another thread may have closed the handle; then the number has a new owner.
    if (found.target instanceof Descriptor && found.target.closed) {
      this.#dropGone(found);
      return this.#sources.add(target, key);
    }
    if (allows(found)) return found;
    const remedy = `${what}: the loop watches it already: cancel that watch, or watch a dup()`;
    if (typeof key !== "number") throw new EventPollError("epoll_ctl", "EEXIST", remedy);
    throw new SyscallError("epoll_ctl", EEXIST, key, remedy);
  }

  /** Asks the poller for one report of what the waiters wait for, and for none when none waits. */
  #armForWaiters(source: Source): void {
    const interest = (source.readers.length > 0 ? READABLE | PEER_CLOSED : 0) |
      (source.writers.length > 0 ? WRITABLE : 0);
    if (interest !== 0 || source.enders.length > 0) this.arm(source, interest | ONCE);
    // A handle says when it is closed; a bare number does not, and must not stay behind.
    else if (!(source.target instanceof Descriptor)) this.cancel(source);
  }

  /** Makes a target tell when it is closed. */
  #join(source: Source): void {
    const { target } = source;
    if (target instanceof Descriptor) joinSet(target, this.#membership);
    else if (typeof target !== "number") {
      source.listener = {
        exclusive: false,
        notify: () => true,
        released: () => this.#drop(source, new ClosedError("the source")),
      };
      target.register(source.listener);
    }
  }

  #leave({ target, listener }: Source): void {
    if (target instanceof Descriptor) leaveSet(target, this.#membership);
    else if (typeof target !== "number" && listener !== null) target.unregister(listener);
  }

  #count(change: number): void {
    this.#active += change;
    this.#changed();
  }

  #resolve(waiters: Waiter[], readiness: number): void {
    this.#count(-waiters.length);
    for (const waiter of waiters.splice(0)) waiter.resolve(readiness);
  }

  /** Takes one waiter out. Answers false when it was settled before. */
  #forget(source: Source, side: Side, waiter: Waiter): boolean {
    const index = source[side].indexOf(waiter);
    if (index === -1) return false;
    source[side].splice(index, 1);
    this.#count(-1);
    return true;
  }

  /** Takes out a source whose handle was closed. */
  #dropGone(source: Source): void {
    this.#leave(source);
    this.#drop(source, new ClosedError((source.target as Descriptor)[Symbol.toStringTag]));
  }

  /** Takes a source out; whoever waits on it is told why. */
  #drop(source: Source, reason: unknown): void {
    this.#sources.remove(source);
    const watches = source.report === null ? 0 : 1;
    source.report = null;
    const waiters = [source.readers, source.writers, source.enders].flatMap((all) => all.splice(0));
    this.#count(-watches - waiters.length);
    for (const waiter of waiters) waiter.reject(reason);
    source.dropped?.(reason);
    this.#left();
  }
}

/** Whether a target is out of the poller by itself: a copy has closed it, or the number's owner. */
function isGone(error: unknown): boolean {
  return error instanceof ClosedError ||
    (error instanceof SyscallError && GONE.includes(error.errno)) ||
    (error instanceof EventPollError && error.code === "ENOENT");
}

/** What a target is known by. Throws what {@link targetNumber} throws. */
export function targetKey(target: Target, what: string): TargetKey {
  return !(target instanceof Descriptor) && isWaitable(target)
    ? target
    : targetNumber(target, what);
}

/** The number of a target that is open. */
export function targetNumber(target: Target, what: string): number {
  if (!(target instanceof Descriptor)) {
    return descriptorNumber(target, `${what}: the target, if it is no handle,`);
  }
  const number = target.raw;
  if (number < 0) throw new ClosedError(target[Symbol.toStringTag]);
  return number;
}
