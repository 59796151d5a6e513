/**
 * Where sockets are: addresses as objects, and as text.
 *
 * Nothing here calls the kernel: `sockaddr.ts` makes of them what it takes.
 *
 * @module
 */

import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from "./ip_address.ts";
import { integer, oneOf, shown } from "./validate.ts";

const MOST_PORT = 0xffff;

/** Traffic class and flow label: the 28 bits that `sin6_flowinfo` has in an IPv6 header. */
const MOST_FLOW_INFO = 0x0fff_ffff;

const UNIX = "unix:";

/** "[::1]:80" or "127.0.0.1:80", and whatever else has that shape. */
const HOST_AND_PORT = /^(?:\[(?<six>[^\]]*)\]|(?<four>[^:[\]]+)):(?<port>\d{1,9})$/;

/** Where an IPv4 socket is: ip(7). */
export interface InetAddress {
  /** Tells it from the others. */
  readonly family: "inet";
  /** Four numbers, such as `"127.0.0.1"`; `"0.0.0.0"` is every address of the machine. */
  readonly address: string;
  /** From 0 to 65535; to listen on 0 is to let the kernel pick one. */
  readonly port: number;
}

/** Where an IPv6 socket is: ipv6(7). */
export interface Inet6Address {
  /** Tells it from the others. */
  readonly family: "inet6";
  /** Such as `"::1"`; `"::"` is every address of the machine. */
  readonly address: string;
  /** From 0 to 65535; to listen on 0 is to let the kernel pick one. */
  readonly port: number;
  /** The traffic class and the flow label, 28 bits. Left out when it is 0. */
  readonly flowInfo?: number;
  /** The index of the interface that a link-local address belongs to. Left out when it is 0. */
  readonly scopeId?: number;
}

/** Where a Unix socket is: unix(7). */
export interface UnixAddress {
  /** Tells it from the others. */
  readonly family: "unix";
  /**
   * A path in the file system; or `"\0"` and an abstract name, which is in none (`"@"` is understood
   * for `"\0"`); or `""`, no name: that of a socket that was never bound, and for one that is to be
   * bound the kernel picks an abstract name. Bytes that are no UTF-8 read as U+FFFD.
   */
  readonly path: string;
}

/** Where a socket is. */
export type SocketAddress = InetAddress | Inet6Address | UnixAddress;

/** An address as the calls take it: an object, or text as {@linkcode parseAddress} reads it. */
export type AddressLike = SocketAddress | string;

/** An object that is not known to be an address yet. */
type Fields = Readonly<Partial<Record<string, unknown>>>;

/**
 * Reads an address as text: `"127.0.0.1:80"`, `"[::1]:80"`, `"[fe80::1%2]:80"`, `"unix:/run/x.sock"`,
 * and `"unix:@name"` for an abstract name. A file whose path begins with `@` is `"unix:./@name"`.
 *
 * Names of hosts are not looked up: that takes a resolver, as `node:dns` has one.
 *
 * @throws {TypeError} when it is no such text
 * @throws {RangeError} when the port is above 65535, or a path has a NUL in it
 *
 * @example
 * ```ts
 * import { parseAddress } from "@fdloop/fdloop";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(parseAddress("[::1]:80"), { family: "inet6", address: "::1", port: 80 });
 * assertEquals(parseAddress("unix:@bus"), { family: "unix", path: "\0bus" });
 * assertThrows(() => parseAddress("localhost:80"), TypeError, "look it up first");
 * ```
 */
export function parseAddress(text: string): SocketAddress {
  const what = "parseAddress: the text";
  if (typeof text !== "string") throw new TypeError(`${what} must be a string, got ${shown(text)}`);
  return checkAddress(text, what);
}

/**
 * Writes an address as text that {@linkcode parseAddress} reads: one spelling for each address.
 *
 * The traffic class and the flow label of an IPv6 address are not part of it.
 *
 * @throws {TypeError} when it is no address
 * @throws {RangeError} when a number in it is out of range, or a path has a NUL in it
 *
 * @example
 * ```ts
 * import { formatAddress } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const address = { family: "inet6", address: "2001:DB8:0::1", port: 443 } as const;
 * assertEquals(formatAddress(address), "[2001:db8::1]:443");
 * assertEquals(formatAddress({ family: "unix", path: "\0bus" }), "unix:@bus");
 * ```
 */
export function formatAddress(address: SocketAddress): string {
  const known = checkAddress(address, "formatAddress: the address");
  if (known.family === "inet") return `${known.address}:${known.port}`;
  if (known.family === "unix") return UNIX + known.path.replace(/^\0/, "@");
  const scope = known.scopeId === undefined ? "" : `%${known.scopeId}`;
  return `[${known.address}${scope}]:${known.port}`;
}

/** Checks an address and answers it as the kernel would spell it. */
export function checkAddress(address: unknown, what: string): SocketAddress {
  const given = typeof address === "string" ? split(address, what) : address;
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${what} must be an address object or a string, got ${shown(given)}`);
  }
  const fields = given as Fields;
  const family = oneOf(fields.family, ["inet", "inet6", "unix"], `${what}: family`);
  if (family === "unix") return { family, path: checkPath(fields.path, what) };
  const octets = octetsOf(fields.address, family, what);
  const port = integer(fields.port, `${what}: port`, 0, MOST_PORT);
  if (family === "inet") return { family, address: formatIPv4(octets), port };
  const flowInfo = integer(fields.flowInfo ?? 0, `${what}: flowInfo`, 0, MOST_FLOW_INFO);
  const scopeId = integer(fields.scopeId ?? 0, `${what}: scopeId`, 0, 0xffff_ffff);
  return inet6(octets, port, flowInfo, scopeId);
}

/** An IPv6 address without what is 0 in it. */
export function inet6(
  octets: Uint8Array,
  port: number,
  flowInfo: number,
  scopeId: number,
): Inet6Address {
  return {
    family: "inet6",
    address: formatIPv6(octets),
    port,
    ...(flowInfo === 0 ? {} : { flowInfo }),
    ...(scopeId === 0 ? {} : { scopeId }),
  };
}

/** Takes text apart, without looking into its parts. */
function split(text: string, what: string): Fields {
  if (text.startsWith(UNIX)) return { family: "unix", path: text.slice(UNIX.length) };
  const { six, four, port } = HOST_AND_PORT.exec(text)?.groups ?? {};
  if (four !== undefined) return { family: "inet", address: four, port: Number(port) };
  if (six !== undefined) {
    const [, address = six, scope] = /^(.*)%(\d{1,10})$/.exec(six) ?? [];
    const scopeId = scope === undefined ? 0 : Number(scope);
    return { family: "inet6", address, port: Number(port), scopeId };
  }
  throw new TypeError(
    `${what} must be like "127.0.0.1:80", "[::1]:80", "unix:/path" or "unix:@name", ` +
      `got ${shown(text)}`,
  );
}

function octetsOf(
  address: unknown,
  family: "inet" | "inet6",
  what: string,
): Uint8Array<ArrayBuffer> {
  if (typeof address !== "string") {
    throw new TypeError(`${what}: address must be a string, got ${shown(address)}`);
  }
  const octets = family === "inet" ? parseIPv4(address) : parseIPv6(address);
  if (octets !== null) return octets;
  const kind = family === "inet"
    ? 'an IPv4 address, such as "127.0.0.1"'
    : 'an IPv6 address, such as "::1"';
  const remedy = address.includes("%")
    ? "write the interface as its index, which is in /sys/class/net/<name>/ifindex"
    : "a name is not resolved here: look it up first";
  throw new TypeError(`${what}: address must be ${kind}, got ${shown(address)}; ${remedy}`);
}

function checkPath(path: unknown, what: string): string {
  if (typeof path !== "string") {
    throw new TypeError(`${what}: path must be a string, got ${shown(path)}`);
  }
  if (path.startsWith("@")) return `\0${path.slice(1)}`;
  if (!path.startsWith("\0") && path.includes("\0")) {
    throw new RangeError(`${what}: path must have no NUL, where it would end for the kernel`);
  }
  return path;
}
