/**
 * A counter that one side adds to and the other side waits for.
 *
 * Kernel: eventfd2(2) is Linux 2.6.27, EFD_SEMAPHORE Linux 2.6.30.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { check, libc } from "../ffi/libc.ts";
import type { Cell } from "./cell.ts";
import { Counter, counterBytes } from "./counter.ts";
import { Descriptor, OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
import type { ReadWriter, Signaler } from "./interfaces.ts";
import { readInto, writeFrom } from "./io.ts";
import { flag, integer, options as checkOptions, unsigned64 } from "./validate.ts";
import { type AwaitOptions, everyTaken } from "./waiting.ts";

/** 2⁶⁴ − 2: a counter holds no more, and the kernel refuses to add 2⁶⁴ − 1 at all. */
const MOST = 0xffff_ffff_ffff_fffen;

/** The most that eventfd(2) takes as the initial value: an `unsigned int`. */
const MOST_INITVAL = 0xffff_ffffn;

/** What an {@linkcode EventFD} is made with. */
export interface EventFDOptions {
  /** What the counter begins with, from 0 to 2⁶⁴ − 2. Default: 0. */
  initial?: number | bigint;
  /** Whether each wait takes 1 instead of the whole counter. Default: false. */
  semaphore?: boolean;
  /** Whether calls that would have to wait block the thread instead of answering. Default: false. */
  blocking?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** An {@linkcode EventFD} in a form that `postMessage` can carry. */
export interface SharedEventFD extends SharedDescriptor {
  /** What {@linkcode EventFD.semaphore} is there as here. */
  readonly semaphore: boolean;
}

/**
 * A counter of 64 bits in the kernel: `eventfd(2)`. One side signals, the other waits, on any
 * thread and in any process that has the descriptor.
 *
 * Signals add up until somebody waits; a wait takes all of them at once, or 1 in semaphore mode. It
 * is readable for a poller while the counter is above 0, and writable while 1 can be added.
 *
 * Platforms: Linux 2.6.30. See eventfd(2).
 *
 * @example
 * ```ts
 * import { EventFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using counter = EventFD.create();
 * assertEquals(counter.wait(), null); // nothing was signalled
 * counter.signal(5);
 * counter.signal(3);
 * assertEquals(counter.wait(), 8n);
 * ```
 */
export class EventFD extends Descriptor implements Signaler, ReadWriter {
  readonly #counter = new Counter();
  readonly #semaphore: boolean;

  private constructor(key: symbol, owned: number | Cell, semaphore: boolean) {
    super(key, owned);
    this.#semaphore = semaphore;
  }

  /** Always `"EventFD"`. */
  get [Symbol.toStringTag](): string {
    return "EventFD";
  }

  /** Whether each wait takes 1 instead of the whole counter: `EFD_SEMAPHORE`. */
  get semaphore(): boolean {
    return this.#semaphore;
  }

  /**
   * Makes a counter: `eventfd(2)`, non-blocking and closed on exec unless asked otherwise.
   *
   * An initial value beyond the 32 bits of that call is added by a `write(2)` right after it.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {RangeError} when `initial` is not from 0 to 2⁶⁴ − 2, or is a number beyond 2⁵³ − 1
   * @throws {SyscallError} EMFILE or ENFILE, when there is no descriptor left; ENOMEM
   * @throws {UnsupportedError} on a system other than Linux
   *
   * @example
   * ```ts
   * import { EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using tickets = EventFD.create({ initial: 2, semaphore: true });
   * assertEquals([tickets.wait(), tickets.wait(), tickets.wait()], [1n, 1n, null]);
   *
   * using large = EventFD.create({ initial: 2n ** 40n + 1n });
   * assertEquals(large.wait(), 2n ** 40n + 1n);
   * ```
   */
  static create(options: EventFDOptions = {}): EventFD {
    const what = "EventFD.create";
    const { initial = 0, semaphore = false, blocking = false, inherit = false } = checkOptions(
      options,
      `${what}: options`,
    );
    const start = upToMost(initial, `${what}: initial`);
    const flags = (flag(semaphore, `${what}: semaphore`) ? linux.EFD_SEMAPHORE : 0) |
      (flag(blocking, `${what}: blocking`) ? 0 : linux.EFD_NONBLOCK) |
      (flag(inherit, `${what}: inherit`) ? 0 : linux.EFD_CLOEXEC);
    const initval = start > MOST_INITVAL ? 0 : Number(start);
    const number = check("eventfd", libc.eventfd(initval, flags >>> 0));
    const counter = new EventFD(OWNED, number, semaphore);
    if (start > MOST_INITVAL) counter.#begin(start);
    return counter;
  }

  /**
   * Makes a handle of what {@link EventFD.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of an `EventFD`
   */
  static from(shared: SharedEventFD): EventFD {
    const cell = sharedCell(shared, "EventFD");
    return new EventFD(OWNED, cell, flag(shared.semaphore, "EventFD.from: semaphore"));
  }

  /**
   * Adds to the counter and wakes who waits for it: `write(2)`. Answers whether there was room: on
   * false nothing was added. With `blocking`, it waits for room instead.
   *
   * Adding 0 is allowed and wakes nobody. Nothing is allocated for a number.
   *
   * @param value what to add, from 0 to 2⁶⁴ − 2, 1 by default
   * @throws {TypeError} when it is no number and no bigint
   * @throws {RangeError} when it is out of range, or a number that is not whole or beyond 2⁵³ − 1
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using counter = EventFD.create({ initial: 2n ** 64n - 3n });
   * assertEquals(counter.signal(2), false); // full: 2⁶⁴ − 2 is the most
   * assertEquals(counter.signal(1), true);
   * ```
   */
  signal(value: number | bigint = 1): boolean {
    const { bytes, halves, whole } = this.#counter;
    if (typeof value === "number") {
      integer(value, "EventFD.signal: the value", 0, Number.MAX_SAFE_INTEGER);
      // Both runtimes run on little-endian machines only: the low half comes first.
      halves[0] = value >>> 0;
      halves[1] = value > 0xffff_ffff ? value / 0x1_0000_0000 : 0;
    } else {
      whole[0] = upToMost(value, "EventFD.signal: the value");
    }
    return writeFrom(this, bytes) !== null;
  }

  /**
   * Takes the counter, or 1 of it in semaphore mode: `read(2)`. Answers null when it is 0; with
   * `blocking`, waits until it is not.
   *
   * @throws {ClosedError} when the handle is closed
   */
  wait(): bigint | null {
    const { bytes, whole } = this.#counter;
    return readInto(this, bytes) === null ? null : whole[0]!;
  }

  /**
   * Does what {@link EventFD.wait} does and writes the value into the first 8 bytes of a buffer, in
   * the byte order of the machine: nothing is allocated when the buffer is a Uint8Array. Answers
   * null, and leaves the buffer as it is, when the counter is 0.
   *
   * @param buffer at least 8 bytes
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {RangeError} when it is shorter
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * const bytes = new Uint8Array(8);
   * const value = new BigUint64Array(bytes.buffer);
   * using counter = EventFD.create({ initial: 7 });
   * assertEquals([counter.waitInto(bytes), value[0]], [true, 7n]);
   * assertEquals([counter.waitInto(bytes), value[0]], [null, 7n]);
   * ```
   */
  waitInto(buffer: ArrayBufferView): true | null {
    return readInto(this, counterBytes(buffer, "EventFD.waitInto: the buffer")) === null
      ? null
      : true;
  }

  /**
   * Takes the counter as raw bytes, for code that takes any {@linkcode Reader}: `read(2)`. Answers
   * 8, the number of bytes, whatever the length of the buffer; null when the counter is 0.
   *
   * @param buffer at least 8 bytes
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {RangeError} when it is shorter
   * @throws {ClosedError} when the handle is closed
   */
  read(buffer: ArrayBufferView): number | null {
    return readInto(this, counterBytes(buffer, "EventFD.read: the buffer"));
  }

  /**
   * Adds the first 8 bytes of a buffer as one number, in the byte order of the machine, for code
   * that takes any {@linkcode Writer}: `write(2)`. Answers 8, and null when there is no room.
   *
   * @param buffer at least 8 bytes
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {RangeError} when it is shorter, or its value is 2⁶⁴ − 1, which no counter can take
   * @throws {ClosedError} when the handle is closed
   */
  write(buffer: ArrayBufferView): number | null {
    const what = "EventFD.write: the buffer";
    const view = counterBytes(buffer, what);
    // Older kernels ignore what comes after the 8 bytes, newer ones (6.18) refuse it with EINVAL.
    const value = view instanceof Uint8Array && view.byteLength === 8
      ? view
      : new Uint8Array(view.buffer, view.byteOffset, 8);
    if (isAllOnes(value)) {
      throw new RangeError(`${what} must hold at most 2^64 - 2, got 2^64 - 1`);
    }
    return writeFrom(this, value);
  }

  /**
   * What {@link EventFD.wait} gives, as it comes, for `for await (const count of counter.signals())`;
   * it ends when the handle is closed.
   *
   * @throws {TypeError} when an option is not what it should be
   *
   * @example
   * ```ts
   * import { EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using tickets = EventFD.create({ initial: 3, semaphore: true });
   * let taken = 0n;
   * for await (const ticket of tickets) {
   *   taken += ticket;
   *   if (taken === 3n) break;
   * }
   * assertEquals(tickets.wait(), null);
   * ```
   */
  signals(options: AwaitOptions = {}): AsyncGenerator<bigint, void, undefined> {
    return everyTaken(this, () => this.wait(), options, "EventFD.signals");
  }

  /** What each wait gives, as it comes: {@link EventFD.signals} without options. */
  [Symbol.asyncIterator](): AsyncGenerator<bigint, void, undefined> {
    return this.signals();
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, for {@link EventFD.from}
   * there: {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedEventFD {
    return { ...super.share(), semaphore: this.#semaphore };
  }

  /** Adds an initial value that eventfd(2) itself cannot take. What fails leaves nothing open. */
  #begin(start: bigint): void {
    const { bytes, whole } = this.#counter;
    whole[0] = start;
    try {
      writeFrom(this, bytes);
    } catch (error) {
      this.close();
      throw error;
    }
  }
}

function upToMost(value: number | bigint, what: string): bigint {
  const whole = unsigned64(value, what);
  if (whole > MOST) throw new RangeError(`${what} must be at most 2^64 - 2, got ${whole}`);
  return whole;
}

function isAllOnes(value: Uint8Array): boolean {
  for (const byte of value) if (byte !== 0xff) return false;
  return true;
}
