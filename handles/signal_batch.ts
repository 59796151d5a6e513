/**
 * Room for many signals at once, reused from read to read.
 *
 * Kernel: see signal_info.ts.
 *
 * @module
 */

import { type SiginfoMember, siginfoMember } from "../ffi/siginfo.ts";
import { structs } from "../ffi/structs.ts";
import { SignalInfo } from "./signal_info.ts";
import { integer } from "./validate.ts";

/** The most records that one batch holds: more than any pipe does. */
const MOST_RECORDS = 65536;

const RECORD_WORDS = structs.siginfo_t.size / 4;

/** Where a record has its fields, in words of 32 bits. */
const SIGNO = structs.siginfo_t.si_signo / 4;
const CODE = structs.siginfo_t.si_code / 4;
const PID = structs.siginfo_t.si_pid / 4;
const UID = structs.siginfo_t.si_uid / 4;
const STATUS = structs.siginfo_t.si_status / 4;
const VALUE = structs.siginfo_t.si_value / 4;

/** The memory that read(2) is to fill. */
export let batchMemory: (batch: SignalBatch) => Uint8Array<ArrayBuffer>;

/**
 * Notes how many bytes read(2) filled, takes the handler's markers out (records without a signal,
 * see ffi/signal_stub.ts), and answers how many records are left.
 */
export let endRead: (batch: SignalBatch, length: number) => number;

/**
 * A reusable buffer of signal records for {@linkcode SignalFD.readInto}: one `read(2)` fills as many
 * of them as wait and fit. What it answers about a record allocates nothing, except
 * {@link SignalBatch.info}, which makes an object of one.
 *
 * @example
 * ```ts
 * import { SignalBatch, SignalFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 * import process from "node:process";
 *
 * using signals = SignalFD.create(["SIGUSR1", "SIGUSR2"], { blocking: true });
 * const batch = new SignalBatch(16);
 * process.kill(process.pid, "SIGUSR2");
 * assertEquals(signals.readInto(batch), 1);
 * assertEquals([batch.count, batch.signo(0), batch.pid(0)], [1, 12, process.pid]);
 * assertEquals(batch.info(0).name, "SIGUSR2");
 * ```
 */
export class SignalBatch {
  /** How many records fit. */
  readonly capacity: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;
  #count = 0;

  /**
   * Makes room for so many records of 128 bytes.
   *
   * @param capacity 1 to 65,536
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is not a whole number in that range
   */
  constructor(capacity: number) {
    this.capacity = integer(capacity, "SignalBatch: the capacity", 1, MOST_RECORDS);
    const memory = new ArrayBuffer(capacity * structs.siginfo_t.size);
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
  }

  static {
    batchMemory = (batch) => batch.#bytes;
    endRead = (batch, length) => {
      const words = batch.#words;
      const end = length / 4;
      let kept = 0;
      for (let start = 0; start < end; start += RECORD_WORDS) {
        if (words[start + SIGNO] === 0) continue;
        if (kept < start) words.copyWithin(kept, start, start + RECORD_WORDS);
        kept += RECORD_WORDS;
      }
      return batch.#count = kept / RECORD_WORDS;
    };
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "SignalBatch";
  }

  /** How many records the last read filled. */
  get count(): number {
    return this.#count;
  }

  /**
   * The signal's number.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  signo(record: number): number {
    return this.#words[this.#start(record) + SIGNO]!;
  }

  /**
   * Why the signal was sent: {@linkcode SignalInfo.code}.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  code(record: number): number {
    return this.#words[this.#start(record) + CODE]!;
  }

  /**
   * The process that sent it, or the child that it is about; 0 when neither is known.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  pid(record: number): number {
    const start = this.#start(record);
    return this.#wasSent(start) ? this.#words[start + PID]! : 0;
  }

  /**
   * The real user of that process.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  uid(record: number): number {
    const start = this.#start(record);
    return this.#wasSent(start) ? this.#words[start + UID]! >>> 0 : 0;
  }

  /**
   * The value of sigqueue(3) or of a POSIX timer as a 32-bit integer, 0 when there is none.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  int(record: number): number {
    const start = this.#start(record);
    const member = this.#member(start);
    return member === "queue" || member === "timer" ? this.#words[start + VALUE]! : 0;
  }

  /**
   * How the child ended, or the signal that changed its state; 0 when it is about no child.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  status(record: number): number {
    const start = this.#start(record);
    return this.#member(start) === "child" ? this.#words[start + STATUS]! : 0;
  }

  /**
   * The whole record, as an object of its own that outlives the next read.
   *
   * @throws {RangeError} when the last read filled no such record
   */
  info(record: number): SignalInfo {
    return new SignalInfo(new DataView(this.#bytes.buffer), this.#start(record) * 4);
  }

  /** The records of the last read, as objects. */
  *[Symbol.iterator](): Generator<SignalInfo, void, undefined> {
    for (let record = 0; record < this.#count; record++) yield this.info(record);
  }

  /** The first word of a record. */
  #start(record: number): number {
    if (this.#count === 0) throw new RangeError("SignalBatch: the last read filled no record");
    return integer(record, "SignalBatch: the record", 0, this.#count - 1) * RECORD_WORDS;
  }

  #member(start: number): SiginfoMember {
    return siginfoMember(this.#words[start + SIGNO]!, this.#words[start + CODE]!);
  }

  /** Whether the record says which process it is from. */
  #wasSent(start: number): boolean {
    const member = this.#member(start);
    return member !== "timer" && member !== "poll";
  }
}
