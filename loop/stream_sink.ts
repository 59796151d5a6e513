/**
 * A WritableStream that can be waited for.
 *
 * @module
 */

import { shown } from "../handles/validate.ts";
import { EventMask, WRITE_WORDS } from "./event_mask.ts";
import { WaitableBase } from "./waitable.ts";

/**
 * A WritableStream as a source of an {@link EventPoll}: OUT while it wants more, ERR when it is broken,
 * HUP when it was closed. The stream is locked until the source is disposed of.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, StreamSink } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const { readable, writable } = new TransformStream<string, string>({}, undefined, {
 *   highWaterMark: 1,
 * });
 * using poll = new EventPoll();
 * using sink = new StreamSink(writable);
 * poll.addEntry({ file: sink }, 0, EventMask.OUT, 1);
 * assertEquals(await poll.wait(1), [{ mask: EventMask.OUT, data: 1 }]);
 * assertEquals([sink.write("a"), sink.write("b")], [true, false]); // full
 * assertEquals((await readable.getReader().read()).value, "a");
 * assertEquals((await poll.wait(1)).length, 1); // room again
 * ```
 */
export class StreamSink<T> extends WaitableBase implements Disposable {
  readonly #writer: WritableStreamDefaultWriter<T>;
  #error: { readonly reason: unknown } | null = null;
  #closed = false;
  #released = false;
  #waits = false;

  /**
   * Locks a stream.
   *
   * @throws {TypeError} when it is no stream, or is locked already
   */
  constructor(stream: WritableStream<T>) {
    super();
    if (!(stream instanceof WritableStream)) {
      throw new TypeError(`StreamSink takes a WritableStream, got ${shown(stream)}`);
    }
    this.#writer = stream.getWriter();
    this.#writer.closed.then(() => this.#over(null), (reason) => this.#over({ reason }));
    this.#awaitRoom();
  }

  /** Always `"StreamSink"`. */
  get [Symbol.toStringTag](): string {
    return "StreamSink";
  }

  /** What it is ready for: see the class. */
  readiness(mask: number): number {
    const words = (this.#hasRoom ? WRITE_WORDS : 0) |
      (this.#error !== null ? EventMask.ERR : 0) |
      (this.#closed ? EventMask.HUP : 0);
    return words & mask;
  }

  /**
   * Gives it a chunk: false when it wants no more now. What it does with the chunk is the stream's
   * business; when it breaks over it, ERR says so.
   *
   * Throws what broke the stream.
   *
   * @throws {TypeError} after `close`, and after the stream was given back
   */
  write(chunk: T): boolean {
    if (this.#error !== null) throw this.#error.reason;
    if (this.#closed || this.#released) {
      throw new TypeError("StreamSink.write: the stream was closed or given back");
    }
    if (!this.#hasRoom) return false;
    this.#writer.write(chunk).catch(() => {}); // `closed` is rejected with the same reason
    this.#awaitRoom();
    return true;
  }

  /** Ends the stream, behind what was written. Closing again does nothing. */
  close(): void {
    if (this.#closed || this.#released) return;
    this.#closed = true;
    this.#writer.close().catch(() => {});
    this.listeners.notify(0);
  }

  /** Gives the stream back, and leaves every poll. */
  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#writer.releaseLock();
    this.listeners.release();
  }

  get #hasRoom(): boolean {
    return !this.#closed && !this.#released && this.#error === null &&
      (this.#writer.desiredSize ?? 0) > 0;
  }

  /** Tells of room when there is some again. */
  #awaitRoom(): void {
    if (this.#waits || this.#hasRoom) return;
    this.#waits = true;
    this.#writer.ready.then(() => {
      this.#waits = false;
      if (this.#hasRoom) this.listeners.notify(WRITE_WORDS);
    }, () => {}); // `closed` is rejected with the same reason
  }

  #over(error: { readonly reason: unknown } | null): void {
    if (this.#released) return;
    this.#closed = true;
    this.#error = error;
    this.listeners.notify(0);
  }
}
