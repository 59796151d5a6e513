/**
 * Asking the kernel what one descriptor is ready for, at once or when there is something to read,
 * without taking anything from it.
 *
 * Kernel: every POSIX system.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";

const EINTR = errnoNumber("EINTR");

/** `struct pollfd`: the number, then events and revents in one word. */
const pollfd = new Int32Array(new ArrayBuffer(8));

/**
 * Blocks until a descriptor is readable: `poll(2)`. On an epoll set that is when it has something to
 * report; the report stays there for whoever waits on it.
 */
export function blockUntilReadable(descriptor: Descriptor): void {
  while (!readableWithin(descriptor, -1));
}

/** Blocks until a descriptor is readable, for whole milliseconds at most. Answers whether it is. */
export function readableWithin(descriptor: Descriptor, milliseconds: number): boolean {
  const fd = acquire(descriptor);
  try {
    pollfd[0] = fd;
    pollfd[1] = posix.POLLIN;
    if (libc.poll(pollfd, 1, milliseconds) >= 0) return pollfd[1] >>> 16 !== 0;
    const code = errno();
    if (code !== EINTR) throw new SyscallError("poll", code, fd);
    return false;
  } finally {
    release(descriptor);
  }
}

/**
 * What a descriptor is ready for now: `poll(2)`, which does not wait.
 *
 * @param events the words to ask for, as poll(2) of this system has them
 * @throws {ClosedError} when the descriptor is closed
 */
export function polled(descriptor: Descriptor, events: number): number {
  const fd = acquire(descriptor);
  try {
    for (;;) {
      pollfd[0] = fd;
      pollfd[1] = events & 0xffff;
      if (libc.poll(pollfd, 1, 0) >= 0) return pollfd[1]! >>> 16;
      const code = errno();
      if (code !== EINTR) throw new SyscallError("poll", code, fd);
    }
  } finally {
    release(descriptor);
  }
}
