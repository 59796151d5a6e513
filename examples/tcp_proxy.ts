/**
 * A TCP proxy: whatever connects here is connected there. A slow reader on one side holds up the writer
 * on the other, and a side that has finished writing can still read its answer.
 *
 *     bun examples/tcp_proxy.ts 127.0.0.1:8080 127.0.0.1:80
 *     deno run --allow-ffi --allow-read examples/tcp_proxy.ts 127.0.0.1:8080 127.0.0.1:80
 */

import process from "node:process";
import {
  type Connection,
  type ConnHandlers,
  formatAddress,
  Loop,
  SignalFD,
  Socket,
  type SocketAddress,
} from "@fdloop/fdloop";

const [from = "127.0.0.1:8080", to = "127.0.0.1:80"] = process.argv.slice(2);

using loop = Loop.create();
using signals = SignalFD.create(["SIGINT", "SIGTERM"]);
using listener = Socket.listen(from, { noDelay: true });
const open = new Set<Socket>();

/** What one side does: everything it says is about the other. */
function handlers(socket: Socket, other: () => Connection): ConnHandlers {
  return {
    onRecv(bytes, self) {
      if (!other().write(bytes)) self.pause();
    },
    onDrain: () => {
      if (!other().closed) other().resume();
    },
    onEnd: () => {
      if (!other().closed) other().end();
    },
    onClose(error) {
      open.delete(socket);
      socket.close();
      // Nobody is left to hear the rest; what was sent before an orderly end is on its way.
      if (error !== null && !other().closed) loop.unregisterConn(other().fd);
    },
  };
}

async function join(client: Socket): Promise<void> {
  const server = Socket.connect(to, { noDelay: true });
  open.add(client).add(server);
  try {
    await loop.writable(server);
    const failure = server.error;
    if (failure !== null) throw failure;
  } catch (error) {
    console.log(`cannot reach ${to}: ${(error as Error).message}`);
    for (const socket of [client, server]) {
      open.delete(socket);
      socket.close();
    }
    return;
  }
  const near: Connection = loop.registerConn(client, handlers(client, () => far));
  const far: Connection = loop.registerConn(server, handlers(server, () => near));
}

loop.watch(listener, { readable: true }, () => {
  for (let client = listener.accept(); client !== null; client = listener.accept()) {
    void join(client);
  }
});
loop.watch(signals, { readable: true }, () => loop.stop());
console.log(`${formatAddress(listener.localAddress as SocketAddress)} is ${to}`);
await loop.run();
for (const socket of open) socket.close();
