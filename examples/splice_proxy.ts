/**
 * A TCP proxy whose bytes never come into the program: two splices for each connection, one for each
 * direction. A slow reader on one side holds up the writer on the other, and a side that has finished
 * writing can still read its answer.
 *
 *     bun examples/splice_proxy.ts 127.0.0.1:8080 127.0.0.1:80
 *     deno run --allow-ffi --allow-read examples/splice_proxy.ts 127.0.0.1:8080 127.0.0.1:80
 */

import process from "node:process";
import {
  formatAddress,
  Loop,
  SignalFD,
  Socket,
  type SocketAddress,
  SpliceError,
} from "@fdloop/fdloop";

const [from = "127.0.0.1:8080", to = "127.0.0.1:80"] = process.argv.slice(2);

using loop = Loop.create();
using signals = SignalFD.create(["SIGINT", "SIGTERM"]);
using listener = Socket.listen(from, { noDelay: true });
const stopping = new AbortController();

/** Moves what one side says to the other, and then its end. */
async function forward(source: Socket, sink: Socket, signal: AbortSignal): Promise<void> {
  await loop.splice(source, sink, { signal });
  sink.shutdown("write");
}

async function join(client: Socket): Promise<void> {
  using near = client;
  using far = Socket.connect(to, { noDelay: true });
  // What breaks one direction ends the other: nobody is left to speak or to hear.
  const broken = new AbortController();
  const signal = AbortSignal.any([stopping.signal, broken.signal]);
  const directions = async (): Promise<void> => {
    await loop.writable(far, { signal });
    const failure = far.error;
    if (failure !== null) throw failure;
    await Promise.all([forward(near, far, signal), forward(far, near, signal)]);
  };
  try {
    await directions();
  } catch (error) {
    broken.abort();
    if (stopping.signal.aborted) return;
    const lost = error instanceof SpliceError
      ? `, ${error.rest.byteLength} bytes not delivered`
      : "";
    console.log(`${(error as Error).message}${lost}`);
  }
}

loop.watch(listener, { readable: true }, () => {
  for (let client = listener.accept(); client !== null; client = listener.accept()) {
    join(client).catch((error) => console.log(`cannot reach ${to}: ${(error as Error).message}`));
  }
});
loop.watch(signals, { readable: true }, () => {
  stopping.abort();
  loop.stop();
});
console.log(`${formatAddress(listener.localAddress as SocketAddress)} is ${to}`);
await loop.run();
