/**
 * The options of sockets: what a program calls them, and what setsockopt(2) does.
 *
 * Kernel: SO_REUSEPORT is Linux 3.9, TCP_FASTOPEN 3.7, and the others are older than 2.6.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket, socketStructs } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import type { Descriptor } from "./descriptor.ts";
import { type Duration, toMilliseconds } from "./duration.ts";
import { control } from "./io.ts";
import type { SocketAddress } from "./socket_address.ts";
import { flag, integer, options as checkOptions } from "./validate.ts";

const { SOL_SOCKET, IPPROTO_TCP, IPPROTO_IPV6 } = socket;

/** What tcp(7) allows for the two times, in seconds, and for the count. */
const MOST_KEEPALIVE_SECONDS = 32767;
const MOST_KEEPALIVE_COUNT = 127;

/** Longer is no lifetime of a connection, and the kernel counts the seconds in an `int` of ticks. */
const MOST_SECONDS = 0xffff;

const MOST_INT = 0x7fff_ffff;

/** The probes that find out whether a silent peer is still there: tcp(7). */
export interface KeepAlive {
  /** How long a connection is silent before the first probe, up to 9 hours. Default: 2 hours. */
  idle?: Duration;
  /** How long to wait for the answer to one, up to 9 hours. Default: 75 s. */
  interval?: Duration;
  /** How many go unanswered before the connection is broken (ETIMEDOUT), 1 to 127. Default: 9. */
  count?: number;
}

/** {@linkcode KeepAlive} as the kernel has it: times in milliseconds. */
export interface KeepAliveSetting {
  /** How long a connection is silent before the first probe. */
  readonly idle: number;
  /** How long to wait for the answer to one. */
  readonly interval: number;
  /** How many go unanswered before the connection is broken. */
  readonly count: number;
}

/** Options that every socket can have. */
export interface BufferOptions {
  /**
   * How much can wait to be read, in bytes: `SO_RCVBUF`. The kernel doubles it for its own needs and
   * keeps it below `net.core.rmem_max`. Default: the kernel's, which for TCP grows by itself.
   */
  receiveBuffer?: number;
  /** How much can wait to be sent, in bytes: `SO_SNDBUF`, as above. */
  sendBuffer?: number;
}

/** Options of a socket's address. */
export interface NameOptions {
  /**
   * Whether an address may be taken on which old connections still end: `SO_REUSEADDR`. Default: true
   * for TCP, false for UDP, where it lets two sockets have one address. Not for Unix sockets.
   */
  reuseAddr?: boolean;
  /**
   * Whether several sockets may have one address, all of them made with this, by one user: the kernel
   * spreads connections or datagrams over them. `SO_REUSEPORT`. Default: false. Not for Unix sockets.
   */
  reusePort?: boolean;
  /**
   * Whether `"::"` leaves IPv4 alone: `IPV6_V6ONLY`. Default: what the sysctl
   * `net.ipv6.bindv6only` says, usually false.
   */
  v6Only?: boolean;
}

/** Options of TCP connections. A listener hands them on to what it accepts. */
export interface TCPOptions {
  /** Whether small writes are sent at once, instead of waiting for more: `TCP_NODELAY`. Default: false. */
  noDelay?: boolean;
  /** Whether to probe silent peers: `SO_KEEPALIVE`. True takes the system's times. Default: false. */
  keepAlive?: boolean | KeepAlive;
}

/** Options of TCP listeners. */
export interface AcceptOptions {
  /**
   * How long a connection may wait for its first bytes before it is accepted without, rounded up to
   * whole seconds: `TCP_DEFER_ACCEPT`. 0, the default, accepts at once.
   */
  deferAccept?: Duration;
  /**
   * How many connections may bring bytes along with their first packet: `TCP_FASTOPEN`. It needs
   * bit 2 in the sysctl `net.ipv4.tcp_fastopen`. 0, the default, is none.
   */
  fastOpen?: number;
}

/** Every option by its name. */
type AnyOption = BufferOptions & NameOptions & TCPOptions & AcceptOptions;

/** A kind of socket, as socket(2) is told it. */
export interface Kind {
  readonly family: SocketAddress["family"];
  readonly type: SocketType;
}

/** What moves through a socket: bytes, messages that may get lost, or messages in order. */
export type SocketType = "stream" | "dgram" | "seqpacket";

/** The type of each kind of socket, for socket(2). */
export const TYPES: Readonly<Record<SocketType, number>> = {
  stream: posix.SOCK_STREAM,
  dgram: posix.SOCK_DGRAM,
  seqpacket: posix.SOCK_SEQPACKET,
};

/** One option of setsockopt(2) whose value is an `int`. */
export interface IntegerOption {
  readonly level: number;
  readonly name: number;
}

/** A call of setsockopt(2) that is yet to be made. */
export interface Setting extends IntegerOption {
  readonly value: Int32Array<ArrayBuffer>;
}

/** Where the options are, for getsockopt(2) and setsockopt(2). */
export const OPTION = {
  type: { level: SOL_SOCKET, name: socket.SO_TYPE },
  domain: { level: SOL_SOCKET, name: socket.SO_DOMAIN },
  error: { level: SOL_SOCKET, name: socket.SO_ERROR },
  listening: { level: SOL_SOCKET, name: socket.SO_ACCEPTCONN },
  linger: { level: SOL_SOCKET, name: socket.SO_LINGER },
  credentials: { level: SOL_SOCKET, name: socket.SO_PEERCRED },
  receiveBuffer: { level: SOL_SOCKET, name: socket.SO_RCVBUF },
  sendBuffer: { level: SOL_SOCKET, name: socket.SO_SNDBUF },
  reuseAddr: { level: SOL_SOCKET, name: socket.SO_REUSEADDR },
  reusePort: { level: SOL_SOCKET, name: socket.SO_REUSEPORT },
  v6Only: { level: IPPROTO_IPV6, name: socket.IPV6_V6ONLY },
  noDelay: { level: IPPROTO_TCP, name: socket.TCP_NODELAY },
  keepAlive: { level: SOL_SOCKET, name: socket.SO_KEEPALIVE },
  keepIdle: { level: IPPROTO_TCP, name: socket.TCP_KEEPIDLE },
  keepInterval: { level: IPPROTO_TCP, name: socket.TCP_KEEPINTVL },
  keepCount: { level: IPPROTO_TCP, name: socket.TCP_KEEPCNT },
  deferAccept: { level: IPPROTO_TCP, name: socket.TCP_DEFER_ACCEPT },
  fastOpen: { level: IPPROTO_TCP, name: socket.TCP_FASTOPEN },
  addressWithoutPort: { level: socket.IPPROTO_IP, name: socket.IP_BIND_ADDRESS_NO_PORT },
} as const satisfies Readonly<Record<string, IntegerOption>>;

/** Which sockets have an option. */
const SCOPES = {
  all: () => true,
  IP: ({ family }: Kind) => family !== "unix",
  IPv6: ({ family }: Kind) => family === "inet6",
  TCP: ({ family, type }: Kind) => family !== "unix" && type === "stream",
} as const satisfies Readonly<Record<string, (kind: Kind) => boolean>>;

type Check = (value: unknown, what: string) => Setting[];

const CHECKS: Readonly<Record<keyof AnyOption, readonly [keyof typeof SCOPES, Check]>> = {
  receiveBuffer: ["all", (value, what) => [bufferSetting("receiveBuffer", value, what)]],
  sendBuffer: ["all", (value, what) => [bufferSetting("sendBuffer", value, what)]],
  reuseAddr: ["IP", (value, what) => [flagSetting("reuseAddr", value, what)]],
  reusePort: ["IP", (value, what) => [flagSetting("reusePort", value, what)]],
  v6Only: ["IPv6", (value, what) => [flagSetting("v6Only", value, what)]],
  noDelay: ["TCP", (value, what) => [flagSetting("noDelay", value, what)]],
  keepAlive: ["TCP", keepAliveSettings],
  deferAccept: [
    "TCP",
    (value, what) => [setting(OPTION.deferAccept, seconds(value, what, 0, MOST_SECONDS))],
  ],
  fastOpen: [
    "TCP",
    (value, what) => [setting(OPTION.fastOpen, integer(value, what, 0, MOST_INT))],
  ],
};

/**
 * Checks those options of an object that setsockopt(2) is called for.
 *
 * @throws {TypeError} when one is not what it should be, or is not for this kind of socket
 * @throws {RangeError} when one is out of range
 */
export function settingsOf(
  options: AnyOption,
  names: readonly (keyof AnyOption)[],
  kind: Kind,
  what: string,
): Setting[] {
  return names.flatMap((name): Setting[] => {
    const value: unknown = options[name];
    if (value === undefined) return [];
    const [scope, checkValue] = CHECKS[name];
    const settings = checkValue(value, `${what}: ${name}`);
    if (SCOPES[scope](kind)) return settings;
    if (value === false || value === 0) return [];
    throw new TypeError(
      `${what}: ${name} is an option of ${scope} sockets, and the address is ${kind.family}, its ` +
        `type ${kind.type}: leave it out`,
    );
  });
}

/** Makes a call of setsockopt(2) with one `int`. */
export function setting({ level, name }: IntegerOption, value: number): Setting {
  return { level, name, value: ints(value) };
}

/** Sets options, up to the first that fails: `setsockopt(2)`. */
export function setOptions(descriptor: Descriptor, settings: readonly Setting[]): void {
  control("setsockopt", descriptor, (fd) => {
    let result = 0;
    for (const { level, name, value } of settings) {
      result = libc.setsockopt(fd, level, name, value, value.byteLength);
      if (result === -1) break;
    }
    return result;
  });
}

const one = ints(0);
const length = new Uint32Array(new ArrayBuffer(4));

/** Reads an option: `getsockopt(2)`. */
export function getOption(descriptor: Descriptor, { level, name }: IntegerOption): number {
  control("getsockopt", descriptor, (fd) => {
    length[0] = one.byteLength;
    return libc.getsockopt(fd, level, name, one, length);
  });
  return one[0]!;
}

/** Reads an option that is a struct: `getsockopt(2)`. */
export function getStruct(descriptor: Descriptor, option: IntegerOption, size: number): DataView {
  const struct = new DataView(new ArrayBuffer(size));
  control("getsockopt", descriptor, (fd) => {
    length[0] = size;
    return libc.getsockopt(fd, option.level, option.name, struct, length);
  });
  return struct;
}

/** Checks what a property of a socket is set to. */
export function flagSetting(
  name: "reuseAddr" | "reusePort" | "v6Only" | "noDelay",
  value: unknown,
  what: string,
): Setting {
  return setting(OPTION[name], flag(value, what) ? 1 : 0);
}

/** Checks the size of a buffer. */
export function bufferSetting(
  name: "receiveBuffer" | "sendBuffer",
  value: unknown,
  what: string,
): Setting {
  // The kernel doubles it, in an int.
  return setting(OPTION[name], integer(value, what, 0, MOST_INT >> 1));
}

/** Checks the probes: true takes them as they are, false stops them. */
export function keepAliveSettings(value: unknown, what: string): Setting[] {
  if (typeof value !== "object" || value === null) {
    return [setting(OPTION.keepAlive, flag(value, `${what}, unless an object,`) ? 1 : 0)];
  }
  const { idle, interval, count } = checkOptions(value as KeepAlive, what);
  const time = (duration: unknown, name: string): number =>
    seconds(duration, `${what}: ${name}`, 1, MOST_KEEPALIVE_SECONDS);
  return [
    setting(OPTION.keepAlive, 1),
    ...(idle === undefined ? [] : [setting(OPTION.keepIdle, time(idle, "idle"))]),
    ...(interval === undefined ? [] : [setting(OPTION.keepInterval, time(interval, "interval"))]),
    ...(count === undefined
      ? []
      : [setting(OPTION.keepCount, integer(count, `${what}: count`, 1, MOST_KEEPALIVE_COUNT))]),
  ];
}

/** Checks how long closing may take: null is as long as the kernel likes, in the background. */
export function lingerSetting(value: unknown, what: string): Setting {
  const { l_onoff, l_linger, size } = socketStructs.linger;
  const struct = new Int32Array(new ArrayBuffer(size));
  if (value !== null) {
    struct[l_onoff / 4] = 1;
    struct[l_linger / 4] = seconds(value, `${what}, unless null,`, 0, MOST_SECONDS);
  }
  return { ...OPTION.linger, value: struct };
}

/** A length of time in whole seconds, never less than it is. */
function seconds(value: unknown, what: string, least: number, most: number): number {
  const whole = Math.ceil(toMilliseconds(value as Duration, what) / 1000);
  if (whole < least || whole > most) {
    throw new RangeError(`${what} must be from ${least} to ${most} seconds, got ${whole}`);
  }
  return whole;
}

function ints(value: number): Int32Array<ArrayBuffer> {
  const array = new Int32Array(new ArrayBuffer(4));
  array[0] = value;
  return array;
}
