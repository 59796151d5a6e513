/**
 * The sources that every poller's conformance suite is run on.
 *
 * @module
 */

import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { socketPair } from "../handles/pipe.ts";
import type { TestStream } from "./poller_conformance.ts";

const block = new Uint8Array(64 * 1024);

/** One end of a pair of sockets, of the kernel's or in memory. */
interface End {
  read(buffer: Uint8Array): number | null;
  write(data: Uint8Array): number | null;
  dup(): TestStream["target"] & { close(): void };
  close(): void;
}

/** A pair of connected sockets. */
export function stream(): TestStream {
  const { left, right } = socketPair();
  return streamOf(left, right, () => void libc.shutdown(right.raw, socket.SHUT_WR));
}

/** The same of any pair, whose far side ends its writing by `endFar`. */
export function streamOf(
  left: End & TestStream["target"],
  right: End,
  endFar: () => void,
): TestStream {
  const drain = (end: End): void => {
    while ((end.read(block) ?? 0) > 0);
  };
  return {
    target: left,
    duplicate: () => {
      const copy = left.dup();
      return { target: copy, [Symbol.dispose]: () => copy.close() };
    },
    drain: () => drain(left),
    fill: () => {
      while (left.write(block) !== null);
    },
    send: () => void right.write(block.subarray(0, 1)),
    drainFar: () => drain(right),
    endFar,
    closeFar: () => right.close(),
    close: () => left.close(),
    [Symbol.dispose]: () => {
      left.close();
      right.close();
    },
  };
}
