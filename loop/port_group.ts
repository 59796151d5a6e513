/**
 * One TCP port for several listeners.
 *
 * Kernel: SO_REUSEPORT is Linux 3.9.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { OWNED } from "../handles/descriptor.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { Socket } from "../handles/socket.ts";
import {
  type AddressLike,
  checkAddress,
  formatAddress,
  type SocketAddress,
} from "../handles/socket_address.ts";
import { type ListenOptions, openHolder } from "../handles/socket_open.ts";
import type { AcceptOptions, BufferOptions, TCPOptions } from "../handles/socket_options.ts";
import { TimerFD } from "../handles/timer_fd.ts";
import { abortSignal, integer, options as checkOptions } from "../handles/validate.ts";
import { type AwaitOptions, untilTaken } from "../handles/waiting.ts";

const EADDRINUSE = errnoNumber("EADDRINUSE");

/** More threads than that nobody has. */
const MOST_LISTENERS = 4096;

/** The first wait before binding is tried again, in ms; each is twice as long as the one before. */
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 250;

/** What the listeners of one port have in common, and how long to try. */
export interface BindPortOptions extends BufferOptions, TCPOptions, AcceptOptions, AwaitOptions {
  /** How many connections may wait at each listener: as for `Socket.listen`. Default: 4096. */
  backlog?: number;
  /** Whether `"::"` leaves IPv4 alone. Default: what the system says. */
  v6Only?: boolean;
  /** Whether the descriptors stay open across exec. Default: false. */
  inherit?: boolean;
  /**
   * How long to try again while the port belongs to another socket (EADDRINUSE), after waits that grow
   * and that chance makes a little shorter, so that several who wait do not keep in step. Default: 0.
   */
  retry?: Duration;
}

/** What {@link bindPort} was called with, checked. */
interface Plan {
  readonly address: SocketAddress;
  readonly count: number;
  readonly options: ListenOptions;
}

/**
 * Binds several listeners to one TCP port: `SO_REUSEPORT`. The kernel spreads the clients over them.
 * For port 0 the kernel picks one port for all.
 *
 * Other programs of this user that ask for the same with `SO_REUSEPORT` get the port, too, and their
 * share of the clients.
 *
 * Platforms: Linux. See socket(7).
 *
 * @param count how many listeners, from 1
 * @throws {TypeError} when an argument is not what it should be, or the address is a Unix socket's
 * @throws {RangeError} when a number is out of range
 * @throws {SyscallError} EADDRINUSE, with who has the port where that can be known; EADDRNOTAVAIL,
 *   EACCES, EMFILE, ENFILE
 * @throws {UnsupportedError} on anything but Linux
 *
 * @example
 * ```ts
 * import { bindPort } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using group = await bindPort("127.0.0.1:0", 2, { noDelay: true, retry: 2000 });
 * group.listeners[1]!.close();
 * using again = group.reopen(1);
 * assertEquals(again.localAddress, group.address);
 * ```
 */
export async function bindPort(
  address: AddressLike,
  count: number,
  options: BindPortOptions = {},
): Promise<PortGroup> {
  const what = "bindPort";
  const { retry = 0, signal, loop, ...rest } = checkOptions(options, `${what}: options`);
  const known = checkAddress(address, `${what}: the address`);
  if (known.family === "unix") {
    throw new TypeError(`${what}: a Unix socket has no port: share one listener, share() makes it`);
  }
  const plan: Plan = {
    address: known,
    count: integer(count, `${what}: the count`, 1, MOST_LISTENERS),
    options: { ...rest, type: "stream", blocking: false, reuseAddr: true, reusePort: true },
  };
  const end = performance.now() + toMilliseconds(retry, `${what}: retry`);
  abortSignal(signal, `${what}: signal`)?.throwIfAborted();
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    const left = end - performance.now();
    // Finding out who has the port takes time: only the last attempt does.
    const group = tryToBind(plan, left <= 0, what);
    if (group !== null) return group;
    await pause(Math.min(left, wait * (1 - Math.random() / 2)), { signal, loop }, what);
  }
}

/**
 * The listeners of one port, made by {@linkcode bindPort}, and the port itself: it stays taken while
 * all of them are closed, so that they can be opened again.
 *
 * @example
 * ```ts
 * import { bindPort, PortGroup } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using group = await bindPort("127.0.0.1:0", 3);
 * assert(group instanceof PortGroup);
 * assertEquals(group.listeners.map((each) => each.localAddress), Array(3).fill(group.address));
 * ```
 */
export class PortGroup implements Disposable {
  readonly #holder: Socket;
  readonly #address: SocketAddress;
  readonly #options: ListenOptions;
  readonly #listeners: Socket[];

  /** Port groups are made by `bindPort`. */
  constructor(
    key: symbol,
    holder: Socket,
    address: SocketAddress,
    options: ListenOptions,
    listeners: Socket[],
  ) {
    if (key !== OWNED) throw new TypeError("new PortGroup() is not possible: call bindPort()");
    this.#holder = holder;
    this.#address = address;
    this.#options = options;
    this.#listeners = listeners;
  }

  /** The address that all of them have, with the port that the kernel picked where it was 0. */
  get address(): SocketAddress {
    return this.#address;
  }

  /** A socket that is bound to the port and does not listen: it keeps the port while nobody does. */
  get holder(): Socket {
    return this.#holder;
  }

  /** The listeners. They are closed with the group; each may be closed before. */
  get listeners(): readonly Socket[] {
    return this.#listeners;
  }

  /**
   * Listens anew in the place of a listener that was closed, with its address and its options.
   *
   * @param index which of {@link PortGroup.listeners}
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when there is no such listener
   * @throws {Error} when it is open
   * @throws {ClosedError} when the group is closed
   * @throws {SyscallError} EMFILE, ENFILE
   */
  reopen(index: number): Socket {
    const what = "PortGroup.reopen";
    const place = integer(index, `${what}: the index`, 0, this.#listeners.length - 1);
    if (this.#holder.closed) throw new ClosedError("PortGroup");
    if (this.#listeners[place]!.valid) {
      throw new Error(`${what}: listener ${place} is open: drain or close it first`);
    }
    const listener = Socket.listen(this.#address, this.#options);
    this.#listeners[place] = listener;
    return listener;
  }

  /** Closes all listeners and gives the port back. Doing it again does nothing. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#holder.close();
  }

  /** {@link PortGroup.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Goes on with listeners that somebody else has bound to one port with `SO_REUSEPORT`: they are the
 * group's from here on. When this throws, they are still the caller's.
 *
 * @throws {TypeError} when they do not share one TCP address
 * @throws {SyscallError} EADDRINUSE, when they were bound without `SO_REUSEPORT`; EMFILE, ENFILE
 */
export function inheritPort(listeners: readonly Socket[], common: BindPortOptions): PortGroup {
  const what = "Engine.listen";
  const { retry: _retry, signal: _signal, loop: _loop, ...rest } = common;
  const [address, ...others] = listeners.map(({ localAddress }) => localAddress);
  if (address === undefined || address.family === "unix") {
    throw new TypeError(`${what}: the listeners must be bound to a TCP port`);
  }
  const place = formatAddress(address);
  if (others.some((other) => formatAddress(other) !== place)) {
    throw new TypeError(`${what}: the listeners must all be bound to ${place}`);
  }
  const options: ListenOptions = {
    ...rest,
    type: "stream",
    blocking: false,
    reuseAddr: true,
    reusePort: true,
  };
  const holder = Socket.adopt(openHolder(address, options, false, what));
  return new PortGroup(OWNED, holder, address, options, [...listeners]);
}

/** Binds everything or nothing; null when the port is taken and another attempt is to follow. */
function tryToBind(
  { address, count, options }: Plan,
  last: boolean,
  what: string,
): PortGroup | null {
  const opened: Socket[] = [];
  try {
    const holder = Socket.adopt(openHolder(address, options, !last, what));
    opened.push(holder);
    const bound = holder.localAddress;
    const listeners = Array.from({ length: count }, () => {
      const listener = Socket.listen(bound, options);
      opened.push(listener);
      return listener;
    });
    return new PortGroup(OWNED, holder, bound, options, listeners);
  } catch (error) {
    for (const socket of opened) socket.close();
    const taken = error instanceof SyscallError && error.errno === EADDRINUSE;
    if (taken && !last) return null;
    throw error;
  }
}

async function pause(milliseconds: number, options: AwaitOptions, what: string): Promise<void> {
  using timer = TimerFD.create();
  timer.arm(Math.max(milliseconds, 1));
  await untilTaken(timer, () => timer.expirations(), options, what);
}
