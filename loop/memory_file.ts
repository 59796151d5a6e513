/**
 * Files in memory: what sources have that are opened, duplicated and closed as descriptors are.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { type SourceListener, type Waitable, WaitableBase } from "./waitable.ts";

/** An open file description: what a descriptor and its duplicates have in common. */
export abstract class OpenFile extends WaitableBase {
  #references = 1;

  /** What its last handle's closing does to whatever is behind it. */
  protected abstract released(): void;

  /** Whether its last handle was closed. */
  get isReleased(): boolean {
    return this.#references === 0;
  }

  /** Tells who waits for it. */
  notify(mask: number): void {
    this.listeners.notify(mask);
  }

  /** One more handle. */
  retain(): this {
    this.#references++;
    return this;
  }

  /** One handle less. */
  drop(): void {
    if (--this.#references > 0) return;
    // In the kernel's order: who waits for the file loses it before its other end hears of it.
    this.listeners.release();
    this.released();
  }
}

/**
 * A handle of a file in memory, which it shares with its duplicates.
 *
 * A poll that waits for the *handle* loses it when the handle is closed, as handles of this library
 * do. One that waits for its {@link MemoryFile.file} goes on while a duplicate is open, which is what
 * the kernel does (epoll(7), question 6).
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, MemoryCounter, MemoryFile } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * const counter = MemoryCounter.create({ initial: 1 });
 * assert(counter instanceof MemoryFile);
 * using copy = counter.dup();
 * poll.addEntry({ file: counter }, 0, EventMask.IN, 1);
 * poll.addEntry({ file: counter.file, fd: 3 }, 0, EventMask.IN, 2);
 * counter.close();
 * assertEquals(poll.readEvents(8), [{ mask: EventMask.IN, data: 2 }]);
 * assertEquals(copy.wait(), 1n);
 * ```
 */
export abstract class MemoryFile implements Waitable, Disposable {
  /** Who waits for this handle, and not for the file. */
  #listeners: SourceListener[] = [];
  readonly #file: OpenFile;
  #closed = false;

  /** The kind of file, for messages. */
  abstract readonly [Symbol.toStringTag]: string;

  /** Handles are made by what makes their files. */
  protected constructor(file: OpenFile) {
    if (!(file instanceof OpenFile)) {
      throw new TypeError("files in memory are made by memoryPipe() and its like");
    }
    this.#file = file;
  }

  /** The open file description: the same for all duplicates of a handle. */
  get file(): Waitable {
    return this.#file;
  }

  /** Whether the handle was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** What it is ready for now; nothing once it is closed. */
  readiness(mask: number): number {
    return this.#closed ? 0 : this.#file.readiness(mask);
  }

  /**
   * Tells a listener when that may have changed: see {@link Waitable}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  register(listener: SourceListener): void {
    this.checkOpen();
    this.#file.register(listener);
    this.#listeners.push(listener);
  }

  /** Tells it no more. */
  unregister(listener: SourceListener): void {
    const index = this.#listeners.indexOf(listener);
    if (index === -1) return;
    this.#listeners.splice(index, 1);
    this.#file.unregister(listener);
  }

  /** Closes the handle; the file goes with its last one. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners.splice(0)) {
      this.#file.unregister(listener);
      listener.released();
    }
    this.#file.drop();
  }

  /** {@link MemoryFile.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws {@link ClosedError} when the handle is closed. */
  protected checkOpen(): void {
    if (this.#closed) throw new ClosedError(this[Symbol.toStringTag]);
  }
}
