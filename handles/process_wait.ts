/**
 * Waiting for a child by its pidfd: `waitid(P_PIDFD)`.
 *
 * Kernel: P_PIDFD is Linux 5.4.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { type ExitStatus, exitStatusFrom, type ProcessState, processState } from "./exit_status.ts";
import { statusOfReaped } from "./process_info.ts";
import { flag, options as checkOptions } from "./validate.ts";

/** What {@linkcode PidFD.wait} waits for. */
export interface ProcessWaitOptions {
  /** The end of the process: `WEXITED`. Default: true. */
  exited?: boolean;
  /** A signal stopped it: `WSTOPPED`. Default: false. */
  stopped?: boolean;
  /** SIGCONT let it go on: `WCONTINUED`. Default: false. */
  continued?: boolean;
  /**
   * Whether to take the report, so that nobody sees it again, and what is left of a process that
   * has ended goes with it. Default: false, it stays (`WNOWAIT`).
   */
  reap?: boolean;
}

/** Looks at a child that has ended, and leaves it to whoever reaps it. */
export const LOOK: number = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT;

const EAGAIN = errnoNumber("EAGAIN");
const ECHILD = errnoNumber("ECHILD");
const EINTR = errnoNumber("EINTR");

const at = structs.siginfo_t;

/**
 * The flags of waitid(2) that options stand for.
 *
 * @throws {TypeError} when an option is not what it should be, or nothing is left to wait for
 */
export function waitFlags(options: ProcessWaitOptions, what: string): number {
  const { exited = true, stopped = false, continued = false, reap = false } = checkOptions(
    options,
    `${what}: options`,
  );
  const flags = (flag(exited, `${what}: exited`) ? posix.WEXITED : 0) |
    (flag(stopped, `${what}: stopped`) ? posix.WSTOPPED : 0) |
    (flag(continued, `${what}: continued`) ? posix.WCONTINUED : 0);
  if (flags === 0) {
    throw new TypeError(
      `${what} has nothing to wait for: set exited, stopped or continued to true`,
    );
  }
  return flag(reap, `${what}: reap`) ? flags : flags | posix.WNOWAIT;
}

/** What waitid(2) reports, and the memory that it reports into. */
export class Report {
  readonly #idType: number;
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(at.size));
  readonly #view: DataView = new DataView(this.#bytes.buffer);

  /** Reports on what waitid(2) knows by ids of a type: pidfds, or P_PID. */
  constructor(idType: number = linux.P_PIDFD) {
    this.#idType = idType;
  }

  /** Waits for a change of state: null when there was none and the pidfd does not block. */
  wait(fd: number, flags: number): ProcessState | null {
    const code = this.#fill(fd, flags);
    if (code === EAGAIN) return null;
    if (code === 0) return this.#state();
    const remedy = code === ECHILD
      ? "The process is no child of this one, or it was reaped: exitStatus() knows more"
      : "";
    throw new SyscallError("waitid", code, fd, remedy);
  }

  /** Looks at how a process ended, whoever may wait for it: null while that is not known. */
  exitStatus(fd: number): ExitStatus | null {
    const code = this.#fill(fd, LOOK);
    if (code === EAGAIN) return null;
    if (code === 0) return exitStatusFrom(this.#state());
    if (code === ECHILD) return statusOfReaped(fd);
    throw new SyscallError("waitid", code, fd);
  }

  /** Answers 0 when there is a report, EAGAIN when there is none yet, or another errno. */
  #fill(fd: number, flags: number): number {
    for (;;) {
      this.#view.setInt32(at.si_pid, 0, true);
      if (libc.waitid(this.#idType, fd, this.#bytes, flags) === 0) {
        return this.#view.getInt32(at.si_pid, true) === 0 ? EAGAIN : 0;
      }
      const code = errno();
      if (code !== EINTR) return code;
    }
  }

  #state(): ProcessState {
    const view = this.#view;
    return processState(
      view.getInt32(at.si_pid, true),
      view.getUint32(at.si_uid, true),
      view.getInt32(at.si_code, true),
      view.getInt32(at.si_status, true),
    );
  }
}
