/**
 * The handler of hot_restart.ts: it answers each line with the process that does so, how many lines came
 * before it on this connection, and the line.
 */

import process from "node:process";
import { type Connection, defineHandler, type EngineHandler } from "@fdloop/fdloop";

interface Client {
  served: number;
  /** The beginning of a line that is not complete. */
  rest: string;
}

const clients = new Map<Connection, Client>();

const handler: EngineHandler = defineHandler({
  onOpen: (conn) => begin(conn, 0),
  onAdopt: (conn, _socket, served) => begin(conn, served as number),
  onMove(conn) {
    const { served, rest } = clients.get(conn)!;
    clients.delete(conn);
    return { state: served, carry: bytesOf(rest) };
  },
  onData(conn, bytes) {
    const client = clients.get(conn)!;
    const lines = (client.rest + String.fromCharCode(...bytes)).split("\n");
    client.rest = lines.pop()!;
    for (const line of lines) conn.write(bytesOf(`${process.pid} ${client.served++} ${line}\n`));
    // Every line is answered: what there is of the next one goes with the connection.
    conn.atBoundary();
  },
  onClose: (conn) => void clients.delete(conn),
});

export const { onOpen, onAdopt, onMove, onData, onClose } = handler;

function begin(conn: Connection, served: number): void {
  clients.set(conn, { served, rest: "" });
  conn.atBoundary();
}

/** A byte each: a line may end in the middle of a character, and goes on as it came. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
