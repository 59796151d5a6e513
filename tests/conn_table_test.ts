import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import type { FD } from "../handles/fd.ts";
import { socketPair } from "../handles/pipe.ts";
import { UnknownFDError } from "../loop/conn_errors.ts";
import type { ConnHandlers } from "../loop/conn_options.ts";
import { Connection } from "../loop/connection.ts";
import { Loop } from "../loop/loop.ts";
import {
  assertBytes,
  assertEmpty,
  drain,
  encode,
  fill,
  onRecv,
  pattern,
  record,
  reset,
  until,
} from "./conn_fixture.ts";
import { connection } from "./socket_fixture.ts";
import { test } from "./support.ts";

test("C02 a connection receives and sends; the descriptor stays its owner's", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = until("question");
  const conn = loop.registerConn(pair.left, handlers);
  assert(conn instanceof Connection);
  assertEquals([conn.fd, conn.closed, conn.pending], [pair.left.raw, false, 0]);
  assertStrictEquals(loop.conn(pair.left), conn);
  pair.right.write(encode("question"));
  assertEquals(conn.write(encode("answer")), true);
  await loop.run();
  assertEquals(seen, ["recv question", "close null"]);
  assertBytes(drain(pair.right).bytes, encode("answer"));
  assertEquals([conn.closed, pair.left.valid], [true, true]);
  await assertEmpty(loop);
});

test("C02 handlers are called on their object, with the connection", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  class Session implements ConnHandlers {
    readonly calls: string[] = [];
    conn: Connection | null = null;
    #note(what: string, conn: Connection): void {
      assertStrictEquals(conn, this.conn);
      this.calls.push(what);
    }
    onRecv(_bytes: Uint8Array, conn: Connection): void {
      this.#note("recv", conn);
    }
    onEnd(conn: Connection): void {
      this.#note("end", conn);
      fill(pair.left);
      conn.write(encode("x"));
      drain(pair.right);
    }
    onDrain(conn: Connection): void {
      this.#note("drain", conn);
      conn.end();
    }
    onClose(_error: Error | null, conn: Connection): void {
      this.#note("close", conn);
    }
  }
  const session = new Session();
  session.conn = loop.registerConn(pair.left, session);
  const peer = loop.registerConn(pair.right, { onRecv, onEnd: onRecv });
  peer.write(encode("x"));
  peer.end();
  await loop.run();
  assertEquals(session.calls, ["recv", "end", "drain", "close"]);
});

test("C02 by number as well as by handle, in every verb", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { raw } = pair.left;
  const { seen, handlers } = record();
  const conn = loop.registerConn(raw, handlers);
  assertStrictEquals(loop.conn(pair.left), conn);
  assertStrictEquals(loop.conn(raw), conn);
  loop.write(pair.left, encode("a"));
  loop.write(raw, encode("b"));
  assertBytes(drain(pair.right).bytes, encode("ab"));
  loop.unregisterConn(raw);
  await loop.run();
  assertEquals(seen, ["close null"]);
});

test("C03 a descriptor has one connection in a loop, and its duplicate another", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using copy = pair.left.dup();
  const { seen, handlers } = until("x");
  loop.registerConn(pair.left, handlers);
  for (const target of [pair.left, pair.left.raw]) {
    assertThrows(() => loop.registerConn(target, { onRecv }), Error, "EEXIST");
    assertThrows(() => loop.watch(target, { readable: true }, onRecv), Error, "EEXIST");
    await assertRejects(() => loop.readable(target), Error, "EEXIST");
  }
  loop.registerConn(copy, { onRecv }).pause();
  assertEquals(loop.metrics().connections, 2);
  loop.unregisterConn(copy);
  pair.right.write(encode("x"));
  await loop.run();
  assertEquals(seen, ["recv x", "close null"]);
});

test("C02 a registration that fails leaves nothing half-made", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using blocking = socketPair({ blocking: true });
  using closed = socketPair();
  closed.left.close();
  const register = (target: unknown, handlers: unknown, options?: unknown) => () =>
    loop.registerConn(target as FD, handlers as ConnHandlers, options as never);
  const good = { onRecv };
  assertThrows(register(blocking.left, good), TypeError, "blocks");
  assertThrows(register(closed.left, good), ClosedError);
  assertThrows(register(0x7fff_fff0, good), Error, "EBADF");
  for (const bad of [-1, 2 ** 31, NaN]) assertThrows(register(bad, good), RangeError);
  for (const bad of [undefined, null, "3", {}, 3n]) assertThrows(register(bad, good), TypeError);
  for (const bad of [undefined, null, {}, onRecv]) {
    assertThrows(register(pair.left, bad), TypeError);
  }
  for (const bad of [null, 3]) assertThrows(register(pair.left, good, bad), TypeError);
  for (const maxBacklog of [0, -1, 1.5, Infinity]) {
    assertThrows(register(pair.left, good, { maxBacklog }), RangeError, "maxBacklog");
  }
  assertThrows(register(pair.left, good, { maxBacklog: "1" }), TypeError, "maxBacklog");
  for (const timeouts of [3, null]) {
    assertThrows(register(pair.left, good, { timeouts }), TypeError, "timeouts");
  }
  assertThrows(register(pair.left, good, { timeouts: { idle: 0 } }), RangeError, "timeouts.idle");
  await assertEmpty(loop);
  const { seen, handlers } = until("x");
  loop.registerConn(pair.left, handlers);
  pair.right.write(encode("x"));
  await loop.run();
  assertEquals(seen, ["recv x", "close null"]);
});

test("C07 UnknownFDError: what was never registered, and what is over", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const verbs = [
    () => loop.conn(pair.left),
    () => loop.write(pair.left, encode("x")),
    () => loop.unregisterConn(pair.left),
    () => loop.write(pair.left.raw, encode("x")),
  ];
  for (const verb of verbs) assertThrows(verb, UnknownFDError, `fd ${pair.left.raw}`);
  const conn = loop.registerConn(pair.left, { onRecv });
  conn.unregister();
  for (const verb of verbs) assertThrows(verb, UnknownFDError, `fd ${pair.left.raw}`);
  assertEquals([conn.write(encode("x")), conn.writev([])], [false, false]);
  for (const verb of ["end", "pause", "resume", "expectHeader", "headerDone"] as const) {
    conn[verb]();
  }
  await loop.run();
  const more = [
    () => conn.write(encode("x")),
    () => conn.writev([]),
    () => conn.end(),
    () => conn.pause(),
    () => conn.resume(),
    () => conn.expectHeader(),
    () => conn.headerDone(),
  ];
  for (const verb of more) assertThrows(verb, UnknownFDError, `fd ${pair.left.raw}`);
  conn.unregister();
  await loop.run();
});

test("C07 a handler need not look between two calls whether the connection broke at the first", async () => {
  using loop = Loop.create();
  using pair = connection();
  const results: boolean[] = [];
  const { seen, handlers } = record({
    onRecv: (_, conn) => {
      reset(pair.client);
      results.push(conn.write(encode("header")), conn.write(encode("body")));
      conn.pause();
      conn.resume();
      conn.end();
    },
  });
  loop.registerConn(pair.server, handlers);
  pair.client.write(encode("question"));
  await loop.run();
  assertEquals([results, seen], [[false, false], ["recv question", "close ECONNRESET"]]);
});

test("C12 the end of the peer refuses no write: what is added while the answer goes out goes with it", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record({
    onRecv: (_, conn) => {
      conn.write(pattern(8_000_000));
      loop.setTimer(1, () => conn.closed || conn.write(pattern(1000, 8_000_000)));
    },
  });
  loop.registerConn(pair.server, handlers);
  let got = 0;
  const client = loop.registerConn(pair.client, {
    onRecv: (bytes, conn) => {
      assertEquals(bytes[0], got % 251);
      if (got === 0) {
        conn.pause(); // so that the answer is still under way when more is added
        loop.setTimer(2, () => conn.resume());
      }
      got += bytes.byteLength;
    },
  });
  client.write(encode("question"));
  client.end();
  await loop.run();
  assertEquals([seen, got], [["recv question", "drain", "close null"], 8_001_000]);
});
