/**
 * What files and memory have beyond read(2) and write(2): positions, a size, and an end that moves.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { again, control, countOf, memoryOf } from "./io.ts";
import { isMapped, pageSize, roundUp } from "./own_mappings.ts";
import { isSealed } from "./seals.ts";
import { integer } from "./validate.ts";

const EINTR = errnoNumber("EINTR");

/** Offsets up to here are 32 bits for the floor, and cost no bigint. */
const MOST_NEAR = 0xffff_ffff;

/** 2⁶³ − 1: an `off_t` ends there. */
const MOST_OFFSET = 0x7fff_ffff_ffff_ffffn;

/** What fstat(2) says of a file. */
export interface FileStatus {
  readonly device: number;
  readonly inode: bigint;
  /** `st_mode`: the kind of file and who may do what with it. */
  readonly mode: number;
  readonly size: bigint;
  /** `st_blksize`: the size of its pages where a file consists of huge pages. */
  readonly blockSize: number;
}

/**
 * Checks an offset or a size in a file.
 *
 * @throws {TypeError} when it is no number and no bigint
 * @throws {RangeError} when it is negative, a number that is not whole or beyond 2⁵³ − 1, or a
 *   bigint beyond 2⁶³ − 1
 */
export function fileOffset(value: unknown, what: string): number | bigint {
  if (typeof value !== "bigint") return integer(value, what, 0, Number.MAX_SAFE_INTEGER);
  if (value >= 0n && value <= MOST_OFFSET) return value;
  throw new RangeError(`${what} must be from 0 to 2^63 - 1, got ${value}n`);
}

/** A size as a number wherever a number is exact. */
export function sizeNumber(size: bigint): number | bigint {
  return size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : size;
}

/**
 * Reads at an offset: `pread(2)`. The number of bytes, 0 at and beyond the end, null for
 * would-block, of which files and memory know nothing.
 */
export function preadInto(
  descriptor: Descriptor,
  view: Uint8Array,
  offset: number | bigint,
): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const fd = acquire(descriptor);
  for (;;) {
    const got = typeof offset === "number" && offset <= MOST_NEAR
      ? libc.pread(fd, memory, count, offset)
      : libc.pread_far(fd, memory, count, BigInt(offset));
    if (got >= 0) {
      release(descriptor);
      return got;
    }
    if (again("pread", descriptor, fd) === null) return null;
  }
}

/** Writes at an offset: `pwrite(2)`. How many bytes were taken, null for would-block. */
export function pwriteFrom(
  descriptor: Descriptor,
  view: Uint8Array,
  offset: number | bigint,
): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const fd = acquire(descriptor);
  for (;;) {
    const taken = typeof offset === "number" && offset <= MOST_NEAR
      ? libc.pwrite(fd, memory, count, offset)
      : libc.pwrite_far(fd, memory, count, BigInt(offset));
    if (taken >= 0) {
      release(descriptor);
      return taken;
    }
    if (again("pwrite", descriptor, fd) === null) return null;
  }
}

/** Asks what a descriptor refers to: `fstat(2)`. */
export function fileStatus(descriptor: Descriptor): FileStatus {
  const { size, st_dev, st_ino, st_mode, st_size } = structs.stat;
  const fields = new DataView(new ArrayBuffer(size));
  control("fstat", descriptor, (fd) => libc.fstat(fd, fields));
  return {
    device: fields.getUint32(st_dev, true),
    inode: fields.getBigUint64(st_ino, true),
    mode: fields.getUint16(st_mode, true),
    size: fields.getBigInt64(st_size, true),
    blockSize: fields.getUint32(structs.stat.st_blksize, true),
  };
}

/**
 * Sets the size of a file: `ftruncate(2)`. What is added reads as zeros.
 *
 * It takes no page away that this process maps, on any thread and through any descriptor: the next
 * touch of it would end the process by SIGBUS.
 *
 * @throws {RangeError} when this process maps what would go
 */
export function truncateTo(descriptor: Descriptor, to: number | bigint, what: string): void {
  const size = BigInt(to);
  const status = fileStatus(descriptor);
  // With the seal, the kernel refuses by itself, for a reason that the caller should hear.
  if (size < status.size && !isSealed(descriptor, "shrink")) {
    const from = roundUp(size, pageSize());
    const end = roundUp(status.size, pageSize());
    if (from < end && isMapped(status.device, status.inode, from, end)) {
      throw new RangeError(
        `${what} must leave what this process maps of the file, got ${size}: unmap() it first, ` +
          "or touching it would end the process by SIGBUS",
      );
    }
  }
  control("ftruncate", descriptor, (fd) => {
    for (;;) {
      const result = libc.ftruncate(fd, size);
      if (result !== -1 || errno() !== EINTR) return result;
    }
  });
}
