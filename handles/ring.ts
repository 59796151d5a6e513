/**
 * Making an eventfd readable, by its number.
 *
 * @module
 */

import { libc } from "../ffi/libc.ts";

/** Any count but 0 makes it readable, and is an edge for whoever waits for one. */
const RING = new BigUint64Array(new ArrayBuffer(8)).fill(1n);

/** Adds one to an eventfd that does not block: `write(2)`. */
export function ring(bell: number): void {
  libc.write(bell, RING, RING.byteLength);
}
