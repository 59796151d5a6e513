/**
 * What ends the waits on a shared epoll set: closing the set alone wakes nobody.
 *
 * A doorbell is an eventfd in the set that is readable once it was rung, for every thread that
 * waits. It is rung only by closing, so that nobody has to tell its event from the others: whoever
 * finds the set closed after a wait has nothing to report.
 *
 * Invariant: while a thread is inside ({@link Doorbell.enter} … {@link Doorbell.leave}), the
 * eventfd stays open. One that was closed is out of the set, and would wake no one.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { check, libc } from "../ffi/libc.ts";
import { Cell, NONE } from "./cell.ts";
import type { Descriptor } from "./descriptor.ts";
import { control, writeData, writeMask } from "./epoll_ctl.ts";
import { EPOLL } from "./epoll_events.ts";
import { ring } from "./ring.ts";

/** The doorbell of one set, addressable from every thread. */
export class Doorbell {
  readonly #cell: Cell;

  /** Takes hold of the doorbell that {@link Doorbell.hang} made, here or on another thread. */
  constructor(cell: Cell) {
    this.#cell = cell;
  }

  /**
   * Makes a doorbell and puts it into a set.
   *
   * @throws {ClosedError} when the set is closed
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   */
  static hang(set: Descriptor): Doorbell {
    const number = check("eventfd", libc.eventfd(0, linux.EFD_CLOEXEC | linux.EFD_NONBLOCK));
    try {
      writeMask(EPOLL.IN, "the doorbell's mask");
      writeData(0, "the doorbell's data");
      control(set, linux.EPOLL_CTL_ADD, number);
    } catch (error) {
      libc.close(number);
      throw error;
    }
    return new Doorbell(Cell.hold(number));
  }

  /** The memory of its lifetime word, to be sent to another thread. */
  get memory(): SharedArrayBuffer {
    return this.#cell.memory;
  }

  /** Keeps it open for a wait: answers false when it was rung before. */
  enter(): boolean {
    return this.#cell.enter() !== NONE;
  }

  /** Ends what {@link enter} began. The last one out after the ringing closes the eventfd. */
  leave(): void {
    const number = this.#cell.leave();
    if (number !== NONE) libc.close(number);
  }

  /** Wakes everyone who waits on the set, now and for ever. Called once, when the set is closed. */
  ring(): void {
    ring(this.#cell.close());
    this.leave();
  }
}
