/**
 * Descriptors that a service manager has opened before it started this program.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { FD } from "./fd.ts";
import { Socket } from "./socket.ts";
import { requireLinux } from "./socket_open.ts";
import { options as checkOptions, shown } from "./validate.ts";

/** The number of the first: `SD_LISTEN_FDS_START`. */
const FIRST = 3;

/** More would be no list of sockets, and their numbers no descriptors. */
const MOST = 0xffff;

const ENOTSOCK = errnoNumber("ENOTSOCK");

/** The variables of {@linkcode listenFds}, as `process.env` has them. */
export interface ListenEnvironment {
  /** The process that they are for. */
  readonly LISTEN_PID?: string | undefined;
  /** How many descriptors there are. */
  readonly LISTEN_FDS?: string | undefined;
  /** Their names, with colons between them. */
  readonly LISTEN_FDNAMES?: string | undefined;
}

/** A descriptor that was passed on. */
export interface ListenFd {
  /** `FileDescriptorName=` of the unit, `"unknown"` where nobody said. */
  readonly name: string;
  /** A socket, or an `FD` for everything else that can be passed: a pipe, a device, a netlink socket. */
  readonly handle: Socket | FD;
}

/**
 * Takes over the descriptors that systemd passes on, or any starter that does as sd_listen_fds(3)
 * says: those from number 3 on, as many as `LISTEN_FDS` has, when `LISTEN_PID` is this process.
 * Answers none when it is another one or nothing is said.
 *
 * They are made non-blocking and closed on exec. Call it once: a second call would make second owners
 * of them. Children that are to start services of their own need an environment without the variables.
 *
 * Platforms: Linux. See sd_listen_fds(3), systemd.socket(5).
 *
 * @param environment usually `process.env`; on Deno that takes the permission to read these variables
 * @throws {TypeError} when it is no object
 * @throws {RangeError} when a variable is not a whole number, or there are not as many names as
 *   descriptors
 * @throws {SyscallError} EBADF, when one is not open: then none is taken
 * @throws {UnsupportedError} on anything but Linux
 *
 * @example
 * ```ts
 * import { listenFds, Socket } from "@fdloop/fdloop";
 * import process from "node:process";
 *
 * const [passed] = listenFds(process.env);
 * using listener = passed?.handle instanceof Socket ? passed.handle : Socket.listen("127.0.0.1:0");
 * ```
 */
export function listenFds(environment: ListenEnvironment): ListenFd[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = checkOptions(
    environment,
    "listenFds: the environment",
  );
  if (LISTEN_PID === undefined || LISTEN_FDS === undefined) return [];
  requireLinux("listenFds");
  if (decimal(LISTEN_PID, "LISTEN_PID", 0x7fff_ffff) !== libc.getpid()) return [];
  const count = decimal(LISTEN_FDS, "LISTEN_FDS", MOST);
  const names = LISTEN_FDNAMES?.split(":") ?? Array<string>(count).fill("unknown");
  if (names.length !== count) {
    throw new RangeError(
      `listenFds: LISTEN_FDNAMES must have ${count} names, as LISTEN_FDS says, got ${names.length}`,
    );
  }
  for (let number = FIRST; number < FIRST + count; number++) {
    check("fcntl", libc.fcntl(number, posix.F_GETFD, 0), number);
  }
  return names.map((name, index) => ({ name, handle: adopt(FIRST + index) }));
}

function adopt(number: number): Socket | FD {
  try {
    return Socket.adopt(number);
  } catch (error) {
    const isOther = error instanceof UnsupportedError ||
      (error instanceof SyscallError && error.errno === ENOTSOCK);
    if (!isOther) throw error;
  }
  const other = FD.adopt(number);
  other.setNonblock(true);
  other.setCloexec(true);
  return other;
}

function decimal(text: unknown, name: string, most: number): number {
  const value = typeof text === "string" && /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value <= most) return value;
  throw new RangeError(
    `listenFds: ${name} must be a whole number up to ${most}, got ${shown(text)}`,
  );
}
