/**
 * A process that is held by a descriptor, whose place no other process can take.
 *
 * Kernel: pidfd_open is Linux 5.3, waiting 5.4, pidfd_getfd 5.6, PIDFD_NONBLOCK 5.10, PIDFD_THREAD
 * 6.9; PIDFD_GET_INFO 6.13, with the exit status of any process 6.15.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { type SignalName, signalNumber } from "../ffi/signals.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { Cell } from "./cell.ts";
import {
  acquire,
  Descriptor,
  OWNED,
  release,
  sharedCell,
  type SharedDescriptor,
} from "./descriptor.ts";
import type { ExitStatus, ProcessState } from "./exit_status.ts";
import { FD } from "./fd.ts";
import type { Handle } from "./interfaces.ts";
import { getFailure, openFailure } from "./pid_fd_failure.ts";
import { type ProcessInfo, processInfo } from "./process_info.ts";
import { parcel, PLAIN, sendFailure, type SendSignalOptions } from "./process_signal.ts";
import { LOOK, type ProcessWaitOptions, Report, waitFlags } from "./process_wait.ts";
import { descriptorNumber, flag, integer, options as checkOptions } from "./validate.ts";
import { type AwaitOptions, untilSettled } from "./waiting.ts";

const EBADF = errnoNumber("EBADF");

/** The highest pid that fits; the kernel gives none above 2²². */
const HIGHEST_PID = 0x7fffffff;

/** What a {@linkcode PidFD} is opened with. */
export interface PidFDOptions {
  /** Whether {@linkcode PidFD.wait} blocks the thread instead of answering null. Default: false. */
  blocking?: boolean;
  /**
   * Whether the number is that of any thread, and the handle is for this thread alone:
   * `PIDFD_THREAD`. Linux 6.9. Default: false, it is that of a process.
   */
  thread?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** A {@linkcode PidFD} in a form that `postMessage` can carry. */
export interface SharedPidFD extends SharedDescriptor {
  /** What {@linkcode PidFD.pid} is there as here. */
  readonly pid: number | null;
}

/**
 * A process by a descriptor: `pidfd_open(2)`. Once a process has ended, its pid can become another's;
 * a pidfd stays for the one process, and what is sent to it reaches this one or nobody.
 *
 * It is readable for a poller once the process has ended (a stopped process has not), and reports
 * `HUP` once it was reaped as well (Linux 6.9).
 *
 * A child that the runtime started (`Bun.spawn`, `Deno.Command`, `node:child_process`) is also
 * reaped by the runtime. {@link PidFD.exitStatus} therefore only looks, and finds the status before
 * and after; {@link PidFD.wait} takes nothing away either unless told to.
 *
 * Platforms: Linux 5.10, with `blocking` 5.4. See pidfd_open(2), waitid(2).
 *
 * @example
 * ```ts
 * import { Loop, PidFD } from "@fdloop/fdloop";
 * import { spawn } from "node:child_process";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using child = PidFD.open(spawn("sleep", ["60"]).pid!);
 * assertEquals(child.exitStatus(), null); // it runs
 * child.sendSignal("SIGTERM");
 * loop.watch(child, { readable: true }, () => loop.stop());
 * await loop.run();
 * assertEquals(child.exitStatus(), { code: null, signal: "SIGTERM", coreDumped: false });
 * ```
 */
export class PidFD extends Descriptor implements Handle {
  readonly #pid: number | null;
  readonly #report: Report = new Report();

  private constructor(key: symbol, owned: number | Cell, pid: number | null) {
    super(key, owned);
    this.#pid = pid;
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "PidFD";
  }

  /**
   * The number that the handle was opened with, null after {@link PidFD.adopt}. Once the process has
   * ended it may be another's; {@link PidFD.info} asks the kernel.
   */
  get pid(): number | null {
    return this.#pid;
  }

  /**
   * Opens a process by its pid: `pidfd_open(2)`, non-blocking and closed on exec by default.
   *
   * Only of a child is it certain that the pid is still its own: it stays taken until the child is
   * reaped. With a child that the runtime started, do it before the program next awaits something.
   *
   * @param pid the process, from 1; with `thread` any thread
   * @throws {TypeError} when the pid is no number, or an option is not what it should be
   * @throws {RangeError} when no process can have the pid
   * @throws {SyscallError} ESRCH, when no process has it; ENOENT (EINVAL before Linux 6.15), when it
   *   is that of a thread that is not the first of its process; EMFILE or ENFILE, when there is no
   *   descriptor left
   * @throws {UnsupportedError} when the kernel is too old for an option; on a system other than Linux
   *
   * @example
   * ```ts
   * import { PidFD, SyscallError } from "@fdloop/fdloop";
   * import { assertEquals, assertThrows } from "@std/assert";
   * import process from "node:process";
   *
   * using self = PidFD.open(process.pid);
   * assertEquals(self.pid, process.pid);
   * assertThrows(() => PidFD.open(0), RangeError);
   * assertThrows(() => PidFD.open(2 ** 22 + 1), SyscallError, "ESRCH");
   * ```
   */
  static open(pid: number, options: PidFDOptions = {}): PidFD {
    const what = "PidFD.open";
    integer(pid, `${what}: the pid`, 1, HIGHEST_PID);
    const { blocking = false, thread = false, inherit = false } = checkOptions(
      options,
      `${what}: options`,
    );
    const flags = (flag(blocking, `${what}: blocking`) ? 0 : linux.PIDFD_NONBLOCK) |
      (flag(thread, `${what}: thread`) ? linux.PIDFD_THREAD : 0);
    flag(inherit, `${what}: inherit`);
    const number = libc.pidfd_open(pid, flags >>> 0);
    if (number === -1) throw openFailure(errno(), blocking, thread);
    // Closed on exec whatever the flags say: it can only be undone.
    if (inherit) check("fcntl", libc.fcntl(number, posix.F_SETFD, 0), number);
    return new PidFD(OWNED, number, pid);
  }

  /**
   * Takes ownership of a pidfd by its number. From here on nothing else may close it.
   *
   * @param number the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number, or the descriptor of another kind of file
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it
   * @throws {UnsupportedError} on a system other than Linux
   *
   * @example
   * ```ts
   * import { PidFD, pipe } from "@fdloop/fdloop";
   * import { assertThrows } from "@std/assert";
   *
   * using ends = pipe();
   * assertThrows(() => PidFD.adopt(ends.reader.raw), TypeError, "must be a pidfd");
   * ```
   */
  static adopt(number: number): PidFD {
    const fd = descriptorNumber(number, "PidFD.adopt: the number") | 0;
    if (os !== "linux") throw new UnsupportedError("PidFD", "Linux; elsewhere use Loop.exited");
    check("fcntl", libc.fcntl(fd, posix.F_GETFD, 0), fd);
    // waitid says EBADF of everything else, and ECHILD or nothing of a pidfd.
    if (libc.waitid(linux.P_PIDFD, fd, null, LOOK) === -1 && errno() === EBADF) {
      throw new TypeError(`PidFD.adopt: fd ${fd} must be a pidfd, and is another kind of file`);
    }
    return new PidFD(OWNED, fd, null);
  }

  /**
   * Makes a handle of what {@link PidFD.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `PidFD`
   */
  static from(shared: SharedPidFD): PidFD {
    const cell = sharedCell(shared, "PidFD");
    const { pid } = shared;
    if (pid !== null) integer(pid, "PidFD.from: the pid", 1, HIGHEST_PID);
    return new PidFD(OWNED, cell, pid);
  }

  /**
   * Sends a signal: `pidfd_send_signal(2)`. The signal 0 sends nothing and asks whether there is a
   * process to send to; what is left of one that has ended, until it is reaped, counts as one.
   *
   * Nothing is allocated without options, when the signal is a number.
   *
   * @param signal a name such as `"SIGTERM"`, or a number from 0
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when there is no such signal, or the value does not fit in 64 bits
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ESRCH, when the process has ended and was reaped; EPERM, when it belongs
   *   to another user; EAGAIN, when too many signals are queued
   * @throws {UnsupportedError} when the kernel does not know scopes
   *
   * @example
   * ```ts
   * import { PidFD, SignalFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   * import process from "node:process";
   *
   * using signals = SignalFD.create(["SIGRTMIN+3"]);
   * using self = PidFD.open(process.pid);
   * self.sendSignal("SIGRTMIN+3", { value: -5 });
   * const info = signals.read();
   * assertEquals([info?.int, info?.pid], [-5, process.pid]);
   * ```
   */
  sendSignal(signal: SignalName | number, options?: SendSignalOptions): void {
    const number = signal === 0 ? 0 : signalNumber(signal);
    const sent = options === undefined ? PLAIN : parcel(number, options, "PidFD.sendSignal");
    const fd = acquire(this);
    if (libc.pidfd_send_signal(fd, number, sent.info, sent.flags) === 0) return release(this);
    const code = errno();
    release(this);
    throw sendFailure(code, fd, sent);
  }

  /**
   * Duplicates a descriptor of the process: `pidfd_getfd(2)`. The two share the open file, its offset
   * and its `O_NONBLOCK`; the new one is closed on exec.
   *
   * @param targetFd the number that the descriptor has in the process; 0 is one
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {ClosedError} when the handle is closed
   * @throws {TargetFDError} when the number is not open in the process
   * @throws {SyscallError} EPERM, without the right to trace the process; ESRCH, when it has ended;
   *   EMFILE or ENFILE, when there is no descriptor left
   * @throws {UnsupportedError} before Linux 5.6
   *
   * @example
   * ```ts
   * import { PidFD } from "@fdloop/fdloop";
   * import { spawn } from "node:child_process";
   * import { assertEquals } from "@std/assert";
   *
   * const cat = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
   * using child = PidFD.open(cat.pid!);
   * using input = child.getFD(0); // its stdin, under a number of ours
   * assertEquals(input.cloexec, true);
   * child.sendSignal("SIGKILL");
   * ```
   */
  getFD(targetFd: number): FD {
    const target = descriptorNumber(targetFd, "PidFD.getFD: the number") | 0;
    const fd = acquire(this);
    try {
      const number = libc.pidfd_getfd(fd, target, 0);
      if (number === -1) throw getFailure(errno(), fd, target, this.#pid);
      return FD.adopt(number);
    } finally {
      release(this);
    }
  }

  /**
   * Waits until the process, a child of this one, changes its state: `waitid(P_PIDFD)`. Answers null
   * when it has not; with `blocking`, waits for it.
   *
   * The report stays for whoever asks next, the runtime above all, unless `reap` says otherwise.
   * **Never reap the end of a child that the runtime started**: `Bun.spawn` and `Deno.Command`
   * reject their promises with ECHILD then, and `node:child_process` on Deno ends the program. What
   * a stop or a continuation leaves to report can be reaped of any child, by `exited: false`.
   *
   * On a worker the runtime can be faster, on its own thread, with a child that it started: then this
   * throws ECHILD. Most programs want {@link PidFD.exitStatus}, which finds the status anyway.
   *
   * @throws {TypeError} when an option is not what it should be, or there is nothing to wait for
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ECHILD, when the process is no child of this one, or was reaped
   *
   * @example
   * ```ts
   * import { PidFD } from "@fdloop/fdloop";
   * import { spawn } from "node:child_process";
   * import { assertEquals } from "@std/assert";
   *
   * using child = PidFD.open(spawn("sleep", ["60"]).pid!, { blocking: true });
   * child.sendSignal("SIGSTOP");
   * const stop = child.wait({ exited: false, stopped: true, reap: true });
   * assertEquals([stop?.code, stop?.signal], ["stopped", "SIGSTOP"]);
   * child.sendSignal("SIGKILL");
   * assertEquals(child.wait()?.code, "killed"); // and the runtime will see that, too
   * ```
   */
  wait(options: ProcessWaitOptions = {}): ProcessState | null {
    const flags = waitFlags(options, "PidFD.wait");
    const fd = acquire(this);
    try {
      return this.#report.wait(fd, flags);
    } finally {
      release(this);
    }
  }

  /**
   * Tells how the process ended, without waiting and without reaping it: `waitid(P_PIDFD)` with
   * `WNOWAIT` for a child, and `ioctl(PIDFD_GET_INFO)` for a child that was reaped and for any other
   * process. Answers null while that is not known.
   *
   * A process that is no child has its status once *its* parent has reaped it: the handle is readable
   * before that, when the process has ended, and reports `HUP` from then on.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {UnsupportedError} before Linux 6.15, when the process is no child, or was reaped
   *
   * @example
   * ```ts
   * import { PidFD } from "@fdloop/fdloop";
   * import { spawn } from "node:child_process";
   * import { once } from "node:events";
   * import { assertEquals } from "@std/assert";
   *
   * const program = spawn("sh", ["-c", "exit 7"]);
   * using child = PidFD.open(program.pid!);
   * await once(program, "exit"); // reaped by the runtime
   * assertEquals(child.exitStatus(), { code: 7, signal: null, coreDumped: false });
   * ```
   */
  exitStatus(): ExitStatus | null {
    const fd = acquire(this);
    try {
      return this.#report.exitStatus(fd);
    } finally {
      release(this);
    }
  }

  /**
   * Tells who the process is: `ioctl(PIDFD_GET_INFO)`. Answers null once it was reaped.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ESRCH, when the process is in none of the PID namespaces of this one
   * @throws {UnsupportedError} before Linux 6.13
   *
   * @example
   * ```ts
   * import { PidFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   * import process from "node:process";
   *
   * using self = PidFD.open(process.pid);
   * const info = self.info();
   * assertEquals([info?.pid, info?.ppid], [process.pid, process.ppid]);
   * ```
   */
  info(): ProcessInfo | null {
    const fd = acquire(this);
    try {
      return processInfo(fd);
    } finally {
      release(this);
    }
  }

  /**
   * Waits until the process has ended: how it did, as {@link PidFD.exitStatus} says it.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {ClosedError} when the handle is closed, before or while it waits
   * @throws {UnsupportedError} when the kernel does not tell how a stranger ended
   *
   * @example
   * ```ts
   * import { PidFD } from "@fdloop/fdloop";
   * import { spawn } from "node:child_process";
   * import { assertEquals } from "@std/assert";
   *
   * using child = PidFD.open(spawn("sh", ["-c", "exit 3"]).pid!);
   * assertEquals((await child.exited()).code, 3);
   * ```
   */
  exited(options: AwaitOptions = {}): Promise<ExitStatus> {
    return untilSettled(this, () => this.exitStatus(), options, "PidFD.exited");
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, for {@link PidFD.from}
   * there: {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedPidFD {
    return { ...super.share(), pid: this.#pid };
  }
}
