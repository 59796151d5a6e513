/**
 * What the tests of connections share: handlers that write down what they are told, and peers that do
 * their part at once.
 *
 * @module
 */

import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Descriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { readInto, writeFrom } from "../handles/io.ts";
import { socketPair } from "../handles/pipe.ts";
import type { Socket } from "../handles/socket.ts";
import type { ConnHandlers } from "../loop/conn_options.ts";
import type { Loop } from "../loop/loop.ts";

/** Text as bytes. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.slice());
}

/** How an error is written down: by the name of its errno where it has one. */
export function named(error: Error | null): string {
  if (error === null) return "null";
  return error instanceof SyscallError ? error.code : error.name;
}

/** What {@link record} made. */
export interface Recorder {
  /** What happened, in order: `recv x`, `end`, `drain`, `close null`, `close ECONNRESET`. */
  readonly seen: string[];
  readonly handlers: ConnHandlers;
}

/**
 * Handlers that write down what they are told, and then do what the test adds. Without an `onEnd` of
 * its own there is none, because having one changes what a connection does.
 */
export function record(added: Partial<ConnHandlers> = {}): Recorder {
  const seen: string[] = [];
  const { onEnd } = added;
  return {
    seen,
    handlers: {
      onRecv: (bytes, conn) => {
        seen.push(`recv ${decode(bytes)}`);
        added.onRecv?.(bytes, conn);
      },
      ...(onEnd === undefined ? {} : {
        onEnd: (conn) => {
          seen.push("end");
          onEnd(conn);
        },
      }),
      onDrain: (conn) => {
        seen.push("drain");
        added.onDrain?.(conn);
      },
      onClose: (error, conn) => {
        seen.push(`close ${named(error)}`);
        added.onClose?.(error, conn);
      },
    },
  };
}

/** Opens a file. The runtime's own number of it is given back, because each runtime closes its own. */
export function openFile(path: string, mode: string): FD {
  const number = fs.openSync(path, mode);
  try {
    return FD.duplicate(number);
  } finally {
    fs.closeSync(number);
  }
}

/** Writes until the descriptor takes no more: how many bytes it took. */
export function fill(descriptor: Descriptor): number {
  const block = new Uint8Array(new ArrayBuffer(64 * 1024));
  let total = 0;
  for (let taken = writeFrom(descriptor, block); taken !== null;) {
    total += taken;
    taken = writeFrom(descriptor, block);
  }
  return total;
}

/** Reads until the descriptor has nothing more: the bytes, and whether that is their end. */
export function drain(descriptor: Descriptor): { bytes: Uint8Array; ended: boolean } {
  const parts: Uint8Array[] = [];
  const block = new Uint8Array(new ArrayBuffer(64 * 1024));
  for (;;) {
    const count = readInto(descriptor, block);
    if (count === null || count === 0) return { bytes: joined(parts), ended: count === 0 };
    parts.push(block.slice(0, count));
  }
}

/** Several pieces as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

/** Bytes of which each place can be told from its neighbours: 0, 1, 2, … modulo a prime. */
export function pattern(length: number, from: number = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (from + at) % 251;
  return bytes;
}

/** Compares bytes, many of them quickly: names the first that is not as it should be. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what: string = ""): void {
  assertEquals(actual.byteLength, expected.byteLength, `${what} (length)`);
  for (let at = 0; at < expected.byteLength; at++) {
    if (actual[at] !== expected[at]) {
      assertEquals(actual[at], expected[at], `${what} (byte ${at} of ${expected.byteLength})`);
    }
  }
}

/** A generator with a seed, so that a failure can be repeated. */
export function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** Handlers that unregister their connection when they have received so much. */
export function until(text: string): Recorder {
  let got = "";
  return record({
    onRecv: (bytes, conn) => {
      got += decode(bytes);
      if (got === text) conn.unregister();
    },
  });
}

/** An `onRecv` that does nothing. */
export function onRecv(): void {}

/** Nothing of any connection is left in a loop, and so it ends by itself. */
export async function assertEmpty(loop: Loop): Promise<void> {
  const { connections, pendingBytes, timers } = loop.metrics();
  assertEquals([connections, pendingBytes, timers], [0, 0, 0]);
  await loop.run();
}

/** Closes with RST instead of FIN. */
export function reset(socket: Socket): void {
  socket.linger = 0;
  socket.close();
}

/** A Unix socket pair in the shape of a connection. */
export function unixConnection(): { client: FD; server: FD } & Disposable {
  const pair = socketPair();
  return {
    client: pair.left,
    server: pair.right,
    [Symbol.dispose]: () => pair[Symbol.dispose](),
  };
}
