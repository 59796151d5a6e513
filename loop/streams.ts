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
  #drained: PromiseWithResolvers<void> = Promise.withResolvers();
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
        if (!this.#conn.closed) this.#conn.end();
      },
      abort: () => {
        this.#outputEnded = true;
        this.#conn.unregister();
      },
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
    this.#drained.resolve();
  }

  onClose(error: Error | null): void {
    if (error === null) this.#endInput();
    else if (!this.#inputEnded) this.#input.error(error);
    if (!this.#outputEnded) {
      this.#output.error(error ?? new Error("the connection was closed on this side"));
    }
    if (error === null) this.#over.resolve();
    else this.#over.reject(error);
    this.#drained.resolve();
  }

  async #write(data: ArrayBufferView): Promise<void> {
    this.#drained = Promise.withResolvers();
    if (!this.#conn.write(data)) await this.#drained.promise;
  }

  /** Nobody reads any more; the peer is told so only when nobody writes either. */
  #cancel(): void {
    this.#inputEnded = true;
    if (this.#conn.closed) return;
    if (this.#outputEnded) this.#conn.unregister();
    else this.#conn.pause();
  }

  #endInput(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    this.#input.close();
    this.#input.byobRequest?.respond(0);
  }
}
