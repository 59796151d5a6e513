import { assertEquals, assertThrows } from "@std/assert";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { QueueFullError } from "../../loop/conn_errors.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import {
  assertBytes,
  assertEmpty,
  drain,
  encode,
  fill,
  joined,
  onRecv,
  pattern,
  record,
  unixConnection,
} from "../conn_fixture.ts";
import { connection } from "../socket_fixture.ts";
import { test } from "../support.ts";

// Sending.

test("C06 write: true when the kernel took it, false when it waits; onDrain once all was sent", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record({ onDrain: (conn) => conn.unregister() });
  const conn = loop.registerConn(pair.left, handlers);
  assertEquals(conn.write(encode("taken")), true);
  const before = fill(pair.left);
  assertEquals(conn.write(encode("first,")), false);
  assertEquals(conn.write(encode("second")), false);
  assertEquals([conn.pending, loop.metrics().pendingBytes], [12, 12]);
  const { bytes } = drain(pair.right);
  assertEquals(bytes.byteLength, 5 + before);
  await loop.run();
  assertEquals(seen, ["drain", "close null"]);
  assertBytes(drain(pair.right).bytes, encode("first,second"));
  await assertEmpty(loop);
});

test("C06 a write of nothing: true, or false while something waits", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  assertEquals([conn.write(new Uint8Array(0)), conn.writev([])], [true, true]);
  fill(pair.left);
  conn.write(encode("x"));
  assertEquals([conn.write(new Uint8Array(0)), conn.writev([])], [false, false]);
  conn.unregister();
  await loop.run();
  assertEquals(seen, ["close null"]);
});

test("C06 every kind of view: an offset, a DataView, numbers, shared memory", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const conn = loop.registerConn(pair.left, { onRecv });
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  shared.set([7, 8, 9, 10]);
  const views = [
    pattern(10).subarray(1, 3),
    new DataView(new Uint8Array([0, 3, 4, 0]).buffer, 1, 2),
    new Uint16Array([0x0605]),
    shared,
    new Uint8Array(0),
  ];
  for (const view of views) assertEquals(conn.write(view), true);
  conn.writev(views);
  const once = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  assertEquals([...drain(pair.right).bytes], [...once, ...once]);
  fill(pair.left);
  for (const view of views) conn.write(view);
  conn.writev(views);
  drain(pair.right);
  loop.post(() => loop.post(() => conn.unregister()));
  await loop.run();
  assertEquals([...drain(pair.right).bytes], [...once, ...once]);
});

test("C06 arguments that are no bytes are refused, and nothing is sent", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const conn = loop.registerConn(pair.left, { onRecv });
  for (const bad of [undefined, null, 3, "text", [1], {}, new ArrayBuffer(3)]) {
    assertThrows(() => conn.write(bad as never), TypeError, "Connection.write: the data");
    assertThrows(() => conn.writev([encode("x"), bad] as never), TypeError, "Connection.writev");
    assertThrows(() => conn.writev(bad as never), TypeError);
  }
  assertEquals([drain(pair.right).bytes.byteLength, conn.pending], [0, 0]);
  conn.unregister();
  await loop.run();
});

test("C07 the cap: all or nothing, exact to the byte, and the buffer is the caller's again", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const conn = loop.registerConn(pair.left, { onRecv }, { maxBacklog: 1000 });
  const tooMuch = () => conn.write(new Uint8Array(1001));
  assertThrows(tooMuch, QueueFullError, "0 bytes wait, 1001 more");
  assertEquals(drain(pair.right).bytes.byteLength, 0);
  fill(pair.left);
  const bytes = pattern(999);
  conn.write(bytes);
  bytes.fill(255);
  const error = assertThrows(() => conn.writev([encode("a"), encode("b")]), QueueFullError);
  assertEquals([error.pending, error.limit, conn.pending], [999, 1000, 999]);
  assertEquals([conn.write(encode("!")), conn.pending], [false, 1000]);
  assertThrows(() => conn.write(encode("!")), QueueFullError);
  assertEquals(conn.write(new Uint8Array(0)), false);
  drain(pair.right);
  loop.post(() => loop.post(() => conn.unregister()));
  await loop.run();
  assertBytes(drain(pair.right).bytes, joined([pattern(999), encode("!")]));
});

test("C08 a write does not overtake what waits, although the kernel has room again", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record({ onDrain: (conn) => conn.unregister() });
  const conn = loop.registerConn(pair.left, handlers);
  fill(pair.left);
  conn.write(encode("first,"));
  drain(pair.right);
  assertEquals(conn.write(encode("second,")), false);
  assertEquals(conn.writev([encode("thi"), encode("rd")]), false);
  await loop.run();
  assertEquals(seen, ["drain", "close null"]);
  assertBytes(drain(pair.right).bytes, encode("first,second,third"));
});

test("C08 writes never overtake each other, small or large, taken or waiting", async () => {
  using loop = Loop.create();
  using pair = connection();
  const total = 20_000_000;
  let sent = 0;
  let got = 0;
  const conn: Connection = loop.registerConn(pair.server, {
    onRecv,
    onDrain: () => send(),
  });
  const send = (): void => {
    while (sent < total) {
      const size = Math.min((sent * 7919) % 300_000 + 1, total - sent);
      const bytes = pattern(size, sent);
      sent += size;
      const cut = Math.floor(size / 3);
      const taken = sent % 2 === 0
        ? conn.write(bytes)
        : conn.writev([bytes.subarray(0, cut), bytes.subarray(cut)]);
      if (!taken && conn.pending > 1_000_000) return;
    }
    if (!conn.closed) conn.end();
  };
  loop.registerConn(pair.client, {
    onRecv: (bytes) => {
      assertEquals(bytes[0], got % 251);
      assertEquals(bytes.at(-1), (got + bytes.byteLength - 1) % 251);
      got += bytes.byteLength;
    },
  });
  send();
  await loop.run();
  assertEquals([sent, got], [total, total]);
});

test("C10 writev: a header and its body are one segment; what is large is all there, in order", async () => {
  using loop = Loop.create();
  using pair = connection();
  pair.server.noDelay = true;
  const sizes: number[] = [];
  const parts: Uint8Array[] = [];
  const conn = loop.registerConn(pair.server, { onRecv });
  loop.registerConn(pair.client, {
    onRecv: (bytes) => {
      sizes.push(bytes.byteLength);
      parts.push(bytes.slice());
      if (parts.length === 1) {
        conn.writev([encode("header"), pattern(3_000_000), encode("trailer")]);
        conn.end();
      }
    },
  });
  assertEquals(conn.writev([encode("header"), encode("body")]), true);
  await loop.run();
  assertEquals(sizes[0], 10);
  assertBytes(
    joined(parts),
    joined([encode("headerbodyheader"), pattern(3_000_000), encode("trailer")]),
  );
});

test("C10 writev calls no handler: what it sends at once never waited", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  assertEquals(conn.writev([pattern(40_000), pattern(40_000)]), true);
  assertEquals(seen, []);
  conn.unregister();
  await loop.run();
  assertEquals(seen, ["close null"]);
});

test("C06 onDrain that writes on: each fill of the kernel's buffer is followed by the next", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  let rounds = 0;
  let sent = 0;
  const conn: Connection = loop.registerConn(pair.left, {
    onRecv,
    onDrain: () => more(),
  });
  const more = (): void => {
    if (++rounds > 50) return conn.end();
    const bytes = pattern(500_000, sent);
    sent += bytes.byteLength;
    assertEquals(conn.write(bytes), false);
  };
  let got = 0;
  loop.registerConn(pair.right, {
    onRecv: (bytes) => {
      assertEquals(bytes[0], got % 251);
      got += bytes.byteLength;
    },
  });
  more();
  await loop.run();
  assertEquals([got, rounds], [25_000_000, 51]);
});

// Half-closes.

test("C12 a peer that shuts down its writing side receives 10 MiB whole", async () => {
  using loop = Loop.create();
  for (const open of [connection, unixConnection]) {
    using pair = open();
    const answer = pattern(10 * 1024 * 1024);
    const { seen, handlers } = record({
      onRecv: (_, conn) => {
        assertEquals(conn.write(answer), false);
      },
    });
    loop.registerConn(pair.server, handlers);
    let got = 0;
    const peer = record();
    const client = loop.registerConn(pair.client, {
      ...peer.handlers,
      onRecv: (bytes) => {
        assertEquals(bytes[0], answer[got]);
        got += bytes.byteLength;
      },
    });
    client.write(encode("question"));
    client.end();
    await loop.run();
    assertEquals([seen, got], [["recv question", "drain", "close null"], answer.byteLength]);
    assertEquals(peer.seen, ["close null"]);
  }
});

test("C12 onEnd decides when this side ends; the peer reads what is sent until then", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record({
    onEnd: (conn) => {
      loop.setTimer(1, () => {
        conn.write(encode("later"));
        conn.end();
        conn.end();
      });
    },
  });
  loop.registerConn(pair.server, handlers);
  const peer = record();
  loop.registerConn(pair.client, peer.handlers).end();
  await loop.run();
  assertEquals([seen, peer.seen], [["end", "close null"], ["recv later", "close null"]]);
});

test("C12 end inside onEnd, and end before the peer's: both are over when both have ended", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const left = record({ onEnd: (conn) => conn.end() });
  const right = record({ onEnd: () => {} });
  loop.registerConn(pair.left, left.handlers);
  loop.registerConn(pair.right, right.handlers).end();
  await loop.run();
  assertEquals([left.seen, right.seen], [["end", "close null"], ["end", "close null"]]);
});

test("C12 end sends what waits first; afterwards nothing more can be written", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  const before = fill(pair.left);
  conn.write(pattern(1_000_000));
  conn.end();
  assertThrows(() => conn.write(encode("x")), Error, "after end()");
  assertThrows(() => conn.writev([]), Error, "after end()");
  let got = 0;
  loop.registerConn(pair.right, { onRecv: (bytes) => void (got += bytes.byteLength) });
  await loop.run();
  assertEquals([seen, got], [["drain", "close null"], before + 1_000_000]);
});

test("C12 a Unix peer that is gone altogether ends a connection that would never have ended", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record({ onEnd: () => {} });
  loop.registerConn(pair.left, handlers);
  pair.right.write(encode("bye"));
  pair.right.close();
  await loop.run();
  assertEquals(seen, ["recv bye", "end", "close null"]);
});

test("C12 a pipe has one side: its writer ends with end(), its reader with the last writer", async () => {
  using loop = Loop.create();
  using ends = pipe();
  const writer = record();
  const reader = record();
  const conn = loop.registerConn(ends.writer, writer.handlers);
  const other = loop.registerConn(ends.reader, reader.handlers);
  assertThrows(() => other.write(encode("x")), Error, "opened for reading only");
  conn.write(encode("bytes"));
  conn.end();
  loop.post(() => loop.post(() => ends.writer.close()));
  await loop.run();
  assertEquals([writer.seen, reader.seen], [["close null"], ["recv bytes", "close null"]]);
});

test("C12 an answer in parts, each written when the one before was sent, is whole at a peer that ended", async () => {
  using loop = Loop.create();
  using pair = connection();
  const total = 12_000_000;
  let sent = 0;
  const more = (conn: Connection): void => {
    while (sent < total) {
      const part = pattern(1_000_000, sent);
      sent += part.byteLength;
      if (!conn.write(part)) return;
    }
  };
  loop.registerConn(pair.server, { onRecv: (_, conn) => more(conn), onDrain: more });
  let got = 0;
  const client = loop.registerConn(pair.client, {
    onRecv: (bytes) => {
      assertEquals(bytes[0], got % 251);
      got += bytes.byteLength;
    },
  });
  client.write(encode("question"));
  client.end();
  await loop.run();
  assertEquals(got, total);
});
