/**
 * TCP on the loopback, for what only a socket does: resets, refusals, urgent data, half-closes.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import type { Descriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { readable } from "./probes.ts";

// <sys/socket.h> of Linux, the same on x64 and arm64.
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
const MSG_OOB = 1;
const SHUT_WR = 1;
const EINPROGRESS = 115;

/** `struct sockaddr_in` of 127.0.0.1. */
function loopback(port: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, posix.AF_INET, true);
  address.setUint16(2, port);
  address.setUint32(4, 0x7f00_0001);
  return new Uint8Array(address.buffer);
}

function socket(): FD {
  const type = posix.SOCK_STREAM | posix.SOCK_NONBLOCK | posix.SOCK_CLOEXEC;
  return FD.adopt(check("socket", libc.socket(posix.AF_INET, type, 0)));
}

/** A listening socket at a port that the kernel chose. */
export function listener(): { socket: FD; port: number } {
  const listening = socket();
  check("bind", libc.bind(listening.raw, loopback(0), 16), listening.raw);
  check("listen", libc.listen(listening.raw, 16), listening.raw);
  const address = new Uint8Array(new ArrayBuffer(16));
  const length = new Uint32Array([16]);
  check("getsockname", libc.getsockname(listening.raw, address, length), listening.raw);
  return { socket: listening, port: new DataView(address.buffer).getUint16(2) };
}

/** A socket that begins to connect to a port. */
export function connect(port: number): FD {
  const connecting = socket();
  if (libc.connect(connecting.raw, loopback(port), 16) === -1) {
    const code = errno();
    if (code !== EINPROGRESS) throw new Error(`connect: errno ${code}`);
  }
  return connecting;
}

/** Takes one connection. */
export function accept(listening: Descriptor): FD {
  if (!readable(listening, 5000)) throw new Error("no connection to accept within 5 s");
  const flags = posix.SOCK_NONBLOCK | posix.SOCK_CLOEXEC;
  return FD.adopt(check("accept4", libc.accept4(listening.raw, null, null, flags), listening.raw));
}

/** The two ends of a connection. */
export function connection(): [client: FD, server: FD] {
  const { socket: listening, port } = listener();
  using _ = listening;
  const client = connect(port);
  return [client, accept(listening)]; // on the loopback it is there at once
}

/** Ends the writing side: FIN. */
export function shutdownWrite(end: Descriptor): void {
  check("shutdown", libc.shutdown(end.raw, SHUT_WR), end.raw);
}

/** Closes with RST instead of FIN. */
export function reset(end: Descriptor): void {
  const linger = new Int32Array([1, 0]);
  check("setsockopt", libc.setsockopt(end.raw, SOL_SOCKET, SO_LINGER, linger, 8), end.raw);
  end.close();
}

/** Sends one urgent byte. */
export function sendUrgent(end: Descriptor): void {
  check("send", libc.send(end.raw, new Uint8Array(1), 1, MSG_OOB), end.raw);
}

/** The error that a socket has for its owner, which is taken by asking: `SO_ERROR`. */
export function socketError(end: Descriptor): number {
  const value = new Int32Array(new ArrayBuffer(4));
  const length = new Uint32Array([4]);
  check("getsockopt", libc.getsockopt(end.raw, SOL_SOCKET, SO_ERROR, value, length), end.raw);
  return value[0]!;
}
