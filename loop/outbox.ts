/**
 * The sending side of a connection: what the kernel takes at once, what has to wait, and the end that
 * comes behind it.
 *
 * @module
 */

import { Backlog } from "./backlog.ts";
import type { Channel } from "./channel.ts";
import { QueueFullError } from "./conn_errors.ts";
import type { ConnTimeouts } from "./conn_timeouts.ts";
import type { Core, Unfinished } from "./core.ts";

/** How much one connection may write in a turn when the kernel takes everything. */
const WRITE_BUDGET = 1024 * 1024;

/** Whose sending side it is: what it is told. */
export interface Sender {
  /** All that had to wait was sent. More may be given at once. */
  drained(): void;
  /** The writing side has ended. */
  writeEnded(): void;
  /** The connection is broken. */
  failed(error: Error): void;
}

/** A queue of bytes before a channel. Nothing is told inside a call that sends. */
export class Outbox implements Unfinished {
  readonly #core: Core;
  readonly #channel: Channel;
  readonly #sender: Sender;
  readonly #timeouts: ConnTimeouts | null;
  readonly #maxBacklog: number;
  /** What waits, from when something first had to wait until all of it was sent. */
  #backlog: Backlog | null = null;
  /** Whether the writing side ends with the last byte that waits, and whether no more may follow. */
  #ending = false;
  #refusing = false;
  #ended: boolean;
  #waitsForTurn = false;
  #dropped = false;

  /** Starts empty, before a channel. */
  constructor(
    core: Core,
    channel: Channel,
    sender: Sender,
    timeouts: ConnTimeouts | null,
    maxBacklog: number,
  ) {
    this.#core = core;
    this.#channel = channel;
    this.#sender = sender;
    this.#timeouts = timeouts;
    this.#maxBacklog = maxBacklog;
    this.#ended = !channel.writes;
  }

  /** How many bytes wait. */
  get pending(): number {
    return this.#backlog === null ? 0 : this.#backlog.size;
  }

  /** Whether the writing side has ended, or there is none. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Throws unless so many bytes more may be given: see `Connection.write`.
   *
   * @param number the descriptor's, for the message
   */
  check(more: number, number: number): void {
    if (!this.#channel.writes) {
      throw new Error(`Connection.write: fd ${number} was opened for reading only`);
    }
    if (this.#refusing) {
      throw new Error("Connection.write: nothing can be sent after end(): call it after the last");
    }
    const { pending } = this;
    if (pending + more > this.#maxBacklog) {
      throw new QueueFullError(more, pending, this.#maxBacklog);
    }
  }

  /** Sends what is taken at once; the rest waits. Answers false when the connection is over. */
  send(bytes: Uint8Array): boolean {
    const { byteLength } = bytes;
    if (byteLength === 0) return true;
    if (this.#backlog !== null) {
      this.#queue(bytes);
      return true;
    }
    const taken = this.#tryWrite(bytes);
    if (this.#dropped) return false;
    if (taken === byteLength) return true;
    this.#queue(new Uint8Array(bytes.buffer, bytes.byteOffset + taken, byteLength - taken));
    this.#channel.wantWritable(true);
    return !this.#dropped;
  }

  /** Ends the writing side when all that waits is sent; the program may still send, or not any more. */
  end(refuse: boolean): void {
    this.#ending = true;
    if (refuse) this.#refusing = true;
    this.#endWhenSent();
  }

  /** Sends what waits, until the kernel takes no more or the turn's budget is used up. */
  flush(): void {
    for (let budget = WRITE_BUDGET;;) {
      const bytes = this.#backlog === null ? null : this.#backlog.peek();
      if (bytes === null) return;
      if (budget <= 0) return this.#flushLater();
      const taken = this.#tryWrite(bytes);
      if (this.#dropped) return;
      if (taken > 0) this.#shift(taken);
      // What takes a part is full, and says so when it is not any more.
      if (taken < bytes.byteLength) return this.#channel.wantWritable(true);
      budget -= taken;
    }
  }

  /** Sends on, one turn after the budget was used up. */
  resume(): void {
    this.#waitsForTurn = false;
    this.flush();
  }

  /** Drops what waits: the connection is over. */
  drop(): void {
    this.#dropped = true;
    this.#core.counters.pendingBytes -= this.pending;
    this.#backlog?.clear();
    this.#backlog = null;
  }

  #queue(bytes: Uint8Array): void {
    this.#backlog ??= new Backlog();
    this.#backlog.push(bytes);
    this.#core.counters.pendingBytes += bytes.byteLength;
    this.#timeouts?.writeWaits();
  }

  /** Forgets what was sent of what waited. */
  #shift(taken: number): void {
    const backlog = this.#backlog!;
    backlog.shift(taken);
    this.#core.counters.pendingBytes -= taken;
    if (backlog.size > 0) return;
    this.#backlog = null;
    this.#drained();
  }

  #flushLater(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    this.#core.continueLater(this);
  }

  #drained(): void {
    this.#timeouts?.writeDone();
    this.#sender.drained();
    // It may have been given the next part of a long answer.
    if (this.#backlog !== null || this.#dropped) return;
    this.#channel.wantWritable(false);
    if (this.#ending && !this.#dropped) this.#endWhenSent();
  }

  /** How many bytes were taken. When that shows that the connection is broken, it is over. */
  #tryWrite(bytes: Uint8Array): number {
    let taken = 0;
    try {
      taken = this.#channel.write(bytes);
    } catch (error) {
      this.#sender.failed(error as Error);
    }
    if (taken > 0) this.#timeouts?.sent();
    return taken;
  }

  #endWhenSent(): void {
    if (this.#backlog !== null || this.#ended) return;
    this.#ended = true;
    try {
      this.#channel.endWriting();
    } catch (error) {
      return this.#sender.failed(error as Error);
    }
    this.#sender.writeEnded();
  }
}
