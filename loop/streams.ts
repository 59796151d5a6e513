/**
 * A descriptor's bytes as web streams.
 *
 * @module
 */

import type { ConnHandlers } from "./conn_options.ts";
import type { Connection } from "./connection.ts";

/** Both directions of a descriptor: see `Loop.streams`. */
export interface StreamPair {
  /** What comes: a byte stream, so a reader may bring its own buffer. Cancelling it stops to read. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What goes. Closing it ends the writing side; the promise of a write waits for room. */
  readonly writable: WritableStream<ArrayBufferView>;
  /** Settles when both directions are over; rejects with what broke them. */
  readonly closed: Promise<void>;
}

const NOTHING = new Uint8Array(new ArrayBuffer(0));

const ENDED_HERE = "the connection was closed on this side";

/** Registers a connection with handlers. */
type Register = (handlers: ConnHandlers) => Connection;

/**
 * Makes the streams. Reading is paused while the reader has enough, so the peer is held up; a write is
 * done when the kernel has taken it.
 */
export function streams(register: Register): StreamPair {
  return new Adapter(register);
}

class Adapter implements StreamPair, ConnHandlers {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<ArrayBufferView>;
  readonly closed: Promise<void>;
  readonly #conn: Connection;
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  /** What the write in progress waits for. */
  #drained: PromiseWithResolvers<void> | null = null;
  #input!: ReadableByteStreamController;
  #output!: WritableStreamDefaultController;
  #inputEnded = false;
  #outputEnded = false;

  constructor(register: Register) {
    this.closed = this.#over.promise;
    this.closed.catch(() => {}); // whoever awaits it still sees the error
    this.#conn = register(this);
    this.#conn.pause(); // until somebody reads
    this.readable = new ReadableStream({
      type: "bytes",
      start: (controller) => void (this.#input = controller),
      pull: () => {
        if (!this.#conn.closed) this.#conn.resume();
      },
      cancel: () => this.#cancel(),
    });
    this.writable = new WritableStream({
      start: (controller) => void (this.#output = controller),
      write: (data) => this.#write(data),
      close: () => {
        this.#outputEnded = true;
        if (this.#conn.closed) return;
        this.#conn.end();
        if (this.#inputEnded) this.#conn.unregister();
      },
      abort: () => this.#abort(),
    });
  }

  onRecv(bytes: Uint8Array): void {
    if (this.#inputEnded) return;
    this.#input.enqueue(bytes.slice());
    if ((this.#input.desiredSize ?? 0) <= 0) this.#conn.pause();
  }

  onEnd(): void {
    this.#endInput();
    if (this.#outputEnded) this.#conn.end();
  }

  onDrain(): void {
    this.#drained?.resolve();
  }

  onClose(error: Error | null): void {
    if (error === null) this.#endInput();
    else if (!this.#inputEnded) this.#input.error(error);
    if (!this.#outputEnded) {
      this.#output.error(error ?? new Error(ENDED_HERE));
    }
    if (error === null) this.#over.resolve();
    else this.#over.reject(error);
    this.#drained?.reject(error ?? new Error(ENDED_HERE));
  }

  /** Whatever a write cannot take ends the stream, which can never be closed then. */
  async #write(data: ArrayBufferView): Promise<void> {
    try {
      if (this.#conn.write(data)) return;
    } catch (error) {
      this.#abort();
      throw error;
    }
    this.#drained = Promise.withResolvers();
    try {
      await this.#drained.promise;
    } finally {
      this.#drained = null;
    }
  }

  #abort(): void {
    this.#outputEnded = true;
    this.#conn.unregister();
  }

  /** Nobody reads any more; the peer is told so only when nobody writes either. */
  #cancel(): void {
    this.#inputEnded = true;
    if (this.#conn.closed) return;
    if (this.#outputEnded || !this.#writes()) this.#conn.unregister();
    else this.#conn.pause();
  }

  /** Whether the descriptor was opened for writing. */
  #writes(): boolean {
    try {
      this.#conn.write(NOTHING);
      return true;
    } catch {
      return false;
    }
  }

  #endInput(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    try {
      this.#input.close();
    } catch (error) {
      // The end is in the middle of an element of the reader's buffer, which is an error of its stream.
      return this.#input.error(error);
    }
    this.#input.byobRequest?.respond(0);
  }
}
