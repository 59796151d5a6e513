/**
 * The error of a call that failed.
 *
 * @module
 */

import { errnoName, errnoText } from "./errno.ts";

/**
 * A system call failed for a reason its caller could not expect: the `errno(3)` of one call.
 *
 * Would-block, end of file and a full counter are values, never this error. The fields have the
 * names that Node's system errors have; `errno` is the positive number of C.
 *
 * @example
 * ```ts
 * import { PidFD, SyscallError } from "@fdloop/fdloop";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => PidFD.open(2 ** 22 - 1), SyscallError);
 * assertEquals([error.code, error.errno, error.syscall], ["ESRCH", 3, "pidfd_open"]);
 * ```
 */
export class SyscallError extends Error {
  /** Always `"SyscallError"`. */
  override readonly name: string = "SyscallError";
  /** The symbolic name of the error, such as `"EBADF"`. */
  readonly code: string;
  /** The positive number that errno held. */
  readonly errno: number;
  /** The call that failed, by its C name. */
  readonly syscall: string;
  /** The descriptor it was called on, or −1 when it was called on none. */
  readonly fd: number;

  /**
   * Describes one failed call.
   *
   * @param syscall the C name of the call
   * @param errno the positive errno
   * @param fd the descriptor, −1 for none
   * @param remedy what the reader can do about it, as a sentence
   */
  constructor(syscall: string, errno: number, fd: number = -1, remedy: string = "") {
    const code = errnoName(errno);
    const where = fd >= 0 ? ` on fd ${fd}` : "";
    super(`${syscall}(2)${where}: ${code}, ${errnoText(errno)}${remedy && `. ${remedy}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.fd = fd;
  }
}
