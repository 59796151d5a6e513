/**
 * What a program gives to a connection, and what it is checked for.
 *
 * @module
 */

import { bytes, integer, options as checkOptions, shown } from "../handles/validate.ts";
import type { ConnTimeoutOptions } from "./conn_timeouts.ts";
import type { Connection } from "./connection.ts";

/** What a program does with a connection. All of it is called on the loop's thread, inside a turn. */
export interface ConnHandlers {
  /**
   * The bytes are valid only until this returns: the next read overwrites them. Copy what must last
   * (`bytes.slice()`), and do not transfer them. Called with what has come.
   */
  onRecv(bytes: Uint8Array, conn: Connection): void;
  /**
   * The peer will send no more: it has shut down its writing side, and may still read. Without this
   * handler the connection ends as soon as all that was written is sent; with it, `conn.end()` says
   * when, unless it was called before.
   */
  onEnd?(conn: Connection): void;
  /** Everything that had to wait was sent. */
  onDrain?(conn: Connection): void;
  /**
   * The connection is over: called once, in the turn after it ended, never inside another call. The
   * error is null when both sides ended it, when it was unregistered, or when its handle was closed.
   * The descriptor, unless it was that, is still open, and its owner's to close.
   */
  onClose?(error: Error | null, conn: Connection): void;
}

/** How a connection is registered. */
export interface ConnOptions {
  /**
   * The most bytes that may wait to be sent. No single write may be larger, because none of it, or all,
   * is taken before the kernel is asked. Default: 64 MiB.
   */
  maxBacklog?: number;
  /**
   * Bytes that were received before, by whoever had the descriptor then: `onRecv` is called with them in
   * the next turn, before anything is read, even when nothing comes. Copied. Default: none.
   */
  carry?: ArrayBufferView;
  /** Limits after which it is closed with a `ConnTimeoutError`. Default: none. */
  timeouts?: ConnTimeoutOptions;
}

/** The cap of a backlog, as celeris has it. */
const MAX_BACKLOG = 64 * 1024 * 1024;

/**
 * Checks options, and answers them with their defaults.
 *
 * @throws {TypeError} when one is not what it should be
 * @throws {RangeError} when the cap is no number of bytes
 */
export function checkConnOptions(
  options: ConnOptions,
  what: string,
): { maxBacklog: number; timeouts: ConnTimeoutOptions | null; carry: Uint8Array | null } {
  const { maxBacklog = MAX_BACKLOG, timeouts, carry } = checkOptions(options, `${what}: options`);
  const carried = carry === undefined ? null : bytes(carry, `${what}: carry`);
  return {
    carry: carried === null || carried.byteLength === 0 ? null : new Uint8Array(carried),
    maxBacklog: integer(maxBacklog, `${what}: maxBacklog`, 1, Number.MAX_SAFE_INTEGER),
    timeouts: timeouts === undefined ? null : checkOptions(timeouts, `${what}: timeouts`),
  };
}

/**
 * Checks that handlers are functions.
 *
 * @throws {TypeError} when they are not
 */
export function checkHandlers(handlers: ConnHandlers, what: string): ConnHandlers {
  checkOptions(handlers, `${what}: the handlers`);
  const { onRecv, onEnd, onDrain, onClose } = handlers;
  for (const [name, handler] of Object.entries({ onRecv, onEnd, onDrain, onClose })) {
    if (typeof handler === "function" || (name !== "onRecv" && handler === undefined)) continue;
    throw new TypeError(`${what}: ${name} must be a function, got ${shown(handler)}`);
  }
  return handlers;
}
