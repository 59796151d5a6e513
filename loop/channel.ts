/**
 * What carries a connection's bytes: on a poller of readiness, a descriptor that is read and written
 * when it is reported.
 *
 * A connection knows only {@link Channel} and answers only {@link Sink}. A poller of completions will
 * bring a channel of its own, whose bytes come with the report.
 *
 * @module
 */

import type { Descriptor } from "../handles/descriptor.ts";
import { readInto, writeFrom } from "../handles/io.ts";
import { sendfile } from "../handles/kernel_transfer.ts";
import { MORE, sendFrom } from "../handles/socket_io.ts";
import {
  endWriting,
  isAtEnd,
  pendingError,
  type StreamKind,
  streamKind,
} from "../handles/stream_kind.ts";
import type { Core, Unfinished } from "./core.ts";
import {
  EDGE,
  ERROR,
  HANGUP,
  PEER_CLOSED,
  PRIORITY,
  READABLE,
  type Target,
  WRITABLE,
} from "./poller.ts";
import type { Source } from "./source.ts";

/**
 * How much one connection may read in a turn before the others have theirs: two buffers full. More
 * would cost the others time, and bring no more bytes: bench/fairness.ts.
 */
export const READ_BUDGET: number = 128 * 1024;

/** What a read costs of the budget at least, so that a drizzle of single bytes has an end, too. */
const READ_COST = 4 * 1024;

/**
 * What is asked for while reading. Urgent bytes are not given to anybody, but they hide what comes
 * behind them from a read that stops there.
 */
const READING = READABLE | PEER_CLOSED | PRIORITY;

/** What a read can find out more about. */
export const WAKES_READER: number = READABLE | PEER_CLOSED | HANGUP | ERROR;

/** After these, only would-block says that everything was read. */
const READ_TO_END = PRIORITY | PEER_CLOSED | HANGUP | ERROR;

/** The other end of a channel: what it tells. */
export interface Sink {
  /** Bytes have come. They are valid until the call returns. */
  received(bytes: Uint8Array): void;
  /** The peer will send no more. */
  ended(): void;
  /** The peer will take no more either. Told again with every report that says so. */
  gone(): void;
  /** There is room, or there may be. */
  writable(): void;
  /** It is broken. */
  failed(error: Error): void;
  /** Its handle was closed, or its loop. */
  dropped(reason: unknown): void;
}

/** What a connection asks of whatever carries its bytes. */
export interface Channel {
  /** Whether bytes can come. */
  readonly reads: boolean;
  /** Whether bytes can go. */
  readonly writes: boolean;
  /** Writes what is taken at once: how many bytes, 0 when there is no room. Throws when it is broken. */
  write(bytes: Uint8Array): number;
  /** The same for bytes that others follow at once: a part of a packet need not be sent alone. */
  writeMore(bytes: Uint8Array): number;
  /**
   * Sends from a file what is taken at once, and moves the offset on: how many bytes, 0 at the end of
   * the file, null when there is no room. Throws when either is broken.
   */
  sendFile(file: Descriptor, offset: BigInt64Array, most: number): number | null;
  /** Whether to tell when there is room. */
  wantWritable(on: boolean): void;
  /** Whether to go on receiving. */
  wantReadable(on: boolean): void;
  /** Tells the peer that no more will come. Throws when it is broken. */
  endWriting(): void;
  /** The bytes that it was given to deliver first and has not delivered yet, null when there are none. */
  readonly carry: Uint8Array | null;
  /** Stops to carry. The descriptor stays open. */
  detach(): void;
}

/**
 * A channel on a poller of readiness, by edges: a report says that something has changed, so reading
 * goes on until the descriptor is known to be empty, or until the budget of the turn is used up and
 * the rest has to wait for the next turn.
 *
 * An error that is reported comes behind the bytes that came before it: they are read first, unless
 * reading is paused.
 */
export class ReadinessChannel implements Channel, Unfinished {
  readonly #core: Core;
  readonly #io: Descriptor;
  readonly #sink: Sink;
  readonly #kind: StreamKind;
  readonly #source: Source;
  #interest: number;
  #reads: boolean;
  #paused = false;
  /** Whether there may be something to read that no report will tell of again. */
  #unread = false;
  /** Whether a short read says nothing: see {@link READ_TO_END}. */
  #toTheEnd = false;
  /** Whether an error was reported that nobody has asked for yet. */
  #broken = false;
  #hungUp = false;
  #waitsForTurn = false;
  #detached = false;
  #carry: Uint8Array | null;

  /**
   * Registers the descriptor with the loop's poller.
   *
   * @param carry bytes that are delivered in the next turn, before any that are read
   * @throws {TypeError} when it blocks, when what it carries is messages, or when there are bytes to
   *   deliver from what is not read
   * @throws {SyscallError} EEXIST, when the loop watches it already; EPERM, when it cannot be watched
   */
  constructor(
    core: Core,
    target: Target,
    io: Descriptor,
    sink: Sink,
    carry: Uint8Array | null,
    what: string,
  ) {
    this.#core = core;
    this.#io = io;
    this.#sink = sink;
    this.#kind = streamKind(io, what);
    this.#reads = this.#kind.reads;
    this.#carry = carry;
    if (carry !== null && !this.#reads) {
      throw new TypeError(
        `${what}: carry is received, and fd ${io.raw} was opened for writing only`,
      );
    }
    this.#interest = EDGE | (this.#reads ? READING : 0);
    const report = (readiness: number): void => this.#report(readiness);
    this.#source = core.registry.watch(target, this.#interest, report, what);
    this.#source.dropped = (reason) => {
      this.#detached = true;
      sink.dropped(reason);
    };
    if (carry !== null) {
      this.#unread = true;
      this.#continueLater();
    }
  }

  get reads(): boolean {
    return this.#reads;
  }

  get writes(): boolean {
    return this.#kind.writes;
  }

  get carry(): Uint8Array | null {
    return this.#carry;
  }

  write(bytes: Uint8Array): number {
    return this.#count(writeFrom(this.#io, bytes)) ?? 0;
  }

  writeMore(bytes: Uint8Array): number {
    if (!this.#kind.socket) return this.write(bytes);
    return this.#count(sendFrom(this.#io, bytes, MORE, null)) ?? 0;
  }

  sendFile(file: Descriptor, offset: BigInt64Array, most: number): number | null {
    return this.#count(sendfile(this.#io, file, offset, most));
  }

  wantWritable(on: boolean): void {
    this.#setInterest(on ? this.#interest | WRITABLE : this.#interest & ~WRITABLE);
  }

  wantReadable(on: boolean): void {
    if (!this.#reads || this.#paused === !on) return;
    this.#paused = !on;
    if (!on) return;
    // Asking again reports what has come meanwhile; what was left unread is known here.
    this.#setInterest(this.#interest | READING);
    if (this.#unread) this.#continueLater();
  }

  endWriting(): void {
    if (this.#kind.socket) endWriting(this.#io, this.#kind);
  }

  detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    this.#core.registry.cancel(this.#source);
  }

  /** Reads on, one turn after the budget was used up. */
  resume(): void {
    this.#waitsForTurn = false;
    if (this.#detached) return;
    if (this.#paused) this.#withoutReading(0);
    else if (this.#reads) this.#read();
  }

  /** Counts what was taken, null for would-block. */
  #count(taken: number | null): number | null {
    if (taken === null) this.#core.counters.wouldBlocks++;
    else this.#core.counters.bytesOut += taken;
    return taken;
  }

  #report(readiness: number): void {
    if ((readiness & ERROR) !== 0) this.#broken = true;
    if ((readiness & HANGUP) !== 0) this.#hungUp = true;
    if ((readiness & READ_TO_END) !== 0) this.#toTheEnd = true;
    if (!this.#reads || this.#paused) this.#withoutReading(readiness);
    // What is read on in this turn anyway must not be read twice.
    else if ((readiness & WAKES_READER) !== 0 && !this.#waitsForTurn) this.#read();
    if (this.#detached) return;
    if ((readiness & WRITABLE) !== 0 && (this.#interest & WRITABLE) !== 0) this.#sink.writable();
  }

  /** Takes a report of what is not read, or not now. */
  #withoutReading(readiness: number): void {
    if (this.#broken && this.#fail()) return;
    if (!this.#reads) {
      if (this.#hungUp) this.#sink.gone();
    } else if ((readiness & WAKES_READER) !== 0) {
      this.#unread = true;
      // The next bytes need not wake the loop.
      this.#setInterest(this.#interest & ~READING);
      if (this.#hungUp && this.#carry === null && this.#isAtEnd()) this.#ended();
    }
  }

  /** Whether nothing lies before the end of what hung up while nobody reads: then nobody need read. */
  #isAtEnd(): boolean {
    try {
      return isAtEnd(this.#io, this.#kind);
    } catch (error) {
      this.#sink.failed(error as Error);
      return false;
    }
  }

  #read(): void {
    const { counters, input } = this.#core;
    this.#unread = true;
    if (this.#carry !== null) {
      this.#deliverCarry(this.#carry);
      if (this.#detached || this.#paused) return;
    }
    for (let budget = READ_BUDGET; budget > 0;) {
      const count = this.#readOnce(input.bytes);
      if (count === 0) return;
      counters.bytesIn += count;
      budget -= Math.max(count, READ_COST);
      // What comes after such a read is a new edge.
      const isEmpty = count < input.bytes.byteLength && this.#kind.shortReadEmpties &&
        !this.#toTheEnd;
      if (isEmpty) this.#unread = false;
      this.#sink.received(input.first(count));
      if (isEmpty || this.#detached || this.#paused) return;
    }
    counters.budgetHits++;
    this.#continueLater();
  }

  #deliverCarry(carry: Uint8Array): void {
    this.#carry = null;
    this.#sink.received(carry);
  }

  /** One read: how many bytes, 0 when there is nothing more to read now. */
  #readOnce(bytes: Uint8Array): number {
    let count: number | null;
    try {
      count = readInto(this.#io, bytes);
    } catch (error) {
      this.#sink.failed(error as Error);
      return 0;
    }
    if (count !== null && count > 0) return count;
    this.#unread = false;
    if (count === null) this.#emptied();
    else this.#ended();
    return 0;
  }

  #emptied(): void {
    this.#core.counters.wouldBlocks++;
    this.#toTheEnd = false;
    if (this.#broken) this.#fail();
  }

  #ended(): void {
    // A terminal that was hung up has both, and for it the end is all there is to say.
    if (this.#broken && this.#kind.socket && this.#fail()) return;
    this.#reads = false;
    this.#sink.ended();
    if (this.#hungUp && !this.#detached) this.#sink.gone();
  }

  /** Tells what broke it. Answers false when nothing did: errors of a socket's error queue are reported, too. */
  #fail(): boolean {
    this.#broken = false;
    let error: Error | null;
    try {
      error = pendingError(this.#io, this.#kind);
    } catch (caught) {
      error = caught as Error;
    }
    if (error === null) return false;
    this.#sink.failed(error);
    return true;
  }

  #continueLater(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    this.#core.continueLater(this);
  }

  #setInterest(interest: number): void {
    if (this.#interest === interest || this.#detached) return;
    this.#interest = interest;
    try {
      this.#core.registry.arm(this.#source, interest);
    } catch (error) {
      // The number was closed by its owner, or belongs to another file by now.
      this.#sink.failed(error as Error);
    }
  }
}
