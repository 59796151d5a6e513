/**
 * What a program's module exports to serve the connections of an Engine.
 *
 * @module
 */

import type { Socket } from "../handles/socket.ts";
import type { SocketAddress } from "../handles/socket_address.ts";
import { shown } from "../handles/validate.ts";
import type { Connection } from "./connection.ts";
import type { Loop } from "./loop.ts";

/** The worker, as its own program sees it. */
export interface EngineWorker {
  /** Its number, from 0. A worker that takes the place of one that has died has the number of that. */
  readonly index: number;
  /** How many workers the engine has. */
  readonly count: number;
  /** The loop of this thread, which is running. */
  readonly loop: Loop;
  /** Where the engine listens; null when it does not listen, and before it does. */
  readonly address: SocketAddress | null;
  /**
   * Sends a value to the `onMessage` of the Engine: a copy, as structuredClone makes one.
   *
   * @throws {TypeError} when it cannot be cloned
   */
  post(value: unknown): void;
  /** Counts requests, of which the engine knows nothing, in `metrics().requests`. Default: one. */
  countRequests(more?: number): void;
}

/** What goes with a connection to its next owner. */
export interface ConnLuggage {
  /**
   * Bytes that were received and not understood yet, such as the beginning of a message: `onData` gets
   * them first, before anything is read. Default: none.
   */
  carry?: ArrayBufferView;
  /** What `onAdopt` is given there: a copy, as structuredClone makes one. Default: undefined. */
  state?: unknown;
}

/**
 * The exports of a handler's module. All are called on the thread of the worker, inside a turn of its
 * loop. What they throw, and what nothing catches, ends the worker: the engine closes what it had, and
 * begins another one or stops (`EngineOptions.policy`).
 *
 * The thread is the loop's own: `setTimeout` and `fetch` do not wake it. Use `loop.setTimer`, and what
 * the loop watches; `onStart` alone is waited for with the runtime's work going on.
 */
export interface EngineHandler {
  /** The worker has its loop. It gets no connections before this has returned, or is settled. */
  onStart?(loop: Loop, worker: EngineWorker): void | Promise<void>;
  /** A connection has come. The socket is closed by the engine, after `onClose`. */
  onOpen?(conn: Connection, socket: Socket): void;
  /** Bytes have come. They are valid only until this returns: `bytes.slice()` copies what must last. */
  onData(conn: Connection, bytes: Uint8Array): void;
  /** The peer will send no more. Without this, the connection ends when all was sent. */
  onEnd?(conn: Connection): void;
  /** Everything that had to wait was sent. */
  onDrain?(conn: Connection): void;
  /**
   * A connection has come that somebody else has had before: `Engine.adoptConn`, or another worker's
   * `onMove`. Without this, `onOpen` is called.
   *
   * It begins here as any other does: it reads, even if it was paused there, its timeouts begin anew,
   * and a peer that has ended is told of again, by `onEnd`.
   *
   * @param state what came with it
   */
  onAdopt?(conn: Connection, socket: Socket, state: unknown): void;
  /**
   * The connection goes to another worker (`Engine.startTransplant`, `Engine.moveConns`), and is over
   * here: `conn` and its socket can do nothing any more. Answers what is to go with it. Without this,
   * `onClose(conn, null)` is called, and nothing goes with it.
   */
  onMove?(conn: Connection): ConnLuggage | void;
  /**
   * The connection is over. Either this or `onMove` is called, once, for each `onOpen` and `onAdopt`,
   * unless the worker itself dies.
   */
  onClose?(conn: Connection, error: Error | null): void;
  /** `engine.post` has sent a value. */
  onMessage?(value: unknown, loop: Loop, worker: EngineWorker): void;
  /** The engine shuts down and accepts no more: end what is idle, because the rest has a deadline. */
  onShutdown?(loop: Loop, worker: EngineWorker): void;
}

/**
 * Answers what it is given: for editors and compilers, which check the parts of a handler by it.
 *
 * @example
 * ```ts
 * import { defineHandler } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * // What a module exports:
 * const { onData, onClose } = defineHandler({
 *   onData(conn, bytes) {
 *     conn.write(bytes);
 *   },
 *   onClose(conn, error) {
 *     if (error !== null) console.error(conn.fd, error);
 *   },
 * });
 * assertEquals([typeof onData, typeof onClose], ["function", "function"]);
 * ```
 */
export function defineHandler<H extends EngineHandler>(handler: H & EngineHandler): H {
  // `& EngineHandler` keeps the types of parameters where the answer is taken apart at once.
  return checkHandler(handler, "defineHandler: the handler");
}

const NAMES = [
  "onStart",
  "onOpen",
  "onData",
  "onEnd",
  "onDrain",
  "onAdopt",
  "onMove",
  "onClose",
  "onMessage",
  "onShutdown",
] as const;

/**
 * Checks the exports of a module.
 *
 * @throws {TypeError} when one is no function, or `onData` is missing
 */
export function checkHandler<H extends EngineHandler>(handler: H, what: string): H {
  if (typeof handler !== "object" || handler === null) {
    throw new TypeError(`${what} must be an object of functions, got ${shown(handler)}`);
  }
  for (const name of NAMES) {
    const part: unknown = handler[name];
    if (typeof part === "function" || (part === undefined && name !== "onData")) continue;
    throw new TypeError(
      part === undefined
        ? `${what} has no onData(conn, bytes), which every handler must have`
        : `${what}: ${name} must be a function, got ${shown(part)}`,
    );
  }
  return handler;
}
