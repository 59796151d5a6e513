/**
 * What a kqueue reports, in the buffer that a wait fills.
 *
 * Kernel: `struct kevent` has 64 bytes on FreeBSD since 12, and 32 on macOS and in libkqueue; what is
 * in it begins alike.
 *
 * @module
 */

import { kqueueSystem, type KqueueTables } from "../ffi/kqueue.ts";
import { EV, FILTERS, type KqueueFilter } from "./kqueue_words.ts";
import { integer, shown } from "./validate.ts";

/** One report, as iterating over {@link KqueueEvents} gives it. */
export interface KqueueEvent {
  /** Which filter reports. */
  readonly filter: KqueueFilter;
  /** What it reports on: a descriptor's number, a pid, a signal, or the number that was given. */
  readonly ident: number;
  /** Made of the words of {@link EV}. */
  readonly flags: number;
  /** What the filter says, in the words of {@link NOTE}. */
  readonly fflags: number;
  /** What the filter says: how many bytes, how many times, how a process ended. */
  readonly data: number;
  /** The 64 bits that were given with the event. */
  readonly udata: bigint;
}

/** 2²⁰, which is more than any system reports at once. */
const MOST_EVENTS = 1_048_576;

/** Places in 32-bit words, which all systems have in common; a test compares them with the tables. */
export const IDENT = 0;
/** Filter in the low half, flags in the high one. */
export const FILTER_FLAGS = 2;
/** Unsigned. */
export const FFLAGS = 3;
/** Signed, 64 bits. */
export const DATA = 4;
/** 64 bits. */
export const UDATA = 6;

/** Flags that say what was asked for, and not what has happened; systems differ in reporting them. */
const ASKED = EV.ADD | EV.DELETE | EV.ENABLE | EV.DISABLE | EV.RECEIPT;

/** What a buffer is made on: the memory, and the system whose events go there. */
export class EventMemory {
  readonly tables: KqueueTables;
  readonly words: Int32Array<ArrayBufferLike>;
  /** How many events there is room for: a program could give its buffer another `capacity`. */
  readonly capacity: number;

  /** Memory for so many events; a thread that shares the buffer brings its own. */
  constructor(tables: KqueueTables, capacity: number, memory?: SharedArrayBuffer) {
    this.tables = tables;
    this.words = new Int32Array(memory ?? new ArrayBuffer(capacity * tables.layout.size));
    this.capacity = this.words.byteLength / tables.layout.size;
  }
}

/** The memory behind a buffer, null for what is none. */
export let memoryOf: (events: KqueueEvents) => EventMemory | null;

/** Notes how many events the kernel has written there. */
export let received: (events: KqueueEvents, count: number) => void;

/** Makes a buffer on memory, for a test or for two threads. */
export let eventsOn: (memory: EventMemory) => KqueueEvents;

/**
 * Where `kevent(2)` puts what it reports: made once, filled by every {@link Kqueue.control}.
 *
 * A report is read in place, by its index below {@link KqueueEvents.length}, without making an
 * object; iterating makes one for each. The next call overwrites all of it. The buffer belongs to the
 * thread that made it and goes with any {@link Kqueue}.
 *
 * Platforms: macOS, FreeBSD; Linux with libkqueue. See kevent(2).
 *
 * @example
 * ```ts
 * import { EV, Kqueue, KqueueEvents, NOTE, supports } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * if (supports("kqueue")) {
 *   using queue = Kqueue.create();
 *   queue.control([
 *     { filter: "USER", ident: 7, flags: EV.ADD, udata: 0xdeadbeef_feedfacen },
 *     { filter: "USER", ident: 7, flags: 0, fflags: NOTE.TRIGGER, udata: 0xdeadbeef_feedfacen },
 *   ]);
 *   const events = new KqueueEvents(8);
 *   assertEquals(queue.control(null, events), 1);
 *   assertEquals([events.filter(0), events.ident(0)], ["USER", 7]);
 *   assertEquals(events.udata(0), 0xdeadbeef_feedfacen);
 * }
 * ```
 */
export class KqueueEvents implements Iterable<KqueueEvent> {
  readonly #memory: EventMemory;
  readonly #words: Int32Array<ArrayBufferLike>;
  readonly #stride: number;
  /** Names by the filter's number below zero. */
  readonly #names: readonly (KqueueFilter | undefined)[];
  #length = 0;

  /**
   * Makes room for so many reports, 64 bytes each on FreeBSD and 32 elsewhere.
   *
   * @param capacity how many one call can report at most, 1 to 1,048,576. What does not fit is
   *   reported by the next one
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is out of bounds
   * @throws {UnsupportedError} on a system without kqueue
   */
  constructor(capacity: number);
  constructor(capacity: number, memory?: EventMemory) {
    const room = integer(capacity, "KqueueEvents: the capacity", 1, MOST_EVENTS);
    this.#memory = memory instanceof EventMemory ? memory : new EventMemory(kqueueSystem(), room);
    this.#words = this.#memory.words;
    this.#stride = this.#memory.tables.layout.size / 4;
    this.#names = filterNames(this.#memory.tables);
  }

  static {
    memoryOf = (events) =>
      typeof events === "object" && events !== null && #memory in events ? events.#memory : null;
    received = (events, count) => {
      events.#length = count;
    };
    const make = KqueueEvents as new (capacity: number, memory: EventMemory) => KqueueEvents;
    eventsOn = (memory) => new make(memory.capacity, memory);
  }

  /** Always `"KqueueEvents"`. */
  get [Symbol.toStringTag](): string {
    return "KqueueEvents";
  }

  /** How many events one call can report at most. */
  get capacity(): number {
    return this.#memory.capacity;
  }

  /** How many events the last call reported. */
  get length(): number {
    return this.#length;
  }

  /**
   * Which filter reports.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  filter(index: number): KqueueFilter {
    const filter = this.#words[this.#place(index) + FILTER_FLAGS]! << 16 >> 16;
    return this.#names[-filter] ?? "USER";
  }

  /**
   * What is reported on: a descriptor's number, a pid, a signal, or the number that was given.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  ident(index: number): number {
    const at = this.#place(index) + IDENT;
    return (this.#words[at + 1]! >>> 0) * 0x1_0000_0000 + (this.#words[at]! >>> 0);
  }

  /**
   * What kind of report it is, in the words of {@link EV}: `EOF`; `ERROR` for the answer to a change,
   * together with what that change asked for; `ONESHOT`, `CLEAR`, `DISPATCH` as registered.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  flags(index: number): number {
    const flags = this.#words[this.#place(index) + FILTER_FLAGS]! >>> 16;
    return (flags & EV.ERROR) === 0 ? flags & ~ASKED : flags;
  }

  /**
   * What the filter says, in the words of {@link NOTE}; the errno of a socket where `EOF` is set. The
   * unsigned 32 bits.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  fflags(index: number): number {
    return this.#words[this.#place(index) + FFLAGS]! >>> 0;
  }

  /**
   * What the filter says: the bytes there are to read or room for, how often a timer or a signal came,
   * the status of wait(2); with `ERROR`, an errno or 0.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  data(index: number): number {
    const at = this.#place(index) + DATA;
    return this.#words[at + 1]! * 0x1_0000_0000 + (this.#words[at]! >>> 0);
  }

  /**
   * The 64 bits that were given with the event, as they were.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  udata(index: number): bigint {
    return BigInt(this.udataHigh(index)) << 32n | BigInt(this.udataLow(index));
  }

  /**
   * The lower 32 bits of {@link KqueueEvents.udata}, unsigned, as a number.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  udataLow(index: number): number {
    return this.#words[this.#place(index) + UDATA]! >>> 0;
  }

  /**
   * The upper 32 bits of {@link KqueueEvents.udata}, unsigned, as a number.
   *
   * @param index from 0 to {@link KqueueEvents.length} − 1
   * @throws {RangeError} when the last call reported no such event
   */
  udataHigh(index: number): number {
    return this.#words[this.#place(index) + UDATA + 1]! >>> 0;
  }

  /** Goes through what the last call reported, an object for each. */
  *[Symbol.iterator](): Generator<KqueueEvent, void, undefined> {
    for (let index = 0; index < this.#length; index++) {
      yield {
        filter: this.filter(index),
        ident: this.ident(index),
        flags: this.flags(index),
        fflags: this.fflags(index),
        data: this.data(index),
        udata: this.udata(index),
      };
    }
  }

  /** Where a report begins. What lies beyond the length is from an earlier call. */
  #place(index: number): number {
    if (typeof index === "number" && (index >>> 0) === index && index < this.#length) {
      return index * this.#stride;
    }
    return refuse(index, this.#length);
  }
}

/** The number of a filter on one system. */
export function filterNumber({ constants }: KqueueTables, filter: KqueueFilter): number {
  return constants[`EVFILT_${filter}`];
}

function filterNames(tables: KqueueTables): (KqueueFilter | undefined)[] {
  const names: (KqueueFilter | undefined)[] = [];
  for (const filter of FILTERS) names[-filterNumber(tables, filter)] = filter;
  return names;
}

function refuse(index: unknown, length: number): never {
  if (length > 0) integer(index, "KqueueEvents: the index", 0, length - 1);
  throw new RangeError(`KqueueEvents has no event ${shown(index)}: the last call reported none`);
}
