/**
 * What the tests of sockets share: connections on the loopback, calls that fail as they cannot be made
 * to fail, and a look at options and at who sleeps.
 *
 * @module
 */

import fs from "node:fs";
import { type ErrnoName, errnoNumber } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import type { SymbolName } from "../ffi/symbols.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Descriptor } from "../handles/descriptor.ts";
import { Socket } from "../handles/socket.ts";
import type { AddressLike, SocketAddress } from "../handles/socket_address.ts";
import { getOption, OPTION } from "../handles/socket_options.ts";
import { readable, writable } from "./probes.ts";
import { waitUntil } from "./support.ts";

const WAIT_MS = 5000;

/** Two connected sockets, closed together. */
export interface Connection extends Disposable {
  readonly client: Socket;
  readonly server: Socket;
}

/** Connects two sockets: by TCP, or at another address. Both are connected when it returns. */
export function connection(address: AddressLike = "127.0.0.1:0"): Connection {
  using listener = Socket.listen(address);
  const client = Socket.connect(listener.localAddress);
  const server = accepted(listener);
  must(writable(client, WAIT_MS), "the connection is writable");
  return {
    client,
    server,
    [Symbol.dispose]() {
      client.close();
      server.close();
    },
  };
}

/** Accepts a connection that is on its way. */
export function accepted(listener: Socket): Socket {
  must(readable(listener, WAIT_MS), "a connection is there to be accepted");
  return listener.accept()!;
}

/** Reads what is on its way: the bytes of one read. */
export function received(socket: Socket, most: number = 65536): Uint8Array {
  must(readable(socket, WAIT_MS), "something is there to be read");
  const buffer = new Uint8Array(most);
  return buffer.subarray(0, socket.read(buffer)!);
}

/** Reads text that is on its way. */
export function receivedText(socket: Socket): string {
  return new TextDecoder().decode(received(socket));
}

function must(came: boolean, what: string): void {
  if (!came) throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

/** An abstract name that no other process has: the suite runs in several at the same time. */
export function abstractName(name: string): string {
  return `@fdloop-${libc.getpid()}-${name}`;
}

/** A port of the loopback where nobody listens: it was just given back. */
export function deadAddress(): SocketAddress {
  using listener = Socket.listen("127.0.0.1:0");
  return listener.localAddress;
}

/** Whether this machine has the loopback of IPv6. */
export const hasIPv6: boolean = (() => {
  try {
    Socket.listen("[::1]:0").close();
    return true;
  } catch {
    return false;
  }
})();

/** An option as the kernel has it. */
export function optionOf(socket: Descriptor, name: keyof typeof OPTION): number {
  return getOption(socket, OPTION[name]);
}

const word = new Int32Array(new ArrayBuffer(4));

/** Leaves an errno behind, as a call that failed does. */
export function setErrno(error: ErrnoName): void {
  libc.getpid(); // the library finds errno with its first call
  const locate = backend.bind("__errno_location", ["usize"]) as unknown as () => bigint;
  const at = locate();
  word[0] = errnoNumber(error);
  libc.copy_out(at, word, 4n);
}

/** Makes a call fail with each error in turn, and then work again, until the end of its scope. */
export function failing(
  name: SymbolName,
  errors: readonly ErrnoName[],
): Disposable & { readonly calls: number } {
  const calls = libc as unknown as Record<string, (...args: unknown[]) => unknown>;
  const real = calls[name]!;
  let made = 0;
  calls[name] = (...args: unknown[]): unknown => {
    const error = errors[made++];
    if (error === undefined) return real(...args);
    setErrno(error);
    return -1;
  };
  return {
    get calls() {
      return made;
    },
    [Symbol.dispose]: () => void (calls[name] = real),
  };
}

/** What a call reports: the name of its error. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof SyscallError) return error.code;
    throw error;
  }
  return "no error";
}

/** Resolves when a thread of this process sleeps in a call on a number. */
export function asleepOn(number: number): Promise<void> {
  const call = new RegExp(`^\\d+ 0x${number.toString(16)} `);
  const sleeps = (thread: string): boolean => {
    try {
      return call.test(fs.readFileSync(`/proc/self/task/${thread}/syscall`, "utf8"));
    } catch {
      return false; // the thread has ended between the listing and the look
    }
  };
  return waitUntil(
    () => fs.readdirSync("/proc/self/task").some(sleeps),
    10_000,
    `a thread that sleeps on fd ${number}`,
  );
}
