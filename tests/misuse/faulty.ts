/**
 * A library that does everything wrong, and one thing right: what the misuse sweep must find.
 *
 * @module
 */

import fs from "node:fs";
import process from "node:process";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import type { Subject } from "./subjects.ts";

/** Throws what is no error. */
export function throwsText(): never {
  throw "oh";
}

/** Leaves a descriptor open. */
export function leaks(): void {
  libc.fcntl(0, posix.F_DUPFD_CLOEXEC, 0);
}

/** Reads from every file and writes to every pipe that is not its own. */
export function touchesForeign(): void {
  const byte = new Uint8Array(new ArrayBuffer(1));
  for (const number of fs.readdirSync("/proc/self/fd").map(Number)) {
    if (number > 2 && libc.fcntl(number, posix.F_GETFL, 0) >= 0) {
      const link = fs.readlinkSync(`/proc/self/fd/${number}`);
      if (link.endsWith("/file")) libc.read(number, byte, 1);
      if (link.startsWith("pipe:")) libc.write(number, byte, 1); // fails where it is the other end
    }
  }
}

/** Believes what it is told of a length, and looks into what it is given without asking. */
export class Reads {
  /** Fills a buffer. */
  read(buffer: Uint8Array): number {
    const { byteLength } = buffer;
    new Uint8Array(buffer.buffer, 0, Math.min(byteLength, 64)).fill(1);
    return byteLength;
  }
}

/** Ends the process by a signal. */
export function crashes(value: number): void {
  if (!Number.isNaN(value)) return;
  process.kill(process.pid, "SIGKILL");
  for (;;);
}

/** Ends the process by itself. */
export function exits(value: number): void {
  if (Number.isNaN(value)) process.exit(3);
}

/** Throws where nobody can catch it. */
export function throwsLater(value: number): void {
  if (Number.isNaN(value)) queueMicrotask(() => throwsText());
}

/** Never comes back. */
export function hangs(value: number): void {
  while (Number.isNaN(value));
}

/** Answers a promise that nothing settles. */
export function neverSettles(): Promise<void> {
  return new Promise(() => {});
}

/** Refuses a good argument. */
export function complains(_value: number): never {
  throw new TypeError("complains takes nothing");
}

/** Has got a parameter that the table does not know. */
export function grows(_one: number, _two: number = 2): void {}

/** Does what it should. */
export class Good implements Disposable {
  readonly #fd: number = libc.fcntl(0, posix.F_DUPFD_CLOEXEC, 0);

  /** Is here to be read and not to be set. */
  get one(): number {
    return 1;
  }

  /** Takes a number. */
  take(value: number): number {
    if (typeof value === "number") return value;
    throw new TypeError("Good.take: the value must be a number");
  }

  /** Settles at once. */
  async later(): Promise<void> {}

  /** Closes. */
  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

const one = (): unknown[] => [1];

/** How they are called. */
export const SUBJECTS: Readonly<Record<string, Subject>> = {
  throwsText: { valid: {} },
  leaks: { valid: {} },
  touchesForeign: { valid: {} },
  Reads: { make: () => new Reads(), valid: { read: () => [new Uint8Array(8)] } },
  crashes: { valid: { crashes: one } },
  exits: { valid: { exits: one } },
  throwsLater: { valid: { throwsLater: one } },
  hangs: { valid: { hangs: one } },
  neverSettles: { valid: {} },
  complains: { valid: { complains: one } },
  grows: { valid: { grows: one } },
  Good: { make: () => new Good(), valid: { take: one } },
};
