/**
 * Load for an HTTP server, which checks every byte of every answer. A program of its own: it runs until
 * SIGTERM, waits for the answers to what it has asked by then, and prints a {@linkcode LoadReport}.
 *
 *     bun tests/http_load.ts '{"port": 8080, "stayers": 8, "comers": 8, "depth": 8, "sizes": [10]}'
 *
 * A stayer keeps one connection as long as the server does, with up to `depth` requests on their way;
 * every second one asks on only when all are answered, so that there are moments without any. A comer connects, asks for a few, closes, and comes again. Each request is for a part of a file of
 * `httpd_fixture.ts`, chosen at random, so that an answer to any other request is seen. What a
 * connection leaves unanswered at its end is asked again on another one.
 */

import type { Buffer } from "node:buffer";
import process from "node:process";
import type { SyscallError } from "../ffi/syscall_error.ts";
import { SignalFD } from "../handles/signal_fd.ts";
import { Socket } from "../handles/socket.ts";
import type { Connection } from "../loop/connection.ts";
import { Loop } from "../loop/loop.ts";
import { type HttpAnswer, HttpAnswers } from "./http_answers.ts";
import { content } from "./http_content.ts";

/** What is asked of it. */
export interface LoadOrders {
  readonly port: number;
  readonly stayers: number;
  readonly comers: number;
  readonly depth: number;
  /** The sizes of the files. */
  readonly sizes: readonly number[];
}

/** What it has seen. */
export interface LoadReport {
  /** Requests, each counted once, and answers, all of which were right: they must be as many. */
  readonly asked: number;
  readonly answered: number;
  readonly bytes: number;
  readonly connections: number;
  /** Requests that were asked again. */
  readonly retried: number;
  /** Connections that were refused, or ended by FIN before an answer began. */
  readonly refused: number;
  readonly turnedAway: number;
  /** Connections that ended by FIN between two answers, with requests left, and inside an answer. */
  readonly cut: number;
  readonly cutInside: number;
  /** Connections that were reset: before anything had come of an answer, and later. */
  readonly resetAtOnce: number;
  readonly resetLater: number;
  /** What was wrong. */
  readonly wrong: readonly string[];
}

interface Asked {
  readonly file: number;
  readonly from: number;
  readonly to: number;
}

/** How long the last answers may take. */
const LAST_MS = 10_000;

/** How long a client waits that was refused. */
const PAUSE_MS = 5;

const orders = JSON.parse(process.argv.at(-1)!) as LoadOrders;
const files: readonly Buffer[] = orders.sizes.map((size, seed) => content(seed, size));
const report = {
  ...{ asked: 0, answered: 0, bytes: 0, connections: 0, retried: 0, refused: 0, turnedAway: 0 },
  ...{ cut: 0, cutInside: 0, resetAtOnce: 0, resetLater: 0, wrong: [] as string[] },
};
const again: Asked[] = [];
const encoder = new TextEncoder();
let stopping = false;
/** How to leave each connection that is open. */
const talking = new Map<Connection, () => void>();

/** What is to be asked next: what was left before, and nothing new at the end. */
function next(): Asked | undefined {
  const left = again.pop();
  if (left !== undefined) {
    report.retried++;
    return left;
  }
  if (stopping) return undefined;
  const file = Math.floor(Math.random() * files.length);
  const from = Math.floor(Math.random() * files[file]!.length);
  const to = from + 1 + Math.floor(Math.random() * (files[file]!.length - from));
  report.asked++;
  return { file, from, to };
}

/** One client, with one connection after the other. */
class Visitor {
  readonly #loop: Loop;
  readonly #stays: boolean;
  /** How many requests may be left when it asks on. */
  readonly #least: number;
  #waiting: Asked[] = [];
  #answers = new HttpAnswers();
  #got = 0;
  #left = 0;

  constructor(loop: Loop, stays: boolean, least: number) {
    this.#loop = loop;
    this.#stays = stays;
    this.#least = least;
  }

  /** Connects until there is nothing to ask any more. */
  async visit(): Promise<void> {
    while (!stopping || again.length > 0) {
      this.#left = this.#stays ? Infinity : 1 + Math.floor(Math.random() * 4);
      this.#answers = new HttpAnswers();
      this.#got = 0;
      using socket = await this.#connect();
      if (socket === null) continue;
      report.connections++;
      await this.#converse(socket);
    }
  }

  /** Ends a connection that waits for nothing. */
  #leave(conn: Connection): void {
    if (this.#waiting.length === 0 && (stopping || this.#left === 0)) conn.unregister();
  }

  async #connect(): Promise<Socket | null> {
    const socket = Socket.connect(`127.0.0.1:${orders.port}`);
    await this.#loop.writable(socket);
    const { error } = socket;
    if (error === null) return socket;
    socket.close();
    if ((error as SyscallError).code === "ECONNREFUSED") report.refused++;
    else if ((error as SyscallError).code === "ECONNRESET") report.resetAtOnce++;
    else report.wrong.push(`connecting: ${error}`);
    await this.#pause();
    return null;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#loop.setTimer(PAUSE_MS, resolve));
  }

  #converse(socket: Socket): Promise<void> {
    const over = Promise.withResolvers<void>();
    const conn = this.#loop.registerConn(socket, {
      onRecv: (bytes, conn) => this.#received(bytes, conn),
      onClose: (error) => {
        this.#ended(error);
        talking.delete(conn);
        over.resolve();
      },
    });
    talking.set(conn, () => this.#leave(conn));
    this.#ask(conn);
    return over.promise;
  }

  /** Asks as much as may be on its way at a time, in one piece. */
  #ask(conn: Connection): void {
    let text = "";
    while (this.#waiting.length < orders.depth && this.#left > 0) {
      const asked = next();
      if (asked === undefined) break;
      this.#left--;
      this.#waiting.push(asked);
      const { file, from, to } = asked;
      text += `GET /${file}.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=${from}-${to - 1}\r\n\r\n`;
    }
    if (text !== "") conn.write(encoder.encode(text));
    this.#leave(conn);
  }

  #received(bytes: Uint8Array, conn: Connection): void {
    report.bytes += bytes.byteLength;
    this.#got += bytes.byteLength;
    try {
      for (const answer of this.#answers.push(bytes)) this.#check(answer);
    } catch (error) {
      report.wrong.push(`${error}`);
      return conn.unregister();
    }
    if (this.#waiting.length <= this.#least) this.#ask(conn);
  }

  #check({ status, headers, body }: HttpAnswer): void {
    const asked = this.#waiting.shift();
    if (asked === undefined) throw new Error(`an answer (${status}) that nobody has asked for`);
    const { file, from, to } = asked;
    const range = `bytes ${from}-${to - 1}/${files[file]!.length}`;
    const isRight = status === 206 && headers.get("content-range") === range &&
      body.equals(files[file]!.subarray(from, to));
    if (!isRight) {
      const got = `${status} ${headers.get("content-range")}, ${body.length} bytes`;
      throw new Error(`${file}.bin ${range}: got ${got}`);
    }
    report.answered++;
  }

  #ended(error: Error | null): void {
    const code = error === null ? "" : (error as SyscallError).code;
    // The kernel says EPIPE to whoever has sent something after the server's FIN has come.
    if (code === "ECONNRESET") report[this.#got === 0 ? "resetAtOnce" : "resetLater"]++;
    else if (error !== null && code !== "EPIPE") report.wrong.push(`${error}`);
    else if (this.#answers.begun > 0) report.cutInside++;
    else if (this.#waiting.length > 0) report[this.#got === 0 ? "turnedAway" : "cut"]++;
    again.push(...this.#waiting);
    this.#waiting = [];
  }
}

using loop = Loop.create();
using signals = SignalFD.create(["SIGTERM"]);
const { stayers, comers, depth } = orders;
const visits = Array.from(
  { length: stayers + comers },
  (_, index) => new Visitor(loop, index < stayers, index % 2 === 0 ? 0 : depth / 2).visit(),
);
const ended = Promise.all(visits).then(() => loop.stop());
loop.watch(signals, { readable: true }, () => {
  if (signals.read() === null) return;
  stopping = true;
  for (const leave of [...talking.values()]) leave();
  loop.setTimer(LAST_MS, () => {
    report.wrong.push(`not all answers have come ${LAST_MS} ms after the last request`);
    loop.stop();
  });
});
console.log("visiting");
await loop.run();
ended.catch(() => {});
console.log(JSON.stringify(report satisfies LoadReport));
process.exit(0);
