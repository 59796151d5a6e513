import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { UnknownFDError } from "../loop/conn_errors.ts";
import type { ConnHandlers } from "../loop/conn_options.ts";
import type { Connection } from "../loop/connection.ts";
import { Loop } from "../loop/loop.ts";
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
  reset,
  until,
} from "./conn_fixture.ts";
import { connection } from "./socket_fixture.ts";
import { keepsErrors, TAKES_ERRORS } from "./kqueue_fixture.ts";
import { test } from "./support.ts";

// Ending.

test("C05 unregister: onClose(null) once, in the next turn, before its reports", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using other = socketPair();
  const order: string[] = [];
  const { seen, handlers } = record({ onClose: () => void order.push("close") });
  const conn = loop.registerConn(pair.left, handlers);
  pair.right.write(encode("unread"));
  conn.unregister();
  conn.unregister();
  assertEquals([conn.closed, order], [true, []]);
  other.right.write(encode("x"));
  loop.registerConn(other.left, {
    onRecv: (_, conn) => {
      order.push("recv");
      conn.unregister();
    },
  });
  await loop.run();
  assertEquals([order, seen], [["close", "recv"], ["close null"]]);
  assertBytes(drain(pair.left).bytes, encode("unread"));
});

test("C05 inside its own handlers: unregister, close of the handle, close of the loop", async () => {
  const ways = {
    unregister: (_: Loop, conn: Connection) => conn.unregister(),
    "close the handle": (_: Loop, __: Connection, handle: FD) => handle.close(),
    "close the loop": (loop: Loop) => loop.close(),
  };
  for (const [name, way] of Object.entries(ways)) {
    for (const place of ["onRecv", "onEnd", "onDrain"] as const) {
      using loop = Loop.create();
      using pair = socketPair();
      let inside = false;
      const once = (conn: Connection): void => {
        inside = true;
        way(loop, conn, pair.left);
        inside = false;
      };
      const { seen, handlers } = record({
        onRecv: (_, conn) => place === "onRecv" ? once(conn) : undefined,
        onEnd: (conn) => place === "onEnd" ? once(conn) : undefined,
        onDrain: (conn) => place === "onDrain" ? once(conn) : undefined,
        onClose: () => assert(!inside, "onClose inside the call that ended it"),
      });
      const conn = loop.registerConn(pair.left, handlers);
      if (place === "onDrain") {
        fill(pair.left);
        conn.write(encode("waits"));
        drain(pair.right);
      } else {
        pair.right.write(new Uint8Array(100_000)); // more than one read
        pair.right.close();
      }
      await loop.run();
      const closes = seen.filter((one) => one.startsWith("close"));
      const error = name === "close the loop" ? "LoopClosedError" : "null";
      assertEquals(closes, [`close ${error}`], `${name} in ${place}`);
      assertEquals(seen.at(-1), closes[0], `${name} in ${place}: nothing after onClose`);
      if (place === "onRecv") assertEquals(seen.length, 2, `${name}: nothing after it`);
    }
  }
});

test("C05 closing the loop: each connection is told, after the call has returned, on no stack of it", async () => {
  const loop = Loop.create();
  using pair = socketPair();
  const left = record();
  const right = record();
  loop.registerConn(pair.left, left.handlers);
  loop.registerConn(pair.right, right.handlers).unregister(); // not told yet
  loop.close();
  assertEquals([left.seen, right.seen], [[], []]);
  await Promise.resolve();
  assertEquals([left.seen, right.seen], [["close LoopClosedError"], ["close null"]]);
  loop.close();
  await Promise.resolve();
  assertEquals(left.seen.length, 1);
});

test("C05 closing the loop inside an onClose: the others of that turn are told, too", async () => {
  const loop = Loop.create();
  using pair = socketPair();
  using other = socketPair();
  const order: string[] = [];
  const handlers = (name: string): ConnHandlers => ({
    onRecv,
    onClose: (error) => {
      order.push(`${name} ${error?.name ?? null}`);
      loop.close();
    },
  });
  loop.registerConn(pair.left, handlers("first")).unregister();
  loop.registerConn(pair.right, handlers("second")).unregister();
  loop.registerConn(other.left, handlers("third"));
  await loop.run();
  assertEquals(order, ["first null", "second null", "third LoopClosedError"]);
});

test("C05 registered again in the same turn: the old one ends, the new one lives", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const order: string[] = [];
  const second: ConnHandlers = {
    onRecv: (bytes, conn) => {
      order.push(`second ${bytes.byteLength}`);
      conn.unregister();
    },
    onClose: (error) => order.push(`second ${error}`),
  };
  const conn = loop.registerConn(pair.left, {
    onRecv: (bytes, conn) => {
      order.push(`first ${bytes.byteLength}`);
      conn.unregister();
      loop.registerConn(pair.left, second);
      pair.right.write(new Uint8Array(7));
    },
    onClose: (error) => order.push(`first ${error}`),
  });
  pair.right.write(new Uint8Array(5));
  await loop.run();
  assertEquals(order, ["first 5", "first null", "second 7", "second null"]);
  assert(conn.closed);
});

test("C05 from onClose: the connection is over, others can be written, its number used again", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const next = until("hello");
  const { seen, handlers } = record({
    onClose: (_, conn) => {
      assertThrows(() => conn.write(encode("x")), UnknownFDError);
      assertThrows(() => loop.conn(pair.left), UnknownFDError);
      loop.registerConn(pair.left, next.handlers);
      loop.write(pair.right, encode("hello"));
    },
  });
  loop.registerConn(pair.left, handlers).unregister();
  const right = record({ onRecv: (_, conn) => conn.unregister() });
  loop.registerConn(pair.right, right.handlers);
  loop.post(() => loop.post(() => loop.unregisterConn(pair.right)));
  await loop.run();
  assertEquals([seen, next.seen], [["close null"], ["recv hello", "close null"]]);
});

test("C33 what handlers throw ends the run after the turn, and no byte is lost by it", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  let step = 0;
  const thrower = (): never => {
    throw new Error(`${++step}`);
  };
  const received: Uint8Array[] = [];
  const conn = loop.registerConn(pair.left, {
    onRecv: (bytes) => {
      received.push(bytes.slice());
      thrower();
    },
    onEnd: (conn) => {
      conn.end();
      thrower();
    },
    onDrain: thrower,
    onClose: thrower,
  });
  fill(pair.left);
  conn.write(encode("x"));
  drain(pair.right);
  pair.right.write(pattern(100_000));
  pair.right.close();
  const errors: string[] = [];
  for (let run = 0; run < 10; run++) {
    const error = await loop.run().then(() => null, (error: Error) => error);
    if (error === null) break;
    const all = error instanceof AggregateError ? error.errors as Error[] : [error];
    errors.push(...all.map(({ message }) => message));
  }
  assertEquals(errors, Array.from({ length: step }, (_, index) => `${index + 1}`));
  assertBytes(joined(received), pattern(100_000));
  await assertEmpty(loop);
});

// Errors.

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "C14 a reset: the bytes before it, then ECONNRESET, once",
  async () => {
    using loop = Loop.create();
    using pair = connection();
    const { seen, handlers } = record();
    loop.registerConn(pair.server, handlers);
    pair.client.write(encode("last words"));
    reset(pair.client);
    await loop.run();
    assertEquals(seen, ["recv last words", "close ECONNRESET"]);
    await assertEmpty(loop);
  },
);

test("C14 a reset that a write meets first: false, and ECONNRESET in the next turn", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.server, handlers);
  reset(pair.client);
  assertEquals([conn.write(encode("x")), conn.closed, seen], [false, true, []]);
  await loop.run();
  assertEquals(seen, ["close ECONNRESET"]);
});

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "C14 a reset while bytes wait: they are dropped, and the counters are right",
  async () => {
    using loop = Loop.create();
    using pair = connection();
    const { seen, handlers } = record();
    const conn = loop.registerConn(pair.server, handlers);
    fill(pair.server);
    assertEquals(conn.write(new Uint8Array(500_000)), false);
    loop.post(() => reset(pair.client));
    await loop.run();
    assertEquals([seen, conn.pending], [["close ECONNRESET"], 0]);
    await assertEmpty(loop);
  },
);

test("C14 a reset that end() meets first is told, and not taken for an orderly end", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.server, handlers);
  reset(pair.client);
  conn.end();
  await loop.run();
  assertEquals(seen, ["close ECONNRESET"]);
});

test("C14 EPIPE: a pipe whose reader goes, with and without bytes that wait", async () => {
  using loop = Loop.create();
  for (const waits of [false, true]) {
    using ends = pipe();
    const { seen, handlers } = record();
    const conn = loop.registerConn(ends.writer, handlers);
    if (waits) {
      fill(ends.writer);
      conn.write(encode("x"));
    }
    loop.post(() => ends.reader.close());
    await loop.run();
    assertEquals(seen, ["close EPIPE"]);
  }
});

test("C14 a write after the peer is gone: EPIPE", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  pair.right.close();
  assertEquals(conn.write(encode("x")), false);
  await loop.run();
  assertEquals(seen, ["close EPIPE"]);
});

test("C02 a number that its owner closes without a word: EBADF when it is next used", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const number = libc.fcntl(pair.left.raw, posix.F_DUPFD_CLOEXEC, 900);
  const { seen, handlers } = record();
  const conn = loop.registerConn(number, handlers);
  libc.close(number);
  assertEquals(conn.write(encode("x")), false);
  await loop.run();
  assertEquals(seen, ["close EBADF"]);
  using other = socketPair();
  const again = libc.fcntl(other.left.raw, posix.F_DUPFD_CLOEXEC, 900);
  assertEquals(again, number);
  const next = until("y");
  loop.registerConn(again, next.handlers);
  other.right.write(encode("y"));
  await loop.run();
  assertEquals(next.seen, ["recv y", "close null"]);
  libc.close(again);
});

// Flow.

test("C06 pause holds the peer up, resume loses nothing; both are for open connections", async () => {
  using loop = Loop.create();
  using pair = connection();
  let got = 0;
  const conn: Connection = loop.registerConn(pair.server, {
    onRecv: (bytes) => {
      assertEquals(bytes[0], got % 251);
      got += bytes.byteLength;
      conn.pause();
      conn.pause();
      loop.post(() => {
        if (conn.closed) return;
        conn.resume();
        conn.resume();
      });
    },
  });
  const peer = loop.registerConn(pair.client, { onRecv });
  peer.write(pattern(5_000_000));
  peer.end();
  await loop.run();
  assertEquals(got, 5_000_000);
});

test("C12 a half-close while reading is paused waits for the resume, and the answer is sent before", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.server, handlers);
  conn.pause();
  const peer = record();
  const client = loop.registerConn(pair.client, peer.handlers);
  client.write(encode("question"));
  client.end();
  loop.setTimer(2, () => {
    assertEquals(seen, []);
    conn.write(encode("early answer, "));
    conn.resume();
  });
  await loop.run();
  assertEquals(seen, ["recv question", "close null"]);
  assertEquals(peer.seen, ["recv early answer, ", "close null"]);
});

test("C16 a handler closes fd A and opens B with its number in one batch: 10,000 rounds", async () => {
  using loop = Loop.create();
  let reused = 0;
  for (let round = 0; round < 10_000; round++) {
    const one = socketPair();
    const two = socketPair();
    using idle = socketPair();
    let next: FD | null = null;
    const handlers = (other: FD): ConnHandlers => ({
      onRecv: () => {
        if (next !== null) throw new Error("the other's report reached it after it was closed");
        const number = other.raw;
        other.close();
        next = FD.adopt(libc.fcntl(idle.left.raw, posix.F_DUPFD_CLOEXEC, number));
        if (next.raw === number) reused++;
        loop.registerConn(next, {
          onRecv: () => assert(false, "bytes of another connection"),
          onEnd: () => assert(false, "the end of another connection"),
          onClose: (error) => assertEquals(error, null),
        });
        loop.post(() => loop.stop());
      },
    });
    loop.registerConn(one.left, handlers(two.left));
    loop.registerConn(two.left, handlers(one.left));
    for (const { right } of [one, two]) {
      right.write(encode("x"));
      right.close();
    }
    await loop.run();
    assertEquals(loop.conn(next!).closed, false);
    for (const end of [one, two]) end[Symbol.dispose]();
    next!.close();
  }
  assert(reused > 9900, `only ${reused} numbers were reused: this proves nothing`);
  assert(loop.metrics().staleEvents >= 10_000, "every round had a report for nobody");
});

test("C28 the counters of a loop follow its connections", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const left = loop.registerConn(pair.left, { onRecv });
  loop.registerConn(pair.right, { onRecv: (bytes, conn) => void conn.write(bytes) });
  assertEquals(loop.metrics().connections, 2);
  left.write(encode("12345"));
  left.end();
  await loop.run();
  const { bytesIn, bytesOut, connections, pendingBytes } = loop.metrics();
  assertEquals([bytesIn, bytesOut, connections, pendingBytes], [10, 10, 0, 0]);
});
