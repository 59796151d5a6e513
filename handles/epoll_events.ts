/**
 * What epoll reports: the words of its masks, and the buffer that a wait fills.
 *
 * Kernel: Linux. RDHUP is 2.6.17, WAKEUP 3.5, EXCLUSIVE 4.5.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { os } from "../ffi/platform.ts";
import { structs } from "../ffi/structs.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { integer, shown } from "./validate.ts";

/** The bits of an epoll mask, by the names of epoll_ctl(2) without their `EPOLL`. */
export interface EpollWords {
  /** There is something to read, or the end of it. */
  readonly IN: number;
  /** Something exceptional: urgent data on a socket, a packet-mode event on a pty. */
  readonly PRI: number;
  /** There is room to write. */
  readonly OUT: number;
  /** As IN. */
  readonly RDNORM: number;
  /** Priority data can be read; hardly anything on Linux reports it. */
  readonly RDBAND: number;
  /** As OUT. */
  readonly WRNORM: number;
  /** Priority data can be written. */
  readonly WRBAND: number;
  /** Never reported. */
  readonly MSG: number;
  /** An error, or the reading end of a pipe was closed. Always reported, asked for or not. */
  readonly ERR: number;
  /** The other side is gone for both directions. Always reported, asked for or not. */
  readonly HUP: number;
  /** The other side of a stream socket will write no more. */
  readonly RDHUP: number;
  /** Asked for only: one event wakes at least one of the sets that wait, not all of them. */
  readonly EXCLUSIVE: number;
  /** Asked for only: keeps the system awake until the event was handled. Needs CAP_BLOCK_SUSPEND. */
  readonly WAKEUP: number;
  /** Asked for only: silent after one report, until `rearm` or `modify`. */
  readonly ONESHOT: number;
  /** Asked for only: reports what changes, not what is. The descriptor must not block. */
  readonly ET: number;
}

/**
 * The words that masks are made of: `EPOLL.IN | EPOLL.RDHUP`.
 *
 * All are positive, and so are the masks that are reported. In JavaScript `EPOLL.IN | EPOLL.ET` is
 * a negative number, because `ET` is the highest of 32 bits: the calls that take a mask take it.
 *
 * Platforms: Linux. See epoll_ctl(2).
 *
 * @example
 * ```ts
 * import { EPOLL } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(EPOLL.ET, 2 ** 31);
 * const reported = 0x2011;
 * assertEquals((reported & EPOLL.RDHUP) !== 0, true);
 * assertEquals((reported & EPOLL.ERR) !== 0, false);
 * ```
 */
export const EPOLL: EpollWords = Object.freeze({
  IN: linux.EPOLLIN,
  PRI: linux.EPOLLPRI,
  OUT: linux.EPOLLOUT,
  RDNORM: linux.EPOLLRDNORM,
  RDBAND: linux.EPOLLRDBAND,
  WRNORM: linux.EPOLLWRNORM,
  WRBAND: linux.EPOLLWRBAND,
  MSG: linux.EPOLLMSG,
  ERR: linux.EPOLLERR,
  HUP: linux.EPOLLHUP,
  RDHUP: linux.EPOLLRDHUP,
  EXCLUSIVE: linux.EPOLLEXCLUSIVE,
  WAKEUP: linux.EPOLLWAKEUP,
  ONESHOT: linux.EPOLLONESHOT,
  ET: linux.EPOLLET,
});

/** One report, as iterating over {@link EpollEvents} gives it. */
export interface EpollEvent {
  /** What is ready, in the words of {@link EPOLL}. */
  readonly mask: number;
  /** What was given with the descriptor when it was added. */
  readonly data: bigint;
}

/** 2²⁰, as many descriptors as Linux lets a process have by default (`fs.nr_open`). */
const MOST_EVENTS = 1_048_576;

/** Places in 32-bit words: `struct epoll_event` is packed on x86-64 and on nothing else. */
export const STRIDE: number = structs.epoll_event.size / 4;
/** Where the data begins behind the mask. */
export const DATA: number = structs.epoll_event.data / 4;

/** The memory to give to the kernel, null for what is no {@link EpollEvents}. */
export let memoryOf: (events: EpollEvents) => Uint32Array<ArrayBuffer> | null;

/** Notes how many events the kernel has written there. */
export let received: (events: EpollEvents, count: number) => void;

/**
 * Where `epoll_wait(2)` puts what it reports: made once, filled by every {@link Epoll.wait}.
 *
 * A report is read in place, by its index below {@link EpollEvents.length}, without making an object;
 * iterating makes one for each. The next wait overwrites all of it. The buffer belongs to the thread
 * that made it and goes with any {@link Epoll}.
 *
 * Platforms: Linux. See epoll_wait(2).
 *
 * @example
 * ```ts
 * import { EPOLL, Epoll, EpollEvents, pipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using set = Epoll.create();
 * using ends = pipe();
 * set.add(ends.reader, EPOLL.IN, 7);
 * set.add(ends.writer, EPOLL.OUT, 0xdeadbeef_feedfacen);
 * const events = new EpollEvents(8);
 * assertEquals(set.wait(events, 0), 1); // nothing to read yet
 * assertEquals(events.mask(0), EPOLL.OUT);
 * assertEquals(events.data(0), 0xdeadbeef_feedfacen);
 * assertEquals(events.dataHigh(0), 0xdeadbeef);
 * assertEquals([...events], [{ mask: EPOLL.OUT, data: 0xdeadbeef_feedfacen }]);
 * ```
 */
export class EpollEvents implements Iterable<EpollEvent> {
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #capacity: number;
  #length = 0;

  /**
   * Makes room for so many reports, 12 bytes each on x86-64 and 16 elsewhere.
   *
   * @param capacity how many one wait can report at most, 1 to 1,048,576. Where more are ready,
   *   the next wait reports the rest: the kernel takes turns.
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is out of bounds
   * @throws {UnsupportedError} on anything but Linux
   */
  constructor(capacity: number) {
    this.#capacity = integer(capacity, "EpollEvents: the capacity", 1, MOST_EVENTS);
    if (os !== "linux") throw new UnsupportedError("epoll(7)", "Linux");
    const memory = new ArrayBuffer(this.#capacity * STRIDE * 4);
    this.#words = new Uint32Array(memory);
    this.#view = new DataView(memory);
  }

  static {
    memoryOf = (events) =>
      typeof events === "object" && events !== null && #words in events ? events.#words : null;
    received = (events, count) => {
      events.#length = count;
    };
  }

  /** Always `"EpollEvents"`. */
  get [Symbol.toStringTag](): string {
    return "EpollEvents";
  }

  /** How many events one wait can report at most. */
  get capacity(): number {
    return this.#capacity;
  }

  /** How many events the last wait reported. */
  get length(): number {
    return this.#length;
  }

  /**
   * What one report says is ready, in the words of {@link EPOLL}; never negative.
   *
   * @param index from 0 to {@link EpollEvents.length} − 1
   * @throws {RangeError} when the last wait reported no such event
   */
  mask(index: number): number {
    return this.#words[this.#place(index)]!;
  }

  /**
   * The 64 bits that were given with the descriptor.
   *
   * @param index from 0 to {@link EpollEvents.length} − 1
   * @throws {RangeError} when the last wait reported no such event
   */
  data(index: number): bigint {
    return this.#view.getBigUint64((this.#place(index) + DATA) * 4, true);
  }

  /**
   * The lower 32 bits of {@link EpollEvents.data}, unsigned, as a number: all of it, where a number
   * below 2³² or nothing was given. Reading it allocates nothing.
   *
   * @param index from 0 to {@link EpollEvents.length} − 1
   * @throws {RangeError} when the last wait reported no such event
   */
  dataLow(index: number): number {
    return this.#words[this.#place(index) + DATA]!;
  }

  /**
   * The upper 32 bits of {@link EpollEvents.data}, unsigned, as a number.
   *
   * @param index from 0 to {@link EpollEvents.length} − 1
   * @throws {RangeError} when the last wait reported no such event
   */
  dataHigh(index: number): number {
    return this.#words[this.#place(index) + DATA + 1]!;
  }

  /** Goes through what the last wait reported, an object for each. */
  *[Symbol.iterator](): Generator<EpollEvent, void, undefined> {
    for (let index = 0; index < this.#length; index++) {
      yield { mask: this.mask(index), data: this.data(index) };
    }
  }

  /** Where a report begins. What lies beyond the length is from an earlier wait. */
  #place(index: number): number {
    if (typeof index === "number" && (index >>> 0) === index && index < this.#length) {
      return index * STRIDE;
    }
    return refuse(index, this.#length);
  }
}

function refuse(index: unknown, length: number): never {
  if (length > 0) integer(index, "EpollEvents: the index", 0, length - 1);
  throw new RangeError(`EpollEvents has no event ${shown(index)}: the last wait reported none`);
}
