/**
 * The files that the kernel makes up when they are read: /proc and /sys.
 *
 * They are read by open(2) and read(2) of libc, not by the runtime, so that Deno needs no permission
 * for it beyond the one to call libc.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { posix } from "./const_posix.ts";
import { errnoNumber } from "./errno.ts";
import { check, errno, libc } from "./libc.ts";
import { SyscallError } from "./syscall_error.ts";

/** Most of these files fit; sysfs(5) gives no more than a page to one read, however large the file. */
const CHUNK_BYTES = 4096;

/** Of a table that can have a million lines, so much is read at once. */
const TABLE_BYTES = 65536;

/** Where struct linux_dirent64 of getdents64(2) has the entry's length and its name. */
const D_RECLEN = 16;
const D_NAME = 19;

/** Room for a thousand entries in one call; more take more calls. */
const DIRECTORY_BYTES = 32768;

/** More than any link has that is read here. */
const LINK_BYTES = 256;

const ENOENT = errnoNumber("ENOENT");
const ESRCH = errnoNumber("ESRCH");

const decoder = new TextDecoder();

/**
 * A file as text, null where there is none, or where what it is about has ended.
 *
 * @throws {SyscallError} EACCES, EMFILE and what else open(2) or read(2) reports
 */
export function kernelText(path: string): string | null {
  const fd = openKernelFile(path);
  if (fd === null) return null;
  const chunk = new Uint8Array(new ArrayBuffer(CHUNK_BYTES));
  const stream = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const length = libc.read(fd, chunk, CHUNK_BYTES);
      if (length === 0) return text + stream.decode();
      if (length > 0) {
        text += stream.decode(chunk.subarray(0, length), { stream: true });
        continue;
      }
      const code = errno();
      if (code === ESRCH) return null;
      throw new SyscallError("read", code, fd);
    }
  } finally {
    libc.close(fd);
  }
}

/**
 * The names in a folder; null when what it is about has ended.
 *
 * @throws {SyscallError} EACCES, when it is not for this user; EMFILE, ENFILE
 */
export function entriesOf(path: string): string[] | null {
  const fd = openKernelFile(path, posix.O_DIRECTORY);
  if (fd === null) return null;
  const buffer = new Uint8Array(new ArrayBuffer(DIRECTORY_BYTES));
  const view = new DataView(buffer.buffer);
  const names: string[] = [];
  try {
    for (;;) {
      const length = libc.getdents64(fd, buffer, DIRECTORY_BYTES);
      if (length === 0) return names;
      if (length === -1) {
        const code = errno();
        if (code === ENOENT || code === ESRCH) return null;
        throw new SyscallError("getdents64", code, fd);
      }
      for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
        const end = buffer.indexOf(0, at + D_NAME);
        const name = decoder.decode(buffer.subarray(at + D_NAME, end));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } finally {
    libc.close(fd);
  }
}

/**
 * The lines of a table, however long it is; none when there is no such table.
 *
 * @throws {SyscallError} EACCES, EMFILE, ENFILE
 */
export function* linesOf(path: string): Generator<string, void, undefined> {
  const fd = openKernelFile(path);
  if (fd === null) return;
  const buffer = new Uint8Array(new ArrayBuffer(TABLE_BYTES));
  const text = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const length = check("read", libc.read(fd, buffer, TABLE_BYTES), fd);
      if (length === 0) break;
      const lines = (rest + text.decode(buffer.subarray(0, length), { stream: true })).split("\n");
      rest = lines.pop()!;
      yield* lines;
    }
  } finally {
    libc.close(fd);
  }
  if (rest !== "") yield rest;
}

/**
 * Where a link leads, null when it is gone.
 *
 * @throws {SyscallError} EACCES, when it is not for this user
 */
export function linkOf(path: string): string | null {
  const buffer = new Uint8Array(new ArrayBuffer(LINK_BYTES));
  const length = libc.readlink(cString(path), buffer, LINK_BYTES);
  if (length >= 0) return decoder.decode(buffer.subarray(0, length));
  const code = errno();
  if (code === ENOENT || code === ESRCH) return null;
  throw new SyscallError("readlink", code);
}

/**
 * Opens a file for reading, null where there is none. `flags` are added to those of open(2); whoever
 * calls closes the number.
 *
 * @throws {SyscallError} EACCES, EMFILE and what else open(2) reports
 */
export function openKernelFile(path: string, flags: number = 0): number | null {
  const fd = libc.open(cString(path), posix.O_RDONLY | posix.O_CLOEXEC | flags, 0);
  if (fd >= 0) return fd;
  const code = errno();
  if (code === ENOENT || code === ESRCH) return null;
  throw new SyscallError("open", code);
}
