/**
 * Opening both sides of a pseudoterminal.
 *
 * Kernel: TIOCGPTPEER is Linux 4.13. Elsewhere, and before, the slave is opened by its name.
 *
 * @module
 */

import { cString } from "../ffi/c_string.ts";
import { posix } from "../ffi/const_posix.ts";
import { tty } from "../ffi/const_tty.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";

/** More than any terminal's name has: "/dev/pts/1048575". */
const NAME_BYTES = 256;

const EBADF = errnoNumber("EBADF");
const EINVAL = errnoNumber("EINVAL");
const ENODEV = errnoNumber("ENODEV");
const ENOENT = errnoNumber("ENOENT");
const ENOTTY = errnoNumber("ENOTTY");

/** What says that there is no terminal of that kind, or none that has a name here. */
const NAMELESS: readonly number[] = [EBADF, EINVAL, ENODEV, ENOENT, ENOTTY];

/** Where a program looks for the terminal that it runs on: most of them leave stderr alone. */
const STANDARD = [2, 1, 0] as const;

const decoder = new TextDecoder();

/**
 * Opens a new master whose slave can be opened: `posix_openpt(3)`, closed on exec from the first
 * moment where the system can. It may block; its owner changes that.
 */
export function openMaster(): number {
  // FreeBSD takes O_CLOEXEC and nothing else beside these; Darwin neither.
  const cloexec = os === "darwin" ? 0 : posix.O_CLOEXEC;
  const master = check("posix_openpt", libc.posix_openpt(posix.O_RDWR | posix.O_NOCTTY | cloexec));
  try {
    if (cloexec === 0) check("fcntl", libc.fcntl(master, posix.F_SETFD, posix.FD_CLOEXEC), master);
    check("grantpt", libc.grantpt(master), master);
    check("unlockpt", libc.unlockpt(master), master);
  } catch (error) {
    libc.close(master);
    throw error;
  }
  return master;
}

/**
 * Opens the slave of a master, not as anybody's controlling terminal, and closed on exec.
 *
 * `ioctl(TIOCGPTPEER)` needs no path, so that it finds the right one in whatever container this is; a
 * kernel that lacks it says EINVAL or ENOTTY, and then the slave is opened by its name.
 *
 * @param byPeer whether to try the ioctl at all; tests force the other way
 */
export function openSlave(master: number, byPeer: boolean = os === "linux"): number {
  const flags = posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC;
  if (byPeer) {
    const slave = libc.ioctl_value(master, tty.TIOCGPTPEER, flags);
    if (slave !== -1) return slave;
    const code = errno();
    if (code !== EINVAL && code !== ENOTTY) throw new SyscallError("ioctl", code, master);
  }
  const path = slavePath(master);
  if (path === null) throw new SyscallError("ptsname_r", ENOTTY, master);
  return check("open", libc.open(cString(path), flags >>> 0, 0));
}

/**
 * Opens the terminal that this program runs on, by its name, or else a duplicate of a standard stream.
 *
 * @throws {SyscallError} ENXIO, when there is none
 */
export function openCurrent(): number {
  const flags = posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC | posix.O_NONBLOCK;
  for (const number of STANDARD) {
    const path = terminalPath(number);
    if (path === null) continue;
    const opened = libc.open(cString(path), flags >>> 0, 0);
    if (opened !== -1) return opened;
    return check("fcntl", libc.fcntl(number, posix.F_DUPFD_CLOEXEC, 0), number);
  }
  return check("open", libc.open(cString("/dev/tty"), flags >>> 0, 0));
}

/** The name of a master's slave: `ptsname_r(3)`. Null for what is no master. */
export function slavePath(master: number): string | null {
  return nameBy("ptsname_r", master, libc.ptsname_r);
}

/** The name of a terminal: `ttyname_r(3)`. Null where it has none, as in a container. */
export function terminalPath(fd: number): string | null {
  return nameBy("ttyname_r", fd, libc.ttyname_r);
}

function nameBy(
  call: string,
  fd: number,
  name: (fd: number, buffer: Uint8Array, length: number) => number,
): string | null {
  const buffer = new Uint8Array(new ArrayBuffer(NAME_BYTES));
  const result = name(fd, buffer, NAME_BYTES);
  if (result === 0) return decoder.decode(buffer.subarray(0, buffer.indexOf(0)));
  const code = result === -1 ? errno() : result;
  if (NAMELESS.includes(code)) return null;
  throw new SyscallError(call, code, fd);
}
