/**
 * A handler for the tests of moves: it answers requests that have a number with a checksum, and how many
 * it has answered on that connection, wherever that was.
 *
 * A request: its number, the length of its body, the body. An answer: the number, the checksum, how many
 * came before it on this connection, how often the connection has moved. All words have four bytes.
 *
 * @module
 */

import type { Connection } from "../loop/connection.ts";
import type { ConnLuggage, EngineWorker } from "../loop/engine_handler.ts";
import type { Loop } from "../loop/loop.ts";
import { joined } from "./conn_fixture.ts";

/** How long a request is without its body, and how long an answer is. */
export const REQUEST_BYTES = 8;
export const ANSWER_BYTES = 16;

/** What a worker can be told. */
export type MoveCommand =
  | { readonly tell: true }
  | { readonly watch: number }
  | { readonly die: true }
  | { readonly dieAt: "onMove" | "onAdopt" }
  | { readonly stay: boolean };

interface State {
  served: number;
  moves: number;
}

interface Caller extends State {
  rest: Uint8Array;
}

const callers = new Map<Connection, Caller>();
const seen: string[] = [];
const watched: { cancel(): void }[] = [];
let dieAt = "";
let stay = false;

/** A sum of bytes that their order matters to. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}

/** Begins to count. */
export function onOpen(conn: Connection): void {
  begin(conn, { served: 0, moves: 0 }, "open");
}

/** Counts on. */
export function onAdopt(conn: Connection, _socket: unknown, state: unknown): void {
  if (dieAt === "onAdopt") throw new RangeError("told to, in onAdopt");
  if (state === undefined) return onOpen(conn);
  const { served, moves } = state as State;
  begin(conn, { served, moves: moves + 1 }, "adopt");
}

function begin(conn: Connection, state: State, what: string): void {
  callers.set(conn, { ...state, rest: new Uint8Array(0) });
  seen.push(what);
  if (!stay) conn.atBoundary();
}

/** Lets somebody else count on. */
export function onMove(conn: Connection): ConnLuggage {
  if (dieAt === "onMove") throw new RangeError("told to, in onMove");
  const { rest, served, moves } = callers.get(conn)!;
  callers.delete(conn);
  seen.push(`move ${rest.byteLength}`);
  return { carry: rest, state: { served, moves } };
}

/** Answers what is complete, and keeps the rest. */
export function onData(conn: Connection, bytes: Uint8Array): void {
  const caller = callers.get(conn)!;
  let rest = joined([caller.rest, bytes]);
  for (;;) {
    const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
    if (rest.byteLength < REQUEST_BYTES) break;
    const end = REQUEST_BYTES + view.getUint32(4);
    if (rest.byteLength < end) break;
    const answer = new DataView(new ArrayBuffer(ANSWER_BYTES));
    answer.setUint32(0, view.getUint32(0));
    answer.setUint32(4, checksum(rest.subarray(REQUEST_BYTES, end)));
    answer.setUint32(8, caller.served++);
    answer.setUint32(12, caller.moves);
    conn.write(answer);
    rest = rest.subarray(end);
  }
  caller.rest = rest.slice();
  if (!stay) conn.atBoundary();
}

/** Notes that it is over. */
export function onClose(conn: Connection, error: Error | null): void {
  callers.delete(conn);
  seen.push(`close ${error === null ? null : error.name}`);
}

/** Does as it is told. */
export function onMessage(value: unknown, loop: Loop, worker: EngineWorker): void {
  const command = value as MoveCommand;
  if ("tell" in command) {
    const fds = [...callers.keys()].map(({ fd }) => fd);
    return worker.post({ seen: seen.splice(0), callers: callers.size, fds });
  }
  if ("watch" in command) {
    for (const watch of watched.splice(0)) watch.cancel();
    if (command.watch >= 0) watched.push(loop.watch(command.watch, { priority: true }, () => {}));
  } else if ("stay" in command) {
    stay = command.stay;
    if (!stay) { for (const conn of callers.keys()) conn.atBoundary(); }
  } else if ("dieAt" in command) {
    dieAt = command.dieAt;
  } else {
    throw new RangeError("told to");
  }
  worker.post("done");
}
