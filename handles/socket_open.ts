/**
 * How sockets come to be: socket(2), and all that is to be true of one before it is handed out.
 *
 * Nothing half-made stays behind: no descriptor, and no file of a Unix socket.
 *
 * @module
 */

import { cString } from "../ffi/c_string.ts";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { Borrowed } from "./borrowed.ts";
import { setCloexec, setNonblock } from "./descriptor_flags.ts";
import { holderOf } from "./port_holder.ts";
import { withRemedy } from "./remedy.ts";
import { domainOf, encodeAddress } from "./sockaddr.ts";
import {
  type AddressLike,
  checkAddress,
  formatAddress,
  type SocketAddress,
} from "./socket_address.ts";
import {
  type AcceptOptions,
  type BufferOptions,
  getOption,
  type NameOptions,
  OPTION,
  setOptions,
  type Setting,
  setting,
  settingsOf,
  type SocketType,
  type TCPOptions,
  TYPES,
} from "./socket_options.ts";
import { unlinkStale as unlinkStaleFile } from "./stale_socket.ts";
import { flag, integer, oneOf, options as checkOptions } from "./validate.ts";

/** How many connections may wait to be accepted: the kernel's own default since Linux 5.4. */
const BACKLOG = 4096;

const MOST_BACKLOG = 0x7fff_ffff;
const MOST_MODE = 0o777;

const EADDRINUSE = errnoNumber("EADDRINUSE");
const EINPROGRESS = errnoNumber("EINPROGRESS");
const EINTR = errnoNumber("EINTR");

/** What every new descriptor of a socket is made with. */
export interface SocketFlags {
  /** Whether calls that would have to wait block the thread instead of answering null. Default: false. */
  blocking?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** Options of a Unix socket with a path. */
export interface SocketFileOptions {
  /** Who may connect: the permissions of the file, such as `0o660`. Default: what the umask leaves. */
  mode?: number;
  /**
   * Whether a socket's file that stands in the way is removed when nobody answers there. To find
   * out, a connection is made; two programs that start at once may both take the place. Default: false.
   */
  unlinkStale?: boolean;
}

/** What a listener is made with. */
export interface ListenOptions
  extends SocketFlags, BufferOptions, NameOptions, TCPOptions, AcceptOptions, SocketFileOptions {
  /** Bytes, or messages in order, which only Unix sockets have. Default: `"stream"`. */
  type?: "stream" | "seqpacket";
  /**
   * How many connections may wait to be accepted, from 0. The kernel keeps it below the sysctl
   * `net.core.somaxconn`. Default: 4096.
   */
  backlog?: number;
}

/** What a socket for datagrams is made with. */
export interface BindOptions extends SocketFlags, BufferOptions, NameOptions, SocketFileOptions {}

/** What a connection is made with. */
export interface ConnectOptions extends SocketFlags, BufferOptions, TCPOptions {
  /**
   * Bytes, datagrams, or messages in order, which only Unix sockets have; it must be the listener's.
   * Default: `"stream"`.
   */
  type?: SocketType;
  /** The address to connect from, of the same family. Default: the kernel's choice. */
  local?: AddressLike;
}

/** A socket before anybody owns it. Its options were read once, and may say something else by now. */
export interface Opened {
  readonly number: number;
  readonly type: SocketType;
}

/** A socket on its way to its owner. */
interface Plan {
  readonly what: string;
  readonly address: SocketAddress;
  readonly type: SocketType;
  readonly flags: number;
  readonly settings: readonly Setting[];
  /** Whether the error is not to name who has the address: finding out takes time. */
  readonly quiet?: boolean;
}

/** Makes a listener: what {@linkcode Socket.listen} says. */
export function openListener(address: unknown, options: ListenOptions, what: string): Opened {
  const { type = "stream", backlog = BACKLOG } = checkOptions(options, `${what}: options`);
  const plan = planOf(
    address,
    oneOf(type, ["stream", "seqpacket"], `${what}: type`),
    options,
    what,
    [
      "reuseAddr",
      "reusePort",
      "v6Only",
      "noDelay",
      "keepAlive",
      "deferAccept",
      "fastOpen",
    ],
  );
  const most = integer(backlog, `${what}: backlog`, 0, MOST_BACKLOG);
  const number = openBound(plan, options, (fd) => {
    if (libc.listen(fd, most) === -1) throw addressError("listen", errno(), fd, plan);
  });
  return { number, type: plan.type };
}

/**
 * Takes a TCP port and does not listen there: it keeps the port for listeners with SO_REUSEPORT.
 *
 * SO_REUSEADDR is on while it binds, for the connections of an earlier program that still end there
 * are no obstacle then, and off afterwards: otherwise every other program that has it, as most servers
 * do, could listen there while no listener is open.
 *
 * @param quiet whether the error need not name who has the port
 */
export function openHolder(
  address: unknown,
  options: ListenOptions,
  quiet: boolean,
  what: string,
): number {
  const plan = planOf(address, "stream", options, what, ["reusePort", "v6Only"]);
  return openBound(
    { ...plan, quiet },
    {},
    (fd) => setOptions(new Borrowed(fd), [setting(OPTION.reuseAddr, 0)]),
  );
}

/** Makes a socket for datagrams: what {@linkcode Socket.bind} says. */
export function openDatagram(address: unknown, options: BindOptions, what: string): number {
  checkOptions(options, `${what}: options`);
  const plan = planOf(address, "dgram", options, what, ["reuseAddr", "reusePort", "v6Only"]);
  return openBound(plan, options, () => {});
}

/** Begins a connection: what {@linkcode Socket.connect} says. */
export function openConnection(address: unknown, options: ConnectOptions, what: string): Opened {
  const { type = "stream", local } = checkOptions(options, `${what}: options`);
  const known = oneOf(type, ["stream", "dgram", "seqpacket"], `${what}: type`);
  const plan = planOf(address, known, options, what, ["noDelay", "keepAlive"]);
  const from = local === undefined ? null : localAddress(local, plan.address, what);
  const to = encodeAddress(plan.address, `${what}: the address`);
  if (plan.address.family === "unix" && plan.address.path === "") {
    throw new TypeError(`${what}: the address must have a path to connect to, got ""`);
  }
  const number = open(plan, (fd) => {
    if (from !== null) {
      const bytes = encodeAddress(from, `${what}: local`);
      // The kernel then finds a port when it knows the peer, of which each can have all ports.
      if (from.family !== "unix" && from.port === 0 && type === "stream") {
        setOptions(new Borrowed(fd), [setting(OPTION.addressWithoutPort, 1)]);
      }
      const result = libc.bind(fd, bytes, bytes.byteLength);
      if (result === -1) throw addressError("bind", errno(), fd, { ...plan, address: from });
    }
    // A call that a signal interrupts has begun to connect; on Linux, another one goes on waiting.
    for (;;) {
      if (libc.connect(fd, to, to.byteLength) === 0) return;
      const code = errno();
      if (code === EINPROGRESS) return;
      if (code !== EINTR) throw connectError(code, fd, plan.address);
    }
  });
  return { number, type: known };
}

/** The flags of socket(2) and accept4(2). */
export function socketFlags(options: SocketFlags, what: string): number {
  const { blocking = false, inherit = false } = checkOptions(options, `${what}: options`);
  return (flag(blocking, `${what}: blocking`) ? 0 : posix.SOCK_NONBLOCK) |
    (flag(inherit, `${what}: inherit`) ? 0 : posix.SOCK_CLOEXEC);
}

/** Refuses a system whose sockets have other options, addresses and messages. */
export function requireLinux(what: string): void {
  if (os !== "linux") throw new UnsupportedError(what, "Linux; socketPair works everywhere");
}

/**
 * Finds out what kind of socket a number is, and sets its flags.
 *
 * @throws {SyscallError} EBADF, ENOTSOCK, before anything was changed
 */
export function adoptedType(fd: number, flags: SocketFlags, what: string): SocketType {
  const { blocking = false, inherit = false } = checkOptions(flags, `${what}: options`);
  const nonblock = !flag(blocking, `${what}: blocking`);
  const cloexec = !flag(inherit, `${what}: inherit`);
  requireLinux(what);
  const borrowed = new Borrowed(fd);
  const type = typeOf(borrowed);
  setNonblock(borrowed, nonblock);
  setCloexec(borrowed, cloexec);
  return type;
}

function typeOf(descriptor: Borrowed): SocketType {
  let number: number;
  try {
    number = getOption(descriptor, OPTION.type);
  } catch (error) {
    throw withRemedy(error, { ENOTSOCK: "It is not a socket: adopt it as an FD" });
  }
  const types = Object.keys(TYPES) as SocketType[];
  const type = types.find((word) => TYPES[word] === number);
  if (type !== undefined) return type;
  throw new UnsupportedError(`a socket of type ${number}`, "an FD to adopt it");
}

/** Checks what is the same for all three, before there is a socket. */
function planOf(
  address: unknown,
  type: SocketType,
  options: ListenOptions | BindOptions | ConnectOptions,
  what: string,
  names: Parameters<typeof settingsOf>[1],
): Plan {
  const flags = socketFlags(options, what);
  const known = checkAddress(address, `${what}: the address`);
  const { family } = known;
  if (type === "seqpacket" && family !== "unix") {
    throw new TypeError(
      `${what}: type "seqpacket" is for Unix sockets, and the address is ${family}`,
    );
  }
  const all = ["receiveBuffer", "sendBuffer", ...names] as const;
  const settings = settingsOf(options, all, { family, type }, what);
  requireLinux(what);
  return { what, address: known, type, flags, settings };
}

/** Makes a socket, and closes it when what follows throws. */
function open(plan: Plan, finish: (fd: number) => void): number {
  const { address, type, flags, settings } = plan;
  const fd = check("socket", libc.socket(domainOf(address), TYPES[type] | flags, 0));
  try {
    setOptions(new Borrowed(fd), settings);
    finish(fd);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Makes a socket with an address of its own, and takes its file away when what follows throws. */
function openBound(plan: Plan, options: SocketFileOptions, finish: (fd: number) => void): number {
  const { address, type, what } = plan;
  const bytes = encodeAddress(address, `${what}: the address`);
  const { mode, unlinkStale } = fileOptions(options, address, what);
  const file = filePath(address);
  const isTcp = address.family !== "unix" && type === "stream";
  const settings = isTcp ? [setting(OPTION.reuseAddr, 1), ...plan.settings] : plan.settings;
  return open({ ...plan, settings }, (fd) => {
    // The file has no permissions beyond these, not even for a moment; the umask still counts.
    if (mode !== null) check("fchmod", libc.fchmod(fd, mode), fd);
    if (libc.bind(fd, bytes, bytes.byteLength) === -1) {
      const code = errno();
      const again = code === EADDRINUSE && unlinkStale && file !== null &&
        unlinkStaleFile(file, bytes, type);
      if (!again) throw addressError("bind", code, fd, plan);
      if (libc.bind(fd, bytes, bytes.byteLength) === -1) {
        throw addressError("bind", errno(), fd, plan);
      }
    }
    try {
      if (mode !== null && file !== null) check("chmod", libc.chmod(file, mode));
      finish(fd);
    } catch (error) {
      if (file !== null) libc.unlink(file);
      throw error;
    }
  });
}

function fileOptions(
  { mode, unlinkStale = false }: SocketFileOptions,
  address: SocketAddress,
  what: string,
): { mode: number | null; unlinkStale: boolean } {
  const known = mode === undefined ? null : integer(mode, `${what}: mode`, 0, MOST_MODE);
  const unlinks = flag(unlinkStale, `${what}: unlinkStale`);
  if ((known !== null || unlinks) && filePath(address) === null) {
    throw new TypeError(
      `${what}: ${
        known === null ? "unlinkStale" : "mode"
      } is for a Unix socket with a path, and the ` +
        `address is ${formatAddress(address)}: leave it out`,
    );
  }
  return { mode: known, unlinkStale: unlinks };
}

/** The file of a Unix socket, as C takes it. */
function filePath(address: SocketAddress): Uint8Array<ArrayBuffer> | null {
  if (address.family !== "unix" || address.path === "" || address.path.startsWith("\0")) {
    return null;
  }
  return cString(address.path);
}

function localAddress(local: unknown, { family }: SocketAddress, what: string): SocketAddress {
  const from = checkAddress(local, `${what}: local`);
  if (from.family === family) return from;
  throw new TypeError(
    `${what}: local must be of the address's family ${family}, got ${from.family}`,
  );
}

/** The one place that says why an address cannot be had. */
function addressError(syscall: string, code: number, fd: number, plan: Plan): unknown {
  const { address } = plan;
  const text = formatAddress(address);
  return withRemedy(new SyscallError(syscall, code, fd), {
    EADDRINUSE: code === EADDRINUSE ? takenBy(plan, text) : "",
    EADDRNOTAVAIL: `No interface of this machine has the address of ${text}`,
    EACCES: filePath(address) === null
      ? `${text} is not for everybody: a port below the sysctl net.ipv4.ip_unprivileged_port_start ` +
        "takes CAP_NET_BIND_SERVICE"
      : `The folder of ${text} is not for this user to write to`,
    ENOENT: `The folder of ${text} does not exist`,
  });
}

/** Who has an address, and what to do about it. */
function takenBy({ address, type, quiet = false }: Plan, text: string): string {
  const holder = quiet ? null : holderOf(address, type);
  if (address.family !== "unix") {
    return `${text} belongs to ${holder ?? "another socket"}: end that first, or have both set ` +
      "{ reusePort: true }";
  }
  if (filePath(address) === null || holder !== null) {
    return `${text} belongs to ${holder ?? "another socket"}: end that first`;
  }
  return `There is a file at ${text}: { unlinkStale: true } removes it when nobody listens there`;
}

function connectError(code: number, fd: number, address: SocketAddress): unknown {
  const text = formatAddress(address);
  return withRemedy(new SyscallError("connect", code, fd), {
    EAGAIN: address.family === "unix"
      ? `The backlog of ${text} is full: try again when its program has accepted some`
      : `There is no local port left for ${text}`,
    ECONNREFUSED: `Nobody listens at ${text}`,
    ENOENT: `There is no socket at ${text}`,
    EPROTOTYPE: `The socket at ${text} is of another type`,
  });
}
