/**
 * What /proc shows of this process: its threads, the signals they block, and its memory.
 *
 * The files are read by open(2) and read(2) of libc, not by the runtime, so that Deno needs no
 * permission for it beyond the one to call libc.
 *
 * @module
 */

import { posix } from "./const_posix.ts";
import { errnoNumber } from "./errno.ts";
import { check, errno, libc } from "./libc.ts";
import { SyscallError } from "./syscall_error.ts";
import { UnsupportedError } from "./unsupported.ts";

const TASKS = "/proc/self/task";

/** Where struct linux_dirent64 of getdents64(2) has the entry's length and its name. */
const D_RECLEN = 16;
const D_NAME = 19;

/** Room for a thousand threads in one call; more take more calls. */
const DIRECTORY_BYTES = 32768;

/** More than any `status` or `stat` has, up to its last field that is read here. */
const FILE_BYTES = 4096;

const ENOENT = errnoNumber("ENOENT");
const ESRCH = errnoNumber("ESRCH");

const decoder = new TextDecoder();

/**
 * The ids of all threads, in the order in which they were started.
 *
 * @throws {UnsupportedError} when /proc is absent, or shows another PID namespace than this one
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to read with
 */
export function threadIds(): number[] {
  const fd = openFile(TASKS, posix.O_DIRECTORY);
  if (fd === null) throw new UnsupportedError("the list of this process's threads", "/proc");
  const buffer = new Uint8Array(new ArrayBuffer(DIRECTORY_BYTES));
  const view = new DataView(buffer.buffer);
  const ids: number[] = [];
  try {
    for (;;) {
      const length = check("getdents64", libc.getdents64(fd, buffer, DIRECTORY_BYTES), fd);
      if (length === 0) break;
      for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
        const end = buffer.indexOf(0, at + D_NAME);
        const id = Number(decoder.decode(buffer.subarray(at + D_NAME, end)));
        if (id > 0) ids.push(id); // all but "." and ".."
      }
    }
  } finally {
    libc.close(fd);
  }
  if (!ids.includes(libc.gettid())) {
    throw new UnsupportedError("the list of this process's threads", "/proc of its PID namespace");
  }
  return ids;
}

/** The signals that a thread blocks, signal 1 in bit 0; null when the thread has ended. */
export function blockedBy(thread: number): bigint | null {
  const mask = /\nSigBlk:\t([0-9a-f]+)\n/.exec(fileText(`${TASKS}/${thread}/status`) ?? "");
  return mask === null ? null : BigInt(`0x${mask[1]}`);
}

/**
 * When a thread was started, in clock ticks, modulo 2^31: an id that was given to another thread
 * since has another time. 0 when the thread has ended.
 */
export function startOf(thread: number): number {
  const stat = fileText(`${TASKS}/${thread}/stat`) ?? "";
  // The name, field 2, is in parentheses and may contain anything. starttime is field 22.
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[22 - 3] ?? "0";
  return Number(BigInt(ticks) & 0x7fff_ffffn);
}

/** Copies memory of this process, null where none is readable: no address can crash this. */
export function memoryAt(address: bigint, length: number): Uint8Array | null {
  const fd = openFile("/proc/self/mem", 0);
  if (fd === null) return null;
  const buffer = new Uint8Array(new ArrayBuffer(length));
  const got = libc.pread_far(fd, buffer, length, address);
  libc.close(fd);
  return got === length ? buffer : null;
}

/** The beginning of a file of /proc, null when what it is about has ended. */
function fileText(path: string): string | null {
  const fd = openFile(path, 0);
  if (fd === null) return null;
  const buffer = new Uint8Array(new ArrayBuffer(FILE_BYTES));
  try {
    const length = libc.read(fd, buffer, FILE_BYTES);
    if (length >= 0) return decoder.decode(buffer.subarray(0, length));
    const code = errno();
    if (code === ESRCH) return null;
    throw new SyscallError("read", code, fd);
  } finally {
    libc.close(fd);
  }
}

/** Opens a file for reading, null when there is none. */
function openFile(path: string, flags: number): number | null {
  const text = new TextEncoder().encode(path);
  const name = new Uint8Array(new ArrayBuffer(text.byteLength + 1));
  name.set(text);
  const fd = libc.open(name, posix.O_RDONLY | posix.O_CLOEXEC | flags, 0);
  if (fd >= 0) return fd;
  const code = errno();
  if (code === ENOENT || code === ESRCH) return null;
  throw new SyscallError("open", code);
}
