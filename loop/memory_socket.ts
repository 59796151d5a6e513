/**
 * A pair of stream sockets without descriptors.
 *
 * @module
 */

import { bytes, oneOf } from "../handles/validate.ts";
import { EventMask, READ_WORDS, WRITE_WORDS } from "./event_mask.ts";
import { EventPollError } from "./event_poll_error.ts";
import { MemoryFile, OpenFile } from "./memory_file.ts";

/** What a socket may have sent that was not read: net.core.wmem_default. */
const SEND_BUFFER = 212_992;

/** What Linux counts for a message beside its bytes, `sk_buff` and `skb_shared_info` on 64 bits. */
const HEADER = 256;
const INFO = 320;

/** A page, and the bytes that fit in one beside the header: the rest of a message has its own. */
const PAGE = 4096;
const MOST_HEAD = PAGE - INFO;

/** The most that one message has: what more is written at once becomes several. */
const MOST_BYTES = MOST_HEAD + 32 * 1024;

const CAN_READ = EventMask.IN | EventMask.PRI | EventMask.RDNORM | EventMask.RDBAND;
const CAN_WRITE = WRITE_WORDS | EventMask.WRBAND;

/** Directions that are shut down. */
const RECEIVING = 1;
const SENDING = 2;
const BOTH = RECEIVING | SENDING;

const HOW = { read: RECEIVING, write: SENDING, both: BOTH } as const;

/** Given to the constructor by {@link memorySocketPair}. */
const MADE: unique symbol = Symbol("made");

/** What was written at once. */
interface Message {
  readonly bytes: Uint8Array;
  begin: number;
}

class SocketFile extends OpenFile {
  peer!: SocketFile;
  #shut = 0;
  #broken = false;
  #received: Message[] = [];
  /** What its messages that were not read yet count. */
  #used = 0;

  readiness(mask: number): number {
    const words = (this.#broken ? EventMask.ERR : 0) |
      (this.#shut === BOTH ? EventMask.HUP : 0) |
      ((this.#shut & RECEIVING) !== 0 ? EventMask.RDHUP | READ_WORDS : 0) |
      (this.#received.length > 0 ? READ_WORDS : 0) |
      (this.#isWritable ? CAN_WRITE : 0);
    return words & mask;
  }

  read(into: Uint8Array): number | null {
    if (into.byteLength === 0) return 0;
    let count = 0;
    while (count < into.byteLength) {
      const message = this.#received[0];
      if (message === undefined) break;
      const { bytes } = message;
      const taken = Math.min(bytes.byteLength - message.begin, into.byteLength - count);
      into.set(bytes.subarray(message.begin, message.begin + taken), count);
      message.begin += taken;
      count += taken;
      if (message.begin < bytes.byteLength) break;
      this.#received.shift();
      this.peer.#gotBack(message);
    }
    if (count > 0) return count;
    this.#throwError("read");
    return (this.#shut & RECEIVING) !== 0 ? 0 : null;
  }

  write(from: Uint8Array): number | null {
    if ((this.#shut & SENDING) !== 0) throw noReader();
    let count = 0;
    while (count < from.byteLength && this.#used < SEND_BUFFER) {
      if (count === 0) this.#throwError("write");
      if ((this.peer.#shut & RECEIVING) !== 0) throw noReader();
      const message = from.slice(count, count + MOST_BYTES);
      this.#used += cost(message.byteLength);
      count += message.byteLength;
      this.peer.#received.push({ bytes: message, begin: 0 });
      this.peer.notify(CAN_READ);
    }
    return count > 0 || from.byteLength === 0 ? count : null;
  }

  shutdown(directions: number): void {
    this.#shutBy(directions);
    if (this.peer.isReleased) return;
    this.peer.#shutBy(
      ((directions & RECEIVING) !== 0 ? SENDING : 0) |
        ((directions & SENDING) !== 0 ? RECEIVING : 0),
    );
  }

  protected released(): void {
    this.#shut = BOTH;
    const { peer } = this;
    const unread = this.#received;
    this.#received = [];
    if (peer.isReleased) return;
    if (unread.length > 0) peer.#broken = true;
    peer.#shutBy(BOTH);
    for (const message of unread) peer.#gotBack(message);
  }

  get #isWritable(): boolean {
    return this.#used * 4 < SEND_BUFFER;
  }

  #shutBy(directions: number): void {
    this.#shut |= directions;
    this.notify(0);
  }

  /** A message of it was read, or thrown away. */
  #gotBack({ bytes }: Message): void {
    this.#used -= cost(bytes.byteLength);
    if (this.#isWritable && !this.isReleased) this.notify(CAN_WRITE);
  }

  /** An error is told once. */
  #throwError(syscall: string): void {
    if (!this.#broken) return;
    this.#broken = false;
    throw new EventPollError(
      syscall,
      "ECONNRESET",
      "The peer closed without reading what was sent",
    );
  }
}

/**
 * One end of a {@link memorySocketPair}: bytes both ways, and shutdown(2) of either direction.
 *
 * @example
 * ```ts
 * import { EventMask, MemorySocket, memorySocketPair } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using pair = memorySocketPair();
 * assert(pair.left instanceof MemorySocket);
 * pair.left.shutdown("write");
 * assertEquals(pair.right.readiness(EventMask.RDHUP), EventMask.RDHUP);
 * assertEquals(pair.right.read(new Uint8Array(8)), 0);
 * assertEquals(pair.right.write(new Uint8Array(8)), 8); // the other direction is open
 * ```
 */
export class MemorySocket extends MemoryFile {
  readonly #file: SocketFile;

  /** Sockets are made by {@link memorySocketPair}. */
  constructor(key: symbol, file: object) {
    if (key !== MADE) throw new TypeError("sockets in memory are made by memorySocketPair()");
    super(file as SocketFile);
    this.#file = file as SocketFile;
  }

  /** Always `"MemorySocket"`. */
  get [Symbol.toStringTag](): string {
    return "MemorySocket";
  }

  /** Another handle of the same socket: `dup(2)`. Throws {@link ClosedError} after `close`. */
  dup(): MemorySocket {
    this.checkOpen();
    return new MemorySocket(MADE, this.#file.retain());
  }

  /**
   * Fills a buffer: the number of bytes, 0 at the end, null when there are none yet.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {EventPollError} ECONNRESET, once, when the peer was closed before it had read everything
   * @throws {ClosedError} after `close`
   */
  read(buffer: ArrayBufferView): number | null {
    const view = bytes(buffer, "MemorySocket.read: the buffer");
    this.checkOpen();
    return this.#file.read(view);
  }

  /**
   * Takes bytes: how many, null when there is no room. OUT is reported while three quarters are free.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {EventPollError} EPIPE, when the peer reads no more, or this direction was shut down
   * @throws {ClosedError} after `close`
   */
  write(data: ArrayBufferView): number | null {
    const view = bytes(data, "MemorySocket.write: the data");
    this.checkOpen();
    return this.#file.write(view);
  }

  /**
   * Ends one direction or both, for all duplicates: `shutdown(2)`.
   *
   * @throws {TypeError} when it is none of the three words
   * @throws {ClosedError} after `close`
   */
  shutdown(how: "read" | "write" | "both"): void {
    const word = oneOf(how, ["read", "write", "both"], "MemorySocket.shutdown: how");
    this.checkOpen();
    this.#file.shutdown(HOW[word]);
  }
}

/** Two sockets that are connected to each other, closed together by `using`. */
export interface MemorySocketPair extends Disposable {
  /** One end. */
  readonly left: MemorySocket;
  /** The other. */
  readonly right: MemorySocket;
}

/**
 * Makes two stream sockets in memory: `socketpair(2)` without descriptors, with the rules of unix(7):
 * its buffer, its wake-ups, and what the other end sees of a shutdown and of a close.
 * Platforms: all.
 *
 * @example
 * ```ts
 * import { Loop, memorySocketPair, VirtualPoller } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create({ poller: new VirtualPoller() });
 * using pair = memorySocketPair();
 * let heard = "";
 * loop.registerConn(pair.left, { onRecv: (bytes, conn) => void conn.write(bytes) }); // echo
 * const client = loop.registerConn(pair.right, {
 *   onRecv(bytes, conn) {
 *     heard += new TextDecoder().decode(bytes);
 *     conn.end();
 *   },
 * });
 * client.write(new TextEncoder().encode("hello"));
 * await loop.run();
 * assertEquals(heard, "hello");
 * ```
 */
export function memorySocketPair(): MemorySocketPair {
  const [first, second] = [new SocketFile(), new SocketFile()];
  first.peer = second;
  second.peer = first;
  const [left, right] = [new MemorySocket(MADE, first), new MemorySocket(MADE, second)];
  return {
    left,
    right,
    [Symbol.dispose]: () => {
      left.close();
      right.close();
    },
  };
}

/** What Linux counts for a message: the memory that it takes, a header in powers of two, and pages. */
function cost(length: number): number {
  const inPages = length <= MOST_HEAD ? 0 : Math.min(length, pages(length - MOST_HEAD));
  let head = 512;
  while (head < length - inPages + INFO) head *= 2;
  return HEADER + head + pages(inPages);
}

function pages(length: number): number {
  return Math.ceil(length / PAGE) * PAGE;
}

function noReader(): EventPollError {
  return new EventPollError("write", "EPIPE", "The peer reads no more");
}
