/**
 * Looks at descriptors and threads from beside the library: what poll(2) and fcntl(2) say of a
 * number, and whether a thread is blocked on it.
 *
 * @module
 */

import fs from "node:fs";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import type { Descriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { waitUntil } from "./support.ts";

/** What poll(2) reports of a descriptor: the events asked for that came within `ms`, 0 for none. */
export function poll(handle: Descriptor, events: number, ms: number = 0): number {
  const pollfd = new DataView(new ArrayBuffer(structs.pollfd.size));
  pollfd.setInt32(structs.pollfd.fd, handle.raw, true);
  pollfd.setInt16(structs.pollfd.events, events, true);
  check("poll", libc.poll(new Uint8Array(pollfd.buffer), 1, ms), handle.raw);
  return pollfd.getInt16(structs.pollfd.revents, true);
}

/** Whether a descriptor is readable, within `ms`. */
export function readable(handle: Descriptor, ms: number = 0): boolean {
  return (poll(handle, posix.POLLIN, ms) & posix.POLLIN) !== 0;
}

/** Whether a descriptor is writable, within `ms`. */
export function writable(handle: Descriptor, ms: number = 0): boolean {
  return (poll(handle, posix.POLLOUT, ms) & posix.POLLOUT) !== 0;
}

/** Whether a number is open, which can be another file's by now. */
export function isOpen(number: number): boolean {
  return libc.fcntl(number, posix.F_GETFD, 0) !== -1;
}

/** O_NONBLOCK and FD_CLOEXEC of a descriptor. */
export function flagsOf(handle: Descriptor): { nonblock: boolean; cloexec: boolean } {
  const status = check("fcntl", libc.fcntl(handle.raw, posix.F_GETFL, 0), handle.raw);
  const descriptor = check("fcntl", libc.fcntl(handle.raw, posix.F_GETFD, 0), handle.raw);
  return {
    nonblock: (status & posix.O_NONBLOCK) !== 0,
    cloexec: (descriptor & posix.FD_CLOEXEC) !== 0,
  };
}

/** A second descriptor of the same open file, which outlives the handle. */
export function duplicate(handle: Descriptor): FD {
  return FD.adopt(check("fcntl", libc.fcntl(handle.raw, posix.F_DUPFD_CLOEXEC, 0), handle.raw));
}

/**
 * Resolves when a thread of this process sleeps in a call on a number whose third argument is 8, as
 * reads and writes of a counter have it: /proc/self/task/…/syscall shows the arguments.
 */
export function blockedOn(number: number): Promise<void> {
  const call = new RegExp(`^\\d+ 0x${number.toString(16)} 0x[0-9a-f]+ 0x8 `);
  const isBlocked = (thread: string): boolean => {
    try {
      return call.test(fs.readFileSync(`/proc/self/task/${thread}/syscall`, "utf8"));
    } catch {
      return false; // the thread has ended between the listing and the look
    }
  };
  return waitUntil(
    () => fs.readdirSync("/proc/self/task").some(isBlocked),
    10_000,
    `a thread that is blocked on fd ${number}`,
  );
}
