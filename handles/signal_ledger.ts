/**
 * What the handles of one thread have changed in the process, in memory that all threads can share:
 * whoever closes the last one, on any thread, puts everything back.
 *
 * The only system calls here are those of the lock: who am I, and does its owner still live.
 *
 * @module
 */

import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";

/** What one open handle receives. */
export interface Claim {
  /** Ascending, and never used twice. */
  readonly id: number;
  /** The writing end of its pipe. */
  readonly fd: number;
  /** The address of its handler. */
  readonly page: bigint;
  readonly bits: bigint;
}

/** A thread that blocked signals which it had to unblock. */
export interface Unblocked {
  readonly thread: number;
  /** Tells the thread from a later one with the same id. */
  readonly start: number;
  readonly bits: bigint;
}

/** "fdsl": tells a ledger from other shared memory that a message may carry by mistake. */
const LEDGER_MARK = 0x6664736c;

/** How many handles of one thread can be open at once. */
export const MOST_CLAIMS = 128;

/** How many threads can have had to unblock something, and how many pipes can wait to be closed. */
const MOST_UNBLOCKED = 64;
const MOST_PARKED = 64;

// Words of 32 bits. What follows are lists of fixed length, in bytes.
const MARK = 0;
const LOCK = 1;
const LAST_ID = 2;
const HEAD_BYTES = 16;

// An entry is two words and two of 64 bits: id, fd, page, bits; or thread, start, nothing, bits.
// It is free when the first word is 0. A free claim keeps its page for the next one.
const ENTRY_BYTES = 24;
const CLAIMS_AT = HEAD_BYTES;
const UNBLOCKED_AT = CLAIMS_AT + MOST_CLAIMS * ENTRY_BYTES;
const PARKED_AT = UNBLOCKED_AT + MOST_UNBLOCKED * ENTRY_BYTES;
const ACTIONS_AT = PARKED_AT + MOST_PARKED * 4;
const ACTION_BYTES = structs.sigaction.size;
const LEDGER_BYTES = ACTIONS_AT + 65 * ACTION_BYTES;

/** How long a thread waits before it asks whether the owner of the lock has died. */
const OWNER_CHECK_MS = 100;

/** The shared memory of a guard, laid out. */
export class SignalLedger {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #wide: BigUint64Array<SharedArrayBuffer>;

  /** Makes an empty ledger, or lays one over the memory of another thread's. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(LEDGER_BYTES)) {
    this.#words = new Int32Array(memory);
    this.#wide = new BigUint64Array(memory);
    this.#words[MARK] = LEDGER_MARK;
  }

  /** Whether a value that came in a message is the memory of a ledger. */
  static isMemory(value: unknown): value is SharedArrayBuffer {
    return value instanceof SharedArrayBuffer && value.byteLength === LEDGER_BYTES &&
      new Int32Array(value)[MARK] === LEDGER_MARK;
  }

  get memory(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  /** All claims, in the order in which they were made. */
  claims(): Claim[] {
    return this.#entries(CLAIMS_AT, MOST_CLAIMS)
      .map(({ first, second, page, bits }) => ({ id: first, fd: second, page, bits }))
      .sort((a, b) => a.id - b.id);
  }

  /** Makes a claim of nothing yet, or null when there is no room for one more. */
  addClaim(fd: number, makePage: () => bigint): Claim | null {
    for (let index = 0; index < MOST_CLAIMS; index++) {
      const at = this.#claimAt(index);
      if (this.#words[at * 2] !== 0) continue;
      const page = this.#wide[at + 1] ||= makePage();
      const id = this.#words[LAST_ID]! += 1;
      this.#wide[at + 2] = 0n;
      this.#words.set([id, fd], at * 2);
      return { id, fd, page, bits: 0n };
    }
    return null;
  }

  /** Changes what a claim is for. */
  changeClaim(id: number, bits: bigint): void {
    this.#wide[this.#find(id) + 2] = bits;
  }

  /** Takes a claim off the list. Its page is there for the next one, or never used again. */
  removeClaim(id: number, keepPage: boolean): void {
    const at = this.#find(id);
    this.#words[at * 2] = 0;
    if (!keepPage) this.#wide[at + 1] = 0n;
  }

  /** Notes that a thread had to unblock signals. Answers whether there was room. */
  addUnblocked({ thread, start, bits }: Unblocked): boolean {
    for (let at = UNBLOCKED_AT; at < PARKED_AT; at += ENTRY_BYTES) {
      if (this.#words[at / 4] !== 0) continue;
      this.#wide[at / 8 + 2] = bits;
      this.#words.set([thread, start], at / 4);
      return true;
    }
    return false;
  }

  /** Takes from the notes about unblocked signals what concerns some of them. */
  takeUnblocked(bits: bigint): Unblocked[] {
    return this.#entries(UNBLOCKED_AT, MOST_UNBLOCKED).flatMap((entry) => {
      const left = entry.bits & ~bits;
      this.#wide[entry.at / 8 + 2] = left;
      if (left === 0n) this.#words[entry.at / 4] = 0;
      const { first, second } = entry;
      return left === entry.bits ? [] : [{ thread: first, start: second, bits: entry.bits & bits }];
    });
  }

  /** Keeps a descriptor that cannot be closed yet. Without room it stays open for good. */
  park(fd: number): void {
    const place = this.#words.indexOf(0, PARKED_AT / 4);
    if (place < ACTIONS_AT / 4) this.#words[place] = fd + 1;
  }

  /** Takes all descriptors that were kept. */
  takeParked(): number[] {
    const parked = this.#words.subarray(PARKED_AT / 4, ACTIONS_AT / 4);
    const fds = [...parked].filter((entry) => entry !== 0).map((entry) => entry - 1);
    parked.fill(0);
    return fds;
  }

  /** The `struct sigaction` of a signal that was in force before. */
  action(signal: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.memory, ACTIONS_AT + signal * ACTION_BYTES, ACTION_BYTES);
  }

  /**
   * Runs while no other thread is inside. A worker that was terminated inside does not lock the
   * others out: the lock holds its thread's id, and is taken from a thread that is no more.
   */
  locked<T>(run: () => T): T {
    const self = libc.gettid();
    for (;;) {
      const owner = Atomics.compareExchange(this.#words, LOCK, 0, self);
      if (owner === 0) break;
      const dead = libc.tgkill(libc.getpid(), owner, 0) === -1; // signal 0 is sent to nobody
      if (dead && Atomics.compareExchange(this.#words, LOCK, owner, self) === owner) break;
      Atomics.wait(this.#words, LOCK, owner, OWNER_CHECK_MS);
    }
    try {
      return run();
    } finally {
      Atomics.store(this.#words, LOCK, 0);
      Atomics.notify(this.#words, LOCK, 1);
    }
  }

  /** Where a claim is, in words of 64 bits. */
  #claimAt(index: number): number {
    return (CLAIMS_AT + index * ENTRY_BYTES) / 8;
  }

  #find(id: number): number {
    const entry = this.#entries(CLAIMS_AT, MOST_CLAIMS).find(({ first }) => first === id);
    if (entry === undefined) throw new RangeError(`there is no claim ${id}`);
    return entry.at / 8;
  }

  /** The entries of a list that are not free. */
  #entries(from: number, most: number): Entry[] {
    const entries: Entry[] = [];
    for (let at = from; at < from + most * ENTRY_BYTES; at += ENTRY_BYTES) {
      const first = this.#words[at / 4]!;
      if (first === 0) continue;
      const second = this.#words[at / 4 + 1]!;
      entries.push({
        at,
        first,
        second,
        page: this.#wide[at / 8 + 1]!,
        bits: this.#wide[at / 8 + 2]!,
      });
    }
    return entries;
  }
}

/** A place in a list that is taken: where it begins, in bytes, and what is there. */
interface Entry {
  readonly at: number;
  readonly first: number;
  readonly second: number;
  readonly page: bigint;
  readonly bits: bigint;
}
