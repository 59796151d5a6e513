/**
 * Bytes that the kernel moves from one descriptor to another: sendfile(2) and splice(2).
 *
 * Kernel: sendfile(2) is Linux 2.2, to something that is no socket 2.6.33, to a pipe 5.12; splice(2)
 * is Linux 2.6.17. What sendfile(2) refuses is read and written instead.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { fileStatus, preadInto } from "./file_io.ts";
import { withRemedy } from "./remedy.ts";

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");

/**
 * What sendfile(2) says where it does not know how: to this kind of file, to one that is appended to,
 * from this file system, or at all, under an emulator.
 */
const REFUSED: readonly number[] = [errnoNumber("EINVAL"), errnoNumber("ENOSYS")];

/** How much is read and written at once where the kernel does not move it by itself. */
const COPY_BYTES = 64 * 1024;

const nothing = new Uint8Array(new ArrayBuffer(0));

/** Made when it is first needed. What is in it is written in the same call. */
let scratch: Uint8Array<ArrayBuffer> | null = null;

/**
 * How many bytes a file has from an offset on: 0 beyond its end, Infinity where it does not say, as
 * the files of /proc and devices do not.
 *
 * @throws {SyscallError} EBADF, ESPIPE, EISDIR, EINVAL, when it cannot be read at an offset
 */
export function bytesFrom(file: Descriptor, offset: number | bigint): number {
  try {
    preadInto(file, nothing, offset);
  } catch (error) {
    throw withRemedy(error, {
      EBADF: "The file must be open, and open for reading",
      ESPIPE: "It has no positions: Loop.splice moves what a pipe or a socket brings",
    });
  }
  const { mode, size } = fileStatus(file);
  if ((mode & posix.S_IFMT) !== posix.S_IFREG || size === 0n) return Infinity;
  const rest = size - BigInt(offset);
  return rest > 0n ? Number(rest) : 0;
}

/**
 * Sends a part of a file: `sendfile(2)`. How many bytes were taken, 0 at the end of the file, null for
 * would-block. The offset moves on, the file's own position does not.
 */
export function sendfile(
  out: Descriptor,
  file: Descriptor,
  offset: BigInt64Array,
  count: number,
): number | null {
  const from = acquire(file);
  let to: number;
  try {
    to = acquire(out);
  } catch (error) {
    release(file);
    throw error;
  }
  let moved = outcome(libc.sendfile(to, from, offset, count));
  while (moved === -EINTR) moved = outcome(libc.sendfile(to, from, offset, count));
  if (REFUSED.includes(-moved)) moved = copy(to, from, offset, count);
  release(out);
  release(file);
  if (moved >= 0) return moved;
  if (moved === -EAGAIN) return null;
  throw new SyscallError("sendfile", -moved, to);
}

/** What a call has moved, or its errno, negative. */
function outcome(result: number): number {
  return result === -1 ? -errno() : result;
}

/** The same as sendfile(2) by reading and writing: what was moved, or the errno, negative. */
function copy(to: number, from: number, offset: BigInt64Array, count: number): number {
  const view = scratch ??= new Uint8Array(new ArrayBuffer(COPY_BYTES));
  const most = Math.min(count, COPY_BYTES);
  let got: number;
  do got = outcome(libc.pread_far(from, view, most, offset[0]!)); while (got === -EINTR);
  if (got <= 0) return got;
  let taken: number;
  do taken = outcome(libc.write(to, view, got)); while (taken === -EINTR);
  if (taken > 0) offset[0]! += BigInt(taken);
  return taken;
}

/**
 * Moves bytes between two descriptors, of which one is a pipe: `splice(2)`. How many, 0 at the end of
 * what they come from, null for would-block: of either, and of a pipe that is full.
 *
 * @param flags `SPLICE_F_…`
 */
export function splice(
  from: Descriptor,
  to: Descriptor,
  count: number,
  flags: number,
): number | null {
  const source = acquire(from);
  let sink: number;
  try {
    sink = acquire(to);
  } catch (error) {
    release(from);
    throw error;
  }
  let moved: number;
  do moved = outcome(libc.splice(source, null, sink, null, count, flags)); while (moved === -EINTR);
  release(to);
  release(from);
  if (moved >= 0) return moved;
  if (moved === -EAGAIN) return null;
  throw new SyscallError("splice", -moved, source);
}
