/**
 * What the tests of moves share: engines with the handler of `transplant_handler.ts`, and clients that
 * check every byte.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Socket } from "../handles/socket.ts";
import type { InetAddress } from "../handles/socket_address.ts";
import type { Engine } from "../loop/engine.ts";
import type { EngineOptions } from "../loop/engine_options.ts";
import type { Connection } from "../loop/connection.ts";
import type { Loop } from "../loop/loop.ts";
import { joined, pattern, random } from "./conn_fixture.ts";
import { type Bench, bench } from "./engine_fixture.ts";
import { ANSWER_BYTES, checksum, type MoveCommand, REQUEST_BYTES } from "./transplant_handler.ts";
import { waitUntil } from "./support.ts";

const handler = new URL("./transplant_handler.ts", import.meta.url);

/** Starts an engine whose connections can move. */
export function movable(options: Partial<EngineOptions> = {}): Promise<Bench> {
  return bench({ handler, ...options });
}

/** What a worker answers to `{ tell }`. */
export interface Known {
  /** What was called since it was asked last. */
  readonly seen: readonly string[];
  readonly callers: number;
  /** The numbers of its connections. */
  readonly fds: readonly number[];
}

/** Tells a worker something, and waits until it has done it: what it answers. */
export async function told(running: Bench, worker: number, command: MoveCommand): Promise<Known> {
  running.engine.post(worker, command);
  const [from, answer] = await running.next();
  assertEquals(from, worker);
  return answer as Known;
}

/** Waits until an engine has so many connections open. */
export function untilOpen({ engine }: Bench, count: number): Promise<void> {
  return waitUntil(() => engine.metrics().total.open === count, 10_000, `${count} connections`);
}

/** A request as bytes. */
export function request(number: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const words = new DataView(new ArrayBuffer(REQUEST_BYTES));
  words.setUint32(0, number);
  words.setUint32(4, body.byteLength);
  return joined([new Uint8Array(words.buffer), body]);
}

/** Where the counters of one engine, or of several together, must add up. */
export function assertAddsUp(...engines: Engine[]): void {
  const sum = { adopted: 0, moved: 0 };
  for (const engine of engines) {
    const { total, workers } = engine.metrics();
    for (const one of [total, ...workers]) {
      assertEquals(one.accepts + one.adopted + one.registered, one.closes + one.moved + one.open);
    }
    sum.adopted += total.adopted;
    sum.moved += total.moved;
  }
  // What has left one has come to another, as far as it is not on its way.
  assert(sum.moved >= sum.adopted, `${sum.moved} moved, ${sum.adopted} adopted`);
}

/** A client that sends one request after another, several at a time, and checks the answers. */
export class Client implements Disposable {
  /** How many answers were right. */
  answered = 0;
  /** How often the connection had moved, as its last answer says. */
  moves = 0;
  /** What was wrong. */
  error: Error | null = null;
  readonly #socket: Socket;
  readonly #conn: Connection;
  readonly #random: () => number;
  readonly #sums: number[] = [];
  readonly #most: number;
  #sent = 0;
  #rest: Uint8Array = new Uint8Array(0);
  #stopped = false;

  /** Connects, and begins to ask. */
  constructor(loop: Loop, address: InetAddress, seed: number, most: number) {
    this.#random = random(seed);
    this.#most = most;
    this.#socket = Socket.connect(address);
    this.#conn = loop.registerConn(this.#socket, {
      onRecv: (bytes) => this.#received(bytes),
      onClose: (error) => this.error ??= error ?? new Error("closed"),
    });
    this.#ask();
  }

  /** Waits until all that was asked is answered, and asks nothing more. */
  async finish(): Promise<void> {
    this.#stopped = true;
    const done = (): boolean => this.answered === this.#sent || this.error !== null;
    await waitUntil(done, 20_000, `the last answers of ${this.#sent}`);
    if (this.error !== null) throw this.error;
  }

  [Symbol.dispose](): void {
    if (!this.#conn.closed) this.#conn.unregister();
    this.#socket.close();
  }

  #ask(): void {
    while (!this.#stopped && this.#sums.length < this.#most) {
      const body = pattern(Math.floor(this.#random() ** 4 * 20_000), this.#sent * 7);
      this.#sums.push(checksum(body));
      this.#conn.write(request(this.#sent++, body));
    }
  }

  #received(bytes: Uint8Array): void {
    this.#rest = joined([this.#rest, bytes]);
    while (this.#rest.byteLength >= ANSWER_BYTES) {
      const words = new DataView(this.#rest.buffer, this.#rest.byteOffset, ANSWER_BYTES);
      const [number, sum, served] = [0, 4, 8].map((at) => words.getUint32(at));
      const right = [this.answered, this.#sums.shift(), this.answered];
      try {
        assertEquals([number, sum, served], right);
      } catch (error) {
        this.error ??= error as Error;
      }
      this.moves = words.getUint32(12);
      this.answered++;
      this.#rest = this.#rest.slice(ANSWER_BYTES);
    }
    this.#ask();
  }
}
