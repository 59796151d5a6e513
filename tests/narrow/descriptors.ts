/**
 * The open descriptors of this process, by system calls: Deno may not read /proc under the narrow grant.
 *
 * @module
 */

import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import type { Descriptors } from "../support/descriptors.ts";

/** No test opens so many that one gets a number above this. */
const HIGHEST = 300;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Lists the numbers and what they refer to, as /proc/self/fd does. */
export function openDescriptors(): Descriptors {
  const open = new Map<number, string>();
  const path = new Uint8Array(new ArrayBuffer(64));
  const link = new Uint8Array(new ArrayBuffer(4096));
  for (let number = 0; number <= HIGHEST; number++) {
    if (libc.fcntl(number, posix.F_GETFD, 0) === -1) continue;
    path.fill(0);
    encoder.encodeInto(`/proc/self/fd/${number}`, path);
    const length = libc.readlink(path, link, link.length);
    open.set(number, decoder.decode(link.subarray(0, Math.max(0, length))));
  }
  return open;
}
