/**
 * What the tests of examples/httpd.ts share: the server in a process of its own, over a folder of
 * files, and clients.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import type { ConnTimeoutOptions } from "../loop/conn_timeouts.ts";
import type { ConnectionCounts } from "../loop/engine_metrics.ts";
import { content } from "./http_content.ts";
import { type HttpAnswer, HttpAnswers } from "./http_answers.ts";
import type { LoadOrders, LoadReport } from "./http_load.ts";
import type { ServerAnswer, ServerOrder } from "./httpd_server.ts";
import {
  deadline,
  type RunningScript,
  startScript,
  type TempDir,
  tempDir,
  waitUntil,
} from "./support.ts";

/** A folder with files of these sizes: `0.bin`, `1.bin`, …, each of its own content. */
export function folder(...sizes: number[]): TempDir {
  const dir = tempDir();
  sizes.forEach((size, seed) => fs.writeFileSync(`${dir.path}/${seed}.bin`, content(seed, size)));
  return dir;
}

/** The server, serving. */
export interface Httpd extends RunningScript {
  readonly port: number;
}

/** Starts examples/httpd.ts over a folder. */
export async function httpd(dir: string, ...args: string[]): Promise<Httpd> {
  const script = startScript("examples/httpd.ts", {
    args: ["--port", "0", "--workers", "2", ...args, dir],
    timeoutMs: 60_000,
  });
  const port = Number(/:(\d+)\/$/.exec(await script.line())![1]);
  return { ...script, port };
}

/** Runs a program, and answers what it prints. */
export function run(command: string, args: readonly string[], stdin = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 60_000, maxBuffer: 1 << 26 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
    child.stdin!.end(stdin);
  });
}

/** A client that says what it is told to, byte for byte. */
export class RawClient implements Disposable {
  readonly #socket: net.Socket;
  readonly #answers = new HttpAnswers();
  readonly #came: HttpAnswer[] = [];
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  /** How the connection ended: null while it has not, "end", or an error's code. */
  ended: string | null = null;

  /** Connects. With `"pause"` it does not read until it is asked for an answer. */
  constructor(port: number, how: "read" | "pause" = "read") {
    this.#socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.#socket.on(
      "error",
      (error: Error & { code?: string }) => this.#end(error.code ?? "error"),
    );
    this.#socket.on("end", () => this.#end("end"));
    this.#socket.on("close", () => this.#end("close"));
    if (how === "read") this.#read();
  }

  /** Sends text. */
  say(text: string): this {
    this.#socket.write(text, "latin1");
    return this;
  }

  /** Sends requests for paths, all at once. */
  get(...paths: string[]): this {
    return this.say(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(""));
  }

  /** Reads until something has come, and no further. */
  async begun(): Promise<void> {
    this.#socket.once("readable", () => this.#turn());
    while (this.#socket.readableLength === 0) await deadline(10_000, this.#wake.promise, "a byte");
  }

  /** Shuts down the sending side. */
  finish(): this {
    this.#socket.end();
    return this;
  }

  /** The next answer; rejects when the connection ends instead. */
  async answer(ms: number = 10_000): Promise<HttpAnswer> {
    this.#read();
    while (this.#came.length === 0) {
      if (this.ended !== null) throw new Error(`the connection ended (${this.ended})`);
      await deadline(ms, this.#wake.promise, "an answer");
    }
    return this.#came.shift()!;
  }

  /** Waits for the end of the connection, before which nothing else may come: how it ended. */
  async end(ms: number = 10_000): Promise<string> {
    this.#read();
    while (this.ended === null) await deadline(ms, this.#wake.promise, "the end of a connection");
    if (this.#came.length > 0) {
      throw new Error(`${this.#came.length} answers that nobody asked for`);
    }
    return this.ended;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #read(): void {
    if (this.#socket.listenerCount("data") > 0) return;
    this.#socket.on("data", (bytes: Buffer) => {
      this.#came.push(...this.#answers.push(bytes));
      this.#turn();
    });
  }

  #end(how: string): void {
    this.ended ??= how;
    this.#turn();
  }

  #turn(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** How long load lasts: FDLOOP_LOAD_SECONDS makes it longer than a suite has time for. */
export const loadSeconds: number = Number(process.env.FDLOOP_LOAD_SECONDS ?? 3);

/** Prints what was measured, for whoever has asked for a long load. */
export function note(...what: unknown[]): void {
  if (process.env.FDLOOP_LOAD_SECONDS !== undefined) console.log(...what);
}

/** A server that the test directs: see httpd_server.ts. */
export interface DirectedServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Gives an order, and waits for the answer. */
  tell(order: ServerOrder): Promise<ServerAnswer>;
  /** Ends it: it must end well. */
  finish(): Promise<void>;
}

/** A count of all workers of both engines. */
export function total({ metrics }: ServerAnswer, name: keyof ConnectionCounts | "open"): number {
  return metrics.reduce((sum, { total }) => sum + total[name], 0);
}

/** Waits until nobody is there any more: every connection has come once, and gone once. */
export async function assertAllGone(server: DirectedServer): Promise<void> {
  const tell = (): Promise<ServerAnswer> => server.tell({ order: "tell" });
  await waitUntil(async () => total(await tell(), "open") === 0, 10_000, "the last to be gone");
  const last = await tell();
  assertEquals(last.wrong, []);
  assertEquals(total(last, "accepts"), total(last, "closes"));
  assertEquals(total(last, "adopted"), total(last, "moved"));
}

/** Starts a server that the test directs. */
export async function directed(
  dir: string,
  timeouts?: ConnTimeoutOptions,
): Promise<DirectedServer> {
  const script = startScript("tests/httpd_server.ts", {
    args: [JSON.stringify({ dir, ...(timeouts === undefined ? {} : { timeouts }) })],
    timeoutMs: loadSeconds * 1000 + 60_000,
  });
  const port = Number(await script.line());
  return {
    port,
    pid: script.pid,
    async tell(order) {
      script.write(`${JSON.stringify(order)}\n`);
      return JSON.parse(await script.line(loadSeconds * 1000 + 30_000)) as ServerAnswer;
    },
    async finish() {
      script.end();
      const { code, signal, stderr } = await script.result;
      assertEquals([code, signal, stderr], [0, null, ""]);
    },
    [Symbol.asyncDispose]: () => script[Symbol.asyncDispose](),
  };
}

/** Load that checks every byte: see http_load.ts. */
export interface Load extends AsyncDisposable {
  /** Waits for the last answers: what was seen. Every request was answered once, and rightly. */
  finish(): Promise<LoadReport>;
}

/** Begins load. */
export async function load(orders: LoadOrders): Promise<Load> {
  const script = startScript("tests/http_load.ts", {
    args: [JSON.stringify(orders)],
    timeoutMs: loadSeconds * 1000 + 60_000,
  });
  assertEquals(await script.line(), "visiting");
  return {
    async finish() {
      script.kill("SIGTERM");
      const report = JSON.parse(await script.line(30_000)) as LoadReport;
      assertEquals(report.wrong, []);
      assertEquals([report.answered, (await script.result).code], [report.asked, 0]);
      return report;
    },
    [Symbol.asyncDispose]: () => script[Symbol.asyncDispose](),
  };
}

/** Runs wrk for a while with so many connections: how many requests were answered, all of them well. */
export async function wrk(url: string, connections: number, seconds: number): Promise<number> {
  const printed = await run("wrk", ["-t2", `-c${connections}`, `-d${seconds}s`, url]);
  assert(!/Socket errors|Non-2xx/.test(printed), printed);
  return Number(/(\d+) requests in/.exec(printed)![1]);
}
