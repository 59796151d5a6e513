// libuv/libuv, test/test-tcp-*.c: what they observe, with a Loop or two.

import { assertEquals, assertGreater } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { Loop } from "../../loop/loop.ts";
import { connection } from "../socket_fixture.ts";
import { test } from "../support.ts";

test("libuv: tcp_reuseport, two loops and two listeners on one port share the clients", async () => {
  using stack = new DisposableStack();
  const loops = [stack.use(Loop.create()), stack.use(Loop.create())];
  const first = stack.use(Socket.listen("127.0.0.1:0", { reusePort: true }));
  const second = stack.use(Socket.listen(first.localAddress, { reusePort: true }));
  const counts = [0, 0];
  for (const [index, listener] of [first, second].entries()) {
    loops[index]!.watch(listener, { readable: true }, () => {
      for (let server = listener.accept(); server !== null; server = listener.accept()) {
        stack.use(server);
        counts[index]!++;
      }
      loops[index]!.stop();
    });
  }
  for (let client = 0; client < 100; client++) {
    stack.use(Socket.connect(first.localAddress, { blocking: true }));
  }
  for (const loop of loops) await loop.run();
  assertEquals(counts[0]! + counts[1]!, 100);
  for (const count of counts) assertGreater(count, 0);
});

test("libuv: tcp_close_accept, the listener closes while others wait, and what was accepted goes on", async () => {
  using loop = Loop.create();
  using stack = new DisposableStack();
  const listener = Socket.listen("127.0.0.1:0");
  const clients = Array.from(
    { length: 3 },
    () => stack.use(Socket.connect(listener.localAddress, { blocking: true })),
  );
  const outcomes: string[] = [];
  loop.watch(listener, { readable: true }, () => {
    const server = stack.use(listener.accept()!);
    server.write(new Uint8Array(1));
    listener.close();
  });
  const ends = clients.map(async (client) => {
    await loop.readable(client);
    outcomes.push(client.error?.code ?? String(client.read(new Uint8Array(8))));
  });
  await loop.run();
  await Promise.all(ends);
  assertEquals(outcomes.sort(), ["1", "ECONNRESET", "ECONNRESET"]);
});

test("libuv: tcp_write_queue_order and tcp_writealot, every byte in its order", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { client, server } = pair;
  const total = 3 * 1024 * 1024;
  let [sent, got] = [0, 0];
  const block = new Uint8Array(65_521);
  const writing = loop.watch(client, { writable: true }, () => {
    for (let at = 0; at < block.length; at++) block[at] = (sent + at) % 253;
    sent += client.write(block.subarray(0, Math.min(block.length, total - sent))) ?? 0;
    if (sent < total) return;
    writing.cancel();
    client.shutdown("write");
  });
  const buffer = new Uint8Array(100_000);
  const reading = loop.watch(server, { readable: true }, () => {
    const length = server.read(buffer)!;
    if (length === 0) return reading.cancel();
    for (let at = 0; at < length; at++) {
      if (buffer[at] !== (got + at) % 253) throw new Error(`byte ${got + at} is ${buffer[at]}`);
    }
    got += length;
  });
  await loop.run();
  assertEquals([sent, got], [total, total]);
});
