/**
 * A pipe without descriptors.
 *
 * @module
 */

import { bytes } from "../handles/validate.ts";
import { EventMask, READ_WORDS, WRITE_WORDS } from "./event_mask.ts";
import { EventPollError } from "./event_poll_error.ts";
import { MemoryFile, OpenFile } from "./memory_file.ts";

/** The size of a page, and how many of them a pipe has: 64 KiB, as pipe(7) has it. */
const PAGE = 4096;
const PAGES = 16;

/** Given to the constructors by {@link memoryPipe}. */
const MADE: unique symbol = Symbol("made");

/** A page, and what of it is not read yet. */
interface Page {
  readonly bytes: Uint8Array;
  begin: number;
  end: number;
}

/**
 * What both ends share. A write is put behind the bytes of the last page where it fits, and else
 * begins a page of its own, so a pipe is full when its pages are, however little is in them.
 */
class Pipe {
  readonly readEnd: ReadFile = new ReadFile(this);
  readonly writeEnd: WriteFile = new WriteFile(this);
  readonly #pages: Page[] = [];
  /** A page that was read, for the next that is written. */
  #spare: Uint8Array | null = null;

  get isEmpty(): boolean {
    return this.#pages.length === 0;
  }

  get isFull(): boolean {
    return this.#pages.length === PAGES;
  }

  read(into: Uint8Array): number | null {
    const wasFull = this.isFull;
    let count = 0;
    while (count < into.byteLength) {
      const page = this.#pages[0];
      if (page === undefined) break;
      const taken = Math.min(page.end - page.begin, into.byteLength - count);
      into.set(page.bytes.subarray(page.begin, page.begin + taken), count);
      page.begin += taken;
      count += taken;
      if (page.begin === page.end) this.#spare = this.#pages.shift()!.bytes;
    }
    if (wasFull && !this.isFull) this.writeEnd.notify(WRITE_WORDS);
    return count > 0 || into.byteLength === 0 || this.writeEnd.isReleased ? count : null;
  }

  write(from: Uint8Array): number | null {
    if (from.byteLength === 0) return 0;
    if (this.readEnd.isReleased) throw new EventPollError("write", "EPIPE", "Nobody reads it");
    let count = this.#append(from);
    while (count < from.byteLength && !this.isFull) {
      const part = from.subarray(count, count + PAGE);
      const room = this.#spare ?? new Uint8Array(new ArrayBuffer(PAGE));
      this.#spare = null;
      room.set(part);
      this.#pages.push({ bytes: room, begin: 0, end: part.byteLength });
      count += part.byteLength;
    }
    // Once somebody has polled it, the kernel tells of every write, also of one that did not fit.
    this.readEnd.notify(READ_WORDS);
    return count > 0 ? count : null;
  }

  /** One end is gone: the other hears of it. */
  ended(): void {
    if (!this.readEnd.isReleased) this.readEnd.notify(0);
    if (!this.writeEnd.isReleased) this.writeEnd.notify(0);
  }

  /** Puts what is more than whole pages behind the bytes of the last page, if it fits there. */
  #append(from: Uint8Array): number {
    const count = from.byteLength % PAGE;
    const last = this.#pages.at(-1);
    if (last === undefined || count === 0 || last.end + count > PAGE) return 0;
    last.bytes.set(from.subarray(0, count), last.end);
    last.end += count;
    return count;
  }
}

class ReadFile extends OpenFile {
  readonly pipe: Pipe;

  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
  }

  readiness(mask: number): number {
    const words = (this.pipe.isEmpty ? 0 : READ_WORDS) |
      (this.pipe.writeEnd.isReleased ? EventMask.HUP : 0);
    return words & mask;
  }

  protected released(): void {
    this.pipe.ended();
  }
}

class WriteFile extends OpenFile {
  readonly pipe: Pipe;

  constructor(pipe: Pipe) {
    super();
    this.pipe = pipe;
  }

  readiness(mask: number): number {
    const words = (this.pipe.isFull ? 0 : WRITE_WORDS) |
      (this.pipe.readEnd.isReleased ? EventMask.ERR : 0);
    return words & mask;
  }

  protected released(): void {
    this.pipe.ended();
  }
}

/**
 * The end of a {@link memoryPipe} that bytes come out of. IN is for bytes, HUP for the writers' end.
 *
 * @example
 * ```ts
 * import { memoryPipe, MemoryPipeReader } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using ends = memoryPipe();
 * assert(ends.reader instanceof MemoryPipeReader);
 * assertEquals(ends.reader.read(new Uint8Array(8)), null); // nothing yet
 * ends.writer.close();
 * assertEquals(ends.reader.read(new Uint8Array(8)), 0); // and nothing more
 * ```
 */
export class MemoryPipeReader extends MemoryFile {
  readonly #file: ReadFile;

  /** Ends are made by {@link memoryPipe}. */
  constructor(key: symbol, file: object) {
    super(made(key, file));
    this.#file = file as ReadFile;
  }

  /** Always `"MemoryPipeReader"`. */
  get [Symbol.toStringTag](): string {
    return "MemoryPipeReader";
  }

  /** Another handle of the same end: `dup(2)`. Throws {@link ClosedError} after `close`. */
  dup(): MemoryPipeReader {
    this.checkOpen();
    return new MemoryPipeReader(MADE, this.#file.retain());
  }

  /**
   * Fills a buffer: the number of bytes, 0 at the end, null when there are none yet.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {ClosedError} after `close`
   */
  read(buffer: ArrayBufferView): number | null {
    const view = bytes(buffer, "MemoryPipeReader.read: the buffer");
    this.checkOpen();
    return this.#file.pipe.read(view);
  }
}

/**
 * The end of a {@link memoryPipe} that bytes go into. OUT is for a free page, ERR when nobody reads.
 *
 * @example
 * ```ts
 * import { EventMask, memoryPipe, MemoryPipeWriter } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using ends = memoryPipe();
 * assert(ends.writer instanceof MemoryPipeWriter);
 * assertEquals(ends.writer.write(new Uint8Array(100_000)), 65_536); // full
 * assertEquals(ends.writer.write(new Uint8Array(1)), null);
 * ends.reader.close();
 * assertEquals(ends.writer.readiness(EventMask.ERR), EventMask.ERR);
 * ```
 */
export class MemoryPipeWriter extends MemoryFile {
  readonly #file: WriteFile;

  /** Ends are made by {@link memoryPipe}. */
  constructor(key: symbol, file: object) {
    super(made(key, file));
    this.#file = file as WriteFile;
  }

  /** Always `"MemoryPipeWriter"`. */
  get [Symbol.toStringTag](): string {
    return "MemoryPipeWriter";
  }

  /** Another handle of the same end: `dup(2)`. Throws {@link ClosedError} after `close`. */
  dup(): MemoryPipeWriter {
    this.checkOpen();
    return new MemoryPipeWriter(MADE, this.#file.retain());
  }

  /**
   * Takes bytes: how many, null when there is no room. Up to a page of them is taken whole or not.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {EventPollError} EPIPE, when nobody reads
   * @throws {ClosedError} after `close`
   */
  write(data: ArrayBufferView): number | null {
    const view = bytes(data, "MemoryPipeWriter.write: the data");
    this.checkOpen();
    return this.#file.pipe.write(view);
  }
}

/** The two ends of a pipe in memory, closed together by `using`. */
export interface MemoryPipeEnds extends Disposable {
  /** The end that bytes come out of. */
  readonly reader: MemoryPipeReader;
  /** The end that bytes go into. */
  readonly writer: MemoryPipeWriter;
}

/**
 * Makes a pipe in memory: `pipe2(2)` without descriptors, with 16 pages, their rules and the kernel's
 * wake-ups. Platforms: all. See pipe(7).
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, memoryPipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using poll = new EventPoll();
 * using ends = memoryPipe();
 * poll.addEntry({ file: ends.reader }, 0, EventMask.IN, 1);
 * ends.writer.write(new Uint8Array([1, 2, 3]));
 * assertEquals(poll.readEvents(1), [{ mask: EventMask.IN, data: 1 }]);
 * assertEquals(ends.reader.read(new Uint8Array(8)), 3);
 * ```
 */
export function memoryPipe(): MemoryPipeEnds {
  const pipe = new Pipe();
  const reader = new MemoryPipeReader(MADE, pipe.readEnd);
  const writer = new MemoryPipeWriter(MADE, pipe.writeEnd);
  return {
    reader,
    writer,
    [Symbol.dispose]: () => {
      reader.close();
      writer.close();
    },
  };
}

function made(key: symbol, file: object): OpenFile {
  if (key === MADE) return file as OpenFile;
  throw new TypeError("the ends of a pipe are made by memoryPipe()");
}
