/**
 * The connections of one loop, by the numbers of their descriptors.
 *
 * @module
 */

import { Borrowed } from "../handles/borrowed.ts";
import { Descriptor } from "../handles/descriptor.ts";
import { ReadinessChannel } from "./channel.ts";
import { UnknownFDError } from "./conn_errors.ts";
import type { ConnHandlers, ConnOptions } from "./conn_options.ts";
import { Connection } from "./connection.ts";
import type { Core } from "./core.ts";
import type { Target } from "./poller.ts";
import { targetNumber } from "./registry.ts";

/** Who is registered. */
export class ConnTable {
  readonly #core: Core;
  readonly #byNumber: Map<number, Connection> = new Map();
  readonly #forget = (conn: Connection): void => void this.#byNumber.delete(conn.fd);

  /** Starts empty. */
  constructor(core: Core) {
    this.#core = core;
  }

  /** Makes a connection of a descriptor: see `Loop.registerConn`. */
  register(target: Target, handlers: ConnHandlers, options: ConnOptions): Connection {
    const what = "Loop.registerConn";
    const number = targetNumber(target, what);
    const io = target instanceof Descriptor ? target : new Borrowed(number);
    const conn: Connection = new Connection(
      this.#core,
      number,
      handlers,
      options,
      (sink, carry) => new ReadinessChannel(this.#core, target, io, sink, carry, what),
      this.#forget,
    );
    this.#byNumber.set(number, conn);
    return conn;
  }

  /** The connection of a descriptor. Throws {@link UnknownFDError} when it has none. */
  get(target: Target): Connection {
    const number = target instanceof Descriptor ? target.raw : targetNumber(target, "Loop.conn");
    const conn = this.#byNumber.get(number);
    if (conn === undefined) throw new UnknownFDError(number);
    return conn;
  }
}
