/**
 * The two flags of every descriptor: fcntl(2).
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import type { Descriptor } from "./descriptor.ts";
import { control } from "./io.ts";

/** Whether `O_NONBLOCK` is set: `fcntl(F_GETFL)`. */
export function isNonblock(descriptor: Descriptor): boolean {
  return isSet(descriptor, posix.F_GETFL, posix.O_NONBLOCK);
}

/** Whether `FD_CLOEXEC` is set: `fcntl(F_GETFD)`. */
export function isCloexec(descriptor: Descriptor): boolean {
  return isSet(descriptor, posix.F_GETFD, posix.FD_CLOEXEC);
}

/** Sets or clears `O_NONBLOCK` of the open file: whether it was otherwise. `fcntl(F_SETFL)`. */
export function setNonblock(descriptor: Descriptor, on: boolean): boolean {
  return change(descriptor, posix.F_GETFL, posix.F_SETFL, posix.O_NONBLOCK, on);
}

/** Sets or clears `FD_CLOEXEC` of the descriptor, where it is otherwise: `fcntl(F_SETFD)`. */
export function setCloexec(descriptor: Descriptor, on: boolean): void {
  change(descriptor, posix.F_GETFD, posix.F_SETFD, posix.FD_CLOEXEC, on);
}

function isSet(descriptor: Descriptor, get: number, bit: number): boolean {
  return (control("fcntl", descriptor, (fd) => libc.fcntl(fd, get, 0)) & bit) !== 0;
}

function change(
  descriptor: Descriptor,
  get: number,
  set: number,
  bit: number,
  on: boolean,
): boolean {
  let changes = false;
  control("fcntl", descriptor, (fd) => {
    const flags = libc.fcntl(fd, get, 0);
    if (flags === -1 || ((flags & bit) !== 0) === on) return flags;
    changes = true;
    return libc.fcntl(fd, set, flags ^ bit);
  });
  return changes;
}
