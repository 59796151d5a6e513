/**
 * Sockets: TCP and UDP over IPv4 and IPv6, and Unix sockets.
 *
 * Kernel: accept4(2) is Linux 2.6.28; each option says what it needs.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { check, libc } from "../ffi/libc.ts";
import type { Cell } from "./cell.ts";
import { OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
import type { ReadWriter } from "./interfaces.ts";
import { control, readInto, writeFrom } from "./io.ts";
import { encodeAddress } from "./sockaddr.ts";
import { type AddressLike, checkAddress } from "./socket_address.ts";
import { SocketBase } from "./socket_base.ts";
import {
  acceptFrom,
  type Datagram,
  receiveDatagram,
  receiveFlags,
  receiveInto,
  type ReceiveOptions,
  sendFlags,
  sendFrom,
  type SendOptions,
} from "./socket_io.ts";
import {
  adoptedType,
  type BindOptions,
  type ConnectOptions,
  type ListenOptions,
  openConnection,
  openDatagram,
  openListener,
  type SocketFlags,
  socketFlags,
} from "./socket_open.ts";
import { type SocketType, TYPES } from "./socket_options.ts";
import { bytes, descriptorNumber, oneOf } from "./validate.ts";

/** What a hot call is given when its caller gives nothing: an object less for each. */
const DEFAULTS = Object.freeze({});

/** A {@linkcode Socket} in a form that `postMessage` can carry. */
export interface SharedSocket extends SharedDescriptor {
  /** What {@linkcode SocketBase.type} is there as here. */
  readonly type: SocketType;
}

/**
 * A socket: `socket(2)` and everything after it, without a name that has to be looked up first.
 *
 * Platforms: Linux. See socket(7), ip(7), tcp(7), udp(7), unix(7).
 *
 * @example
 * ```ts
 * import { Loop, Socket } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using listener = Socket.listen("127.0.0.1:0");
 * using client = Socket.connect(listener.localAddress);
 * const greeting = loop.readable(listener).then(async () => {
 *   using connection = listener.accept()!;
 *   client.write(new TextEncoder().encode("hello"));
 *   await loop.readable(connection);
 *   const buffer = new Uint8Array(64);
 *   return new TextDecoder().decode(buffer.subarray(0, connection.read(buffer)!));
 * });
 * await loop.run();
 * assertEquals(await greeting, "hello");
 * ```
 */
export class Socket extends SocketBase implements ReadWriter {
  private constructor(
    key: symbol,
    owned: number | Cell,
    type: SocketType,
    peer: Uint8Array | null = null,
  ) {
    super(key, owned, type, peer);
  }

  /** Always `"Socket"`. */
  get [Symbol.toStringTag](): string {
    return "Socket";
  }

  /**
   * Makes a listener: `socket(2)`, `bind(2)`, `listen(2)`. It is readable when {@link Socket.accept}
   * has something to give. Its file, where it has one, stays when it is closed.
   *
   * @param address such as `"0.0.0.0:80"`, `"[::]:80"`, `"unix:/run/x.sock"`, `"unix:@name"`; port 0
   *   and `"unix:"` let the kernel choose, see {@link SocketBase.localAddress}
   * @throws {TypeError} when an argument is not what it should be, or an option not for that address
   * @throws {RangeError} when a number is out of range, or a path is too long
   * @throws {SyscallError} EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOENT, EMFILE, ENFILE
   * @throws {UnsupportedError} on anything but Linux
   *
   * @example
   * ```ts
   * import { Socket } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using first = Socket.listen("127.0.0.1:0", { reusePort: true, noDelay: true, backlog: 128 });
   * using second = Socket.listen(first.localAddress, { reusePort: true });
   * assertEquals(second.localAddress, first.localAddress);
   * ```
   */
  static listen(address: AddressLike, options: ListenOptions = {}): Socket {
    const { number, type } = openListener(address, options, "Socket.listen");
    return new Socket(OWNED, number, type);
  }

  /**
   * Makes a socket for datagrams: `socket(SOCK_DGRAM)`, `bind(2)`. It is not the method of that name
   * that functions have.
   *
   * @param address as for {@link Socket.listen}
   * @throws {TypeError} when an argument is not what it should be, or an option not for that address
   * @throws {RangeError} when a number is out of range, or a path is too long
   * @throws {SyscallError} EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOENT, EMFILE, ENFILE
   * @throws {UnsupportedError} on anything but Linux
   *
   * @example
   * ```ts
   * import { Socket } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using server = Socket.bind("127.0.0.1:0");
   * using client = Socket.bind("127.0.0.1:0");
   * client.sendTo(new Uint8Array(3), server.localAddress);
   * const datagram = server.receiveFrom(new Uint8Array(64));
   * assertEquals(datagram, { length: 3, truncated: false, address: client.localAddress });
   * ```
   */
  static override bind(address: AddressLike, options: BindOptions = {}): Socket {
    return new Socket(OWNED, openDatagram(address, options, "Socket.bind"), "dgram");
  }

  /**
   * Begins a connection: `socket(2)`, `connect(2)`. It is answered at once, and is writable when the
   * outcome is known, which {@link SocketBase.error} then tells. With `blocking` it waits for that.
   *
   * Unix sockets, datagrams and some failures know the outcome at once, and throw it.
   *
   * @throws {TypeError} when an argument is not what it should be, or an option not for that address
   * @throws {RangeError} when a number is out of range, or a path is too long
   * @throws {SyscallError} ENETUNREACH, EADDRNOTAVAIL, EMFILE, ENFILE; for Unix sockets ENOENT,
   *   ECONNREFUSED, EPROTOTYPE, and EAGAIN when the listener's backlog is full
   * @throws {UnsupportedError} on anything but Linux
   *
   * @example
   * ```ts
   * import { Loop, Socket } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using loop = Loop.create();
   * const listener = Socket.listen("127.0.0.1:0");
   * const address = listener.localAddress;
   * listener.close();
   *
   * using client = Socket.connect(address); // nobody listens there any more
   * const outcome = loop.writable(client).then(() => client.error?.code);
   * await loop.run();
   * assertEquals(await outcome, "ECONNREFUSED");
   * ```
   */
  static connect(address: AddressLike, options: ConnectOptions = {}): Socket {
    const { number, type } = openConnection(address, options, "Socket.connect");
    return new Socket(OWNED, number, type);
  }

  /**
   * Takes ownership of a socket by its number, and makes it non-blocking and closed on exec unless
   * asked otherwise. From here on nothing else may close it; see {@linkcode FD.adopt}. When this throws,
   * the number is still its owner's.
   *
   * `O_NONBLOCK` belongs to the socket, not to the descriptor: other programs that have it see it.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when no descriptor can have that number
   * @throws {SyscallError} EBADF, when no descriptor has it; ENOTSOCK, when it is something else
   * @throws {UnsupportedError} on anything but Linux, and for raw sockets and the like
   */
  static adopt(number: number, options: SocketFlags = {}): Socket {
    const fd = descriptorNumber(number, "Socket.adopt: the number");
    return new Socket(OWNED, fd, adoptedType(fd, options, "Socket.adopt"));
  }

  /**
   * Makes a handle of its own for a socket that somebody else owns: `fcntl(F_DUPFD_CLOEXEC)`, then as
   * {@link Socket.adopt}. Each is closed by its own owner.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when no descriptor can have that number
   * @throws {SyscallError} EBADF, when no descriptor has it; ENOTSOCK, when it is something else;
   *   EMFILE, when there is none left
   * @throws {UnsupportedError} on anything but Linux, and for raw sockets and the like
   *
   * @example
   * ```ts
   * import { Socket, socketPair } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using pair = socketPair();
   * using left = Socket.duplicate(pair.left.raw);
   * left.send(new Uint8Array(3));
   * assertEquals(pair.right.read(new Uint8Array(8)), 3);
   * ```
   */
  static duplicate(number: number, options: SocketFlags = {}): Socket {
    const fd = descriptorNumber(number, "Socket.duplicate: the number");
    const duplicate = check("fcntl", libc.fcntl(fd, posix.F_DUPFD_CLOEXEC, 0), fd);
    try {
      return new Socket(OWNED, duplicate, adoptedType(duplicate, options, "Socket.duplicate"));
    } catch (error) {
      libc.close(duplicate);
      throw error;
    }
  }

  /**
   * Makes a handle of what {@link Socket.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `Socket`
   */
  static from(shared: SharedSocket): Socket {
    const cell = sharedCell(shared, "Socket");
    const types = Object.keys(TYPES) as SocketType[];
    return new Socket(OWNED, cell, oneOf(shared.type, types, "Socket.from: type"));
  }

  /**
   * Accepts a connection: `accept4(2)`; null when none is waiting. It is non-blocking and closed on
   * exec unless asked otherwise, whatever the listener is, and has its `noDelay`, `keepAlive` and
   * buffers.
   *
   * A connection that was broken while it waited is skipped.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left: the connection goes on
   *   waiting, and the listener stays readable; EINVAL, when it does not listen; EOPNOTSUPP, when it
   *   is for datagrams; EPERM, when a firewall forbids it
   */
  accept(options: SocketFlags = DEFAULTS): Socket | null {
    const accepted = acceptFrom(this, socketFlags(options, "Socket.accept"));
    return accepted === null ? null : new Socket(OWNED, accepted.number, this.type, accepted.peer);
  }

  /**
   * Reads into a buffer: `read(2)`. Answers the number of bytes, 0 when the peer has ended its side,
   * and null when it would block. A message that is longer than the buffer loses its rest.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ECONNRESET, ETIMEDOUT, ENOTCONN, and ECONNREFUSED for datagrams
   */
  read(buffer: ArrayBufferView): number | null {
    return readInto(this, bytes(buffer, "Socket.read: the buffer"));
  }

  /**
   * Writes a buffer: `write(2)`. Answers how many of its bytes were taken, which for a stream can be
   * fewer than it has, and null when it would block.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPIPE, ECONNRESET, ENOTCONN; EMSGSIZE, when a message is too long
   */
  write(buffer: ArrayBufferView): number | null {
    return writeFrom(this, bytes(buffer, "Socket.write: the buffer"));
  }

  /**
   * Does what {@link Socket.write} does, with flags: `send(2)`.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} as {@link Socket.write} does; EOPNOTSUPP, when it knows no urgent bytes
   */
  send(buffer: ArrayBufferView, options: SendOptions = DEFAULTS): number | null {
    const flags = sendFlags(options, "Socket.send");
    return sendFrom(this, bytes(buffer, "Socket.send: the buffer"), flags, null);
  }

  /**
   * Does what {@link Socket.read} does, with flags: `recv(2)`. With `oob` it answers null when there
   * is no urgent byte, which a poller reports as priority.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} as {@link Socket.read} does; EOPNOTSUPP, when it knows no urgent bytes
   *
   * @example
   * ```ts
   * import { Socket, socketPair } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using pair = socketPair();
   * using right = Socket.duplicate(pair.right.raw);
   * pair.left.write(new Uint8Array(3));
   * const buffer = new Uint8Array(8);
   * assertEquals([right.receive(buffer, { peek: true }), right.receive(buffer)], [3, 3]);
   * ```
   */
  receive(buffer: ArrayBufferView, options: ReceiveOptions = DEFAULTS): number | null {
    const flags = receiveFlags(options, "Socket.receive");
    return receiveInto(this, bytes(buffer, "Socket.receive: the buffer"), flags);
  }

  /**
   * Sends a datagram to an address: `sendto(2)`. Answers how many bytes it has, null when it would
   * block. Whether it arrives, nobody says.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when a number is out of range, or a path is too long
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EMSGSIZE, when it is too long; ECONNREFUSED, when an earlier one came back;
   *   EAFNOSUPPORT or EINVAL, when the address is of another family; EISCONN, for a stream; ENETUNREACH
   */
  sendTo(buffer: ArrayBufferView, address: AddressLike): number | null {
    const view = bytes(buffer, "Socket.sendTo: the buffer");
    const what = "Socket.sendTo: the address";
    return sendFrom(
      this,
      view,
      socket.MSG_NOSIGNAL,
      encodeAddress(checkAddress(address, what), what),
    );
  }

  /**
   * Receives a datagram and the address of its sender: `recvfrom(2)`; null when it would block.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView, or the socket is a stream
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ECONNREFUSED, when one that was sent came back
   */
  receiveFrom(buffer: ArrayBufferView): Datagram | null {
    const view = bytes(buffer, "Socket.receiveFrom: the buffer");
    if (this.type === "stream") {
      throw new TypeError("Socket.receiveFrom: a stream has no datagrams: call read");
    }
    return receiveDatagram(this, view);
  }

  /**
   * Ends one side of a connection or both: `shutdown(2)`. The peer reads the end after all that was
   * written. Every copy of the descriptor, in other programs too, is at its end with it.
   *
   * @param side `"write"` to send no more, `"read"` to receive no more
   * @throws {TypeError} when it is no such word
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} ENOTCONN, when it has no peer, or has none any more
   */
  shutdown(side: "read" | "write" | "both"): void {
    const word = oneOf(side, ["read", "write", "both"], "Socket.shutdown: the side");
    const how = { read: socket.SHUT_RD, write: socket.SHUT_WR, both: socket.SHUT_RDWR }[word];
    control("shutdown", this, (fd) => libc.shutdown(fd, how));
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, for {@link Socket.from} there:
   * {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedSocket {
    return { ...super.share(), type: this.type };
  }
}
