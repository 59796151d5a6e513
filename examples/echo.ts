/**
 * An echo server on TCP and on a Unix socket at once, on one thread.
 *
 *     bun examples/echo.ts 127.0.0.1:7000 unix:/tmp/echo.sock
 *     deno run --allow-ffi --allow-read examples/echo.ts 127.0.0.1:7000
 */

import process from "node:process";
import {
  type Connection,
  formatAddress,
  Loop,
  SignalFD,
  Socket,
  type SocketAddress,
} from "@fdloop/fdloop";

const addresses = process.argv.slice(2);
if (addresses.length === 0) addresses.push("127.0.0.1:7000");

using loop = Loop.create();
using signals = SignalFD.create(["SIGINT", "SIGTERM"]);
using listeners = new DisposableStack();
const clients = new Map<Connection, Socket>();

/** Echoes what comes; while the peer does not read, nothing more is read from it. */
function serve(client: Socket): void {
  const conn = loop.registerConn(client, {
    onRecv(bytes, self) {
      if (!self.write(bytes)) self.pause();
    },
    onDrain: (self) => self.resume(),
    onClose(_error, self) {
      clients.delete(self);
      client.close();
    },
  }, { timeouts: { idle: 60_000 } });
  clients.set(conn, client);
}

for (const address of addresses) {
  const listener = listeners.use(Socket.listen(address));
  loop.watch(listener, { readable: true }, () => {
    for (let client = listener.accept(); client !== null; client = listener.accept()) serve(client);
  });
  console.log(`listening on ${formatAddress(listener.localAddress as SocketAddress)}`);
}

loop.watch(signals, { readable: true }, () => {
  console.log(`${signals.read()?.name}: ${clients.size} connections open`);
  loop.stop();
});
await loop.run();
for (const client of clients.values()) client.close();
