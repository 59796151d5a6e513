/**
 * Any descriptor: reading, writing, duplicating, its two flags, and what files have beyond that.
 *
 * Kernel: every POSIX system. F_DUPFD_CLOEXEC is Linux 2.6.24.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import type { Cell } from "./cell.ts";
import { Descriptor, OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
import { isCloexec, isNonblock, setCloexec, setNonblock } from "./descriptor_flags.ts";
import {
  fileOffset,
  fileStatus,
  preadInto,
  pwriteFrom,
  sizeNumber,
  truncateTo,
} from "./file_io.ts";
import type { ReadWriter } from "./interfaces.ts";
import { control, readInto, writeFrom } from "./io.ts";
import { bytes, descriptorNumber, flag, memory } from "./validate.ts";

/**
 * A file descriptor of any kind: `read(2)`, `write(2)`, `fcntl(2)` and `close(2)`, with ownership, and
 * for files `pread(2)`, `pwrite(2)` and `ftruncate(2)`.
 *
 * The more special handles of this library know more about their descriptor; use `FD` for pipes,
 * sockets, files and numbers that come from elsewhere.
 *
 * Platforms: Linux, macOS, FreeBSD. See fcntl(2), read(2), write(2).
 *
 * @example
 * ```ts
 * import { pipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using ends = pipe();
 * const buffer = new Uint8Array(16);
 * assertEquals(ends.reader.read(buffer), null); // would block
 * assertEquals(ends.writer.write(new TextEncoder().encode("hello")), 5);
 * assertEquals(ends.reader.read(buffer), 5);
 * ends.writer.close();
 * assertEquals(ends.reader.read(buffer), 0); // end of file
 * ```
 */
export class FD extends Descriptor implements ReadWriter {
  private constructor(key: symbol, owned: number | Cell) {
    super(key, owned);
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "FD";
  }

  /**
   * Takes ownership of an open descriptor by its number. From here on nothing else may close it.
   *
   * A number that the runtime opened (`node:fs`, `Deno.open`, `Bun.file`) has an owner already, who
   * would close it a second time, when it may be somebody else's: use {@link FD.duplicate} for those.
   * The descriptor is left as it is: `O_NONBLOCK` and `FD_CLOEXEC` are set by
   * {@link FD.setNonblock} and {@link FD.setCloexec}.
   *
   * @param number the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it
   *
   * @example
   * ```ts
   * import { FD, SyscallError } from "@fdloop/fdloop";
   * import { assertThrows } from "@std/assert";
   *
   * using input = FD.adopt(0); // this program's stdin, ours to close from here on
   * assertThrows(() => FD.adopt(987654), SyscallError, "EBADF");
   * ```
   */
  static adopt(number: number): FD {
    number = descriptorNumber(number, "FD.adopt: the number");
    check("fcntl", libc.fcntl(number, posix.F_GETFD, 0), number);
    return new FD(OWNED, number);
  }

  /**
   * Makes a handle of its own for a descriptor that somebody else owns: `fcntl(F_DUPFD_CLOEXEC)`.
   *
   * The two share the open file, its offset and its `O_NONBLOCK`; each is closed by its own owner.
   *
   * @param number the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it; EMFILE, when there is none left
   *
   * @example
   * ```ts
   * import { FD } from "@fdloop/fdloop";
   * import { closeSync, openSync } from "node:fs";
   * import { assertEquals } from "@std/assert";
   *
   * const number = openSync("/dev/zero", "r");
   * using zeros = FD.duplicate(number);
   * closeSync(number);
   * assertEquals(zeros.read(new Uint8Array(4)), 4);
   * ```
   */
  static duplicate(number: number): FD {
    number = descriptorNumber(number, "FD.duplicate: the number");
    const duplicate = libc.fcntl(number, posix.F_DUPFD_CLOEXEC, 0);
    return new FD(OWNED, check("fcntl", duplicate, number));
  }

  /**
   * Makes a handle of what {@link Descriptor.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of an `FD`
   */
  static from(shared: SharedDescriptor): FD {
    return new FD(OWNED, sharedCell(shared, "FD"));
  }

  /**
   * Reads into a buffer: `read(2)`. Answers the number of bytes, 0 at the end of the file, and null
   * when it would block. A blocking descriptor blocks the whole thread.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EISDIR, EIO, ECONNRESET and what else the kind of file reports
   */
  read(buffer: ArrayBufferView): number | null {
    return readInto(this, memory(buffer, "FD.read: the buffer"));
  }

  /**
   * Writes a buffer: `write(2)`. Answers how many of its bytes were taken, which can be fewer than
   * it has, and null when it would block.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPIPE, ENOSPC and what else the kind of file reports
   */
  write(buffer: ArrayBufferView): number | null {
    return writeFrom(this, memory(buffer, "FD.write: the buffer"));
  }

  /**
   * Reads at an offset of its own and leaves the file's where it is: `pread(2)`. Answers the number of
   * bytes, 0 at and beyond the end, and null when it would block, of which files know nothing. Nothing
   * is allocated for an offset under 4 GiB.
   *
   * @param buffer takes at most as many bytes as it has
   * @param offset from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint
   * @throws {TypeError} when the buffer is no typed array or DataView, or the offset no number
   * @throws {RangeError} when the offset is out of range
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ESPIPE, for what has no offsets, such as pipes and sockets; EINVAL, when the
   *   offset and the buffer's length exceed 2⁶³ − 1 together
   *
   * @example
   * ```ts
   * import { FD } from "@fdloop/fdloop";
   * import { closeSync, openSync } from "node:fs";
   * import { assertEquals } from "@std/assert";
   *
   * const number = openSync("/proc/self/exe", "r");
   * using program = FD.duplicate(number);
   * closeSync(number);
   * const buffer = new Uint8Array(3);
   * assertEquals(program.pread(buffer, 1), 3);
   * assertEquals(new TextDecoder().decode(buffer), "ELF");
   * ```
   */
  pread(buffer: ArrayBufferView, offset: number | bigint): number | null {
    const view = bytes(buffer, "FD.pread: the buffer");
    return preadInto(this, view, fileOffset(offset, "FD.pread: the offset"));
  }

  /**
   * Writes at an offset of its own and leaves the file's where it is: `pwrite(2)`. It makes a file
   * longer where it must, with zeros in between. Answers how many bytes were taken, and null when it
   * would block, of which files know nothing. Nothing is allocated for an offset under 4 GiB.
   *
   * Linux appends to a file that was opened with `O_APPEND`, whatever the offset is.
   *
   * @param buffer the bytes
   * @param offset from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint
   * @throws {TypeError} when the buffer is no typed array or DataView, or the offset no number
   * @throws {RangeError} when the offset is out of range
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ESPIPE, for what has no offsets, such as pipes and sockets; EFBIG, beyond
   *   what the file system allows; EINVAL, when the offset and the buffer's length exceed 2⁶³ − 1
   *   together; ENOSPC, EDQUOT
   */
  pwrite(buffer: ArrayBufferView, offset: number | bigint): number | null {
    const view = bytes(buffer, "FD.pwrite: the buffer");
    return pwriteFrom(this, view, fileOffset(offset, "FD.pwrite: the offset"));
  }

  /**
   * The size of a file in bytes: `fstat(2)`. 0 for what has none, such as pipes, sockets and devices;
   * a bigint only where a number would not be exact, beyond 2⁵³ − 1.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get size(): number | bigint {
    return sizeNumber(fileStatus(this).size);
  }

  /**
   * Sets the size of a file: `ftruncate(2)`. What is added reads as zeros and takes no room until it
   * is written.
   *
   * It is not made shorter than what this process maps of it: see {@link MemFD.truncate}.
   *
   * @param size from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint
   * @throws {TypeError} when the size is no number
   * @throws {RangeError} when it is out of range, or this process maps what would go
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EINVAL, for what is no file, or not open for writing; EFBIG, beyond what the
   *   file system allows; EMFILE, ENFILE, when there is no descriptor left to look up what is mapped
   */
  truncate(size: number | bigint): void {
    const what = "FD.truncate: the size";
    truncateTo(this, fileOffset(size, what), what);
  }

  /**
   * Duplicates the descriptor: `fcntl(F_DUPFD_CLOEXEC)`, so the new one is closed on exec.
   *
   * The two share the open file: its offset and its `O_NONBLOCK`. Closing one leaves the other.
   *
   * @param least the lowest number that the duplicate may get, 0 by default
   * @throws {ClosedError} when the handle is closed
   * @throws {RangeError} when no descriptor can have that number
   * @throws {SyscallError} EMFILE, when the process has no number left; EINVAL, when `least` is
   *   above the limit
   *
   * @example
   * ```ts
   * import { pipe } from "@fdloop/fdloop";
   * import { assert, assertEquals } from "@std/assert";
   *
   * using ends = pipe();
   * using again = ends.writer.dup(100);
   * ends.writer.close();
   * assert(again.raw >= 100);
   * assertEquals(again.write(new Uint8Array(3)), 3);
   * ```
   */
  dup(least: number = 0): FD {
    least = descriptorNumber(least, "FD.dup: the lowest number");
    const duplicate = control("fcntl", this, (fd) => libc.fcntl(fd, posix.F_DUPFD_CLOEXEC, least));
    return new FD(OWNED, duplicate);
  }

  /** Whether calls on the open file answer at once instead of blocking: `fcntl(F_GETFL)`. */
  get nonblock(): boolean {
    return isNonblock(this);
  }

  /** Whether the descriptor is closed by a successful exec: `fcntl(F_GETFD)`. */
  get cloexec(): boolean {
    return isCloexec(this);
  }

  /**
   * Sets or clears `O_NONBLOCK`: `fcntl(F_SETFL)`, called only when it changes something. It belongs
   * to the open file, so every duplicate, here or in another process, changes with it.
   *
   * @throws {TypeError} when `on` is no boolean
   * @throws {ClosedError} when the handle is closed
   */
  setNonblock(on: boolean): void {
    setNonblock(this, flag(on, "FD.setNonblock: on"));
  }

  /**
   * Sets or clears `FD_CLOEXEC`: `fcntl(F_SETFD)`, called only when it changes something. It belongs
   * to this descriptor alone.
   *
   * @throws {TypeError} when `on` is no boolean
   * @throws {ClosedError} when the handle is closed
   */
  setCloexec(on: boolean): void {
    setCloexec(this, flag(on, "FD.setCloexec: on"));
  }
}
