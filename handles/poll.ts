/**
 * Blocking a thread until one descriptor is readable, without taking anything from it.
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
  const fd = acquire(descriptor);
  try {
    for (;;) {
      pollfd[0] = fd;
      pollfd[1] = posix.POLLIN;
      if (libc.poll(pollfd, 1, -1) > 0) return;
      const code = errno();
      if (code !== EINTR) throw new SyscallError("poll", code, fd);
    }
  } finally {
    release(descriptor);
  }
}
