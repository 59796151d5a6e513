/**
 * Records of bytes from one thread to another, through a ring in shared memory.
 *
 * There is one writer and one reader. The ring is a stream: a record is its length in four bytes and
 * then its bytes, and may be longer than the ring, because the reader takes what is there and puts
 * it together. What does not fit waits on the writer's side, in order, until the reader has made room.
 * Nothing here wakes anybody: the answers say who has to be woken.
 *
 * Invariants:
 * - Only the writer moves the head and only the reader moves the tail; each is a count of all bytes
 *   ever moved, modulo 2³², so full and empty are told apart without a byte that stays free.
 * - Bytes are in the ring before the head says so, and are copied out before the tail says so.
 * - A writer that waits for room has said so before it looked at the tail for the last time, and the
 *   reader looks for that after it has moved the tail: one of the two sees the other.
 *
 * @module
 */

import { Backlog } from "./backlog.ts";

// Each word is alone on its cache line: the two threads would otherwise take it from each other.
const HEAD = 0;
const TAIL = 16;
const WANTS_ROOM = 32;
const HEADER_BYTES = 48 * 4;

/** How many bytes say how long a record is. */
const LENGTH_BYTES = 4;

/** The least and the most that a ring holds: positions are differences of 32 bits. */
const LEAST_BYTES = 8;
const MOST_BYTES = 2 ** 30;

/**
 * Makes the memory of an empty mailbox.
 *
 * @param bytes how much the ring holds: a power of two
 */
export function mailboxMemory(bytes: number): SharedArrayBuffer {
  const isPower = Number.isInteger(Math.log2(bytes));
  if (!isPower || bytes < LEAST_BYTES || bytes > MOST_BYTES) {
    throw new RangeError(
      `a mailbox must hold a power of two from ${LEAST_BYTES} to ${MOST_BYTES} bytes, got ${bytes}`,
    );
  }
  return new SharedArrayBuffer(HEADER_BYTES + bytes);
}

/** The end of a mailbox that records are put in by. */
export class MailboxWriter {
  readonly #words: Int32Array;
  readonly #ring: Uint8Array;
  readonly #length: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(LENGTH_BYTES));
  readonly #lengthView: DataView = new DataView(this.#length.buffer);
  /** What did not fit. */
  readonly #queue: Backlog = new Backlog();
  #head: number;

  /** Takes the writing end of what {@link mailboxMemory} made. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#ring = new Uint8Array(memory, HEADER_BYTES);
    this.#head = Atomics.load(this.#words, HEAD) >>> 0;
  }

  /** How many bytes wait on this side for room. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Puts in one record, made of several parts. They are copied: the caller's bytes are free again. */
  send(...parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#lengthView.setUint32(0, length, true);
    this.flush();
    for (const part of [this.#length, ...parts]) {
      const taken = this.pending > 0 ? 0 : this.#copyIn(part);
      if (taken < part.byteLength) this.#queue.push(part.subarray(taken));
    }
    this.#publish();
    this.flush();
  }

  /** Moves on what waits, as far as there is room. The reader says when there is room again. */
  flush(): void {
    while (this.pending > 0) {
      this.#moveQueue();
      if (this.pending === 0) return;
      Atomics.store(this.#words, WANTS_ROOM, 1);
      // What was freed between the look and the word was freed unsaid.
      if (this.#room() === 0) return;
    }
  }

  #moveQueue(): void {
    for (let first = this.#queue.peek(); first !== null; first = this.#queue.peek()) {
      const taken = this.#copyIn(first);
      if (taken > 0) this.#queue.shift(taken);
      if (taken < first.byteLength) break;
    }
    this.#publish();
  }

  #room(): number {
    const used = (this.#head - (Atomics.load(this.#words, TAIL) >>> 0)) >>> 0;
    return this.#ring.byteLength - used;
  }

  /** Copies as much as there is room for: how much it was. */
  #copyIn(bytes: Uint8Array): number {
    const ring = this.#ring;
    const count = Math.min(bytes.byteLength, this.#room());
    const at = this.#head & (ring.byteLength - 1);
    const first = Math.min(count, ring.byteLength - at);
    ring.set(bytes.subarray(0, first), at);
    if (count > first) ring.set(bytes.subarray(first, count), 0);
    this.#head = (this.#head + count) >>> 0;
    return count;
  }

  #publish(): void {
    Atomics.store(this.#words, HEAD, this.#head | 0);
  }
}

/** The end of a mailbox that records are taken out by. */
export class MailboxReader {
  readonly #words: Int32Array;
  readonly #ring: Uint8Array;
  readonly #length: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(LENGTH_BYTES));
  /** The record that is being put together; null while its length is. */
  #record: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
  #tail: number;

  /** Takes the reading end of what {@link mailboxMemory} made. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#ring = new Uint8Array(memory, HEADER_BYTES);
    this.#tail = Atomics.load(this.#words, TAIL) >>> 0;
  }

  /** The next record, for its receiver to keep; null when none has come as a whole. */
  next(): Uint8Array<ArrayBuffer> | null {
    if (this.#record === null) {
      if (!this.#fill(this.#length)) return null;
      const length = new DataView(this.#length.buffer).getUint32(0, true);
      this.#record = new Uint8Array(new ArrayBuffer(length));
    }
    const record = this.#record;
    if (!this.#fill(record)) return null;
    this.#record = null;
    return record;
  }

  /** Whether the writer waits for room that there is now: then it must be woken. Asking forgets it. */
  takeWish(): boolean {
    return Atomics.load(this.#words, WANTS_ROOM) === 1 &&
      Atomics.exchange(this.#words, WANTS_ROOM, 0) === 1;
  }

  /** Copies out what there is of some bytes. Answers whether they are complete. */
  #fill(target: Uint8Array): boolean {
    const ring = this.#ring;
    const there = ((Atomics.load(this.#words, HEAD) >>> 0) - this.#tail) >>> 0;
    const count = Math.min(there, target.byteLength - this.#filled);
    const at = this.#tail & (ring.byteLength - 1);
    const first = Math.min(count, ring.byteLength - at);
    target.set(ring.subarray(at, at + first), this.#filled);
    if (count > first) target.set(ring.subarray(0, count - first), this.#filled + first);
    this.#tail = (this.#tail + count) >>> 0;
    Atomics.store(this.#words, TAIL, this.#tail | 0);
    this.#filled += count;
    if (this.#filled < target.byteLength) return false;
    this.#filled = 0;
    return true;
  }
}
