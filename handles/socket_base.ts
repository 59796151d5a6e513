/**
 * What every socket can be asked and told, whatever it does: its addresses, its error, its options.
 *
 * Kernel: SO_PEERCRED is Linux's own.
 *
 * @module
 */

import { socketStructs } from "../ffi/const_socket.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Cell } from "./cell.ts";
import { acquire, Descriptor, release } from "./descriptor.ts";
import type { Duration } from "./duration.ts";
import { control } from "./io.ts";
import { AddressRoom, decodeAddress } from "./sockaddr.ts";
import type { SocketAddress } from "./socket_address.ts";
import {
  bufferSetting,
  flagSetting,
  getOption,
  getStruct,
  type KeepAlive,
  type KeepAliveSetting,
  keepAliveSettings,
  lingerSetting,
  OPTION,
  setOptions,
  type SocketType,
} from "./socket_options.ts";

const ENOTCONN = errnoNumber("ENOTCONN");

/** What SO_PEERCRED has for nobody: −1 as a `uid_t`. */
const NOBODY = 0xffff_ffff;

/** Who a Unix socket is connected to. */
export interface PeerCredentials {
  /** The process, as it was when it connected or listened; 0 for one of another PID namespace. */
  readonly pid: number;
  /** Its effective user, in this user namespace. */
  readonly uid: number;
  /** Its effective group. */
  readonly gid: number;
}

const room = new AddressRoom();

/**
 * What every {@linkcode Socket} can be asked and told: addresses, errors and options.
 *
 * It is not made by itself: `Socket` is its one kind.
 *
 * Platforms: Linux. See socket(7), tcp(7), unix(7).
 *
 * @example
 * ```ts
 * import { Socket, SocketBase } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using listener = Socket.listen("127.0.0.1:0", { noDelay: true });
 * assert(listener instanceof SocketBase);
 * assertEquals([listener.type, listener.listening, listener.noDelay], ["stream", true, true]);
 * ```
 */
export abstract class SocketBase extends Descriptor {
  readonly #type: SocketType;
  readonly #peer: Uint8Array | null;

  /** Takes ownership of a number, with the address of its peer where that is known. */
  protected constructor(
    key: symbol,
    owned: number | Cell,
    type: SocketType,
    peer: Uint8Array | null,
  ) {
    super(key, owned);
    this.#type = type;
    this.#peer = peer;
  }

  /** What moves through it: bytes, datagrams, or messages in order. */
  get type(): SocketType {
    return this.#type;
  }

  /** Whether it accepts connections: `SO_ACCEPTCONN`. */
  get listening(): boolean {
    return getOption(this, OPTION.listening) !== 0;
  }

  /**
   * Where it is: `getsockname(2)`. After listening on port 0 it has the port that the kernel picked.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {UnsupportedError} when it was adopted and is of another family
   */
  get localAddress(): SocketAddress {
    control("getsockname", this, (fd) => {
      const { bytes, length } = room.empty();
      return libc.getsockname(fd, bytes, length);
    });
    return decodeAddress(room.filled)!;
  }

  /**
   * Where its peer is: `getpeername(2)`; null when it has none, or has none any more. A connection
   * that was accepted here keeps the address that accept4(2) told.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {UnsupportedError} when it was adopted and is of another family
   */
  get remoteAddress(): SocketAddress | null {
    const fd = acquire(this);
    if (this.#peer !== null) {
      release(this);
      return decodeAddress(this.#peer);
    }
    const { bytes, length } = room.empty();
    const result = libc.getpeername(fd, bytes, length);
    const code = result === -1 ? errno() : 0;
    release(this);
    if (code === ENOTCONN) return null;
    if (code !== 0) throw new SyscallError("getpeername", code, fd);
    return decodeAddress(room.filled);
  }

  /**
   * What has gone wrong since it was last asked, null for nothing: `SO_ERROR`. Reading it clears it.
   *
   * A connection that {@linkcode Socket.connect} began has come about when the socket is writable and
   * this is null.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get error(): SyscallError | null {
    const code = getOption(this, OPTION.error);
    return code === 0 ? null : new SyscallError("SO_ERROR", code, this.raw);
  }

  /**
   * Who is at the other end of a Unix socket: `SO_PEERCRED`; null for every other socket, and for one
   * without a peer. The kernel vouches for it.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get credentials(): PeerCredentials | null {
    const { size, pid, uid, gid } = socketStructs.ucred;
    const struct = getStruct(this, OPTION.credentials, size);
    const user = struct.getUint32(uid, true);
    if (user === NOBODY) return null;
    return { pid: struct.getInt32(pid, true), uid: user, gid: struct.getUint32(gid, true) };
  }

  /** Whether small writes of TCP are sent at once: `TCP_NODELAY`. */
  get noDelay(): boolean {
    return getOption(this, OPTION.noDelay) !== 0;
  }
  set noDelay(on: boolean) {
    setOptions(this, [flagSetting("noDelay", on, "Socket.noDelay")]);
  }

  /**
   * The probes of a TCP connection, null without: `SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`,
   * `TCP_KEEPCNT`. True sets the times that it had last, false none.
   */
  get keepAlive(): KeepAliveSetting | null {
    if (getOption(this, OPTION.keepAlive) === 0) return null;
    return {
      idle: getOption(this, OPTION.keepIdle) * 1000,
      interval: getOption(this, OPTION.keepInterval) * 1000,
      count: getOption(this, OPTION.keepCount),
    };
  }
  set keepAlive(probes: boolean | KeepAlive | null) {
    setOptions(this, keepAliveSettings(probes ?? false, "Socket.keepAlive"));
  }

  /** Whether others that have it too may take its address: `SO_REUSEPORT`. */
  get reusePort(): boolean {
    return getOption(this, OPTION.reusePort) !== 0;
  }
  set reusePort(on: boolean) {
    setOptions(this, [flagSetting("reusePort", on, "Socket.reusePort")]);
  }

  /** How much can wait to be read, in bytes: `SO_RCVBUF`, which reads as double what was set. */
  get receiveBuffer(): number {
    return getOption(this, OPTION.receiveBuffer);
  }
  set receiveBuffer(bytes: number) {
    setOptions(this, [bufferSetting("receiveBuffer", bytes, "Socket.receiveBuffer")]);
  }

  /** How much can wait to be sent, in bytes: `SO_SNDBUF`, which reads as double what was set. */
  get sendBuffer(): number {
    return getOption(this, OPTION.sendBuffer);
  }
  set sendBuffer(bytes: number) {
    setOptions(this, [bufferSetting("sendBuffer", bytes, "Socket.sendBuffer")]);
  }

  /**
   * How long `close()` of a connection waits for what is yet to be sent, in milliseconds: `SO_LINGER`.
   * Null, the default, does not wait: the kernel goes on sending. It is set in whole seconds, rounded
   * up, and blocks the thread, of a non-blocking socket too. 0 throws away what was not sent and
   * resets the connection.
   */
  get linger(): number | null {
    const { size, l_onoff, l_linger } = socketStructs.linger;
    const struct = getStruct(this, OPTION.linger, size);
    return struct.getInt32(l_onoff, true) === 0 ? null : struct.getInt32(l_linger, true) * 1000;
  }
  set linger(time: Duration | null) {
    setOptions(this, [lingerSetting(time, "Socket.linger")]);
  }
}
