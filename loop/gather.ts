/**
 * Several buffers as few: what is small is copied together, what is large is left where it is.
 *
 * @module
 */

import { bytes, shown } from "../handles/validate.ts";

/** The most parts of one message: IOV_MAX, what writev(2) itself takes. */
const MOST_PARTS = 1024;

/** How much is copied together: as much as a packet train of a socket takes at once. */
const BYTES = 64 * 1024;

/** Where it is copied to, made when it is first needed. Nothing of it is kept by whoever sends it. */
let memory: Uint8Array<ArrayBuffer> | null = null;

/**
 * Checks the parts of one message.
 *
 * @throws {TypeError} when it is no array of typed arrays or DataViews
 * @throws {RangeError} when there are more than 1024
 */
export function viewsOf(parts: unknown, what: string): Uint8Array[] {
  if (!Array.isArray(parts)) {
    throw new TypeError(`${what}: the parts must be an array, got ${shown(parts)}`);
  }
  if (parts.length > MOST_PARTS) {
    throw new RangeError(`${what}: at most ${MOST_PARTS} parts, got ${parts.length}`);
  }
  return parts.map((part) => bytes(part, `${what}: each part`));
}

/**
 * Sends the bytes of several buffers in order, in pieces as large as they can be without copying more
 * than the ends: so a header leaves together with the beginning of its body, and a body of megabytes
 * is not copied. Ends early when `send` answers false.
 */
export function gather(
  parts: readonly Uint8Array[],
  send: (piece: Uint8Array) => boolean,
): void {
  const piece = memory ?? new Uint8Array(new ArrayBuffer(BYTES));
  memory = null; // Where a source of the program's takes the bytes, it may send another message meanwhile.
  try {
    gatherInto(piece, parts, send);
  } finally {
    memory = piece;
  }
}

function gatherInto(
  piece: Uint8Array<ArrayBuffer>,
  parts: readonly Uint8Array[],
  send: (piece: Uint8Array) => boolean,
): void {
  let filled = 0;
  for (const part of parts) {
    for (let at = 0; at < part.byteLength;) {
      const left = part.byteLength - at;
      if (filled === 0 && left >= BYTES) {
        if (!send(rest(part, at, left))) return;
        break;
      }
      const count = Math.min(left, BYTES - filled);
      piece.set(rest(part, at, count), filled);
      filled += count;
      at += count;
      if (filled < BYTES) continue;
      if (!send(piece)) return;
      filled = 0;
    }
  }
  if (filled > 0) send(piece.subarray(0, filled));
}

function rest(part: Uint8Array, at: number, count: number): Uint8Array {
  if (count === part.byteLength) return part;
  return new Uint8Array(part.buffer, part.byteOffset + at, count);
}
