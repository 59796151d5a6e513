/**
 * What the tests of examples/httpd.ts share: the server in a process of its own, over a folder of
 * files, and clients.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import process from "node:process";
import { type HttpAnswer, HttpAnswers } from "./http_answers.ts";
import { deadline, type RunningScript, startScript, type TempDir, tempDir } from "./support.ts";

/** The bytes of a file: no part of any is a part of another, wherever it begins. */
export function content(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, state = seed * 2654435761 + 1; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

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
export const loadSeconds: number = Number(process.env.FDLOOP_LOAD_SECONDS ?? 4);
