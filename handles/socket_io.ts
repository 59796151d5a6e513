/**
 * accept4(2), and what send(2) and recv(2) have beyond write(2) and read(2).
 *
 * Kernel: accept4(2) is Linux 2.6.28.
 *
 * @module
 */

import { socket } from "../ffi/const_socket.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { LOST } from "./accept_errors.ts";
import { Borrowed } from "./borrowed.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { again, countOf, memoryOf } from "./io.ts";
import { withRemedy } from "./remedy.ts";
import { AddressRoom, decodeAddress } from "./sockaddr.ts";
import type { SocketAddress } from "./socket_address.ts";
import { getOption, OPTION } from "./socket_options.ts";
import { flag, options as checkOptions } from "./validate.ts";

const { MSG_NOSIGNAL, MSG_OOB, MSG_TRUNC } = socket;

/** For bytes that others follow at once: see {@link SendOptions.more}. */
export const MORE: number = MSG_NOSIGNAL | socket.MSG_MORE;

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");
const EINVAL = errnoNumber("EINVAL");

/** How bytes are sent. */
export interface SendOptions {
  /** Whether more follows at once, so that TCP need not send a part of a packet: `MSG_MORE`. Default: false. */
  more?: boolean;
  /** Whether the last of the bytes is urgent: `MSG_OOB`. Default: false. */
  oob?: boolean;
}

/** How bytes are received. */
export interface ReceiveOptions {
  /** Whether they stay, to be received again: `MSG_PEEK`. Default: false. */
  peek?: boolean;
  /** Whether to receive the urgent byte instead: `MSG_OOB`. Default: false. */
  oob?: boolean;
}

/** A datagram that was received. */
export interface Datagram {
  /** How many of its bytes are in the buffer; 0 for an empty one. */
  readonly length: number;
  /** Whether it was longer than the buffer: the rest is lost. */
  readonly truncated: boolean;
  /** Where it came from, null when its sender has no address, as unbound Unix sockets have none. */
  readonly address: SocketAddress | null;
}

/** A connection that was accepted, before anybody owns it. */
export interface Accepted {
  readonly number: number;
  /** The peer's `struct sockaddr`. */
  readonly peer: Uint8Array;
}

const room = new AddressRoom();

/** Accepts a connection: null when none is waiting. */
export function acceptFrom(listener: Descriptor, flags: number): Accepted | null {
  const fd = acquire(listener);
  for (;;) {
    const { bytes, length } = room.empty();
    const number = libc.accept4(fd, bytes, length, flags);
    if (number >= 0) {
      release(listener);
      return { number, peer: room.filled.slice() };
    }
    const code = errno();
    if (code === EINTR) continue;
    // EOPNOTSUPP is also what a socket says that can accept nothing, and says again.
    if (LOST.has(code) && getOption(new Borrowed(fd), OPTION.listening) !== 0) continue;
    release(listener);
    if (code === EAGAIN) return null;
    throw withRemedy(new SyscallError("accept4", code, fd), {
      EINVAL: "It does not listen, or was shut down: only what Socket.listen returned accepts",
      EOPNOTSUPP: "It is a socket for datagrams, which accepts nothing: call receiveFrom",
      EMFILE:
        "This process has no descriptor left, and the connection waits: close some first, or " +
        "raise the limit (ulimit -n)",
      ENFILE: "The system has no descriptor left (fs.file-max), and the connection waits",
    });
  }
}

/** The flags of send(2). */
export function sendFlags(options: SendOptions, what: string): number {
  const { more = false, oob = false } = checkOptions(options, `${what}: options`);
  return MSG_NOSIGNAL |
    (flag(more, `${what}: more`) ? socket.MSG_MORE : 0) |
    (flag(oob, `${what}: oob`) ? socket.MSG_OOB : 0);
}

/** The flags of recv(2). */
export function receiveFlags(options: ReceiveOptions, what: string): number {
  const { peek = false, oob = false } = checkOptions(options, `${what}: options`);
  return (flag(peek, `${what}: peek`) ? socket.MSG_PEEK : 0) |
    (flag(oob, `${what}: oob`) ? MSG_OOB : 0);
}

/**
 * Sends a view, to the peer where no address is given, as send(2) does: how many of its bytes were
 * taken, null for would-block.
 */
export function sendFrom(
  descriptor: Descriptor,
  view: Uint8Array,
  flags: number,
  address: Uint8Array<ArrayBuffer> | null,
): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const addressLength = address === null ? 0 : address.byteLength;
  const fd = acquire(descriptor);
  for (;;) {
    const taken = libc.sendto(fd, memory, count, flags, address, addressLength);
    if (taken >= 0) {
      release(descriptor);
      return taken;
    }
    if (again("sendto", descriptor, fd) === null) return null;
  }
}

/**
 * Receives into a view, as recv(2) does where the sender's address is not wanted: the number of bytes,
 * null for would-block.
 */
export function receiveInto(
  descriptor: Descriptor,
  view: Uint8Array,
  flags: number,
  sender: AddressRoom | null = null,
): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const fd = acquire(descriptor);
  for (;;) {
    const got = sender === null
      ? libc.recvfrom(fd, memory, count, flags, null, null)
      : libc.recvfrom(fd, memory, count, flags, sender.empty().bytes, sender.length);
    if (got >= 0) {
      release(descriptor);
      return got;
    }
    const code = errno();
    if (code === EINTR) continue;
    release(descriptor);
    // EINVAL is how TCP says that no byte is urgent.
    if (code === EAGAIN || (code === EINVAL && (flags & MSG_OOB) !== 0)) return null;
    throw new SyscallError("recvfrom", code, fd);
  }
}

/** Receives a datagram and where it came from; null for would-block. */
export function receiveDatagram(descriptor: Descriptor, view: Uint8Array): Datagram | null {
  // With this flag the length is the datagram's own. A stream would throw bytes away for it.
  const size = receiveInto(descriptor, view, MSG_TRUNC, room);
  if (size === null) return null;
  const most = countOf(view);
  const address = decodeAddress(room.filled);
  return { length: Math.min(size, most), truncated: size > most, address };
}
