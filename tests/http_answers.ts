/**
 * Answers of an HTTP server, taken apart as strictly as they can be: whatever is not expected is an
 * error.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** One answer. */
export interface HttpAnswer {
  readonly status: number;
  /** By their names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const END_OF_HEAD = Buffer.from("\r\n\r\n");

/** Takes the bytes of one connection apart. */
export class HttpAnswers {
  /** Whether the next answer has no body, whatever its headers say. */
  readonly #isBare: () => boolean;
  #chunks: Buffer[] = [];
  #size = 0;
  #head: { status: number; headers: Map<string, string>; length: number } | null = null;

  /** Starts at the beginning of an answer. */
  constructor(isBare: () => boolean = () => false) {
    this.#isBare = isBare;
  }

  /** How many bytes of an answer have come that is not complete. */
  get begun(): number {
    return this.#size + (this.#head === null ? 0 : 1);
  }

  /** Takes bytes, and answers the answers that they complete. */
  push(bytes: Uint8Array): HttpAnswer[] {
    this.#chunks.push(Buffer.from(bytes));
    this.#size += bytes.byteLength;
    const answers: HttpAnswer[] = [];
    while (this.#head === null ? this.#takeHead() : this.#size >= this.#head.length) {
      const { status, headers, length } = this.#head!;
      if (this.#size < length) break;
      this.#head = null;
      answers.push({ status, headers, body: this.#take(length) });
    }
    return answers;
  }

  #takeHead(): boolean {
    const all = this.#take(this.#size);
    const end = all.indexOf(END_OF_HEAD);
    if (end === -1) {
      if (all.length > 65536) throw new Error("an answer whose head has no end");
      this.#chunks = all.length === 0 ? [] : [all];
      this.#size = all.length;
      return false;
    }
    const [line, ...lines] = all.toString("latin1", 0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) [\w ]+$/.exec(line!)?.[1]);
    if (!(status >= 200)) throw new Error(`no answer begins with ${JSON.stringify(line)}`);
    const headers = new Map<string, string>();
    for (const text of lines) {
      const [, name, value] = /^([\w-]+): (.+)$/.exec(text) ?? [];
      if (name === undefined) throw new Error(`no header is ${JSON.stringify(text)}`);
      headers.set(name.toLowerCase(), value!);
    }
    const bare = this.#isBare() || status === 304;
    const length = bare ? 0 : Number(headers.get("content-length"));
    if (!Number.isInteger(length)) throw new Error(`no Content-Length: ${line}`);
    this.#head = { status, headers, length };
    this.#chunks = [all.subarray(end + END_OF_HEAD.length)];
    this.#size = this.#chunks[0]!.length;
    return true;
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#size -= length;
    this.#chunks = this.#size === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}
