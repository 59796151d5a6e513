/**
 * One file in the queue of a connection: what is left of it to send, and who waits for that.
 *
 * @module
 */

import { Borrowed } from "../handles/borrowed.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor, type InterestSet, joinSet, leaveSet } from "../handles/descriptor.ts";
import { fileOffset } from "../handles/file_io.ts";
import { bytesFrom } from "../handles/kernel_transfer.ts";
import { abortSignal, bytes, integer, options as checkOptions } from "../handles/validate.ts";
import type { Backlog } from "./backlog.ts";
import type { Channel } from "./channel.ts";
import { ShortFileError } from "./conn_errors.ts";
import type { Target } from "./poller.ts";
import { targetNumber } from "./registry.ts";

/** What is sent of a file, and what before it. */
export interface SendfileOptions {
  /** Where in the file to begin. Default: 0. */
  offset?: number | bigint;
  /** How many bytes to send; 0, less, or nothing is to the end that the file has at the call. */
  length?: number;
  /** What goes before the file: it leaves together with the beginning of it. */
  headers?: ArrayBufferView;
  /** Ends it: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** What {@link FileJob.send} answers when there is no room. */
export const FULL = -1;

// Places in the counts of a job, which lie in an array because a number that is no small integer is
// an object of its own each time that it changes.
const LEFT = 0;
const SENT = 1;

/** A file that is sent, or waits for its turn. */
export class FileJob implements InterestSet {
  /** No epoll set: the file's handle tells it only that it is being closed. */
  readonly raw: number = -1;
  /** The bytes that wait behind the file. */
  after: Backlog | null = null;
  /** Called when the file was closed, or the signal was aborted. */
  failed: (reason: unknown) => void = () => {};
  readonly #file: Descriptor;
  readonly #signal: AbortSignal | undefined;
  /** Moved on by the kernel. */
  readonly #offset: BigInt64Array;
  /** What was asked for, 0 for all there is. */
  readonly #expected: number;
  readonly #settled: PromiseWithResolvers<number> = Promise.withResolvers();
  readonly #aborted = (): void => this.failed(this.#signal!.reason);
  readonly #counts = new Float64Array(new ArrayBuffer(16));
  #headers: Uint8Array | null;
  #begun = false;

  /**
   * Looks at the file; nothing is held of it until {@link FileJob.start}.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when a number is out of range
   * @throws {ClosedError} when the file's handle is closed
   * @throws {SyscallError} EBADF, ESPIPE, EISDIR, EINVAL, when it cannot be read at an offset
   * @throws {ShortFileError} when it has fewer bytes than are to be sent
   */
  constructor(file: Target, options: SendfileOptions, what: string) {
    const { offset = 0, length = 0, headers, signal } = checkOptions(options, `${what}: options`);
    const begin = fileOffset(offset, `${what}: offset`);
    const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number;
    const most = integer(length, `${what}: length`, MIN_SAFE_INTEGER, MAX_SAFE_INTEGER);
    const before = headers === undefined ? null : bytes(headers, `${what}: headers`);
    this.#headers = before?.byteLength === 0 ? null : before;
    this.#signal = abortSignal(signal, `${what}: signal`);
    this.#signal?.throwIfAborted();
    const number = targetNumber(file, what);
    this.#file = file instanceof Descriptor ? file : new Borrowed(number);
    this.#offset = new BigInt64Array(new ArrayBuffer(8));
    this.#offset[0] = BigInt(begin);
    this.#expected = Math.max(0, most);
    const there = bytesFrom(this.#file, begin);
    if (there < this.#expected) throw new ShortFileError(0, this.#expected);
    this.#counts[LEFT] = this.#expected === 0 ? there : this.#expected;
  }

  /** Settles with the number of bytes that were sent of the file. */
  get promise(): Promise<number> {
    return this.#settled.promise;
  }

  /** How many bytes of headers wait. */
  get headerBytes(): number {
    return this.#headers === null ? 0 : this.#headers.byteLength;
  }

  /** Whether a part was sent, so that the rest cannot be left out. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Whether all was sent. */
  get over(): boolean {
    return this.#counts[LEFT] === 0 && this.#headers === null;
  }

  /** Begins to listen for the end of the file's handle and for the signal. */
  start(): void {
    joinSet(this.#file, this);
    this.#signal?.addEventListener("abort", this.#aborted);
  }

  /** Keeps a copy of the headers that wait: the caller's buffer is the caller's again. */
  keepHeaders(): void {
    this.#headers = this.#headers === null ? null : new Uint8Array(this.#headers);
  }

  /** Sends a part: how many bytes were taken, {@link FULL} when there is no room. */
  send(channel: Channel, most: number): number {
    if (this.#headers !== null) return this.#sendHeaders(this.#headers, channel);
    const taken = channel.sendFile(this.#file, this.#offset, Math.min(this.#counts[LEFT]!, most));
    if (taken === null) return FULL;
    if (taken === 0) {
      if (this.#expected > 0) throw new ShortFileError(this.#counts[SENT]!, this.#expected);
      this.#counts[LEFT] = 0;
    } else {
      this.#begun = true;
      this.#counts[SENT]! += taken;
      this.#counts[LEFT]! -= taken;
    }
    return taken;
  }

  /** Whether an error of {@link FileJob.send} is the file's, and not the connection's. */
  isOfFile(error: unknown): boolean {
    return error instanceof ShortFileError || (error instanceof ClosedError && this.#file.closed);
  }

  /** What the file's handle calls when it is being closed. */
  forget(): void {
    this.failed(new ClosedError(this.#file[Symbol.toStringTag]));
  }

  /** Tells that all was sent. */
  fulfil(): void {
    this.#end();
    this.#settled.resolve(this.#counts[SENT]!);
  }

  /** Tells why it was not. */
  reject(reason: unknown): void {
    this.#end();
    this.#settled.reject(reason);
  }

  #sendHeaders(headers: Uint8Array, channel: Channel): number {
    // Where it is not known whether anything follows, a part of a packet must not be held back.
    const follows = this.#counts[LEFT]! > 0 && this.#counts[LEFT] !== Infinity;
    const taken = follows ? channel.writeMore(headers) : channel.write(headers);
    if (taken === 0) return FULL;
    this.#begun = true;
    const { byteLength } = headers;
    this.#headers = taken === byteLength
      ? null
      : new Uint8Array(headers.buffer, headers.byteOffset + taken, byteLength - taken);
    return taken;
  }

  #end(): void {
    leaveSet(this.#file, this);
    this.#signal?.removeEventListener("abort", this.#aborted);
  }
}
