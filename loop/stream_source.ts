/**
 * A ReadableStream that can be waited for.
 *
 * @module
 */

import { shown } from "../handles/validate.ts";
import { EventMask, READ_WORDS } from "./event_mask.ts";
import { WaitableBase } from "./waitable.ts";

/** What a stream gave: a chunk, or its end. */
export type StreamItem<T> =
  | { readonly done: false; readonly value: T }
  | { readonly done: true; readonly value?: undefined };

/** What is needed of a reader, whose types differ between the runtimes. */
interface Reader<T> {
  read(): Promise<{ readonly done: boolean; readonly value?: T }>;
  releaseLock(): void;
}

/** What stands for the end of every stream. */
const END: { readonly done: true } = Object.freeze({ done: true });

/**
 * A ReadableStream as a source of an {@link EventPoll}: IN while a chunk is there to take, IN and RDHUP
 * at its end, IN and ERR when it is broken.
 *
 * One chunk is read ahead, so that it is known whether there is one. The stream is locked until the
 * source is disposed of.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, StreamSource } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * using source = new StreamSource(new Blob(["bytes"]).stream());
 * poll.addEntry({ file: source }, 0, EventMask.IN | EventMask.RDHUP, 1);
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN, data: 1 }]);
 * assertEquals(source.take()?.value?.length, 5);
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN | EventMask.RDHUP, data: 1 }]);
 * assertEquals(source.take(), { done: true });
 * ```
 */
export class StreamSource<T> extends WaitableBase implements Disposable {
  readonly #reader: Reader<T>;
  #item: StreamItem<T> | null = null;
  #error: { readonly reason: unknown } | null = null;
  #released = false;

  /**
   * Locks a stream and begins to read it.
   *
   * @throws {TypeError} when it is no stream, or is locked already
   */
  constructor(stream: ReadableStream<T>) {
    super();
    if (!(stream instanceof ReadableStream)) {
      throw new TypeError(`StreamSource takes a ReadableStream, got ${shown(stream)}`);
    }
    this.#reader = stream.getReader();
    void this.#readOne();
  }

  /** Always `"StreamSource"`. */
  get [Symbol.toStringTag](): string {
    return "StreamSource";
  }

  /** What it is ready for: see the class. */
  readiness(mask: number): number {
    const words = (this.#item !== null || this.#error !== null ? READ_WORDS : 0) |
      (this.#item?.done === true ? EventMask.RDHUP : 0) |
      (this.#error !== null ? EventMask.ERR : 0);
    return words & mask;
  }

  /**
   * Takes what is there, null when that is nothing yet. The end is there for ever. Throws what broke
   * the stream.
   */
  take(): StreamItem<T> | null {
    if (this.#error !== null) throw this.#error.reason;
    const item = this.#item;
    if (item === null || item.done) return item;
    this.#item = null;
    if (!this.#released) void this.#readOne();
    return item;
  }

  /** Gives the stream back, and leaves every poll. What was read ahead can still be taken. */
  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#reader.releaseLock();
    this.listeners.release();
  }

  async #readOne(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      this.#item = done ? END : { done: false, value: value as T };
    } catch (reason) {
      // Giving the stream back ends the read that is in progress.
      if (this.#released) return;
      this.#error = { reason };
    }
    this.listeners.notify(0);
  }
}
