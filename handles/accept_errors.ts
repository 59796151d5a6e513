/**
 * What accept4(2) says besides that nobody waits.
 *
 * @module
 */

import { type ErrnoName, errnoNumber } from "../ffi/errno.ts";

function numbers(...names: ErrnoName[]): ReadonlySet<number> {
  return new Set(names.map(errnoNumber));
}

/**
 * What accept(2) reports of the connection that it would have accepted, which is then gone: the next
 * one is waiting behind it.
 */
export const LOST: ReadonlySet<number> = numbers(
  "ECONNABORTED",
  "ENETDOWN",
  "EPROTO",
  "ENOPROTOOPT",
  "EHOSTDOWN",
  "ENONET",
  "EHOSTUNREACH",
  "EOPNOTSUPP",
  "ENETUNREACH",
);

const OUT_OF_DESCRIPTORS = numbers("EMFILE", "ENFILE");
const OUT_OF_MEMORY = numbers("ENOBUFS", "ENOMEM");

/** Whether there is no descriptor left, and the connection goes on waiting. */
export function isOutOfDescriptors(code: number): boolean {
  return OUT_OF_DESCRIPTORS.has(code);
}

/** Whether there is too little of something now, of which there may be enough later. */
export function isOverload(code: number): boolean {
  return OUT_OF_DESCRIPTORS.has(code) || OUT_OF_MEMORY.has(code);
}
