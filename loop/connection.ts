/**
 * A connection: bytes in, bytes out, and how it ends.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { bytes as checkBytes } from "../handles/validate.ts";
import type { Channel, Sink } from "./channel.ts";
import { UnknownFDError } from "./conn_errors.ts";
import {
  checkConnOptions,
  checkHandlers,
  type ConnHandlers,
  type ConnOptions,
} from "./conn_options.ts";
import { ConnTimeouts } from "./conn_timeouts.ts";
import type { Core } from "./core.ts";
import { FileJob, type SendfileOptions } from "./file_job.ts";
import { gather, viewsOf } from "./gather.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import { Outbox, type Sender } from "./outbox.ts";
import type { Target } from "./poller.ts";

/**
 * A registered descriptor whose bytes a Loop delivers and sends. Made by `Loop.registerConn`.
 *
 * `write` sends what the kernel takes at once and keeps a copy of the rest, in order, so the caller's
 * buffer is free again when it returns.
 *
 * What comes is delivered before the news that it was the last: the bytes that a peer sent before it
 * reset the connection are received before `onClose` is given the error. A connection that is paused
 * learns at once of an error that comes then, and what was not read is lost; of one that came before it
 * was paused it learns when it reads on.
 *
 * A connection can break at any call. What is called after that and before `onClose` does nothing, so
 * that no handler has to look in between; after `onClose` it is a mistake, and an {@link UnknownFDError}.
 *
 * @example
 * ```ts
 * import { Loop, socketPair } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using pair = socketPair();
 * const order: string[] = [];
 * loop.registerConn(pair.left, {
 *   onRecv: (bytes, conn) => void conn.write(bytes), // echo
 *   onClose: (error) => order.push(`closed ${error}`),
 * });
 * const client = loop.registerConn(pair.right, {
 *   onRecv: (bytes, conn) => {
 *     order.push(new TextDecoder().decode(bytes));
 *     conn.end();
 *   },
 * });
 * client.write(new TextEncoder().encode("hello"));
 * await loop.run();
 * assertEquals(order, ["hello", "closed null"]);
 * ```
 */
export class Connection {
  /** The ear of a connection: what its channel and its outbox tell, and no program can. */
  static #Ear = class implements Sink, Sender {
    readonly #conn: Connection;
    constructor(conn: Connection) {
      this.#conn = conn;
    }
    received(bytes: Uint8Array): void {
      this.#conn.#received(bytes);
    }
    ended(): void {
      this.#conn.#ended();
    }
    gone(): void {
      this.#conn.#gone();
    }
    writable(): void {
      this.#conn.#outbox.flush();
    }
    drained(): void {
      this.#conn.#drained();
    }
    writeEnded(): void {
      if (this.#conn.#readEnded) this.#conn.#finish(null);
    }
    failed(error: Error): void {
      // The handle was closed by a copy on another thread.
      this.#conn.#finish(error instanceof ClosedError ? null : error, error);
    }
    cutShort(error: Error): void {
      this.#conn.#finish(error);
    }
    dropped(reason: unknown): void {
      this.#conn.#finish(reason instanceof LoopClosedError ? reason : null, reason);
    }
  };

  readonly #core: Core;
  readonly #handlers: ConnHandlers;
  readonly #timeouts: ConnTimeouts | null;
  readonly #number: number;
  readonly #forget: (conn: Connection) => void;
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  #readEnded: boolean;
  #closed = false;
  #told = false;
  #boundary = false;

  /** Connections are made by `Loop.registerConn`. */
  constructor(
    core: Core,
    number: number,
    handlers: ConnHandlers,
    options: ConnOptions,
    open: (sink: Sink, carry: Uint8Array | null) => Channel,
    forget: (conn: Connection) => void,
  ) {
    const what = "Loop.registerConn";
    this.#handlers = checkHandlers(handlers, what);
    const { maxBacklog, timeouts, carry } = checkConnOptions(options, what);
    this.#core = core;
    this.#number = number;
    this.#forget = forget;
    this.#timeouts = timeouts === null
      ? null
      : new ConnTimeouts(core.timers, core.poller, timeouts, (error) => this.#finish(error));
    const ear = new Connection.#Ear(this);
    this.#channel = open(ear, carry);
    this.#outbox = new Outbox(core, number, this.#channel, ear, this.#timeouts, maxBacklog);
    this.#readEnded = !this.#channel.reads;
    try {
      this.#timeouts?.start();
      if (this.#readEnded) this.#timeouts?.readNoMore();
    } catch (error) {
      this.#channel.detach();
      throw error;
    }
    core.counters.connections++;
  }

  /** The descriptor's number. */
  get fd(): number {
    return this.#number;
  }

  /** How many bytes wait to be sent, without those of files. */
  get pending(): number {
    return this.#outbox.pending;
  }

  /** Whether the connection is over. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends bytes: `write(2)`. Answers true when the kernel took all of them, and false when some have to
   * wait: then stop until `onDrain`, or go on up to the cap. Answers false, too, when the connection
   * breaks or is broken, and `onClose` follows.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {QueueFullError} when more than the cap could have to wait; nothing was taken
   * @throws {UnknownFDError} after `onClose`
   * @throws {Error} after `end()`, and for a descriptor that was opened for reading only
   */
  write(data: ArrayBufferView): boolean {
    const bytes = checkBytes(data, "Connection.write: the data");
    if (this.#isOver()) return false;
    this.#outbox.check(bytes.byteLength, "Connection.write");
    return this.#outbox.send(bytes) && this.#outbox.isEmpty;
  }

  /**
   * Sends several buffers as one: all of them are taken or none, and a header leaves together with the
   * beginning of its body. What is small is copied together for one `write(2)`; a large buffer is
   * written from where it is.
   *
   * @throws {TypeError} when it is no array of typed arrays or DataViews
   * @throws {RangeError} when there are more than 1024
   * @throws {QueueFullError} when more than the cap could have to wait; nothing was taken
   * @throws {UnknownFDError} after `onClose`
   * @throws {Error} after `end()`, and for a descriptor that was opened for reading only
   */
  writev(parts: readonly ArrayBufferView[]): boolean {
    const views = viewsOf(parts, "Connection.writev");
    if (this.#isOver()) return false;
    const size = views.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#outbox.check(size, "Connection.writev");
    gather(views, (piece) => this.#outbox.send(piece));
    return this.#outbox.isEmpty && !this.#closed;
  }

  /**
   * Sends a part of a file, in order with what is written before and after it: `sendfile(2)`. Resolves
   * with the number of bytes that were taken of the file, without the headers.
   *
   * Its bytes do not pass through the program, and do not count for the cap. The file's own position
   * stays where it is. What is not in the page cache is read from the disk while the thread waits, in
   * parts of 1 MiB at most; a turn that has sent as much begins no other part. The kernel sends the
   * pages of the file themselves: what is changed in them before the peer has them may arrive changed.
   * Where the kernel cannot send this file to this descriptor by itself, it is read and written instead.
   *
   * A stream is never left in the middle. When the file gets shorter than `length`, its handle is
   * closed or the signal is aborted, then either nothing was sent of it and of its headers: the promise
   * is rejected, and the connection goes on with what comes next. Or a part was sent: the connection is
   * over, too, and `onClose` has the same error. Without `length` nobody was promised anything, and a
   * file that gets shorter ends where it ends.
   *
   * Platforms: Linux. See sendfile(2).
   *
   * @param file a handle, or the number of a descriptor that is not closed while it is sent; it must be
   *   open for reading, and have positions
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when a number is out of range
   * @throws {ShortFileError} when the file has fewer bytes than `length`
   * @throws {ClosedError} when the file's handle is closed, before or meanwhile
   * @throws {QueueFullError} when the headers are more than may wait; nothing was taken
   * @throws {UnknownFDError} when the connection is over, before or meanwhile, and nothing else tells why
   * @throws {SyscallError} EBADF, ESPIPE, EISDIR, EINVAL, when the file cannot be read at an offset;
   *   EPIPE, ECONNRESET and what else breaks the connection
   * @throws {Error} after `end()`, and for a descriptor that was opened for reading only
   */
  async sendfile(file: Target, options: SendfileOptions = {}): Promise<number> {
    const what = "Connection.sendfile";
    const job = new FileJob(file, options, what);
    if (this.#isOver()) throw new UnknownFDError(this.#number);
    this.#outbox.check(job.headerBytes, what);
    return await this.#outbox.sendFile(job);
  }

  /**
   * Ends the writing side when all that waits is sent: `shutdown(SHUT_WR)`. The peer can still send.
   *
   * A pipe has no other side to it, so that this is the end of the connection; close the descriptor
   * for its reader to see it. A terminal cannot be told at all: it goes on until the other side ends.
   *
   * @throws {UnknownFDError} after `onClose`
   */
  end(): void {
    if (!this.#isOver()) this.#outbox.end(true);
  }

  /**
   * Stops to read: the peer is held up once the kernel's buffers are full. That it has ended is noticed
   * only when it is gone altogether and nothing that it sent is left to read.
   */
  pause(): void {
    if (this.#isOver()) return;
    this.#timeouts?.readNoMore();
    this.#channel.wantReadable(false);
  }

  /** Reads on. */
  resume(): void {
    if (this.#isOver()) return;
    if (!this.#readEnded) this.#timeouts?.readOn();
    this.#channel.wantReadable(true);
  }

  /**
   * Says that the protocol is between two messages: everything that came was understood, and answered as
   * far as it has an answer. From here on, until the next byte comes, the connection can be served by
   * somebody else who has nothing of it but the descriptor.
   */
  atBoundary(): void {
    if (this.#isOver()) return;
    this.#boundary = true;
    this.#core.reached?.(this);
  }

  /** Whether the last call of {@link Connection.atBoundary} was followed by no byte yet. */
  get boundary(): boolean {
    return this.#boundary;
  }

  /** Whether it can be given away: it is at a boundary, and nothing waits to be sent. */
  get idle(): boolean {
    return this.#boundary && !this.#closed && this.#outbox.isIdle;
  }

  /** Says that a header is awaited from now on: the `header` limit begins. */
  expectHeader(): void {
    if (!this.#isOver()) this.#timeouts?.expectHeader();
  }

  /** Says that the header is complete: the `header` limit is over. */
  headerDone(): void {
    if (!this.#isOver()) this.#timeouts?.headerDone();
  }

  /**
   * Takes the connection out of its loop, now; `onClose(null)` follows in the next turn. What waited to
   * be sent is dropped. The descriptor stays open. Doing it again does nothing.
   */
  unregister(): void {
    this.#finish(null);
  }

  /**
   * Takes the connection out of its loop, for somebody else to go on with its descriptor, which stays
   * open and is the caller's. It is over without `onClose`, and all its limits with it.
   *
   * Nothing that was written may wait. What the kernel has of it is sent by the kernel; what has come and
   * was not read is there for the next reader. Register it again with `carry`, together with what the
   * handlers have of a message that is not complete.
   *
   * @returns `carry`: of the bytes that it was registered with as `carry`, those not delivered yet
   * @throws {Error} when something waits to be sent, and after `end()`: the connection goes on
   * @throws {UnknownFDError} when the connection is over
   */
  detach(): { carry: Uint8Array } {
    if (this.#isOver()) throw new UnknownFDError(this.#number);
    this.#outbox.checkIdle("Connection.detach");
    const carry = this.#channel.carry ?? new Uint8Array(0);
    this.#closed = this.#told = true;
    this.#release(null);
    return { carry };
  }

  #received(bytes: Uint8Array): void {
    this.#boundary = false;
    this.#timeouts?.received();
    try {
      this.#handlers.onRecv(bytes, this);
    } catch (error) {
      this.#core.caught(error);
    }
  }

  #ended(): void {
    if (this.#readEnded || this.#closed) return;
    this.#readEnded = true;
    this.#timeouts?.readNoMore();
    const { onEnd } = this.#handlers;
    if (onEnd !== undefined) this.#core.call(() => onEnd.call(this.#handlers, this));
    if (this.#closed) return;
    if (this.#outbox.ended) this.#finish(null);
    else if (onEnd === undefined) this.#outbox.end(false);
  }

  #gone(): void {
    // What waits finds out by itself why nobody takes it.
    this.#outbox.flush();
    if (this.#outbox.isEmpty) this.#finish(null);
  }

  #drained(): void {
    const { onDrain } = this.#handlers;
    if (onDrain !== undefined) this.#core.call(() => onDrain.call(this.#handlers, this));
    if (this.#boundary) this.#core.reached?.(this);
  }

  /** Ends it: `onClose` has the error, whoever waits for a file the reason. */
  #finish(error: Error | null, reason: unknown = error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#core.tellLater({ tell: () => this.#tell(error) });
    this.#release(reason);
  }

  /** Lets go of the loop, and of what waits. */
  #release(reason: unknown): void {
    this.#timeouts?.stop();
    this.#forget(this);
    this.#core.counters.connections--;
    this.#outbox.drop(reason);
    this.#channel.detach();
  }

  #tell(error: Error | null): void {
    this.#told = true;
    this.#handlers.onClose?.(error, this);
  }

  /** Whether a call comes too late to do anything. Throws when the program was told before. */
  #isOver(): boolean {
    if (this.#told) throw new UnknownFDError(this.#number);
    return this.#closed;
  }
}
