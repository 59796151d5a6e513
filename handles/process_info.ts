/**
 * What the kernel tells about a process by its pidfd: `ioctl(PIDFD_GET_INFO)`.
 *
 * Kernel: Linux 6.13; the exit status of a process that was reaped 6.15.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { type ExitStatus, exitStatusOf } from "./exit_status.ts";

const EINTR = errnoNumber("EINTR");
const EINVAL = errnoNumber("EINVAL");
const ENOSYS = errnoNumber("ENOSYS");
const ENOTTY = errnoNumber("ENOTTY");
const ESRCH = errnoNumber("ESRCH");

/**
 * How often the kernel is asked about a process while it is being reaped and has no pid any more:
 * Linux 6.18 says ESRCH for that moment. Of 20,000 processes, 84 needed a second look, none a third.
 */
const LOOKS = 100;

/** How long a thread that reaps may be kept from it by others. */
const REAPING_MS = 100;

const WHO = linux.PIDFD_INFO_PID | linux.PIDFD_INFO_CREDS | linux.PIDFD_INFO_CGROUPID;

/** Who a process is, as the namespaces of the caller number it. */
export interface ProcessInfo {
  /** Its pid, or the id of the thread that the pidfd is for. */
  readonly pid: number;
  /** The process that the thread belongs to; the same as `pid` for a process. */
  readonly tgid: number;
  /** Its parent, 0 when that is in none of the caller's PID namespaces. */
  readonly ppid: number;
  /** The real user. */
  readonly ruid: number;
  /** The real group. */
  readonly rgid: number;
  /** The effective user, who its rights are those of. */
  readonly euid: number;
  /** The effective group. */
  readonly egid: number;
  /** The saved set-user-ID. */
  readonly suid: number;
  /** The saved set-group-ID. */
  readonly sgid: number;
  /** The user for access to files. */
  readonly fsuid: number;
  /** The group for access to files. */
  readonly fsgid: number;
  /** The id of its control group in the unified hierarchy, null on a kernel without cgroups. */
  readonly cgroupId: bigint | null;
}

const at = structs.pidfd_info;

/** `struct pidfd_info` of the first version, which every kernel that has the call fills. */
class InfoRecord {
  readonly #view = new DataView(new ArrayBuffer(linux.PIDFD_INFO_SIZE_VER0));

  /** Has the kernel fill the record with what a mask asks for: answers 0 or the errno. */
  fill(fd: number, mask: number): number {
    this.#view.setUint32(at.mask, mask, true);
    const result = libc.ioctl(fd, linux.PIDFD_GET_INFO, new Uint8Array(this.#view.buffer));
    return result === -1 ? errno() : 0;
  }

  /** Whether the kernel filled the part that a bit of the mask stands for. */
  has(bit: number): boolean {
    return (this.u32("mask") & bit) !== 0;
  }

  u32(field: keyof typeof at): number {
    return this.#view.getUint32(at[field], true);
  }

  get cgroupId(): bigint | null {
    return this.has(linux.PIDFD_INFO_CGROUPID) ? this.#view.getBigUint64(at.cgroupid, true) : null;
  }
}

/**
 * Asks who a process is. Answers null when it was reaped: it is nobody any more.
 *
 * @throws {UnsupportedError} before Linux 6.13
 * @throws {SyscallError} ESRCH, when the process is in none of the caller's PID namespaces
 */
export function processInfo(fd: number): ProcessInfo | null {
  const record = new InfoRecord();
  let code = ESRCH;
  for (let look = 0; code === ESRCH && look < LOOKS; look++) {
    code = record.fill(fd, WHO);
    if (code === ESRCH && !exists(fd)) return null;
  }
  if (code !== 0) throw failure(code, fd, "PIDFD_GET_INFO", "Linux 6.13");
  const u32 = record.u32.bind(record);
  return {
    pid: u32("pid"),
    tgid: u32("tgid"),
    ppid: u32("ppid"),
    ruid: u32("ruid"),
    rgid: u32("rgid"),
    euid: u32("euid"),
    egid: u32("egid"),
    suid: u32("suid"),
    sgid: u32("sgid"),
    fsuid: u32("fsuid"),
    fsgid: u32("fsgid"),
    cgroupId: record.cgroupId,
  };
}

/**
 * Asks how a process ended that this one cannot wait for, null while nobody knows.
 *
 * @throws {UnsupportedError} before Linux 6.15, which forgets it when the process is reaped
 */
export function statusOfReaped(fd: number): ExitStatus | null {
  const record = new InfoRecord();
  let code = ESRCH; // which Linux before 6.15 says for ever
  for (let look = 0; code === ESRCH && look < LOOKS; look++) {
    code = record.fill(fd, linux.PIDFD_INFO_EXIT);
  }
  if (code === 0) {
    if (record.has(linux.PIDFD_INFO_EXIT)) return exitStatusOf(record.u32("exit_code"));
    // A child that has ended and cannot be waited for: another thread has just begun to reap it.
    const reaping = record.u32("ppid") === libc.getpid() && isReapedSoon(fd);
    return reaping ? statusOfReaped(fd) : null;
  }
  throw failure(
    code === ESRCH ? ENOTTY : code,
    fd,
    "the exit status of a process that is no child, or that was reaped,",
    "Linux 6.15; before, take it from whoever started the process",
  );
}

/** Waits until a process that has ended is reaped, for as long as somebody else may need for it. */
function isReapedSoon(fd: number): boolean {
  return (poll(fd, posix.POLLIN, 0) & posix.POLLIN) !== 0 && poll(fd, 0, REAPING_MS) > 0;
}

/** What poll(2) reports of a pidfd within so many milliseconds, 0 for nothing. */
function poll(fd: number, events: number, ms: number): number {
  const view = new DataView(new ArrayBuffer(structs.pollfd.size));
  view.setInt32(structs.pollfd.fd, fd, true);
  view.setInt16(structs.pollfd.events, events, true);
  const bytes = new Uint8Array(view.buffer);
  while (libc.poll(bytes, 1, ms) === -1 && errno() === EINTR);
  return view.getInt16(structs.pollfd.revents, true);
}

/** Whether there is a process still, if only what is left of one until it is reaped. */
function exists(fd: number): boolean {
  return libc.pidfd_send_signal(fd, 0, null, 0) === 0 || errno() !== ESRCH;
}

/** EINVAL is how Linux 6.11 and 6.12 refuse every ioctl of a pidfd with an argument. */
function failure(code: number, fd: number, feature: string, requires: string): Error {
  return code === ENOTTY || code === ENOSYS || code === EINVAL
    ? new UnsupportedError(feature, requires)
    : new SyscallError("ioctl", code, fd);
}
