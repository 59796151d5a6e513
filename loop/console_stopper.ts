/**
 * Ending the wait of a poller of consoles from another thread.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";

const KIND = "ConsoleStopper";
const EPIPE = errnoNumber("EPIPE");

const byte = new Uint8Array(new ArrayBuffer(1));

/** A stopper in a form that `postMessage` can carry. Take it apart with {@link ConsoleStopper.from}. */
export interface SharedConsoleStopper {
  /** Tells it from the shared form of a handle. */
  readonly kind: "ConsoleStopper";
  /** The pipe that is written to: every kernel knows pipes. */
  readonly bell: SharedDescriptor;
}

/** Rings: a full pipe has been rung already. */
export function ring(bell: FD): void {
  bell.write(byte);
}

/** Puts the writing end of a pipe into the form of a stopper. */
export function shareStopper(bell: FD): SharedConsoleStopper {
  return { kind: KIND, bell: bell.share() };
}

/**
 * Ends the `wait` of an `Epoller` or a `Kqueuer` on another thread: `write(2)` to a pipe.
 *
 * @example
 * ```ts
 * import { ConsoleStopper, Epoller, Loop } from "@fdloop/fdloop";
 *
 * using loop = Loop.create();
 * using poller = Epoller.create({ loop });
 * const shared = structuredClone(poller.shareStopper()); // as postMessage would carry it
 * ConsoleStopper.from(shared).stop();
 * await poller.wait(); // ends at once
 * ```
 */
export class ConsoleStopper {
  readonly #bell: FD;

  private constructor(bell: FD) {
    this.#bell = bell;
  }

  /**
   * Makes a stopper of what `shareStopper` returned on the poller's thread.
   *
   * @throws {TypeError} when it is something else
   */
  static from(shared: SharedConsoleStopper): ConsoleStopper {
    if (shared?.kind !== KIND) {
      throw new TypeError("ConsoleStopper.from takes what the shareStopper() of a poller returned");
    }
    return new ConsoleStopper(FD.from(shared.bell));
  }

  /**
   * Ends the wait that is in progress, or the next one. Callable at any time from any thread.
   *
   * @throws {ClosedError} when the poller was closed
   */
  stop(): void {
    try {
      ring(this.#bell);
    } catch (error) {
      // It is being closed at this moment: the end that is read has gone before this one.
      if (error instanceof SyscallError && error.errno === EPIPE) {
        throw new ClosedError("The poller");
      }
      throw error;
    }
  }
}
