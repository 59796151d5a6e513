/**
 * The connections of one worker of an engine: whose they are, and what becomes of them.
 *
 * @module
 */

import { Socket } from "../handles/socket.ts";
import { UnknownFDError } from "./conn_errors.ts";
import type { ConnHandlers, ConnOptions } from "./conn_options.ts";
import type { Connection } from "./connection.ts";
import type { EngineHandler } from "./engine_handler.ts";
import { type ConnectionCounts, noConnections } from "./engine_metrics.ts";
import type { FdClaims } from "./fd_claims.ts";
import type { Loop } from "./loop.ts";

/** A handler's functions, in the form that the loop takes. */
export interface BoundHandler {
  readonly conn: ConnHandlers;
  readonly onOpen: EngineHandler["onOpen"];
}

interface Held {
  readonly fd: number;
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
  bind({ onOpen, onData, onEnd, onDrain, onClose }: EngineHandler): BoundHandler {
    const { counts } = this;
    return {
      onOpen,
      conn: {
        onRecv(bytes, conn) {
          counts.messages++;
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
    handler.onOpen?.(conn, socket);
  }

  /**
   * Takes over a connection of somebody else, and answers what tells the program so. When this throws,
   * it is still theirs.
   *
   * @param fd its number, which is claimed for this worker
   * @param carry what was read from it before
   */
  adopt(fd: number, carry: Uint8Array, handler: BoundHandler): () => void {
    let socket: Socket;
    let conn: Connection;
    try {
      socket = Socket.adopt(fd);
      conn = this.#register(socket, socket, handler, {
        ...this.#options,
        ...(carry.byteLength > 0 ? { carry } : {}),
      });
    } catch (error) {
      this.#claims.release(fd, this.#index);
      throw error;
    }
    this.#claims.change(fd, this.#index, "owned");
    this.counts.adopted++;
    return () => handler.onOpen?.(conn, socket);
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
    this.#held.set(conn, { fd: conn.fd, socket, ended: [] });
    return conn;
  }

  #closed(conn: Connection, error: Error | null, onClose: EngineHandler["onClose"]): void {
    const { fd, socket, ended } = this.#held.get(conn)!;
    this.#held.delete(conn);
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
