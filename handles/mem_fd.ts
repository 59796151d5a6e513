/**
 * A file that is memory: it has no path, grows and shrinks, and can be sealed.
 *
 * Kernel: memfd_create(2) is Linux 3.17, huge pages 4.14 (sealed ones 4.16), F_SEAL_FUTURE_WRITE
 * 5.1, MFD_EXEC, MFD_NOEXEC_SEAL and F_SEAL_EXEC 6.3.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { Cell } from "./cell.ts";
import { Descriptor, OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
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
import { type MemFDOptions, memoryFlags } from "./memory_options.ts";
import { withRemedy } from "./remedy.ts";
import { addSeals, type Seal, sealedError, sealsOf } from "./seals.ts";
import { bytes, descriptorNumber, shown } from "./validate.ts";

const EINVAL = errnoNumber("EINVAL");

/** NAME_MAX less "memfd:" (6 bytes): memfd_create(2) refuses a longer name with EINVAL. */
const MOST_NAME_BYTES = 249;

/** Longer than any name that a memfd can have, with what /proc adds to it. */
const LINK_BYTES = 4096;

/**
 * A file without a path that lives in memory: `memfd_create(2)`. It is there as long as somebody
 * has a descriptor or a {@linkcode MappedRegion} of it.
 *
 * Others get it by inheriting or receiving the descriptor, or by opening `/proc/PID/fd/N`, and see
 * the same bytes; sealing it first is a promise to them that it will stay as it is.
 *
 * Platforms: Linux 3.17. See memfd_create(2), fcntl(2) (File Sealing).
 *
 * @example
 * ```ts
 * import { MemFD } from "@fdloop/fdloop";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using memory = MemFD.create("greeting", { sealing: true });
 * memory.write(new TextEncoder().encode("hello"));
 * memory.seal("shrink", "grow", "write");
 * assertThrows(() => memory.pwrite(new Uint8Array(1), 0), Error, "EPERM");
 *
 * const buffer = new Uint8Array(16);
 * assertEquals([memory.size, memory.pread(buffer, 1)], [5, 4]);
 * assertEquals(new TextDecoder().decode(buffer.subarray(0, 4)), "ello");
 * ```
 */
export class MemFD extends Descriptor implements ReadWriter {
  #name: string | null;

  private constructor(key: symbol, owned: number | Cell, name: string | null) {
    super(key, owned);
    this.#name = name;
  }

  /** Always `"MemFD"`. */
  get [Symbol.toStringTag](): string {
    return "MemFD";
  }

  /**
   * Makes an empty file in memory: `memfd_create(2)`, closed on exec unless asked otherwise. Give it
   * a size by {@link MemFD.truncate} or by writing.
   *
   * Huge pages are taken from the system's pool when the memory is mapped, not here.
   *
   * @param name for /proc and for debugging: up to 249 bytes of UTF-8 without NUL, not unique
   * @throws {TypeError} when the name is no string or an option is not what it should be
   * @throws {RangeError} when the name is too long or has a NUL
   * @throws {SyscallError} EMFILE or ENFILE, when there is no descriptor left; ENODEV, when this
   *   machine has no huge pages of that size; EACCES, when `vm.memfd_noexec` demands `exec: false`
   * @throws {UnsupportedError} for `exec` on a kernel before 6.3, and on a system other than Linux
   *
   * @example
   * ```ts
   * import { MemFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using memory = MemFD.create("frames");
   * memory.truncate(1 << 20);
   * assertEquals([memory.name, memory.size, memory.seals], ["frames", 1 << 20, ["seal"]]);
   * ```
   */
  static create(name: string, options: MemFDOptions = {}): MemFD {
    const encoded = nameBytes(name);
    const flags = memoryFlags(options, "MemFD.create");
    const number = libc.memfd_create(encoded, flags);
    if (number === -1) throw creationError(errno(), options.exec);
    return new MemFD(OWNED, number, name);
  }

  /**
   * Takes ownership of a memfd by its number. From here on nothing else may close it: a number that
   * the runtime opened (`node:fs`) has an owner already, so use {@link MemFD.duplicate} for those.
   *
   * @param number the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number, or the descriptor of another kind of file
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it
   * @throws {UnsupportedError} on a system other than Linux
   *
   * @example
   * ```ts
   * import { MemFD, pipe } from "@fdloop/fdloop";
   * import { assertThrows } from "@std/assert";
   *
   * using ends = pipe();
   * assertThrows(() => MemFD.adopt(ends.reader.raw), TypeError, "must be a memfd");
   * ```
   */
  static adopt(number: number): MemFD {
    number = mustBeMemory(number, "MemFD.adopt");
    return new MemFD(OWNED, number, null);
  }

  /**
   * Makes a handle of its own for a memfd that somebody else owns: `fcntl(F_DUPFD_CLOEXEC)`. The two
   * share the file's offset; each is closed by its own owner.
   *
   * @param number the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number, or the descriptor of another kind of file
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it; EMFILE, when there is none left
   * @throws {UnsupportedError} on a system other than Linux
   *
   * @example
   * ```ts
   * import { MemFD } from "@fdloop/fdloop";
   * import { closeSync, openSync } from "node:fs";
   * import { assertEquals } from "@std/assert";
   *
   * using memory = MemFD.create("parcel");
   * memory.write(new Uint8Array([1, 2, 3]));
   * const number = openSync(`/proc/self/fd/${memory.raw}`, "r"); // or of another process
   * using again = MemFD.duplicate(number);
   * closeSync(number);
   * assertEquals([again.name, again.read(new Uint8Array(8))], ["parcel", 3]); // its own offset
   * ```
   */
  static duplicate(number: number): MemFD {
    number = mustBeMemory(number, "MemFD.duplicate");
    const duplicate = libc.fcntl(number, posix.F_DUPFD_CLOEXEC, 0);
    return new MemFD(OWNED, check("fcntl", duplicate, number), null);
  }

  /**
   * Makes a handle of what {@link Descriptor.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `MemFD`
   */
  static from(shared: SharedDescriptor): MemFD {
    return new MemFD(OWNED, sharedCell(shared, "MemFD"), null);
  }

  /**
   * The name it was created with, for debugging. Where it was created elsewhere the name is read
   * from /proc: `readlink(2)`; of a file on a tmpfs, that is its path.
   *
   * @throws {ClosedError} when the handle was not created here and is closed
   * @throws {SyscallError} ENOENT, when it was not created here and /proc is not mounted
   */
  get name(): string {
    return this.#name ??= linkedName(this);
  }

  /**
   * The size in bytes: `fstat(2)`. A bigint only where a number would not be exact, beyond 2⁵³ − 1.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get size(): number | bigint {
    return sizeNumber(fileStatus(this).size);
  }

  /**
   * Reads at the file's offset and moves it: `read(2)`. Answers the number of bytes, 0 at the end.
   * The offset is one for all who share or have inherited this descriptor: others use
   * {@link MemFD.pread}.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   */
  read(buffer: ArrayBufferView): number {
    return readInto(this, bytes(buffer, "MemFD.read: the buffer"))!; // memory never would block
  }

  /**
   * Writes at the file's offset and moves it, and makes the file longer where it must: `write(2)`.
   * Answers how many bytes were taken: fewer than there are where a seal forbids to grow.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPERM, when it is sealed against it; EINVAL, on huge pages; ENOSPC; EFBIG
   */
  write(buffer: ArrayBufferView): number {
    const view = bytes(buffer, "MemFD.write: the buffer");
    try {
      return writeFrom(this, view)!;
    } catch (error) {
      throw sealedError(error, this);
    }
  }

  /**
   * Reads at an offset of its own and leaves the file's where it is: `pread(2)`. Answers the number
   * of bytes, 0 at and beyond the end. Nothing is allocated for an offset under 4 GiB.
   *
   * @param buffer takes at most as many bytes as it has
   * @param offset from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint
   * @throws {TypeError} when the buffer is no typed array or DataView, or the offset no number
   * @throws {RangeError} when the offset is out of range
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EINVAL, when the offset and the buffer's length exceed 2⁶³ − 1 together
   *
   * @example
   * ```ts
   * import { MemFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using memory = MemFD.create("sparse");
   * memory.pwrite(new Uint8Array([7]), 5n * 2n ** 30n);
   * const buffer = new Uint8Array(2);
   * assertEquals(memory.pread(buffer, 5 * 2 ** 30 - 1), 2);
   * assertEquals([...buffer, memory.size], [0, 7, 5 * 2 ** 30 + 1]);
   * ```
   */
  pread(buffer: ArrayBufferView, offset: number | bigint): number {
    const view = bytes(buffer, "MemFD.pread: the buffer");
    return preadInto(this, view, fileOffset(offset, "MemFD.pread: the offset"))!;
  }

  /**
   * Writes at an offset of its own and leaves the file's where it is: `pwrite(2)`. It makes the file
   * longer where it must, with zeros in between. Answers how many bytes were taken: fewer than there
   * are where a seal forbids to grow. Nothing is allocated for an offset under 4 GiB.
   *
   * @param buffer the bytes
   * @param offset from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint
   * @throws {TypeError} when the buffer is no typed array or DataView, or the offset no number
   * @throws {RangeError} when the offset is out of range
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPERM, when it is sealed against it; EINVAL, on huge pages or when the
   *   offset and the buffer's length exceed 2⁶³ − 1 together; ENOSPC
   */
  pwrite(buffer: ArrayBufferView, offset: number | bigint): number {
    const view = bytes(buffer, "MemFD.pwrite: the buffer");
    const at = fileOffset(offset, "MemFD.pwrite: the offset");
    try {
      return pwriteFrom(this, view, at)!;
    } catch (error) {
      throw sealedError(error, this);
    }
  }

  /**
   * Sets the size: `ftruncate(2)`. What is added reads as zeros and takes no memory until it is
   * written.
   *
   * It is not made shorter than what this process maps of it, on whatever thread and through
   * whatever handle or library, because touching the rest would end the process by SIGBUS. That is
   * looked up in /proc/self/maps; a mapping that another thread makes in the same instant is missed,
   * and so are those of other processes. `seal("shrink")` is the protection that has no gap.
   *
   * @param size from 0 to 2⁵³ − 1 as a number, to 2⁶³ − 1 as a bigint; a multiple of the page size
   *   where it consists of huge pages
   * @throws {TypeError} when the size is no number
   * @throws {RangeError} when it is out of range, or this process maps what would go
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPERM, when it is sealed against it; EINVAL, when huge pages would be cut;
   *   EMFILE, ENFILE, when there is no descriptor left to look up what is mapped
   */
  truncate(size: number | bigint): void {
    const what = "MemFD.truncate: the size";
    const to = fileOffset(size, what);
    try {
      truncateTo(this, to, what);
    } catch (error) {
      throw sealedError(error, this);
    }
  }

  /**
   * The seals that are set, in the order in which {@linkcode Seal} lists them:
   * `fcntl(F_GET_SEALS)`. Memory that was created without `sealing` has the one seal `"seal"`.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get seals(): readonly Seal[] {
    return sealsOf(this);
  }

  /**
   * Adds seals: `fcntl(F_ADD_SEALS)`. All of them are added or none, and none is ever taken back.
   *
   * `"write"` needs that nobody maps the memory shared and writable; `"future-write"` leaves such
   * mappings their right. `"exec"` on memory that can be executed adds `"shrink"`, `"grow"`,
   * `"write"` and `"future-write"` by itself.
   *
   * @throws {TypeError} when there is none, or one that is none of {@linkcode Seal}
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPERM, when seals are not allowed (any more) or the descriptor is
   *   read-only; EBUSY, when somebody maps the memory shared and writable
   * @throws {UnsupportedError} for `"future-write"` before Linux 5.1 and `"exec"` before 6.3
   *
   * @example
   * ```ts
   * import { MemFD } from "@fdloop/fdloop";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * using memory = MemFD.create("steady", { sealing: true });
   * memory.seal("shrink", "seal");
   * assertEquals(memory.seals, ["seal", "shrink"]);
   * assertThrows(() => memory.seal("grow"), Error, "EPERM");
   * ```
   */
  seal(...seals: Seal[]): void {
    addSeals(this, seals, "MemFD.seal: a seal");
  }
}

/** Checks a number by asking for the seals: only memory can have any. */
function mustBeMemory(value: number, what: string): number {
  const number = descriptorNumber(value, `${what}: the number`);
  if (os !== "linux") throw new UnsupportedError("memfd_create(2)", "Linux 3.17");
  if (libc.fcntl(number, linux.F_GET_SEALS, 0) !== -1) return number;
  const code = errno();
  if (code !== EINVAL) throw new SyscallError("fcntl", code, number);
  throw new TypeError(
    `${what}: fd ${number} must be a memfd: an FD takes a descriptor of any kind`,
  );
}

/** The name as C takes it. */
function nameBytes(name: unknown): Uint8Array<ArrayBuffer> {
  const what = "MemFD.create: the name";
  if (typeof name !== "string") throw new TypeError(`${what} must be a string, got ${shown(name)}`);
  if (name.includes("\0")) {
    throw new RangeError(`${what} must have no NUL, where it would end for the kernel`);
  }
  // The most that UTF-8 makes of a UTF-16 unit is 3 bytes.
  const memory = new Uint8Array(new ArrayBuffer(Math.min(name.length, MOST_NAME_BYTES) * 3 + 1));
  const { read, written } = new TextEncoder().encodeInto(name, memory);
  if (read < name.length || written > MOST_NAME_BYTES) {
    throw new RangeError(`${what} must have at most ${MOST_NAME_BYTES} bytes of UTF-8`);
  }
  return memory;
}

function creationError(code: number, exec: boolean | undefined): Error {
  if (code === EINVAL && exec !== undefined) {
    return new UnsupportedError("the option exec of MemFD.create", "Linux 6.3");
  }
  return withRemedy(new SyscallError("memfd_create", code), {
    ENODEV: "This machine has no huge pages of that size: /sys/kernel/mm/hugepages lists its sizes",
    EACCES: "The sysctl vm.memfd_noexec forbids memory that can be executed: pass { exec: false }",
  }) as Error;
}

/** The name in /proc: "/memfd:" before it and " (deleted)" behind it are the kernel's. */
function linkedName(memory: MemFD): string {
  const link = new Uint8Array(new ArrayBuffer(LINK_BYTES));
  const encoder = new TextEncoder();
  const length = control("readlink", memory, (fd) => {
    const path = new Uint8Array(new ArrayBuffer(32));
    encoder.encodeInto(`/proc/self/fd/${fd}`, path);
    return libc.readlink(path, link, link.length);
  });
  const text = new TextDecoder().decode(link.subarray(0, length));
  return /^\/memfd:(.*) \(deleted\)$/s.exec(text)?.[1] ?? text;
}
