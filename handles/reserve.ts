/**
 * A descriptor that is kept for the moment when there is none left.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { libc } from "../ffi/libc.ts";

const NONE = -1;

/**
 * One descriptor in reserve. It is an eventfd, which has a file of its own: a duplicate of another
 * descriptor would help against the limit of the process only, not against that of the system.
 */
export class Reserve {
  #number = NONE;

  /** Takes a descriptor where one is to be had. */
  constructor() {
    this.fill();
  }

  /** Takes one again after {@link spend}. Answers whether there is one now. */
  fill(): boolean {
    if (this.#number === NONE) this.#number = libc.eventfd(0, linux.EFD_CLOEXEC);
    return this.#number !== NONE;
  }

  /** Gives it back to the kernel, for the next call to have. Answers whether there was one. */
  spend(): boolean {
    if (this.#number === NONE) return false;
    libc.close(this.#number);
    this.#number = NONE;
    return true;
  }
}
