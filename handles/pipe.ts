/**
 * Two descriptors that talk to each other inside the machine: a pipe, and a pair of sockets.
 *
 * Kernel: pipe2 is Linux 2.6.27 and FreeBSD 10; macOS has neither it nor SOCK_CLOEXEC, and the
 * flags are set one call later there.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { FD } from "./fd.ts";
import { TYPES } from "./socket_options.ts";
import { flag, oneOf, options as checkOptions } from "./validate.ts";

/** What both ends of a pipe or of a socket pair are made with. */
export interface EndOptions {
  /** Whether calls that would have to wait block the thread instead of answering null. Default: false. */
  blocking?: boolean;
  /** Whether both ends stay open across exec. Default: false. */
  inherit?: boolean;
}

/** What a socket pair is made with. */
export interface SocketPairOptions extends EndOptions {
  /** The kind of socket: a byte stream, datagrams, or datagrams in order. Default: `"stream"`. */
  type?: "stream" | "dgram" | "seqpacket";
}

/** The two ends of a pipe, closed together by `using`. */
export interface PipeEnds extends Disposable {
  /** The end that bytes come out of. */
  readonly reader: FD;
  /** The end that bytes go into. */
  readonly writer: FD;
}

/** The two ends of a socket pair, closed together by `using`. */
export interface SocketPair extends Disposable {
  /** One end. */
  readonly left: FD;
  /** The other. */
  readonly right: FD;
}

/**
 * Makes a pipe: `pipe2(2)`, both ends non-blocking and closed on exec unless asked otherwise.
 *
 * Platforms: Linux, macOS, FreeBSD. See pipe(2), pipe(7).
 *
 * @throws {TypeError} when an option is not what it should be
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
 *
 * @example
 * ```ts
 * import { pipe } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using ends = pipe();
 * ends.writer.write(new Uint8Array([1, 2, 3]));
 * assertEquals(ends.reader.read(new Uint8Array(8)), 3);
 * ```
 */
export function pipe(options: EndOptions = {}): PipeEnds {
  const { blocking, inherit } = endOptions(options, "pipe");
  const [reader, writer] = twoEnds(blocking, inherit, (numbers) => {
    if (os === "darwin") return check("pipe", libc.pipe(numbers));
    const flags = (blocking ? 0 : posix.O_NONBLOCK) | (inherit ? 0 : posix.O_CLOEXEC);
    return check("pipe2", libc.pipe2(numbers, flags));
  });
  return { reader, writer, [Symbol.dispose]: () => closeBoth(reader, writer) };
}

/**
 * Makes two Unix sockets that are connected to each other: `socketpair(2)`, both non-blocking and
 * closed on exec unless asked otherwise.
 *
 * Platforms: Linux, macOS, FreeBSD. See socketpair(2), unix(7).
 *
 * @throws {TypeError} when an option is not what it should be
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
 *
 * @example
 * ```ts
 * import { socketPair } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using pair = socketPair({ type: "seqpacket" });
 * pair.left.write(new Uint8Array(3));
 * pair.left.write(new Uint8Array(5));
 * const buffer = new Uint8Array(64);
 * assertEquals([pair.right.read(buffer), pair.right.read(buffer)], [3, 5]);
 * ```
 */
export function socketPair(options: SocketPairOptions = {}): SocketPair {
  const { blocking, inherit } = endOptions(options, "socketPair");
  const type = oneOf(
    options.type ?? "stream",
    ["stream", "dgram", "seqpacket"],
    "socketPair: type",
  );
  const [left, right] = twoEnds(blocking, inherit, (numbers) => {
    const flags = os === "darwin"
      ? 0
      : (blocking ? 0 : posix.SOCK_NONBLOCK) | (inherit ? 0 : posix.SOCK_CLOEXEC);
    return check("socketpair", libc.socketpair(posix.AF_UNIX, TYPES[type] | flags, 0, numbers));
  });
  return { left, right, [Symbol.dispose]: () => closeBoth(left, right) };
}

function endOptions(options: EndOptions, what: string): Required<EndOptions> {
  const { blocking = false, inherit = false } = checkOptions(options, `${what}: options`);
  return {
    blocking: flag(blocking, `${what}: blocking`),
    inherit: flag(inherit, `${what}: inherit`),
  };
}

function twoEnds(
  blocking: boolean,
  inherit: boolean,
  open: (numbers: Int32Array) => number,
): [FD, FD] {
  const numbers = new Int32Array(new ArrayBuffer(8));
  open(numbers);
  const first = FD.adopt(numbers[0]!);
  const second = FD.adopt(numbers[1]!);
  if (os === "darwin") {
    for (const end of [first, second]) {
      end.setCloexec(!inherit);
      end.setNonblock(!blocking);
    }
  }
  return [first, second];
}

function closeBoth(first: FD, second: FD): void {
  first.close();
  second.close();
}
