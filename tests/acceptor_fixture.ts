/**
 * What the tests of acceptors share: clients, what became of them, and who listens according to the
 * kernel.
 *
 * @module
 */

import fs from "node:fs";
import { posix } from "../ffi/const_posix.ts";
import { Socket } from "../handles/socket.ts";
import type { AddressLike, SocketAddress } from "../handles/socket_address.ts";
import { named } from "./conn_fixture.ts";
import { poll } from "./probes.ts";

/** How long the kernel may take for what it does at once. */
const WAIT_MS = 5000;

/** Connections, closed together. */
export interface Clients extends Disposable {
  readonly sockets: readonly Socket[];
}

/** Connects so many clients: their handshakes are complete when this returns. */
export function connectAll(
  address: AddressLike,
  count: number,
  type: "stream" | "seqpacket" = "stream",
): Clients {
  const sockets = Array.from(
    { length: count },
    () => Socket.connect(address, { blocking: true, type }),
  );
  return {
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

/** What a client reads next: `"bytes"`, `"FIN"`, `"nothing"` within `ms`, or the name of its error. */
export function outcome(client: Socket, ms: number = WAIT_MS): string {
  if (poll(client, posix.POLLIN, ms) === 0) return "nothing";
  try {
    return client.read(new Uint8Array(1)) === 0 ? "FIN" : "bytes";
  } catch (error) {
    return named(error as Error);
  }
}

/** How often each outcome came. */
export function outcomes(clients: readonly Socket[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const client of clients) {
    const what = outcome(client);
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** How many sockets listen at a port: state 0A in the kernel's table of TCP. */
export function listening(address: SocketAddress): number {
  const { port } = address as { port: number };
  const at = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, "0")} \\S+ 0A `,
  );
  const tables = ["tcp", "tcp6"].filter((name) => fs.existsSync(`/proc/net/${name}`));
  const lines = tables.flatMap((name) => fs.readFileSync(`/proc/net/${name}`, "utf8").split("\n"));
  return lines.filter((line) => at.test(line)).length;
}
