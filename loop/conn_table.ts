/**
 * The connections of one loop, by their targets.
 *
 * @module
 */

import { Borrowed } from "../handles/borrowed.ts";
import { Descriptor } from "../handles/descriptor.ts";
import { type Channel, ReadinessChannel, type Sink } from "./channel.ts";
import { type ByteSource, MemoryChannel } from "./channel_memory.ts";
import { UnknownFDError } from "./conn_errors.ts";
import type { ConnHandlers, ConnOptions } from "./conn_options.ts";
import { Connection } from "./connection.ts";
import type { Core } from "./core.ts";
import type { Target } from "./poller.ts";
import { targetKey } from "./registry.ts";
import type { TargetKey } from "./source.ts";

/** What stands for the number of a source that has none. */
const NO_NUMBER = -1;

/** Who is registered. */
export class ConnTable {
  readonly #core: Core;
  readonly #byKey: Map<TargetKey, Connection> = new Map();

  /** Starts empty. */
  constructor(core: Core) {
    this.#core = core;
  }

  /** Makes a connection of a descriptor: see `Loop.registerConn`. */
  register(target: Target, handlers: ConnHandlers, options: ConnOptions): Connection {
    const what = "Loop.registerConn";
    const key = targetKey(target, what);
    const conn: Connection = new Connection(
      this.#core,
      typeof key === "number" ? key : NO_NUMBER,
      handlers,
      options,
      (sink, carry) => this.#channel(target, key, sink, carry, what),
      () => void this.#byKey.delete(key),
    );
    this.#byKey.set(key, conn);
    return conn;
  }

  /** The connection of a descriptor. Throws {@link UnknownFDError} when it has none. */
  get(target: Target): Connection {
    const key = target instanceof Descriptor ? target.raw : targetKey(target, "Loop.conn");
    const conn = this.#byKey.get(key);
    if (conn === undefined) throw new UnknownFDError(typeof key === "number" ? key : NO_NUMBER);
    return conn;
  }

  #channel(
    target: Target,
    key: TargetKey,
    sink: Sink,
    carry: Uint8Array | null,
    what: string,
  ): Channel {
    if (typeof key !== "number") {
      {
        return new MemoryChannel(this.#core, key as ByteSource, sink, carry, what);
      }
    }
    const io = target instanceof Descriptor ? target : new Borrowed(key);
    return new ReadinessChannel(this.#core, target, io, sink, carry, what);
  }
}
