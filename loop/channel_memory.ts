/**
 * What carries a connection's bytes where there is no descriptor: a file in memory.
 *
 * @module
 */

import type { Descriptor } from "../handles/descriptor.ts";
import { preadInto } from "../handles/file_io.ts";
import { bytes as checkBytes } from "../handles/validate.ts";
import { type Channel, READ_BUDGET, type Sink, WAKES_READER } from "./channel.ts";
import type { Core, Unfinished } from "./core.ts";
import { EDGE, ERROR, HANGUP, PEER_CLOSED, READABLE, WRITABLE } from "./poller.ts";
import type { Source } from "./source.ts";
import type { Waitable } from "./waitable.ts";

/** How much of a file is read at once. */
const FILE_PART = 64 * 1024;

const READING = READABLE | PEER_CLOSED;

/** A source that bytes come out of, or go into, or both: the shape of the files in memory. */
export interface ByteSource extends Waitable {
  /** Fills a buffer: the number of bytes, 0 at the end, null when there are none yet. */
  read?(buffer: ArrayBufferView): number | null;
  /** Takes bytes: how many, null when there is no room. */
  write?(data: ArrayBufferView): number | null;
  /** Ends the writing side; a source that has none ends as a whole. */
  shutdown?(how: "write"): void;
}

/** A channel over a {@link ByteSource}, by edges: it is read until it is empty, or to the turn's budget. */
export class MemoryChannel implements Channel, Unfinished {
  readonly #core: Core;
  readonly #file: ByteSource;
  readonly #sink: Sink;
  readonly #source: Source;
  readonly writes: boolean;
  #reads: boolean;
  #paused = false;
  /** Whether there may be something to read that no report will tell of again. */
  #unread = false;
  #hungUp = false;
  #waitsForTurn = false;
  #detached = false;
  #carry: Uint8Array | null;

  /**
   * Registers the source with the loop's poller.
   *
   * @throws {TypeError} when bytes can neither come out of it nor go into it
   * @throws {EventPollError} EEXIST, when the loop watches it already
   */
  constructor(
    core: Core,
    file: ByteSource,
    sink: Sink,
    carry: Uint8Array | null,
    what: string,
  ) {
    this.#core = core;
    this.#file = file;
    this.#sink = sink;
    this.#reads = typeof file.read === "function";
    this.writes = typeof file.write === "function";
    if (!this.#reads && !this.writes) {
      throw new TypeError(`${what}: the source must have read or write, for bytes to come and go`);
    }
    if (carry !== null && !this.#reads) {
      throw new TypeError(`${what}: carry is received, and the source is for writing only`);
    }
    this.#carry = carry;
    const report = (readiness: number): void => this.#report(readiness);
    const interest = EDGE | (this.#reads ? READING : 0) | (this.writes ? WRITABLE : 0);
    this.#source = core.registry.watch(file, interest, report, what);
    this.#source.dropped = (reason) => {
      this.#detached = true;
      sink.dropped(reason);
    };
    if (carry === null) return;
    this.#unread = true;
    this.#continueLater();
  }

  get reads(): boolean {
    return this.#reads;
  }

  get carry(): Uint8Array | null {
    return this.#carry;
  }

  write(bytes: Uint8Array): number {
    const taken = this.#file.write!(checkBytes(bytes, "Connection.write: the data"));
    const { counters } = this.#core;
    if (taken === null) counters.wouldBlocks++;
    else counters.bytesOut += taken;
    return taken ?? 0;
  }

  writeMore(bytes: Uint8Array): number {
    return this.write(bytes);
  }

  /** There is no kernel in between: it is read and written. */
  sendFile(file: Descriptor, offset: BigInt64Array, most: number): number | null {
    // The source may keep what it is given, so that no two parts share a buffer.
    const part = new Uint8Array(new ArrayBuffer(Math.min(most, FILE_PART)));
    const got = preadInto(file, part, offset[0]!);
    if (got === null || got === 0) return got;
    const taken = this.write(part.subarray(0, got));
    offset[0]! += BigInt(taken);
    return taken === 0 ? null : taken;
  }

  /** There is nothing to ask for: room is an edge, and edges are always reported here. */
  wantWritable(_on: boolean): void {}

  wantReadable(on: boolean): void {
    if (this.#paused === !on) return;
    this.#paused = !on;
    if (on && this.#unread) this.#continueLater();
  }

  endWriting(): void {
    this.#file.shutdown?.("write");
  }

  detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    this.#core.registry.cancel(this.#source);
  }

  /** Reads on, one turn after the budget was used up or reading was paused. */
  resume(): void {
    this.#waitsForTurn = false;
    if (!this.#detached && this.#reads && !this.#paused) this.#read();
  }

  #report(readiness: number): void {
    if ((readiness & (HANGUP | ERROR)) !== 0) this.#hungUp = true;
    if (this.#reads && (readiness & WAKES_READER) !== 0) {
      this.#unread = true;
      // What is read on in this turn anyway must not be read twice.
      if (!this.#paused && !this.#waitsForTurn) this.#read();
    }
    if (this.#detached) return;
    if ((readiness & WRITABLE) !== 0) this.#sink.writable();
    if (this.#hungUp && !this.#reads && !this.#detached) this.#sink.gone();
  }

  #read(): void {
    const { counters, input } = this.#core;
    if (this.#carry !== null) {
      const carry = this.#carry;
      this.#carry = null;
      this.#sink.received(carry);
      if (this.#detached || this.#paused) return;
    }
    for (let budget = READ_BUDGET; budget > 0;) {
      let count: number | null;
      try {
        count = this.#file.read!(input.bytes);
      } catch (error) {
        return this.#sink.failed(error as Error);
      }
      if (count === null) {
        this.#unread = false;
        return void counters.wouldBlocks++;
      }
      if (count === 0) return this.#ended();
      counters.bytesIn += count;
      budget -= count;
      this.#sink.received(input.first(count));
      if (this.#detached || this.#paused) return;
    }
    counters.budgetHits++;
    this.#continueLater();
  }

  #ended(): void {
    this.#reads = this.#unread = false;
    this.#sink.ended();
    if (this.#hungUp && !this.#detached) this.#sink.gone();
  }

  #continueLater(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    this.#core.continueLater(this);
  }
}
