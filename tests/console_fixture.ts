/**
 * What the tests of consoles share: text, and waiting for what a program shows.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { Console } from "../handles/console.ts";
import type { ConsoleBase } from "../handles/console_base.ts";
import type { ConsoleChild } from "../handles/console_child.ts";
import type { ConsoleSpawnOptions } from "../handles/console_spawn.ts";
import { ConsolePoller, type Epoller, type Kqueuer } from "../loop/console_poller.ts";
import { Loop } from "../loop/loop.ts";
import type { PolledConsole } from "../loop/polled_console.ts";
import "./shared_loop.ts";
import { readable } from "./probes.ts";
import { deadline, waitUntil } from "./support.ts";

const LATE_MS = 30_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text as bytes. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** What one read gives: text, "" at the end, null for would-block. */
export function take(console: ConsoleBase, most: number = 65536): string | null {
  const buffer = new Uint8Array(most);
  const length = console.read(buffer);
  return length === null ? null : decoder.decode(buffer.subarray(0, length));
}

/**
 * All that comes, until there are so many bytes and no more follows at once: the kernel hands on a
 * line's text and its end separately, and an echo may come after the line that it is of.
 */
export function takeAll(console: ConsoleBase, bytes: number = 0): string {
  let text = "";
  for (;;) {
    const piece = take(console);
    if (piece === "") return text;
    if (piece !== null) text += piece;
    else if (text.length >= bytes || !readable(console, LATE_MS)) return text;
  }
}

/** Bytes of which no two neighbourhoods are alike, and that contain every value. */
export function pattern(length: number, seed: number = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** A program on a terminal, read by the Loop of this thread. */
export class Session implements AsyncDisposable {
  readonly child: ConsoleChild;
  /** All that it has shown so far. */
  shown = "";
  #looked = 0;

  /** Starts a program. */
  constructor(argv: readonly string[], options: ConsoleSpawnOptions = {}) {
    this.child = Console.spawn(argv, { columns: 80, rows: 24, ...options });
  }

  /** Types. */
  type(text: string): void {
    assertEquals(this.child.console.write(encode(text)), encode(text).length);
  }

  /** Waits until it shows something behind what was waited for before; answers what came till there. */
  until(wanted: string | RegExp): Promise<string> {
    const what = (): string => `${wanted} after ${JSON.stringify(this.shown)}`;
    return deadline(LATE_MS, this.#until(wanted), what);
  }

  /** Reads until no program has the terminal any more: all that it has shown. */
  async end(): Promise<string> {
    const drain = async (): Promise<void> => {
      while (await this.#read());
    };
    await deadline(LATE_MS, drain(), "the end of its terminal");
    return this.shown;
  }

  /** Waits for the end of the program. */
  async status(): Promise<number | string | null> {
    const { code, signal } = await deadline(LATE_MS, this.child.process.exited(), "its end");
    return signal ?? code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
  }

  async #until(wanted: string | RegExp): Promise<string> {
    for (;;) {
      const rest = this.shown.slice(this.#looked);
      const found = typeof wanted === "string" ? rest.indexOf(wanted) : rest.search(wanted);
      if (found !== -1) {
        const length = typeof wanted === "string" ? wanted.length : wanted.exec(rest)![0].length;
        this.#looked += found + length;
        return rest.slice(0, found + length);
      }
      if (!await this.#read()) throw new Error(`the program ended: ${JSON.stringify(this.shown)}`);
    }
  }

  /** Whether there may be more. */
  async #read(): Promise<boolean> {
    const { console } = this.child;
    for (;;) {
      const text = take(console);
      if (text === "") return false;
      if (text !== null) {
        this.shown += text;
        return true;
      }
      await Loop.shared.readable(console);
    }
  }
}

/** What stty(1) says of a terminal, or does to it: the settings by somebody else's eyes. */
export function stty(console: ConsoleBase, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("stty", ["-F", console.path!, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`stty ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** A poller of consoles on a loop, for the kernel that the loop waits in. */
export function makePoller(loop: Loop = Loop.shared): Epoller | Kqueuer {
  return ConsolePoller.create({ loop });
}

/** Reads until there are so many bytes: text. */
export async function readText(console: PolledConsole, bytes: number): Promise<string> {
  const buffer = new Uint8Array(bytes);
  let count = 0;
  while (count < bytes) {
    const more = await deadline(LATE_MS, console.read(buffer.subarray(count)), "bytes to read");
    if (more === 0) break;
    count += more;
  }
  return decoder.decode(buffer.subarray(0, count));
}

/** More than the kernel keeps of what nobody reads. */
export const TOO_MUCH = 1_000_000;

/** Opens the slave of a pty once more. */
export function reopen(path: string): Console {
  const number = fs.openSync(
    path,
    fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK,
  );
  try {
    return Console.fromFd(number);
  } finally {
    fs.closeSync(number);
  }
}

/** Waits until a shell of a session has started a program: from then on the terminal is the program's. */
export async function running(session: Session, name: string): Promise<void> {
  const isThere = (): boolean => descendants(String(session.child.pid)).some(isCalled);
  const isCalled = (pid: string): boolean => contents(`/proc/${pid}/comm`) === name;
  await waitUntil(isThere, LATE_MS, `${name}, started in ${JSON.stringify(session.shown)}`);
}

/** The processes that a process has started, and theirs: each thread has its own. */
function descendants(pid: string): string[] {
  const tasks = `/proc/${pid}/task`;
  const children = unlessGone(() => fs.readdirSync(tasks), [])
    .flatMap((thread) => contents(`${tasks}/${thread}/children`).split(" "))
    .filter((child) => child !== "");
  return [...children, ...children.flatMap(descendants)];
}

function contents(path: string): string {
  return unlessGone(() => fs.readFileSync(path, "utf8").trim(), "");
}

/** What is read of a process, or something else when it has ended since. */
function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
