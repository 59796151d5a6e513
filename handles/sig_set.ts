/**
 * Sets of signals.
 *
 * Kernel: the 64 signals of Linux. On other systems the set exists, and nothing takes it.
 *
 * @module
 */

import { type SignalName, signalName, signalNumber } from "../ffi/signals.ts";
import { shown } from "./validate.ts";

/** The highest signal of Linux, and the number of bits of its `sigset_t`. */
const HIGHEST = 64;

/** What a set of signals may be given as: a set, or names and numbers. */
export type Signals = SigSet | Iterable<SignalName | number>;

/**
 * A set of signals, `sigset_t` of sigsetops(3), with the signals 1 to 64.
 *
 * A signal is given by its name, `"SIGTERM"` or `"SIGRTMIN+3"`, or by its number. A whole number
 * that is no signal (0, 65, −1) is in no set, cannot be added, and removing it changes nothing. All
 * other values are refused, and so is every number that is no signal where a whole list of them is
 * given: a list with a wrong number would silently wait for the wrong signal.
 *
 * @example
 * ```ts
 * import { SigSet } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const set = new SigSet(["SIGINT", "SIGTERM"]).add(10).del("SIGINT");
 * assertEquals([...set], ["SIGUSR1", "SIGTERM"]);
 * assertEquals(set.has("SIGTERM") && !set.has(65), true);
 * assertEquals(set.bits, 0x4200n); // signal 1 is bit 0
 * ```
 */
export class SigSet implements Iterable<string> {
  #low = 0;
  #high = 0;

  /**
   * Makes a set of the signals that are listed, an empty one by default.
   *
   * @throws {TypeError} when it is neither a set nor a list of names and numbers
   * @throws {RangeError} when a name or a number is no signal of this system
   */
  constructor(signals: Signals = []) {
    if (signals instanceof SigSet) {
      this.#low = signals.#low;
      this.#high = signals.#high;
      return;
    }
    if (typeof signals !== "object" || typeof signals?.[Symbol.iterator] !== "function") {
      throw new TypeError(
        `signals must be a SigSet or a list such as ["SIGTERM", 10], got ${shown(signals)}`,
      );
    }
    for (const signal of signals) this.add(signalNumber(signal));
  }

  /**
   * Makes a set of the bits of a mask: signal 1 is bit 0. {@link SigSet.bits} is the way back.
   *
   * @throws {TypeError} when it is no bigint
   * @throws {RangeError} when it does not fit in 64 bits
   */
  static fromBits(bits: bigint): SigSet {
    if (typeof bits !== "bigint") {
      throw new TypeError(`SigSet.fromBits: the bits must be a bigint, got ${shown(bits)}`);
    }
    if (bits !== BigInt.asUintN(HIGHEST, bits)) {
      throw new RangeError(`SigSet.fromBits: the bits must fit in 64 unsigned bits, got ${bits}n`);
    }
    const set = new SigSet();
    set.#low = Number(bits & 0xffff_ffffn);
    set.#high = Number(bits >> 32n);
    return set;
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "SigSet";
  }

  /**
   * Adds a signal: `sigaddset(3)`. Answers the set itself.
   *
   * @throws {TypeError} when it is no name and no number
   * @throws {RangeError} when it is a name that no signal has, or a number with a fraction
   */
  add(signal: SignalName | number): this {
    const bit = bitOf(signal);
    if (bit < 32) this.#low = (this.#low | maskOf(bit)) >>> 0;
    else this.#high = (this.#high | maskOf(bit)) >>> 0;
    return this;
  }

  /**
   * Removes a signal: `sigdelset(3)`. Answers the set itself.
   *
   * @throws {TypeError} when it is no name and no number
   * @throws {RangeError} when it is a name that no signal has, or a number with a fraction
   */
  del(signal: SignalName | number): this {
    const bit = bitOf(signal);
    if (bit < 32) this.#low = (this.#low & ~maskOf(bit)) >>> 0;
    else this.#high = (this.#high & ~maskOf(bit)) >>> 0;
    return this;
  }

  /**
   * Whether a signal is in the set: `sigismember(3)`.
   *
   * @throws {TypeError} when it is no name and no number
   * @throws {RangeError} when it is a name that no signal has, or a number with a fraction
   */
  has(signal: SignalName | number): boolean {
    const bit = bitOf(signal);
    return ((bit < 32 ? this.#low : this.#high) & maskOf(bit)) !== 0;
  }

  /**
   * A new set of the signals that are in this one or in the other.
   *
   * @throws {TypeError} when it is neither a set nor a list of names and numbers
   * @throws {RangeError} when a name or a number is no signal of this system
   */
  union(other: Signals): SigSet {
    const set = new SigSet(other);
    set.#low = (set.#low | this.#low) >>> 0;
    set.#high = (set.#high | this.#high) >>> 0;
    return set;
  }

  /** The set as one 64-bit mask, as the kernel has it: signal 1 is bit 0. */
  get bits(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  /** How many signals are in the set. */
  get size(): number {
    return this.numbers().length;
  }

  /** The numbers of the signals, ascending. */
  numbers(): number[] {
    const numbers: number[] = [];
    for (let signal = 1; signal <= HIGHEST; signal++) {
      if (this.has(signal)) numbers.push(signal);
    }
    return numbers;
  }

  /** The names of the signals, in the order of their numbers. */
  *[Symbol.iterator](): Generator<string, void, undefined> {
    for (const signal of this.numbers()) yield signalName(signal);
  }

  /** The names in one line: `"{SIGINT SIGTERM}"`. */
  toString(): string {
    return `{${[...this].join(" ")}}`;
  }
}

/** Stands for a number that is no signal: {@link maskOf} has no bit for it. */
const NO_BIT = HIGHEST;

/** The bit of a signal, from 0. */
function bitOf(signal: SignalName | number): number {
  if (typeof signal !== "number") return signalNumber(signal) - 1;
  if (!Number.isInteger(signal)) {
    throw new RangeError(`a signal is a whole number from 1 to ${HIGHEST}, got ${signal}`);
  }
  return signal >= 1 && signal <= HIGHEST ? signal - 1 : NO_BIT;
}

/** The bit in its word of 32. */
function maskOf(bit: number): number {
  return bit === NO_BIT ? 0 : 1 << (bit & 31);
}
