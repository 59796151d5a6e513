/**
 * What is in the files that the tests serve.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** The bytes of a file: no part of any is a part of another, wherever it begins. */
export function content(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = seed * 2654435761 + 1; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
