/**
 * Files of Unix sockets whose programs are gone.
 *
 * Kernel: O_PATH is Linux 2.6.39, fstat(2) of such a descriptor 3.6.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { FD } from "./fd.ts";
import { fileStatus } from "./file_io.ts";
import { type SocketType, TYPES } from "./socket_options.ts";

const ECONNREFUSED = errnoNumber("ECONNREFUSED");

/**
 * Removes the file of a socket that nobody answers at. Answers whether it did.
 *
 * Whoever answers sees a connection that ends at once. Between the look and the removal somebody may
 * have taken the place: there is no call that does both.
 *
 * @param file the path, as C takes it
 * @param address the same as `struct sockaddr_un`
 */
export function unlinkStale(
  file: Uint8Array<ArrayBuffer>,
  address: Uint8Array<ArrayBuffer>,
  type: SocketType,
): boolean {
  return isSocket(file) && isRefused(address, type) && libc.unlink(file) === 0;
}

/** Whether the path itself is a socket: connect(2) refuses at any other file, too. */
function isSocket(file: Uint8Array<ArrayBuffer>): boolean {
  const flags = posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC;
  const number = libc.open(file, flags, 0);
  if (number === -1) return false;
  using found = FD.adopt(number);
  return (fileStatus(found).mode & posix.S_IFMT) === posix.S_IFSOCK;
}

function isRefused(address: Uint8Array<ArrayBuffer>, type: SocketType): boolean {
  const flags = posix.SOCK_NONBLOCK | posix.SOCK_CLOEXEC;
  const probe = check("socket", libc.socket(posix.AF_UNIX, TYPES[type] | flags, 0));
  const result = libc.connect(probe, address, address.byteLength);
  const code = result === -1 ? errno() : 0;
  libc.close(probe);
  return code === ECONNREFUSED;
}
