/**
 * What kind of stream a descriptor is, and what only sockets can say.
 *
 * Kernel: every POSIX system; SO_PROTOCOL is Linux 2.6.32.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Descriptor } from "./descriptor.ts";
import { control } from "./io.ts";
import { receiveInto } from "./socket_io.ts";
import { getOption, OPTION } from "./socket_options.ts";

const EIO = errnoNumber("EIO");
const ENOTCONN = errnoNumber("ENOTCONN");
const ENOTSOCK = errnoNumber("ENOTSOCK");
const EPIPE = errnoNumber("EPIPE");

const byte = new Uint8Array(new ArrayBuffer(1));

const PROTOCOL = { level: socket.SOL_SOCKET, name: socket.SO_PROTOCOL };

/** What can be done with a descriptor. */
export interface StreamKind {
  /** Whether it was opened for reading. */
  readonly reads: boolean;
  /** Whether it was opened for writing. */
  readonly writes: boolean;
  /** Whether it is a socket. */
  readonly socket: boolean;
  /**
   * Whether a read that gives less than asked for has emptied it. Only TCP keeps that, and only up to
   * an urgent byte. A read of a Unix socket ends where descriptors were sent along, a read of a
   * terminal at the line, of a pipe in packet mode at the packet, and more can lie behind.
   */
  readonly shortReadEmpties: boolean;
}

const kinds: StreamKind[] = [];

/**
 * Finds out what a descriptor is for.
 *
 * @throws {TypeError} when it blocks, or when what it carries is messages
 */
export function streamKind(descriptor: Descriptor, what: string): StreamKind {
  const flags = control("fcntl", descriptor, (fd) => libc.fcntl(fd, posix.F_GETFL, 0));
  if ((flags & posix.O_NONBLOCK) === 0) {
    throw new TypeError(
      `${what}: fd ${descriptor.raw} blocks, and one slow peer would hold up the whole loop: call ` +
        "setNonblock(true), or open it without `blocking`",
    );
  }
  const type = socketType(descriptor);
  if (type === posix.SOCK_DGRAM || type === posix.SOCK_SEQPACKET) {
    throw new TypeError(
      `${what}: fd ${descriptor.raw} is a socket for messages, and a connection is a stream: ` +
        "those that had to wait would be sent as one. Watch it, and read and write it yourself",
    );
  }
  const access = flags & posix.O_ACCMODE;
  return kindOf(
    access !== posix.O_WRONLY,
    access !== posix.O_RDONLY,
    type !== null,
    type === posix.SOCK_STREAM && isTCP(descriptor),
  );
}

/** The one object for each kind, however many descriptors are of it. */
function kindOf(
  reads: boolean,
  writes: boolean,
  socket: boolean,
  shortReadEmpties: boolean,
): StreamKind {
  const place = Number(reads) | Number(writes) << 1 | Number(socket) << 2 |
    Number(shortReadEmpties) << 3;
  return kinds[place] ??= { reads, writes, socket, shortReadEmpties };
}

/**
 * What broke a descriptor that an error was reported of: SO_ERROR of a socket, which is read once,
 * null when it has none. Nothing else can be asked: a pipe without a reader says EPIPE when it is
 * written, and whatever reads and does not say more is EIO.
 */
export function pendingError(descriptor: Descriptor, kind: StreamKind): SyscallError | null {
  if (!kind.socket) {
    return kind.reads
      ? new SyscallError("read", EIO, descriptor.raw)
      : new SyscallError("write", EPIPE, descriptor.raw);
  }
  const code = getOption(descriptor, OPTION.error);
  return code === 0 ? null : new SyscallError("SO_ERROR", code, descriptor.raw);
}

/** Whether the next read of a socket finds the end: `recv(MSG_PEEK)`. Of anything else it is not known. */
export function isAtEnd(descriptor: Descriptor, kind: StreamKind): boolean {
  return kind.socket && receiveInto(descriptor, byte, socket.MSG_PEEK) === 0;
}

/**
 * Ends the writing side of a socket: `shutdown(SHUT_WR)`. One that is not connected any more has
 * ended it already: by itself, or because of an error that is thrown.
 */
export function endWriting(descriptor: Descriptor, kind: StreamKind): void {
  const result = control("shutdown", descriptor, (fd) => {
    const result = libc.shutdown(fd, socket.SHUT_WR);
    return result === -1 && errno() === ENOTCONN ? 1 : result;
  });
  const error = result === 1 ? pendingError(descriptor, kind) : null;
  if (error !== null) throw error;
}

/** The type of a socket, null for what is none. */
function socketType(descriptor: Descriptor): number | null {
  try {
    return getOption(descriptor, OPTION.type);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOTSOCK) return null;
    throw error;
  }
}

function isTCP(descriptor: Descriptor): boolean {
  return !Number.isNaN(PROTOCOL.name) && getOption(descriptor, PROTOCOL) === socket.IPPROTO_TCP;
}
