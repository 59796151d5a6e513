/**
 * A handler for the tests of engines: it answers each byte with the same, and does what it is told to
 * by messages.
 *
 * @module
 */

import process from "node:process";
import { libc } from "../ffi/libc.ts";
import { FD } from "../handles/fd.ts";
import type { Connection } from "../loop/connection.ts";
import type { EngineWorker } from "../loop/engine_handler.ts";
import type { Loop } from "../loop/loop.ts";

/** What a worker can be told. */
export type Command =
  | { readonly tell: unknown }
  | { readonly die: "throw" | "later" | "reject" | "exit" | "stop" | "spin" }
  | { readonly drip: number }
  | { readonly hold: number }
  | { readonly bulk: number };

const seen: string[] = [];
const open = new Set<Connection>();
let self: EngineWorker;

/** Notes the worker. */
export async function onStart(_loop: Loop, worker: EngineWorker): Promise<void> {
  await null;
  self = worker;
  seen.push("start");
}

/** Notes the connection. */
export function onOpen(conn: Connection): void {
  open.add(conn);
}

/** What a client may ask instead of being echoed: which worker it is, and for an error. */
export const WHO = "who are you?";
export const DIE = "please throw";

/** Echoes, or answers. */
export function onData(conn: Connection, bytes: Uint8Array): void {
  const text = bytes.byteLength === WHO.length ? new TextDecoder().decode(bytes.slice()) : "";
  if (text === DIE) throw new RangeError("asked for by a client");
  conn.write(text === WHO ? new TextEncoder().encode(`worker ${self.index}`) : bytes);
  self.countRequests();
}

/** Notes that it is over. */
export function onClose(conn: Connection, error: Error | null): void {
  open.delete(conn);
  seen.push(`close ${error === null ? null : error.name}`);
}

/** Notes that the engine shuts down. */
export function onShutdown(): void {
  self.post({ shutdown: self.index, open: open.size });
}

/** Does as it is told. */
export function onMessage(value: unknown, loop: Loop, worker: EngineWorker): void {
  const command = value as Command;
  if ("tell" in command) {
    const { index, count, address } = worker;
    const { length } = seen;
    return worker.post({
      echo: command.tell,
      index,
      count,
      address,
      seen: seen.slice(-50),
      length,
      open: open.size,
      tid: libc.gettid(),
    });
  }
  if ("hold" in command) return hold(command.hold);
  if ("bulk" in command) return worker.post(new Uint8Array(command.bulk).fill(7));
  if ("drip" in command) {
    for (let number = 0; number < command.drip; number++) worker.post(number);
    return;
  }
  switch (command.die) {
    case "throw":
      throw new RangeError("told to");
    case "later":
      return void setTimeout(() => {
        throw new RangeError("told to, later");
      }, 1);
    case "reject":
      return void Promise.reject(new RangeError("told to, nobody waits"));
    case "exit":
      return process.exit(7);
    case "stop":
      return loop.stop();
    case "spin":
      for (;;);
  }
}

/** Blocks the thread until a blocking eventfd is signaled. */
function hold(number: number): void {
  using counter = FD.duplicate(number);
  self.post("held");
  counter.read(new Uint8Array(new ArrayBuffer(8)));
}
