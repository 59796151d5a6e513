/**
 * The error of a number that is bad in another process.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";

/**
 * The other process has no descriptor of the number that {@linkcode PidFD.getFD} was asked for.
 *
 * Its `code` is `"EBADF"`, as the kernel says it, but nothing is wrong with any descriptor of this
 * process: `fd` is −1, and the number is in `targetFd`.
 *
 * @example
 * ```ts
 * import { PidFD, TargetFDError } from "@fdloop/fdloop";
 * import { assertEquals, assertThrows } from "@std/assert";
 * import process from "node:process";
 *
 * using self = PidFD.open(process.pid);
 * const error = assertThrows(() => self.getFD(987654), TargetFDError);
 * assertEquals([error.targetFd, error.pid, error.fd], [987654, process.pid, -1]);
 * ```
 */
export class TargetFDError extends SyscallError {
  /** Always `"TargetFDError"`. */
  override readonly name: string = "TargetFDError";
  /** The number that is not open in the other process. */
  readonly targetFd: number;
  /** The other process, null when the handle does not know it. */
  readonly pid: number | null;

  /**
   * Describes the call that reported it.
   *
   * @param targetFd the number in the other process
   * @param pid the other process, null when it is not known
   */
  constructor(targetFd: number, pid: number | null) {
    const who = pid === null ? "The other process" : `Process ${pid}`;
    super(
      "pidfd_getfd",
      errnoNumber("EBADF"),
      -1,
      `${who} has no open descriptor ${targetFd}, and the pidfd itself is in order: ` +
        `/proc/${pid ?? "PID"}/fd lists what is open there`,
    );
    this.targetFd = targetFd;
    this.pid = pid;
  }
}
