/**
 * Bytes that wait to be written: copies of what the program gave, in blocks, in order.
 *
 * Memory is bounded by the bytes that wait: a block goes when its last byte was taken, so at most the
 * beginning of the first block and the end of the last are more. Nothing here knows a descriptor.
 *
 * @module
 */

/** The least and the most that one block holds. The most is what a socket's buffer takes at once. */
const LEAST_BYTES = 1024;
const MOST_BYTES = 64 * 1024;

/** How many blocks of {@link MOST_BYTES} a thread keeps for the next backlog that needs one: 1 MiB. */
const MOST_SPARE = 16;

type Block = Uint8Array<ArrayBuffer>;

const spare: Block[] = [];

/** A queue of bytes. */
export class Backlog {
  #blocks: Block[] = [];
  /** Where the first waiting byte is in the first block, and the end of the last in the last. */
  #head = 0;
  #tail = 0;
  #size = 0;

  /** How many bytes wait. */
  get size(): number {
    return this.#size;
  }

  /** How many bytes of memory are held for them. */
  get capacity(): number {
    return this.#blocks.reduce((sum, block) => sum + block.byteLength, 0);
  }

  /** Adds a copy of some bytes. */
  push(bytes: Uint8Array): void {
    const { length } = bytes;
    for (let at = 0; at < length;) {
      const block = this.#blockFor(length - at);
      const count = Math.min(length - at, block.byteLength - this.#tail);
      block.set(part(bytes, at, count), this.#tail);
      this.#tail += count;
      this.#size += count;
      at += count;
    }
  }

  /** Takes over the bytes of another backlog, which has none afterwards. */
  append(other: Backlog): void {
    for (let bytes = other.peek(); bytes !== null; bytes = other.peek()) {
      this.push(bytes);
      other.shift(bytes.byteLength);
    }
  }

  /** The bytes that come next, as far as they lie together; null when none waits. */
  peek(): Block | null {
    const first = this.#blocks[0];
    if (first === undefined) return null;
    return first.subarray(this.#head, this.#blocks.length === 1 ? this.#tail : first.byteLength);
  }

  /** Drops bytes that {@link peek} showed, from the front. */
  shift(count: number): void {
    const first = this.#blocks[0]!;
    this.#head += count;
    this.#size -= count;
    const end = this.#blocks.length === 1 ? this.#tail : first.byteLength;
    if (this.#head < end) return;
    this.#blocks.shift();
    this.#head = 0;
    giveBack(first);
  }

  /** Drops everything, and the memory with it. */
  clear(): void {
    for (const block of this.#blocks) giveBack(block);
    this.#blocks = [];
    this.#head = this.#tail = this.#size = 0;
  }

  /** The last block when it has room, or a new one: as large as what waits, or as is needed. */
  #blockFor(needed: number): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#tail < last.byteLength) return last;
    const block = take(Math.max(needed, this.#size));
    this.#blocks.push(block);
    this.#tail = 0;
    return block;
  }
}

/** Some bytes of a view, as plain bytes whatever its class. */
function part(bytes: Uint8Array, at: number, count: number): Uint8Array {
  if (count === bytes.byteLength) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, count);
}

function take(bytes: number): Block {
  if (bytes > MOST_BYTES / 2) {
    return spare.pop() ?? new Uint8Array(new ArrayBuffer(MOST_BYTES));
  }
  const size = Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
  return new Uint8Array(new ArrayBuffer(size));
}

function giveBack(block: Block): void {
  if (block.byteLength === MOST_BYTES && spare.length < MOST_SPARE) spare.push(block);
}
