/**
 * Changing a kqueue: what may be in a change, and the memory in which changes go to kevent(2).
 *
 * Every change is made with EV_RECEIPT, which has the kernel answer each one by itself: what a
 * refusal does to the rest of a list, and whether one makes a wait return, would otherwise differ
 * between the systems.
 *
 * @module
 */

import type { KqueueSystem } from "../ffi/kqueue.ts";
import { Descriptor } from "./descriptor.ts";
import { DATA, FFLAGS, FILTER_FLAGS, filterNumber, IDENT, UDATA } from "./kqueue_events.ts";
import { EV, FILTERS, type KqueueFilter } from "./kqueue_words.ts";
import { descriptorNumber, integer, oneOf, shown, unsigned64 } from "./validate.ts";

/** One change of a {@link Kqueue}: the fields of `struct kevent`. */
export interface KqueueChange {
  /** Which filter it is for. */
  readonly filter: KqueueFilter;
  /**
   * What it is about: for READ, WRITE and VNODE a handle, or the number of a descriptor; for PROC a
   * pid, for SIGNAL a signal's number; for TIMER and USER any number, each filter having its own.
   */
  readonly ident: Descriptor | number;
  /** What to do, in the words of {@link EV}; 0 only changes what `fflags` say. */
  readonly flags: number;
  /** What the filter is told, in the words of {@link NOTE}. Default: 0. */
  readonly fflags?: number;
  /** What the filter is told, 64 bits with a sign: a timer's time, a limit. Default: 0. */
  readonly data?: number | bigint;
  /** 64 bits that its reports carry, as they are. Every change sets them anew. Default: 0. */
  readonly udata?: number | bigint;
}

/** A change that was looked at: nothing in it can run a program's code any more. */
export interface CheckedChange {
  readonly filter: KqueueFilter;
  readonly ident: Descriptor | number;
  readonly flags: number;
  readonly fflags: number;
  readonly data: bigint;
  readonly udata: bigint;
}

/** Flags that a change can have; the others are the kernel's. */
const CHANGE_FLAGS = EV.ADD | EV.DELETE | EV.ENABLE | EV.DISABLE | EV.ONESHOT | EV.CLEAR |
  EV.RECEIPT | EV.DISPATCH;

const MOST_DATA = 0x7fff_ffff_ffff_ffffn;

/** libkqueue reports at most 512 events by one call, and so answers at most as many changes. */
const CHANGES_A_CALL = 256;

/** The timeout of a call that does not wait. */
export const NOW: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(16));

/** Whether a filter is about a descriptor. */
export function isOfDescriptor(filter: KqueueFilter): boolean {
  return filter === "READ" || filter === "WRITE" || filter === "VNODE";
}

/**
 * Checks a list of changes, all of it before any is made.
 *
 * @throws {TypeError} when it cannot be iterated, or something in it is of the wrong type
 * @throws {RangeError} when a number is out of its bounds
 */
export function checkChanges(changes: Iterable<KqueueChange>, what: string): CheckedChange[] {
  if (typeof (changes as Partial<typeof changes> | null)?.[Symbol.iterator] !== "function") {
    throw new TypeError(
      `${what}: the changes must be something to iterate over, a list of them, or null; ` +
        `got ${shown(changes)}`,
    );
  }
  return Array.from(changes, (change, index) => checkChange(change, `${what}: change ${index}`));
}

function checkChange(change: KqueueChange, what: string): CheckedChange {
  if (typeof change !== "object" || change === null) {
    throw new TypeError(
      `${what} must be an object {filter, ident, flags, …}, got ${shown(change)}`,
    );
  }
  const { filter: name, ident, flags, fflags = 0, data = 0, udata = 0 } = change;
  const filter = oneOf(name, FILTERS, `${what}: the filter`);
  const checked = {
    filter,
    ident: checkIdent(filter, ident, `${what}: the ident of ${filter}`),
    flags: checkFlags(flags, `${what}: flags`),
    fflags: integer(fflags, `${what}: fflags`, -0x8000_0000, 0xffff_ffff),
    data: signed64(data, `${what}: data`),
    udata: unsigned64(udata, `${what}: udata`),
  };
  // macOS takes it and does what it likes; the others refuse it.
  if (filter === "TIMER" && checked.data < 0n) {
    throw new RangeError(`${what}: data, the time of a TIMER, must not be negative, got ${data}`);
  }
  return checked;
}

function checkIdent(filter: KqueueFilter, ident: unknown, what: string): Descriptor | number {
  if (isOfDescriptor(filter)) {
    return ident instanceof Descriptor ? ident : descriptorNumber(ident, `${what}, if no handle,`);
  }
  if (filter === "PROC") return integer(ident, what, 1, 0x7fff_ffff);
  if (filter === "SIGNAL") return integer(ident, what, 0, 0x7fff_ffff);
  return integer(ident, what, 0, Number.MAX_SAFE_INTEGER);
}

function checkFlags(flags: unknown, what: string): number {
  const bits = integer(flags, what, 0, 0xffff);
  const unknown = bits & ~CHANGE_FLAGS;
  if (unknown === 0) return bits;
  throw new RangeError(
    `${what} must be made of the words of EV, without ERROR and EOF; ` +
      `none of them has 0x${unknown.toString(16)}`,
  );
}

function signed64(value: unknown, what: string): bigint {
  if (typeof value !== "bigint") {
    return BigInt(integer(value, what, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
  }
  if (value < -MOST_DATA - 1n || value > MOST_DATA) {
    throw new RangeError(`${what} must fit in 64 bits with a sign, got ${value}n`);
  }
  return value;
}

/** Changes in the form that goes to the kernel, and then the kernel's answers, in the same memory. */
export class ChangeList {
  readonly #system: KqueueSystem;
  readonly #stride: number;
  #words: Int32Array<ArrayBuffer>;
  #count = 0;
  /** Whether libkqueue must be given each change by itself: see {@link isBareEnable}. */
  #singly = false;

  /** Starts empty. */
  constructor(system: KqueueSystem) {
    this.#system = system;
    this.#stride = system.layout.size / 4;
    this.#words = new Int32Array(new ArrayBuffer(system.layout.size * 4));
  }

  /** How many changes, or answers, there are. */
  get count(): number {
    return this.#count;
  }

  /** The words from where a change, or its answer, begins. */
  words(index: number): Int32Array<ArrayBuffer> {
    return this.#words.subarray(index * this.#stride, (index + 1) * this.#stride);
  }

  /** Forgets all. */
  clear(): void {
    this.#count = 0;
    this.#singly = false;
  }

  /** Adds a change, without udata. Its flags go with EV_RECEIPT, see the head of this file. */
  add(filter: KqueueFilter, ident: number, flags: number, fflags: number, data: number): void {
    const at = this.#next();
    const words = this.#words;
    words.fill(0, at, at + this.#stride);
    words[at + IDENT] = ident;
    words[at + IDENT + 1] = ident / 0x1_0000_0000;
    words[at + FILTER_FLAGS] = (filterNumber(this.#system, filter) & 0xffff) |
      (flags | EV.RECEIPT) << 16;
    if (this.#system.name === "libkqueue" && isBareEnable(flags)) this.#singly = true;
    words[at + FFLAGS] = fflags;
    words[at + DATA] = data;
    words[at + DATA + 1] = Math.floor(data / 0x1_0000_0000);
  }

  /** Sets the udata of the change that was added last. */
  setUdata(low: number, high: number): void {
    const at = (this.#count - 1) * this.#stride + UDATA;
    this.#words[at] = low;
    this.#words[at + 1] = high;
  }

  /** Adds a change that was checked, about a number. */
  addChecked({ filter, flags, fflags, data, udata }: CheckedChange, ident: number): void {
    this.add(filter, ident, flags, fflags, 0);
    const at = (this.#count - 1) * this.#stride + DATA;
    this.#words[at] = Number(data & 0xffff_ffffn);
    this.#words[at + 1] = Number(data >> 32n & 0xffff_ffffn);
    this.setUdata(Number(udata & 0xffff_ffffn), Number(udata >> 32n));
  }

  /**
   * Makes all changes, which takes no time that a signal could interrupt: answers 0, and
   * {@link errnoOf} has the answer of each, or the errno of a call that failed as a whole.
   */
  apply(queue: number): number {
    if (this.#singly) return this.#applySingly(queue);
    const { calls, errno } = this.#system;
    for (let from = 0; from < this.#count; from += CHANGES_A_CALL) {
      const count = Math.min(CHANGES_A_CALL, this.#count - from);
      // The same memory for both is allowed: an answer comes after its change was read.
      const part = this.#words.subarray(from * this.#stride, (from + count) * this.#stride);
      if (calls.kevent(queue, part, count, part, count, NOW) === -1) return errno();
    }
    return 0;
  }

  /** Makes each change by a call of its own, a bare ENABLE without its answer. */
  #applySingly(queue: number): number {
    const { calls, errno } = this.#system;
    for (let index = 0; index < this.#count; index++) {
      const part = this.words(index);
      const bare = isBareEnable(part[FILTER_FLAGS]! >>> 16);
      if (bare) part[FILTER_FLAGS]! &= ~(EV.RECEIPT << 16);
      const answers = bare ? null : part;
      const failed = calls.kevent(queue, part, 1, answers, bare ? 0 : 1, NOW) === -1;
      if (failed && !bare) return errno();
      if (bare) part.fill(failed ? errno() : 0, DATA, DATA + 1);
    }
    return 0;
  }

  /** The errno by which a change was refused, 0 for one that was made. */
  errnoOf(index: number): number {
    return this.#words[index * this.#stride + DATA]!;
  }

  #next(): number {
    const at = this.#count * this.#stride;
    if (at === this.#words.length) {
      const larger = new Int32Array(new ArrayBuffer(this.#words.byteLength * 2));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#count++;
    return at;
  }
}

/**
 * Whether a change only enables. With EV_RECEIPT libkqueue takes it for a change of everything else,
 * too: it stops a timer whose time is not given again, and refuses it for READ and WRITE.
 */
function isBareEnable(flags: number): boolean {
  return (flags & EV.ENABLE) !== 0 && (flags & EV.ADD) === 0;
}
