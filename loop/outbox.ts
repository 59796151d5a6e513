/**
 * The sending side of a connection: what the kernel takes at once, what has to wait, and the end that
 * comes behind it.
 *
 * @module
 */

import { Backlog } from "./backlog.ts";
import type { Channel } from "./channel.ts";
import { QueueFullError, UnknownFDError } from "./conn_errors.ts";
import type { ConnTimeouts } from "./conn_timeouts.ts";
import type { Core, Unfinished } from "./core.ts";
import { type FileJob, FULL } from "./file_job.ts";

/**
 * How much one connection may send in a turn of what waits, when the kernel takes everything: as long
 * as something of it is left, another part may go, which is as much at most. So headers and a file of
 * 1 MiB behind them go in one turn.
 */
const WRITE_BUDGET = 1024 * 1024;

/** What a part of a file costs of the budget at least, so that a row of small files has an end, too. */
const FILE_COST = 4 * 1024;

/** Whose sending side it is: what it is told. */
export interface Sender {
  /** All that had to wait was sent. More may be given at once. */
  drained(): void;
  /** The writing side has ended. */
  writeEnded(): void;
  /** The connection is broken. */
  failed(error: Error): void;
  /** A file that was sent in part cannot be sent whole: nothing that follows would be understood. */
  cutShort(error: Error): void;
}

/**
 * A queue of bytes and files before a channel. Nothing is told inside a call that sends.
 *
 * In order: the bytes of the backlog, the first file, the bytes behind it, the next file, …
 */
export class Outbox implements Unfinished {
  readonly #core: Core;
  readonly #channel: Channel;
  readonly #sender: Sender;
  readonly #timeouts: ConnTimeouts | null;
  readonly #maxBacklog: number;
  readonly #number: number;
  /** What waits, from when something first had to wait until all of it was sent. */
  #backlog: Backlog | null = null;
  /** The files that wait, null when none does. */
  #files: FileJob[] | null = null;
  /** Whether something had to wait, and the sender was not told yet that all of it was sent. */
  #waits = false;
  /** What is left of the budget of the turn, and which turn that is. */
  #budget = 0;
  #turn = -1;
  /** Whether the writing side ends with the last byte that waits, and whether no more may follow. */
  #ending = false;
  #refusing = false;
  #ended: boolean;
  #waitsForTurn = false;
  #dropped = false;

  /** Starts empty, before the channel of a descriptor. */
  constructor(
    core: Core,
    number: number,
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
    this.#number = number;
    this.#ended = !channel.writes;
  }

  /** How many bytes wait, without those of files. */
  get pending(): number {
    let bytes = this.#backlog === null ? 0 : this.#backlog.size;
    if (this.#files !== null) {
      for (const { headerBytes, after } of this.#files) bytes += headerBytes + (after?.size ?? 0);
    }
    return bytes;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#backlog === null && this.#files === null;
  }

  /** Whether nothing waits, and nothing is the last. */
  get isIdle(): boolean {
    return !this.#ending && this.isEmpty;
  }

  /** Whether the writing side has ended, or there is none. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Throws unless so many bytes more may be given: see `Connection.write`. */
  check(more: number, what: string): void {
    if (!this.#channel.writes) {
      throw new Error(`${what}: fd ${this.#number} was opened for reading only`);
    }
    if (this.#refusing) {
      throw new Error(`${what}: nothing can be sent after end(): call it after the last`);
    }
    const { pending } = this;
    if (pending + more > this.#maxBacklog) {
      throw new QueueFullError(more, pending, this.#maxBacklog);
    }
  }

  /** Throws when something waits, or when the writing side ends or has ended. */
  checkIdle(what: string): void {
    const why = this.#ending
      ? "its writing side ends"
      : this.#files !== null
      ? "a file is being sent: await its promise"
      : this.#backlog !== null
      ? `${this.pending} bytes wait to be sent: wait for onDrain`
      : null;
    if (why === null) return;
    throw new Error(
      `${what}: fd ${this.#number} cannot be given to somebody else now, because ${why}`,
    );
  }

  /** Sends what is taken at once; the rest waits. Answers false when the connection is over. */
  send(bytes: Uint8Array): boolean {
    const { byteLength } = bytes;
    if (byteLength === 0) return true;
    if (!this.isEmpty) {
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

  /** Sends of a file what is taken at once; the rest waits. */
  sendFile(job: FileJob): Promise<number> {
    const goes = this.isEmpty;
    (this.#files ??= []).push(job);
    this.#core.counters.pendingBytes += job.headerBytes;
    job.failed = (reason) => this.#cancel(job, reason);
    job.start();
    if (goes) this.flush();
    if (!this.isEmpty && !this.#dropped) {
      job.keepHeaders();
      this.#waits = true;
      this.#timeouts?.writeWaits();
    }
    return job.promise;
  }

  /** Ends the writing side when all that waits is sent; the program may still send, or not any more. */
  end(refuse: boolean): void {
    this.#ending = true;
    if (refuse) this.#refusing = true;
    this.#endWhenSent();
  }

  /** Sends what waits, until the kernel takes no more or the turn's budget is used up. */
  flush(): void {
    const { turns } = this.#core.counters;
    if (this.#turn !== turns) {
      this.#turn = turns;
      this.#budget = WRITE_BUDGET;
    }
    while (!this.#dropped) {
      const bytes = this.#backlog === null ? null : this.#backlog.peek();
      const isFull = bytes !== null ? this.#flushBytes(bytes) : this.#flushFile();
      if (isFull) return;
      if (!this.isEmpty) continue;
      if (!this.#waits) return;
      this.#drained();
    }
  }

  /** Sends on, one turn after the budget was used up. */
  resume(): void {
    this.#waitsForTurn = false;
    this.flush();
  }

  /** Drops what waits, for a reason: the connection is over. */
  drop(reason: unknown): void {
    this.#dropped = true;
    this.#core.counters.pendingBytes -= this.pending;
    this.#backlog?.clear();
    this.#backlog = null;
    const files = this.#files ?? [];
    this.#files = null;
    for (const job of files) {
      job.after?.clear();
      job.reject(reason ?? new UnknownFDError(this.#number));
    }
  }

  #queue(bytes: Uint8Array): void {
    const last = this.#files?.at(-1);
    const backlog = last === undefined
      ? this.#backlog ??= new Backlog()
      : last.after ??= new Backlog();
    backlog.push(bytes);
    this.#core.counters.pendingBytes += bytes.byteLength;
    this.#waits = true;
    this.#timeouts?.writeWaits();
  }

  /** Sends what waits before the first file. Answers whether that is all for now. */
  #flushBytes(bytes: Uint8Array): boolean {
    if (this.#budget <= 0) return this.#flushLater();
    const taken = this.#tryWrite(bytes);
    if (this.#dropped) return true;
    if (taken > 0) this.#shift(taken);
    // What takes a part is full, and says so when it is not any more.
    if (taken < bytes.byteLength) return this.#waitForRoom();
    this.#budget -= taken;
    return false;
  }

  /** Sends a part of the first file. Answers whether that is all for now. */
  #flushFile(): boolean {
    const job = this.#files?.[0];
    if (job === undefined) return false;
    if (!job.over) {
      if (this.#budget <= 0) return this.#flushLater();
      const { headerBytes } = job;
      const taken = this.#trySend(job);
      if (this.#dropped) return true;
      this.#core.counters.pendingBytes -= headerBytes - job.headerBytes;
      // A part can be taken because the file ends, too: only would-block says that there is no room.
      if (taken === FULL) return this.#waitForRoom();
      this.#budget -= Math.max(taken, FILE_COST);
    }
    if (job.over && this.#remove(job)) job.fulfil();
    return false;
  }

  /** Sends a part of a file; when that cannot go on, the file is out of the queue. */
  #trySend(job: FileJob): number {
    try {
      const taken = job.send(this.#channel, WRITE_BUDGET);
      if (taken > 0) this.#timeouts?.sent();
      return taken;
    } catch (error) {
      if (job.isOfFile(error)) this.#cancel(job, error);
      else this.#sender.failed(error as Error);
      return 0;
    }
  }

  /** Gives a file up: the others go on unless a part of it was sent. */
  #cancel(job: FileJob, reason: unknown): void {
    if (job.begun) {
      const message = "Connection.sendfile was aborted when a part of the file was sent";
      const error = reason instanceof Error ? reason : new Error(message, { cause: reason });
      this.#remove(job);
      job.reject(reason);
      return this.#sender.cutShort(error);
    }
    if (!this.#remove(job)) return;
    job.reject(reason);
    this.#flushLater();
  }

  /** Takes a file out of the queue; what comes behind it closes up. Answers false when it was out. */
  #remove(job: FileJob): boolean {
    const files = this.#files;
    const index = files === null ? -1 : files.indexOf(job);
    if (index === -1) return false;
    this.#core.counters.pendingBytes -= job.headerBytes;
    files!.splice(index, 1);
    const before = index === 0 ? this.#backlog : files![index - 1]!.after;
    let closed = before;
    if (before === null) closed = job.after;
    else if (job.after !== null) before.append(job.after);
    if (index === 0) this.#backlog = closed;
    else files![index - 1]!.after = closed;
    if (files!.length === 0) this.#files = null;
    return true;
  }

  /** Forgets what was sent of what waited. */
  #shift(taken: number): void {
    const backlog = this.#backlog!;
    backlog.shift(taken);
    this.#core.counters.pendingBytes -= taken;
    if (backlog.size === 0) this.#backlog = null;
  }

  #waitForRoom(): true {
    this.#channel.wantWritable(true);
    return true;
  }

  #flushLater(): true {
    if (!this.#waitsForTurn) {
      this.#waitsForTurn = true;
      this.#core.continueLater(this);
    }
    return true;
  }

  #drained(): void {
    this.#waits = false;
    this.#timeouts?.writeDone();
    this.#sender.drained();
    // It may have been given the next part of a long answer.
    if (!this.isEmpty || this.#dropped) return;
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
    if (!this.isEmpty || this.#ended) return;
    this.#ended = true;
    try {
      this.#channel.endWriting();
    } catch (error) {
      return this.#sender.failed(error as Error);
    }
    this.#sender.writeEnded();
  }
}
