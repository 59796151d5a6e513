/**
 * What all connections of a loop read into, and the views of it that handlers are given.
 *
 * @module
 */

/** How much one read may bring: what a socket's buffer usually holds. */
const BYTES = 64 * 1024;

/** How many views are kept. Most messages of a program have one of few lengths. */
const VIEWS = 64;

/** One buffer, whose bytes are valid until the next read of any connection. */
export class Input {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(BYTES));
  readonly #views: Uint8Array<ArrayBuffer>[] = new Array(VIEWS).fill(this.#bytes);

  /** The whole of it. */
  get bytes(): Uint8Array<ArrayBuffer> {
    // A handler that transfers what it is given takes all of it away, and a read of nothing is an end.
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(new ArrayBuffer(BYTES));
    return this.#bytes;
  }

  /** The first bytes of it: the same object for the same length, as long as few lengths alternate. */
  first(length: number): Uint8Array<ArrayBuffer> {
    const place = length % VIEWS;
    let view = this.#views[place]!;
    if (view.byteLength !== length) view = this.#views[place] = this.bytes.subarray(0, length);
    return view;
  }
}
