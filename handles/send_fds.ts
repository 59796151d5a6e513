/**
 * Descriptors that go from one process to another through a Unix socket.
 *
 * Kernel: every POSIX system has them; this is Linux's form, where 253 fit into a message.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { acquire, Descriptor, release } from "./descriptor.ts";
import { FD } from "./fd.ts";
import { plain } from "./io.ts";
import { MOST_DESCRIPTORS, receiveWith, sendWith } from "./socket_messages.ts";
import { requireLinux } from "./socket_open.ts";
import { getOption, OPTION } from "./socket_options.ts";
import { bytes, descriptorNumber, integer, shown } from "./validate.ts";

/** What {@linkcode recvFds} has received. */
export interface ReceivedFds {
  /** How many bytes are in the buffer, 0 at the end of the stream. */
  readonly length: number;
  /** The descriptors, closed on exec. Whoever receives them closes them. */
  readonly descriptors: FD[];
  /**
   * Whether something is lost: descriptors beyond `max` or beyond the limit of this process, which
   * are closed, or the bytes of a message that was longer than the buffer.
   */
  readonly truncated: boolean;
}

/**
 * Sends descriptors along with bytes: `sendmsg(SCM_RIGHTS)`. Answers how many of the bytes were taken,
 * null when it would block; the descriptors went if any byte did.
 *
 * The receiver gets descriptors of its own: those here stay with their owners, who may close them at
 * once. An epoll set can be sent like everything else.
 *
 * Platforms: Linux. See unix(7), cmsg(3).
 *
 * @param through a Unix socket that is connected: a {@linkcode Socket}, or an end of `socketPair`
 * @param descriptors at most 253 handles, or numbers that stay their owners'
 * @param buffer at least one byte, without which a stream carries no descriptors
 * @throws {TypeError} when an argument is not what it should be
 * @throws {RangeError} when there are too many descriptors, or no byte
 * @throws {ClosedError} when a handle is closed
 * @throws {SyscallError} EPIPE, ECONNRESET, ENOTCONN; EBADF, for a number that is not open; ENOTSOCK;
 *   ETOOMANYREFS, when more are on their way than this user may have open
 * @throws {UnsupportedError} on anything but Linux
 *
 * @example
 * ```ts
 * import { pipe, recvFds, sendFds, socketPair } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using pair = socketPair();
 * using ends = pipe();
 * sendFds(pair.left, [ends.writer], new Uint8Array(1));
 * const { descriptors: [writer] } = recvFds(pair.right, new Uint8Array(1), 1)!;
 * writer!.write(new Uint8Array(3));
 * writer!.close();
 * assertEquals(ends.reader.read(new Uint8Array(8)), 3);
 * ```
 */
export function sendFds(
  through: Descriptor,
  descriptors: readonly (Descriptor | number)[],
  buffer: ArrayBufferView,
): number | null {
  checkSocket(through, "sendFds");
  const view = plain(bytes(buffer, "sendFds: the buffer"));
  if (view.length === 0) {
    throw new RangeError("sendFds: the buffer must have a byte for the descriptors to go with");
  }
  if (!Array.isArray(descriptors)) {
    throw new TypeError(`sendFds: the descriptors must be an array, got ${shown(descriptors)}`);
  }
  const length = integer(
    descriptors.length,
    "sendFds: how many descriptors there are",
    1,
    MOST_DESCRIPTORS,
  );
  // Each is asked for once, a hole too, and before any is held: what a getter closes is closed then.
  const given = Array.from({ length }, (_, index): unknown => descriptors[index]);
  const held: Descriptor[] = [];
  try {
    const numbers = given.map((one): number => {
      if (!(one instanceof Descriptor)) {
        return descriptorNumber(one, "sendFds: a descriptor, unless a handle,");
      }
      const number = acquire(one);
      held.push(one);
      return number;
    });
    return sendWith(through, numbers, view);
  } finally {
    for (const one of held) release(one);
  }
}

/**
 * Receives bytes and the descriptors that came with them: `recvmsg(SCM_RIGHTS)`; null when it would
 * block.
 *
 * A call hands out the descriptors of one {@linkcode sendFds} at most, and takes no bytes behind
 * theirs; of a stream, bytes that were sent before them can stand in front. They come with the first
 * of their bytes.
 *
 * Reading in any other way closes descriptors unseen: the kernel hands them out here only.
 *
 * Platforms: Linux. See unix(7), cmsg(3).
 *
 * @param through a Unix socket that is connected: a {@linkcode Socket}, or an end of `socketPair`
 * @param buffer for the bytes, at least one
 * @param max how many descriptors are wanted, up to 253: those beyond it are closed
 * @throws {TypeError} when an argument is not what it should be
 * @throws {RangeError} when `max` is out of range, or there is no room for a byte
 * @throws {ClosedError} when the handle is closed
 * @throws {SyscallError} ECONNRESET, ENOTCONN, ENOTSOCK
 * @throws {UnsupportedError} on anything but Linux
 *
 * @example
 * ```ts
 * import { recvFds, sendFds, Socket, socketPair } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * // A listener changes its owner, as from an old process to a new one.
 * using pair = socketPair();
 * using before = Socket.listen("127.0.0.1:0");
 * sendFds(pair.left, [before], new TextEncoder().encode("http"));
 *
 * const buffer = new Uint8Array(16);
 * const { length, descriptors } = recvFds(pair.right, buffer, 1)!;
 * using received = descriptors[0]!;
 * using after = Socket.duplicate(received.raw);
 * assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), "http");
 * assertEquals(after.localAddress, before.localAddress);
 * ```
 */
export function recvFds(
  through: Descriptor,
  buffer: ArrayBufferView,
  max: number,
): ReceivedFds | null {
  checkSocket(through, "recvFds");
  const view = plain(bytes(buffer, "recvFds: the buffer"));
  if (view.length === 0) {
    throw new RangeError("recvFds: the buffer must have room for a byte, or the end is not seen");
  }
  integer(max, "recvFds: max", 0, MOST_DESCRIPTORS);
  const received = receiveWith(through, view);
  if (received === null) return null;
  const { length, numbers, truncated } = received;
  for (const number of numbers.slice(max)) libc.close(number);
  const descriptors = numbers.slice(0, max).map((number) => FD.adopt(number));
  return { length, descriptors, truncated: truncated || numbers.length > max };
}

function checkSocket(through: unknown, what: string): void {
  if (!(through instanceof Descriptor)) {
    throw new TypeError(`${what}: the socket must be a handle, got ${shown(through)}`);
  }
  requireLinux(what);
  if (getOption(through, OPTION.domain) === posix.AF_UNIX) return;
  throw new TypeError(
    `${what}: the socket must be a Unix socket: through any other, descriptors get lost unseen`,
  );
}
