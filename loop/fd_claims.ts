/**
 * Which worker of an engine has which descriptor, for all threads to see.
 *
 * One word of shared memory for each number that a descriptor can have. A worker's claims outlive it:
 * when its thread has died, the engine finds there what it left open. The table grows with the numbers
 * and has no limit below what a kernel can hold in memory.
 *
 * Invariants:
 * - A number has one holder at most: whoever turns 0 into a claim has it.
 * - A claim is given up before the descriptor is closed. A thread that dies in between leaves it open,
 *   which is harmless; the other way round the engine could close a number that is another file's.
 *
 * @module
 */

import { drainListener } from "../handles/drain.ts";
import { FD } from "../handles/fd.ts";
import { Reserve } from "../handles/reserve.ts";
import { Socket } from "../handles/socket.ts";

/** What a holder has to do with a descriptor. */
export type ClaimKind =
  /** It uses it: the descriptor is somebody else's to close. */
  | "borrowed"
  /** It owns it. */
  | "owned"
  /** It owns it, and it is a listener. */
  | "listener";

const KINDS: readonly ClaimKind[] = ["borrowed", "owned", "listener"];

// A claim: the kind in the upper two bits, below it the worker's index + 1. 0 is nobody's.
const KIND_SHIFT = 14;
const WORKER_MASK = (1 << KIND_SHIFT) - 1;

/** How many workers there can be. */
export const MOST_WORKERS: number = WORKER_MASK;

/** How many numbers the table grows by. */
const STEP = 64 * 1024;

/** The number at which growing ends: their files would fill 200 GiB of a kernel's memory. */
const END: number = 2 ** 26;

/** A descriptor that a worker has. */
export interface Claim {
  readonly fd: number;
  readonly kind: ClaimKind;
}

/** The table. */
export class FdClaims {
  /** The memory, to be sent to other threads. */
  readonly memory: SharedArrayBuffer;
  readonly #claims: Uint16Array;

  /** Lays the table over memory that another thread's table has, or makes an empty one. */
  constructor(
    memory: SharedArrayBuffer = new SharedArrayBuffer(STEP * 2, { maxByteLength: END * 2 }),
  ) {
    this.memory = memory;
    this.#claims = new Uint16Array(memory);
  }

  /** Takes a number for a worker. Answers false when a worker has it already. */
  claim(fd: number, worker: number, kind: ClaimKind): boolean {
    this.#reach(fd);
    return Atomics.compareExchange(this.#claims, fd, 0, word(worker, kind)) === 0;
  }

  /**
   * Takes a number that the kernel has just given to a worker. What else has a claim to it is out of
   * date: its descriptor was closed by somebody who did not say so.
   */
  take(fd: number, worker: number, kind: ClaimKind): void {
    this.#reach(fd);
    Atomics.store(this.#claims, fd, word(worker, kind));
  }

  /** Changes what a worker has to do with a number that it holds. */
  change(fd: number, worker: number, kind: ClaimKind): void {
    if (this.holder(fd) === worker) Atomics.store(this.#claims, fd, word(worker, kind));
  }

  /** Gives a number up. It does nothing when the worker does not hold it. */
  release(fd: number, worker: number): void {
    if (this.holder(fd) === worker) Atomics.store(this.#claims, fd, 0);
  }

  /** The worker that holds a number, −1 for none. */
  holder(fd: number): number {
    return fd < this.#claims.length ? (Atomics.load(this.#claims, fd) & WORKER_MASK) - 1 : -1;
  }

  /** What a worker holds. */
  heldBy(worker: number): Claim[] {
    const claims = this.#claims;
    const held: Claim[] = [];
    for (let fd = 0; fd < claims.length; fd++) {
      const claim = claims[fd]!;
      if ((claim & WORKER_MASK) !== worker + 1) continue;
      held.push({ fd, kind: KINDS[claim >> KIND_SHIFT]! });
    }
    return held;
  }

  /** Makes the table large enough for a number. */
  #reach(fd: number): void {
    while (fd >= this.#claims.length) {
      if (fd >= END) throw new RangeError(`an engine's descriptors are below ${END}, got ${fd}`);
      const bytes = Math.ceil((fd + 1) / STEP) * STEP * 2;
      try {
        this.memory.grow(bytes);
      } catch (error) {
        // Another thread has made it larger than that meanwhile.
        if (this.memory.byteLength < bytes) throw error;
      }
    }
  }
}

function word(worker: number, kind: ClaimKind): number {
  return (KINDS.indexOf(kind) << KIND_SHIFT) | (worker + 1);
}

/** Closes what a worker has left open. */
export function closeLeftover({ fd, kind }: Claim): void {
  const reserve = kind === "listener" ? new Reserve() : null;
  try {
    if (reserve !== null) drainListener(Socket.adopt(fd), reserve);
    else FD.adopt(fd).close();
  } catch {
    // It is closed already: the thread ended between the two steps.
  } finally {
    reserve?.spend();
  }
}
