/**
 * Connections that are accepted only to be ended: their peers read the end of the stream (FIN), not
 * an error (RST).
 *
 * Kernel: accept4(2) is Linux 2.6.28.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket, socketStructs } from "../ffi/const_socket.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { isOutOfDescriptors, LOST } from "./accept_errors.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import type { Reserve } from "./reserve.ts";

const { SOL_SOCKET, SO_LINGER, SHUT_WR } = socket;

const EINTR = errnoNumber("EINTR");

const FLAGS = posix.SOCK_NONBLOCK | posix.SOCK_CLOEXEC;

/** How much of what a client has sent is read before it is given up: 8 MiB, more than its buffer has. */
const SCRATCH_BYTES = 64 * 1024;
const MOST_READS = 128;

let scratch: Uint8Array<ArrayBuffer> | null = null;
const noLinger = new Int32Array(new ArrayBuffer(socketStructs.linger.size));

/**
 * Accepts connections and ends them, until none is left or so many were: how many.
 *
 * @param reserve spent when there is no other descriptor; it is the caller's to fill again
 */
export function turnAway(listener: Descriptor, most: number, reserve: Reserve): number {
  const fd = acquire(listener);
  let count = 0;
  while (count < most) {
    const number = libc.accept4(fd, null, null, FLAGS);
    if (number >= 0) {
      endPolitely(number);
      count++;
      continue;
    }
    const code = errno();
    if (code === EINTR || LOST.has(code)) continue;
    if (!isOutOfDescriptors(code) || !reserve.spend()) break;
  }
  release(listener);
  return count;
}

/**
 * Closes a connection so that its peer gets FIN. close(2) sends RST instead when something is left
 * unread, or when SO_LINGER, which is inherited from the listener, says so.
 *
 * What the peer sends after this is answered by RST, as after every close(2): it has had the FIN by then.
 */
function endPolitely(number: number): void {
  libc.setsockopt(number, SOL_SOCKET, SO_LINGER, noLinger, noLinger.byteLength);
  libc.shutdown(number, SHUT_WR);
  scratch ??= new Uint8Array(new ArrayBuffer(SCRATCH_BYTES));
  for (let reads = 0; reads < MOST_READS; reads++) {
    if (libc.read(number, scratch, SCRATCH_BYTES) <= 0) break;
  }
  libc.close(number);
}
