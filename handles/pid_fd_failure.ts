/**
 * What it means when a call about a process fails.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { supports } from "../ffi/supports.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { TargetFDError } from "./target_fd_error.ts";

const EBADF = errnoNumber("EBADF");
const EINVAL = errnoNumber("EINVAL");
const ENOENT = errnoNumber("ENOENT");
const ENOSYS = errnoNumber("ENOSYS");
const EPERM = errnoNumber("EPERM");

/** Makes the error of pidfd_open(2). EINVAL can mean a flag that the kernel does not know. */
export function openFailure(code: number, blocking: boolean, thread: boolean): Error {
  if (code === ENOSYS) return new UnsupportedError("pidfd_open(2)", "Linux 5.3");
  if (code === EINVAL && thread && !supports("PIDFD_THREAD")) {
    return new UnsupportedError("the pidfd of a thread (PIDFD_THREAD)", "Linux 6.9");
  }
  if (code === EINVAL && !blocking && !supports("PIDFD_NONBLOCK")) {
    return new UnsupportedError(
      "a pidfd that does not block (PIDFD_NONBLOCK)",
      "Linux 5.10; the option blocking: true does without",
    );
  }
  const remedy = code === ENOENT || code === EINVAL
    ? "It is a thread, and not the first of its process: open it with the option thread: true"
    : "";
  return new SyscallError("pidfd_open", code, -1, remedy);
}

/** Makes the error of pidfd_getfd(2). EBADF is either number's, this process's or the other's. */
export function getFailure(
  code: number,
  fd: number,
  targetFd: number,
  pid: number | null,
): Error {
  if (code === EBADF && isPidFD(fd)) return new TargetFDError(targetFd, pid);
  if (code === ENOSYS) return new UnsupportedError("pidfd_getfd(2)", "Linux 5.6");
  const remedy = code === EPERM
    ? "It takes the right to trace the process (ptrace(2)): its user, and what the sysctl " +
      "kernel.yama.ptrace_scope asks for, or the capability CAP_SYS_PTRACE"
    : "";
  return new SyscallError("pidfd_getfd", code, fd, remedy);
}

/** Whether a signal could be sent by a number, whether or not it would be allowed. */
function isPidFD(fd: number): boolean {
  return libc.pidfd_send_signal(fd, 0, null, 0) === 0 || errno() !== EBADF;
}
