/**
 * What the tests of engines share: an engine with the handler of `engine_handler.ts` and what it says,
 * and clients.
 *
 * @module
 */

import fs from "node:fs";
import { Socket } from "../handles/socket.ts";
import { formatAddress, type InetAddress } from "../handles/socket_address.ts";
import { Engine } from "../loop/engine.ts";
import type { EngineWorkerError } from "../loop/engine_errors.ts";
import type { EngineOptions } from "../loop/engine_options.ts";
import type { Loop } from "../loop/loop.ts";
import { assertBytes, decode, encode, pattern } from "./conn_fixture.ts";
import { type Command, WHO } from "./engine_handler.ts";
import { deadline } from "./support.ts";

/** Where the handler is. */
export const handler: URL = new URL("./engine_handler.ts", import.meta.url);

/** What the handler answers to `{ tell }`. */
export interface Told {
  readonly echo: unknown;
  readonly index: number;
  readonly count: number;
  readonly address: unknown;
  readonly seen: readonly string[];
  readonly length: number;
  readonly open: number;
  readonly tid: number;
}

/** An engine under test. Disposing of it shuts it down. */
export interface Bench extends AsyncDisposable {
  readonly engine: Engine;
  /** Where it listens. */
  readonly address: InetAddress;
  /** The workers that have died. */
  readonly errors: EngineWorkerError[];
  /** The next value that any worker sends, and from which. */
  next(): Promise<[worker: number, value: unknown]>;
  /** Sends a command to a worker. */
  say(worker: number, command: Command): boolean;
  /** What a worker knows. */
  tell(worker: number, value?: unknown): Promise<Told>;
  /** The next error that is reported. */
  death(): Promise<EngineWorkerError>;
}

/** A list that can be waited on. */
class Queue<T> {
  readonly all: T[] = [];
  #taken = 0;
  #came: PromiseWithResolvers<void> = Promise.withResolvers();

  push(value: T): void {
    this.all.push(value);
    this.#came.resolve();
    this.#came = Promise.withResolvers();
  }

  async next(): Promise<T> {
    while (this.#taken === this.all.length) await this.#came.promise;
    return this.all[this.#taken++]!;
  }
}

/** Starts an engine that listens on the loopback. */
export async function bench(options: Partial<EngineOptions> = {}): Promise<Bench> {
  const values = new Queue<[number, unknown]>();
  const errors = new Queue<EngineWorkerError>();
  const engine = Engine.create({
    handler,
    address: "127.0.0.1:0",
    workers: 2,
    onMessage: (value, worker) => values.push([worker, value]),
    onWorkerError: (error) => errors.push(error),
    ...options,
  });
  await deadline(10_000, engine.listen(), "the workers");
  const self: Bench = {
    engine,
    address: engine.addr as InetAddress,
    errors: errors.all,
    next: () => deadline(10_000, values.next(), "a value from a worker"),
    say: (worker, command) => engine.post(worker, command),
    async tell(worker, value = null) {
      self.say(worker, { tell: value });
      const [, told] = await self.next();
      return told as Told;
    },
    death: () => deadline(10_000, errors.next(), "the death of a worker"),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
  return self;
}

/** A client that blocks. The workers are other threads. */
export function connect(address: InetAddress): Socket {
  return Socket.connect(address, { blocking: true });
}

const input = new Uint8Array(new ArrayBuffer(65536));

/** Sends text, and answers what one read brings: "" for the end. */
export function ask(client: Socket, text: string): string {
  client.write(encode(text));
  return decode(input.subarray(0, client.read(input)!));
}

/** A client of each worker. The kernel picks one for each, so it takes some. */
export function clientOf(address: InetAddress, worker: number): Socket {
  for (;;) {
    const client = connect(address);
    if (ask(client, WHO) === `worker ${worker}`) return client;
    client.close();
  }
}

/** How many listeners a port has: what /proc/net/tcp calls state 0A. */
export function listenersAt({ port }: InetAddress): number {
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = fs.readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(place) && state === "0A").length;
}

/** Sends bytes through an engine and back, without blocking: resolves when all of them are right. */
export async function echo(
  loop: Loop,
  address: InetAddress,
  length: number,
  from: number,
): Promise<void> {
  const bytes = pattern(length, from);
  using client = Socket.connect(address);
  await loop.writable(client);
  let got = 0;
  const done = Promise.withResolvers<void>();
  const conn = loop.registerConn(client, {
    onRecv(part) {
      assertBytes(part, bytes.subarray(got, got + part.byteLength), `echo of ${length}`);
      got += part.byteLength;
      if (got === length) done.resolve();
    },
    onClose: (error) => done.reject(error ?? new Error(`closed after ${got} of ${length} bytes`)),
  });
  conn.write(bytes);
  await deadline(20_000, done.promise, `an echo of ${length} bytes by ${formatAddress(address)}`);
  conn.unregister();
}
