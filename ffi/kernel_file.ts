/**
 * The files that the kernel makes up when they are read: /proc and /sys.
 *
 * They are read by open(2) and read(2) of libc, not by the runtime, so that Deno needs no permission
 * for it beyond the one to call libc.
 *
 * @module
 */

import { posix } from "./const_posix.ts";
import { errnoNumber } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import { SyscallError } from "./syscall_error.ts";

/** Most of these files fit; sysfs(5) gives no more than a page to one read, however large the file. */
const CHUNK_BYTES = 4096;

const ENOENT = errnoNumber("ENOENT");
const ESRCH = errnoNumber("ESRCH");

/**
 * A file as text, null where there is none, or where what it is about has ended.
 *
 * @throws {SyscallError} EACCES, EMFILE and what else open(2) or read(2) reports
 */
export function kernelText(path: string): string | null {
  const fd = openKernelFile(path);
  if (fd === null) return null;
  const chunk = new Uint8Array(new ArrayBuffer(CHUNK_BYTES));
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const length = libc.read(fd, chunk, CHUNK_BYTES);
      if (length === 0) return text + decoder.decode();
      if (length > 0) {
        text += decoder.decode(chunk.subarray(0, length), { stream: true });
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
 * Opens a file for reading, null where there is none. `flags` are added to those of open(2); whoever
 * calls closes the number.
 *
 * @throws {SyscallError} EACCES, EMFILE and what else open(2) reports
 */
export function openKernelFile(path: string, flags: number = 0): number | null {
  const text = new TextEncoder().encode(path);
  const name = new Uint8Array(new ArrayBuffer(text.byteLength + 1));
  name.set(text);
  const fd = libc.open(name, posix.O_RDONLY | posix.O_CLOEXEC | flags, 0);
  if (fd >= 0) return fd;
  const code = errno();
  if (code === ENOENT || code === ESRCH) return null;
  throw new SyscallError("open", code);
}
