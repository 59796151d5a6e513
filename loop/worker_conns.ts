/**
 * The connections of one worker of an engine: whose they are, and what becomes of them.
 *
 * @module
 */

import { disown, isAlone } from "../handles/descriptor.ts";
import { Socket } from "../handles/socket.ts";
import { UnknownFDError } from "./conn_errors.ts";
import type { ConnHandlers, ConnOptions } from "./conn_options.ts";
import type { Connection } from "./connection.ts";
import type { EngineHandler } from "./engine_handler.ts";
import { type ConnectionCounts, noConnections } from "./engine_metrics.ts";
import { packed, unpacked } from "./engine_wire.ts";
import type { FdClaims } from "./fd_claims.ts";
import type { Loop } from "./loop.ts";

/** A handler's functions, in the form that the loop takes. */
export interface BoundHandler {
  readonly conn: ConnHandlers;
  readonly exports: EngineHandler;
}

/** A connection that has left: the engine's from here on. */
export interface Departure {
  readonly fd: number;
  /** What goes with it, packed. */
  readonly luggage: Uint8Array;
}

interface Held {
  readonly fd: number;
  readonly exports: EngineHandler;
  /** What is to be closed at the end, null for a descriptor that is somebody else's. */
  readonly socket: Socket | null;
  /** Who is to be told when it is over. */
  readonly ended: (() => void)[];
}

/** All connections that the engine has given to one worker. */
export class WorkerConns {
  /** What was counted. */
  readonly counts: ConnectionCounts = noConnections();
  readonly #index: number;
  readonly #loop: Loop;
  readonly #claims: FdClaims;
  readonly #options: ConnOptions;
  readonly #held: Map<Connection, Held> = new Map();
  /** Those that have come to a boundary, or have sent all there: see `Departures`. */
  readonly reached: Set<Connection> = new Set();
  /**
   * Those that came back, as nobody else took them: they stay until their next message. How many calls
   * of `onData` that is: what came back with them is delivered again first.
   */
  readonly #back: Map<Connection, number> = new Map();
  /** Called when the last one is over. */
  readonly #empty: () => void;

  /** Starts without any. */
  constructor(
    index: number,
    loop: Loop,
    claims: FdClaims,
    options: ConnOptions,
    empty: () => void,
  ) {
    this.#index = index;
    this.#loop = loop;
    this.#claims = claims;
    this.#options = options;
    this.#empty = empty;
  }

  /** How many there are. */
  get size(): number {
    return this.#held.size;
  }

  /** Puts a handler into the form that the loop takes. */
  bind(exports: EngineHandler): BoundHandler {
    const { onData, onEnd, onDrain, onClose } = exports;
    const counts = this.counts;
    const back = this.#back;
    return {
      exports,
      conn: {
        onRecv(bytes, conn) {
          counts.messages++;
          if (back.size > 0) countDown(back, conn);
          onData(conn, bytes);
        },
        ...(onEnd === undefined ? {} : { onEnd: (conn) => onEnd(conn) }),
        ...(onDrain === undefined ? {} : { onDrain: (conn) => onDrain(conn) }),
        onClose: (error, conn) => this.#closed(conn, error, onClose),
      },
    };
  }

  /** Takes a connection that was accepted here. */
  accepted(socket: Socket, handler: BoundHandler): void {
    const fd = socket.raw;
    this.#claims.take(fd, this.#index, "owned");
    this.counts.accepts++;
    let conn: Connection;
    try {
      conn = this.#register(socket, socket, handler, this.#options);
    } catch {
      // It is broken already, or there is no descriptor left for the loop's first timer.
      this.counts.closes++;
      this.counts.errors++;
      this.#claims.release(fd, this.#index);
      return socket.close();
    }
    handler.exports.onOpen?.(conn, socket);
  }

  /**
   * Takes over a connection of somebody else, and answers what tells the program so. When this throws,
   * it is still theirs.
   *
   * @param fd its number, which is claimed for this worker: while the claim is not "owned", the
   *   connection is not this worker's
   * @param luggage what goes with it, packed
   * @param isBack whether it has left this worker before
   */
  adopt(fd: number, luggage: Uint8Array, handler: BoundHandler, isBack: boolean): () => void {
    const { carry, state } = unpacked(luggage);
    const socket = Socket.adopt(fd);
    const conn = this.#register(socket, socket, handler, { ...this.#options, carry });
    this.#claims.change(fd, this.#index, "owned");
    this.counts.adopted++;
    if (isBack) this.#back.set(conn, carry.byteLength > 0 ? 2 : 1);
    const { onAdopt, onOpen } = handler.exports;
    return () => onAdopt === undefined ? onOpen?.(conn, socket) : onAdopt(conn, socket, state);
  }

  /** All that could leave. */
  *atBoundary(): Generator<Connection> {
    for (const conn of this.#held.keys()) if (conn.boundary) yield conn;
  }

  /** Lets a connection go: null when it must stay, or has come to its end over it. */
  leave(conn: Connection): Departure | null {
    const held = this.#held.get(conn);
    // A descriptor of somebody else is not the engine's to give; nor one that the handler has shared.
    if (held === undefined || held.socket === null || !isAlone(held.socket)) return null;
    if (!conn.idle || this.#back.has(conn) || held.ended.length > 0) return null;
    const { fd, socket, exports } = held;
    const { carry } = conn.detach();
    const told = exports.onMove === undefined
      ? exports.onClose?.(conn, null)
      : exports.onMove(conn);
    const luggage = packed(told ?? {}, "onMove", carry);
    this.#held.delete(conn);
    const isOpen = isAlone(socket); // its handler may have closed it
    if (isOpen) {
      disown(socket);
      this.counts.moved++;
    } else {
      this.#claims.release(fd, this.#index);
      this.counts.closes++;
      socket.close();
    }
    if (this.#held.size === 0) this.#empty();
    return isOpen ? { fd, luggage } : null;
  }

  /** Registers a descriptor of somebody else, who keeps it. Its number is claimed for this worker. */
  register(fd: number, handler: BoundHandler, options: ConnOptions): void {
    try {
      this.#register(fd, null, handler, options);
    } catch (error) {
      this.#claims.release(fd, this.#index);
      throw error;
    }
    this.counts.registered++;
  }

  /** Ends a connection, and tells when its `onClose` was called. */
  unregister(fd: number, ended: () => void): void {
    const conn = this.#loop.conn(fd);
    const held = this.#held.get(conn);
    if (held === undefined) throw new UnknownFDError(fd);
    held.ended.push(ended);
    conn.unregister();
  }

  /** Ends all; their `onClose` follows. Answers how many they were. */
  endAll(): number {
    const { size } = this;
    for (const conn of [...this.#held.keys()]) conn.unregister();
    return size;
  }

  /** Closes all without a word to anybody: the thread dies. */
  abandon(): void {
    for (const { fd, socket } of this.#held.values()) {
      this.#claims.release(fd, this.#index);
      socket?.close();
    }
  }

  #register(
    target: Socket | number,
    socket: Socket | null,
    handler: BoundHandler,
    options: ConnOptions,
  ): Connection {
    const conn = this.#loop.registerConn(target, handler.conn, options);
    this.#held.set(conn, { fd: conn.fd, exports: handler.exports, socket, ended: [] });
    return conn;
  }

  #closed(conn: Connection, error: Error | null, onClose: EngineHandler["onClose"]): void {
    const { fd, socket, ended } = this.#held.get(conn)!;
    this.#held.delete(conn);
    this.#back.delete(conn);
    this.reached.delete(conn);
    this.counts.closes++;
    if (error !== null) this.counts.errors++;
    try {
      onClose?.(conn, error);
    } finally {
      // In this order: see the invariants of the claims.
      this.#claims.release(fd, this.#index);
      socket?.close();
      for (const tell of ended) tell();
      if (this.#held.size === 0) this.#empty();
    }
  }
}

function countDown(back: Map<Connection, number>, conn: Connection): void {
  const left = back.get(conn);
  if (left === 1) back.delete(conn);
  else if (left !== undefined) back.set(conn, left - 1);
}
