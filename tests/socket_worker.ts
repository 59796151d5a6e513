import { type SharedSocket, Socket } from "../handles/socket.ts";
import type { SocketAddress } from "../handles/socket_address.ts";
import { serve } from "./support.ts";

const methods = {
  /** Accepts, and answers where the connection came from, which it closes. */
  accept(shared: SharedSocket): SocketAddress | null {
    using connection = Socket.from(shared).accept();
    return connection?.remoteAddress ?? null;
  },

  read: (shared: SharedSocket): number | null => Socket.from(shared).read(new Uint8Array(64)),

  /** Sends so many bytes by calls of one byte each; answers how many were taken. */
  sendOften(shared: SharedSocket, byte: number, times: number): number {
    const socket = Socket.from(shared);
    const buffer = Uint8Array.of(byte);
    let taken = 0;
    while (taken < times) taken += socket.send(buffer) ?? 0;
    return taken;
  },

  type: (shared: SharedSocket): string => Socket.from(shared).type,

  close: (shared: SharedSocket): void => Socket.from(shared).close(),
};

/** The methods, for the tests. */
export type SocketWorker = typeof methods;

serve(methods);
