/**
 * Descriptors that the library was never given: they must be the same after whatever was called.
 *
 * @module
 */

import fs from "node:fs";
import path from "node:path";
import { posix } from "../../ffi/const_posix.ts";
import { check, libc } from "../../ffi/libc.ts";

const FOLDER = "/proc/self/fd";
const CONTENT = "nobody but the owner";
const OFFSET = 7;

/** Offset, flags and inode of a descriptor, as the kernel tells them. */
function infoOf(number: number): string {
  return fs.readFileSync(`/proc/self/fdinfo/${number}`, "utf8");
}

function linkOf(number: number): string {
  try {
    return fs.readlinkSync(`${FOLDER}/${number}`);
  } catch {
    return "closed";
  }
}

/** The numbers of all descriptors, and of the one that looked. */
export function numbersOpen(): string {
  return fs.readdirSync(FOLDER).sort().join(" ");
}

/** Descriptors of somebody else, among which and after which the library opens its own. */
export class Foreigners {
  readonly #path: string;
  readonly #file: number;
  readonly #pipe = new Int32Array(new ArrayBuffer(8));
  #before: Map<number, string> = new Map();
  #info = "";

  /** Opens a file, read up to its 8th byte, and a pipe that holds nothing. */
  constructor(folder: string) {
    this.#path = path.join(folder, "file");
    fs.writeFileSync(this.#path, CONTENT);
    this.#file = fs.openSync(this.#path, "r+");
    fs.readSync(this.#file, new Uint8Array(OFFSET), 0, OFFSET, null);
    check("pipe2", libc.pipe2(this.#pipe, posix.O_NONBLOCK | posix.O_CLOEXEC));
    this.note();
  }

  /** The number of the file. */
  get number(): number {
    return this.#file;
  }

  /** Takes what is open now as what ought to be. */
  note(): void {
    this.#before = this.#links();
    this.#info = this.#infos();
  }

  /** What is not as it was, a sentence for each. */
  changes(): string[] {
    const changes: string[] = [];
    const now = this.#links();
    // What is new is looked for after each call, and here what is gone or another: but sockets above
    // the standard streams, of which Deno moves two to other numbers whenever a worker has ended.
    for (const [number, was] of this.#before) {
      const is = now.get(number) ?? "closed";
      if (was === is || (number > 2 && was.startsWith("socket:"))) continue;
      changes.push(`fd ${number} was ${was} and is ${is}`);
    }
    if (changes.length > 0) return changes;
    const info = this.#infos();
    if (info !== this.#info) {
      changes.push(`foreign descriptors were\n${this.#info}and are\n${info}`);
    }
    const text = fs.readFileSync(this.#path, "utf8");
    if (text !== CONTENT) changes.push(`the foreign file has ${JSON.stringify(text.slice(0, 80))}`);
    return [...changes, ...this.#pipeChanges()];
  }

  /** A byte that goes into the pipe is the only one that comes out. */
  #pipeChanges(): string[] {
    const [reader, writer] = this.#pipe;
    const bytes = new Uint8Array(new ArrayBuffer(100));
    check("write", libc.write(writer!, bytes, 1), writer);
    const count = check("read", libc.read(reader!, bytes, bytes.length), reader);
    return count === 1 ? [] : [`the foreign pipe held ${count - 1} bytes`];
  }

  #infos(): string {
    return [this.#file, ...this.#pipe].map(infoOf).join("");
  }

  #links(): Map<number, string> {
    const numbers = fs.readdirSync(FOLDER).map(Number);
    const links = numbers.map((number) => [number, linkOf(number)] as const);
    return new Map(links.filter(([, link]) => link !== "closed"));
  }
}
