/**
 * Addresses as the kernel has them: `struct sockaddr_in`, `sockaddr_in6` and `sockaddr_un`.
 *
 * Kernel: abstract names of Unix sockets, and names that the kernel picks, are Linux's own.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socketStructs } from "../ffi/const_socket.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { formatIPv4, parseIPv4, parseIPv6 } from "./ip_address.ts";
import {
  inet6,
  type Inet6Address,
  type InetAddress,
  type SocketAddress,
} from "./socket_address.ts";

const { AF_INET, AF_INET6, AF_UNIX } = posix;
const { sockaddr_in, sockaddr_in6, sockaddr_un } = socketStructs;

/** Room for the longest address: 2 bytes more than `struct sockaddr_un`, which getsockname(2) may fill. */
const MOST_BYTES = 112;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The AF_ constant of an address's family. */
export function domainOf({ family }: SocketAddress): number {
  return family === "inet" ? AF_INET : family === "inet6" ? AF_INET6 : AF_UNIX;
}

/**
 * Makes the kernel's form of an address, as long as the kernel is told that it is.
 *
 * @throws {RangeError} when a path is too long
 */
export function encodeAddress(address: SocketAddress, what: string): Uint8Array<ArrayBuffer> {
  if (address.family === "inet") return encodeInet(address);
  return address.family === "inet6" ? encodeInet6(address) : encodeUnix(address.path, what);
}

/**
 * Reads the kernel's form of an address; null when there is none.
 *
 * @throws {UnsupportedError} when it is of another family, as netlink(7) sockets have one
 */
export function decodeAddress(bytes: Uint8Array): SocketAddress | null {
  if (bytes.byteLength < 2) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  if (family === AF_UNIX) return { family: "unix", path: decodePath(bytes) };
  if (family === AF_INET) {
    const { sin_port, sin_addr } = sockaddr_in;
    const address = formatIPv4(bytes.subarray(sin_addr, sin_addr + 4));
    return { family: "inet", address, port: view.getUint16(sin_port) };
  }
  if (family === AF_INET6) {
    const { sin6_port, sin6_addr, sin6_flowinfo, sin6_scope_id } = sockaddr_in6;
    return inet6(
      bytes.subarray(sin6_addr, sin6_addr + 16),
      view.getUint16(sin6_port),
      view.getUint32(sin6_flowinfo),
      view.getUint32(sin6_scope_id, true),
    );
  }
  throw new UnsupportedError(`an address of family ${family}`, "an inet, inet6 or unix socket");
}

/** Where the kernel writes an address: one of these serves all calls of a thread. */
export class AddressRoom {
  /** The address itself. */
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(MOST_BYTES));
  /** Its length: how much room there is before the call, how much was to be written after it. */
  readonly length: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(4));

  /** Makes it ready for a call. */
  empty(): this {
    this.length[0] = MOST_BYTES;
    return this;
  }

  /** What the call has written: valid until the next call. */
  get filled(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length[0]);
  }
}

function encodeInet({ address, port }: InetAddress): Uint8Array<ArrayBuffer> {
  const { size, sin_family, sin_port, sin_addr } = sockaddr_in;
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const view = new DataView(bytes.buffer);
  view.setUint16(sin_family, AF_INET, true);
  view.setUint16(sin_port, port);
  bytes.set(parseIPv4(address)!, sin_addr);
  return bytes;
}

function encodeInet6(address: Inet6Address): Uint8Array<ArrayBuffer> {
  const { size, sin6_family, sin6_port, sin6_flowinfo, sin6_addr, sin6_scope_id } = sockaddr_in6;
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const view = new DataView(bytes.buffer);
  view.setUint16(sin6_family, AF_INET6, true);
  view.setUint16(sin6_port, address.port);
  view.setUint32(sin6_flowinfo, address.flowInfo ?? 0);
  bytes.set(parseIPv6(address.address)!, sin6_addr);
  view.setUint32(sin6_scope_id, address.scopeId ?? 0, true);
  return bytes;
}

/** The NUL stands before an abstract name, which has no other end than its length, and behind a path. */
function encodeUnix(path: string, what: string): Uint8Array<ArrayBuffer> {
  const { size, sun_family, sun_path } = sockaddr_un;
  const name = encoder.encode(path === "" || path.startsWith("\0") ? path : `${path}\0`);
  if (name.length > size - sun_path) {
    throw new RangeError(
      `${what}: path must have at most ${size - sun_path - 1} bytes, got ${
        name.length - 1
      }: a path ` +
        "relative to the working directory, or through a symbolic link, can be shorter",
    );
  }
  const bytes = new Uint8Array(new ArrayBuffer(sun_path + name.length));
  new DataView(bytes.buffer).setUint16(sun_family, AF_UNIX, true);
  bytes.set(name, sun_path);
  return bytes;
}

function decodePath(bytes: Uint8Array): string {
  const name = bytes.subarray(sockaddr_un.sun_path);
  if (name[0] === 0) return decoder.decode(name);
  const end = name.indexOf(0);
  const path = decoder.decode(end === -1 ? name : name.subarray(0, end));
  // A path like this one would read as an abstract name where an address is given as text.
  return path.startsWith("@") ? `./${path}` : path;
}
