/**
 * A server that is replaced by a new process of itself without its clients noticing: start it a second
 * time, and the first one hands over its listeners and its connections, and ends.
 *
 *     bun examples/hot_restart.ts 127.0.0.1:7000 /tmp/hot_restart.sock
 *     deno run -A examples/hot_restart.ts 127.0.0.1:7000 /tmp/hot_restart.sock
 *
 * The two talk through a Unix socket of messages. The old process sends its listeners (SCM_RIGHTS) and
 * goes on until the new one says that it accepts, too. Then each connection follows when it is between
 * two lines, with what belongs to it. The listeners are open all the time, so that no client is refused.
 */

import fs from "node:fs";
import process from "node:process";
import {
  type DepartedConn,
  Engine,
  formatAddress,
  Loop,
  type ReceivedFds,
  recvFds,
  sendFds,
  Socket,
  SyscallError,
} from "@fdloop/fdloop";

/** How long a connection may take to come to the end of a line. */
const GRACE_MS = 5000;

/** A message has room in the socket's buffer. What is larger stays with the old process. */
const MOST_BYTES = 64 * 1024;

const [address = "127.0.0.1:7000", path = "/tmp/hot_restart.sock"] = process.argv.slice(2);
const handler = new URL("./hot_restart_handler.ts", import.meta.url);
const loop = Loop.shared;
const buffer = new Uint8Array(new ArrayBuffer(MOST_BYTES));

/** What goes with a connection. */
interface Luggage {
  readonly carry: readonly number[];
  readonly state: unknown;
}

const old = predecessor();
const engine = old === null
  ? Engine.create({ handler, address, workers: 2 })
  : Engine.create({ handler, listeners: await inherit(old) });
await engine.listen();
const successors = listenForSuccessors();
console.log(`${process.pid} serves ${formatAddress(engine.addr!)}`);
if (old !== null) void adoptAll(old);
await replaced();

/** The process that serves at this moment, if there is one. */
function predecessor(): Socket | null {
  try {
    return Socket.connect(`unix:${path}`, { type: "seqpacket" });
  } catch (error) {
    if (error instanceof SyscallError && ["ENOENT", "ECONNREFUSED"].includes(error.code)) {
      return null;
    }
    throw error;
  }
}

/** Takes the place of the socket of the process before this one, in one step. */
function listenForSuccessors(): Socket {
  const own = `${path}.${process.pid}`;
  const listener = Socket.listen(`unix:${own}`, { type: "seqpacket" });
  fs.renameSync(own, path);
  return listener;
}

/** The first message: all listeners. */
async function inherit(from: Socket): Promise<Socket[]> {
  const first = await receive(from);
  if (first === null) throw new Error("the old process has ended");
  return first.descriptors.map((descriptor) => {
    const listener = Socket.duplicate(descriptor.raw);
    descriptor.close();
    return listener;
  });
}

/** Takes over connections until the old process has no more. */
async function adoptAll(from: Socket): Promise<void> {
  await send(from, [], { carry: [], state: "ready" });
  let count = 0;
  for (let next = await receive(from); next !== null; next = await receive(from)) {
    const text = new TextDecoder().decode(buffer.slice(0, next.length));
    const { carry, state } = JSON.parse(text) as Luggage;
    await engine.adoptConn(next.descriptors[0]!, { carry: Uint8Array.from(carry), state });
    count++;
  }
  from.close();
  console.log(`${process.pid} has adopted ${count}`);
}

/** Serves until another process comes to do so, and has everything. */
async function replaced(): Promise<void> {
  for (;;) {
    await loop.readable(successors);
    using successor = successors.accept();
    if (successor === null) continue;
    if (!await inherited(successor)) {
      console.log(`${process.pid} goes on`);
      continue;
    }
    successors.close();
    await engine.pauseAccept({ drain: false });
    await handOver(successor);
    return void await engine.shutdown({ deadline: GRACE_MS });
  }
}

/** Whether the new process has the listeners, and accepts. */
async function inherited(successor: Socket): Promise<boolean> {
  const listeners = await engine.listeners();
  try {
    await send(successor, listeners, { carry: [], state: "listeners" });
    return await receive(successor) !== null;
  } catch {
    return false;
  } finally {
    for (const listener of listeners) listener.close();
  }
}

/** Sends connections, each when it can be sent, until there are none or the time is over. */
async function handOver(successor: Socket): Promise<void> {
  // One after the other: a message goes as a whole or not at all.
  let last: Promise<boolean> = Promise.resolve(true);
  engine.startTransplant((conn) => last = last.then(() => sendConn(successor, conn)));
  const end = performance.now() + GRACE_MS;
  while (engine.metrics().total.open > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  console.log(`${process.pid} has handed over ${await engine.stopTransplant()}`);
}

async function sendConn(to: Socket, { socket, carry, state }: DepartedConn): Promise<boolean> {
  try {
    return await send(to, [socket], { carry: [...carry as Uint8Array], state });
  } catch {
    return false; // the new process is gone: it stays here
  }
}

/** Sends a message. Answers false when it is too long. */
async function send(to: Socket, sockets: Socket[], luggage: Luggage): Promise<boolean> {
  const message = new TextEncoder().encode(JSON.stringify(luggage));
  if (message.byteLength > MOST_BYTES) return false;
  for (;;) {
    const sent = sockets.length === 0 ? to.write(message) : sendFds(to, sockets, message);
    if (sent !== null) return true;
    await loop.writable(to);
  }
}

/** Receives a message, null at the end. */
async function receive(from: Socket): Promise<ReceivedFds | null> {
  for (;;) {
    const received = recvFds(from, buffer, 253);
    if (received !== null) return received.length === 0 ? null : received;
    await loop.readable(from);
  }
}
