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

/** A pair of connected sockets. */
export function stream(): TestStream {
  const { left, right } = socketPair();
  const drain = (end: typeof left): void => {
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
    endFar: () => void libc.shutdown(right.raw, socket.SHUT_WR),
    closeFar: () => right.close(),
    close: () => left.close(),
    [Symbol.dispose]: () => {
      left.close();
      right.close();
    },
  };
}
