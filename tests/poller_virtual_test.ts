// Loops without a kernel: what a program's own tests are made of.

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemFD } from "../handles/mem_fd.ts";
import { pipe } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { memoryPipe } from "../loop/memory_pipe.ts";
import { memorySocketPair } from "../loop/memory_socket.ts";
import { VirtualPoller } from "../loop/poller_virtual.ts";
import { WaiterQueue } from "../loop/waitable.ts";
import { assertEmpty, encode, pattern, record } from "./conn_fixture.ts";
import { test, turn } from "./support.ts";

const block = new Uint8Array(64 * 1024);

const virtual = (): Loop => Loop.create({ poller: new VirtualPoller() });

test("VirtualPoller: an echo over a pair in memory, to the last byte", async () => {
  using loop = virtual();
  using pair = memorySocketPair();
  const server = record({ onRecv: (bytes, conn) => void conn.write(bytes) });
  const client = record({
    onRecv: (bytes, conn) => {
      if (new TextDecoder().decode(bytes) === "hello") conn.end();
    },
  });
  loop.registerConn(pair.left, server.handlers);
  loop.registerConn(pair.right, client.handlers).write(encode("hello"));
  await loop.run();
  assertEquals(server.seen, ["recv hello", "close null"]);
  assertEquals(client.seen, ["recv hello", "close null"]);
  await assertEmpty(loop);
});

test("VirtualPoller: more than the buffers hold comes through whole, with one drain", async () => {
  using loop = virtual();
  using pair = memorySocketPair();
  const sent = pattern(3_000_000);
  const got: Uint8Array[] = [];
  let drains = 0;
  loop.registerConn(pair.left, { onRecv: (bytes) => void got.push(bytes.slice()) });
  const conn = loop.registerConn(pair.right, { onRecv: () => {}, onDrain: () => void drains++ });
  assertEquals(conn.write(sent), false);
  conn.end();
  await loop.run();
  assertEquals(drains, 1);
  assertEquals(got.reduce((sum, { byteLength }) => sum + byteLength, 0), sent.byteLength);
  let at = 0;
  for (const part of got) {
    assert(part.every((byte, index) => byte === (at + index) % 251), `from byte ${at}`);
    at += part.byteLength;
  }
});

test("C29 VirtualPoller: files go between messages, in parts and to the last byte", async () => {
  using loop = virtual();
  using pair = memorySocketPair();
  using file = MemFD.create("virtual");
  const bytes = pattern(500_000);
  file.write(bytes);
  const got: number[] = [];
  const onRecv = (part: Uint8Array): void => {
    for (const byte of part) got.push(byte);
  };
  loop.registerConn(pair.left, { onRecv });
  const conn = loop.registerConn(pair.right, { onRecv: () => {} });
  conn.write(encode("<"));
  const whole = conn.sendfile(file, { headers: encode("head") });
  const part = conn.sendfile(file, { offset: 499_000, length: 500 });
  const none = conn.sendfile(file, { offset: 500_000 });
  conn.write(encode(">"));
  conn.end();
  await loop.run();
  assertEquals(await Promise.all([whole, part, none]), [500_000, 500, 0]);
  const expected = [encode("<head"), bytes, bytes.subarray(499_000, 499_500), encode(">")];
  assertEquals(Buffer.from(got).equals(Buffer.concat(expected)), true);
});

test("VirtualPoller: a pipe is two connections, one for each end", async () => {
  using loop = virtual();
  using ends = memoryPipe();
  const reader = record();
  const writer = record();
  loop.registerConn(ends.reader, reader.handlers);
  const conn = loop.registerConn(ends.writer, writer.handlers);
  conn.write(encode("through"));
  loop.post(() => ends.writer.close());
  await loop.run();
  assertEquals([reader.seen, writer.seen], [["recv through", "close null"], ["close null"]]);
  using broken = memoryPipe();
  const sender = record();
  loop.registerConn(broken.writer, sender.handlers);
  broken.reader.close();
  await loop.run();
  assertEquals(sender.seen, ["close null"]);
});

test("VirtualPoller: pausing holds up the peer; a peer that closes early is an error", async () => {
  using loop = virtual();
  using pair = memorySocketPair();
  const seen = record();
  const conn = loop.registerConn(pair.left, seen.handlers);
  conn.pause();
  pair.right.write(encode("held"));
  loop.setTimer(1000, () => conn.resume());
  loop.setTimer(999, () => assertEquals(seen.seen, []));
  loop.setTimer(2000, () => {
    conn.write(encode("unread"));
    pair.right.close();
  });
  await loop.run();
  assertEquals(seen.seen, ["recv held", "close EventPollError"]);
});

test("VirtualPoller: timeouts pass in the poller's time", async () => {
  const poller = new VirtualPoller();
  using loop = Loop.create({ poller });
  using pair = memorySocketPair();
  const begin = performance.now();
  const seen = record();
  loop.registerConn(pair.left, seen.handlers, { timeouts: { idle: 3_600_000 } });
  loop.setTimer(3_000_000, () => void pair.right.write(encode("x")));
  await loop.run();
  assertEquals([seen.seen, poller.now()], [["recv x", "close ConnTimeoutError"], 6_600_000]);
  assert(performance.now() - begin < 60_000);
});

test("VirtualPoller: the same program has the same turns every time", async () => {
  const story = async (): Promise<string[]> => {
    const poller = new VirtualPoller();
    using loop = Loop.create({ poller });
    const told: string[] = [];
    const pairs = Array.from({ length: 5 }, () => memorySocketPair());
    pairs.forEach((pair, number) => {
      const tell = (what: string): void => void told.push(`${poller.now()} ${number} ${what}`);
      loop.registerConn(pair.left, {
        onRecv: (bytes, conn) => {
          tell(`${bytes.length}`);
          conn.write(bytes);
        },
        onClose: () => tell("closed"),
      });
      loop.watch(pair.right, { readable: true }, () => void pair.right.read(block));
      const clock = loop.setInterval(number + 1, () => {
        pair.right.write(block.subarray(0, number + 1));
        if (poller.now() < 20) return;
        clock.cancel();
        pair.right.close();
      });
    });
    await loop.run();
    for (const pair of pairs) pair[Symbol.dispose]();
    return told;
  };
  const first = await story();
  assert(first.length > 40);
  assertEquals(await story(), first);
});

test("VirtualPoller: a manual clock stands still until it is told", async () => {
  const poller = new VirtualPoller({ manual: true });
  using loop = Loop.create({ poller });
  let fired = 0;
  loop.setTimer(100, () => void fired++);
  const running = loop.run();
  await turn();
  assertEquals(fired, 0);
  poller.advance(99);
  await turn();
  assertEquals([fired, poller.now()], [0, 99]);
  poller.advance(1_000_000n);
  await running;
  assertEquals([fired, poller.now()], [1, 100]);
  assertThrows(() => poller.advance(-1), RangeError);
});

test("VirtualPoller: what comes from outside, a post and a stop end the rest", async () => {
  using loop = virtual();
  using pair = memorySocketPair();
  const seen: string[] = [];
  const watch = loop.watch(pair.left, { readable: true }, () => {
    pair.left.read(block);
    seen.push("read");
  });
  const running = loop.run();
  await turn();
  pair.right.write(encode("x"));
  await turn(1);
  loop.post(() => seen.push("posted"));
  await turn(1);
  assertEquals([seen, loop.running], [["read", "posted"], true]);
  loop.stop();
  await running;
  watch.cancel();
  await loop.run();
});

test("VirtualPoller: promises and iterators of a loop on sources in memory", async () => {
  using loop = virtual();
  const ends = memoryPipe();
  const story = (async () => {
    await loop.readable(ends.reader);
    assertEquals(ends.reader.read(block), 3);
    await loop.writable(ends.writer);
    loop.setTimer(5, () => ends.reader.close());
    await assertRejects(() => loop.readable(ends.reader), Error, "closed");
  })();
  loop.post(() => void ends.writer.write(new Uint8Array(3)));
  await loop.run();
  await story;
  ends[Symbol.dispose]();
});

test("VirtualPoller: a source that is released ends its watch; a closed loop lets go of all", () => {
  const loop = virtual();
  const ends = memoryPipe();
  const watch = loop.watch(ends.reader, { readable: true }, () => {});
  assertEquals(watch.active, true);
  ends.reader.close();
  assertEquals(watch.active, false);
  const queue = new WaiterQueue();
  const source = {
    readiness: () => 0,
    register: queue.register.bind(queue),
    unregister: queue.unregister.bind(queue),
  };
  loop.watch(source, { readable: true }, () => {});
  assertEquals(queue.isEmpty, false);
  loop.close();
  assertEquals(queue.isEmpty, true);
  ends[Symbol.dispose]();
});

test("VirtualPoller: what belongs to another world is refused, in words", () => {
  using loop = virtual();
  using kernel = Loop.create();
  using ends = pipe();
  using memory = memoryPipe();
  const watch = (on: Loop, target: typeof ends.reader | typeof memory.reader) => () =>
    on.watch(target, { readable: true }, () => {});
  assertThrows(watch(loop, ends.reader), TypeError, "no kernel");
  assertThrows(watch(kernel, memory.reader), TypeError, "VirtualPoller");
  assertThrows(() => loop.shareWaker(), TypeError, "one thread");
  const poller = new VirtualPoller();
  using _taken = Loop.create({ poller });
  assertThrows(() => Loop.create({ poller }), TypeError, "another loop");
  assertThrows(() => Loop.create({ poller: {} as VirtualPoller }), TypeError, "VirtualPoller");
  const other = new VirtualPoller();
  assertThrows(() => Loop.create({ poller: other, attached: true }), TypeError, "one thread");
  loop.watch(memory.reader, { readable: true }, () => {});
  const again = assertThrows(watch(loop, memory.reader), Error);
  assertEquals((again as { code?: unknown }).code, "EEXIST");
});
