/**
 * What one copy of an epoll set has registered, and how the handles among it leave the set when they
 * are closed.
 *
 * The methods that change anything are called while the set's number is held: its members know the
 * set by that number, and it must not become another set's before they were told.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { libc } from "../ffi/libc.ts";
import {
  acquire,
  type Descriptor,
  type InterestSet,
  joinSet,
  leaveSet,
  release,
} from "./descriptor.ts";
import { control, isThere, type Member, remember } from "./epoll_ctl.ts";

/** The registrations of one copy of a set; what other copies registered is not here. */
export class Members implements InterestSet {
  /** The set's number, also when the set is closed and its own `raw` says so. */
  readonly raw: number;
  readonly #set: Descriptor;
  readonly #byNumber: Map<number, Member> = new Map();

  constructor(set: Descriptor) {
    this.raw = set.raw;
    this.#set = set;
  }

  /** What is known of a number. It may be of an owner before, closed where nobody here saw it. */
  get(fd: number): Member | undefined {
    return this.#byNumber.get(fd);
  }

  /** The same, unless it is of a handle that another copy has closed since. */
  getOpen(fd: number): Member | undefined {
    const member = this.#byNumber.get(fd);
    return member?.descriptor?.closed === true ? undefined : member;
  }

  /** Makes a registration with the event that was written, and notes it. */
  admit(operation: number, target: Descriptor | number, fd: number): void {
    const descriptor = typeof target === "number" ? null : target;
    const known = this.#byNumber.get(fd)?.descriptor === descriptor;
    if (descriptor !== null && !known) this.#join(operation, descriptor, fd);
    else control(this.#set, operation, fd);
    const member = { descriptor, mask: 0, low: 0, high: 0 };
    remember(member);
    this.#byNumber.set(fd, member);
  }

  /** Takes a registration out. */
  delete(fd: number): void {
    control(this.#set, linux.EPOLL_CTL_DEL, fd);
    const descriptor = this.#byNumber.get(fd)?.descriptor ?? null;
    this.#byNumber.delete(fd);
    if (descriptor !== null) leaveSet(descriptor, this);
  }

  /** Takes out a handle that is about to be closed: {@link InterestSet.forget}. */
  forget(descriptor: Descriptor, fd: number): void {
    this.#byNumber.delete(fd);
    let set: number;
    try {
      set = acquire(this.#set);
    } catch {
      return; // The set was closed by another thread, and with it went all that was in it.
    }
    libc.epoll_ctl(set, linux.EPOLL_CTL_DEL, fd, null); // ENOENT, if its number was taken out before
    leaveSet(descriptor, this);
    release(this.#set);
  }

  /** Lets go of everything, when the set is closed. */
  clear(): void {
    for (const { descriptor } of this.#byNumber.values()) {
      if (descriptor !== null) leaveSet(descriptor, this);
    }
    this.#byNumber.clear();
  }

  #join(operation: number, descriptor: Descriptor, fd: number): void {
    // Before the call, so that a close on another thread that comes right after it finds the set.
    joinSet(descriptor, this);
    try {
      control(this.#set, operation, fd);
    } catch (error) {
      // EEXIST: another copy of the set has put it there, and closing it must still take it out.
      if (!isThere(error)) leaveSet(descriptor, this);
      throw error;
    }
  }
}
