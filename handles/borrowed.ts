/**
 * A descriptor that somebody else owns, lent for calls.
 *
 * @module
 */

import { Descriptor, OWNED } from "./descriptor.ts";

/** A number in the shape of a handle. Nobody closes it: it is its owner's. */
export class Borrowed extends Descriptor {
  /** Lays a handle over a number. */
  constructor(number: number) {
    super(OWNED, number);
  }

  /** What messages call it. */
  get [Symbol.toStringTag](): string {
    return "descriptor";
  }
}
