import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemFD } from "../../handles/mem_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { UnknownFDError } from "../../loop/conn_errors.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import {
  assertBytes,
  assertEmpty,
  decode,
  drain,
  encode,
  fill,
  onRecv,
  pattern,
  record,
  until,
} from "../conn_fixture.ts";
import { connection } from "../socket_fixture.ts";
import { deadline, test } from "../support.ts";

test("C30 detach: no onClose, the descriptor stays open, and what was not read is there", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers, { timeouts: { idle: 1, header: 1 } });
  pair.right.write(encode("unread"));
  assertEquals(conn.detach(), { carry: new Uint8Array(0) });
  assertEquals([conn.closed, loop.metrics().connections], [true, 0]);
  await loop.run(); // nothing is left in it
  assertEquals(seen, []);
  assertBytes(drain(pair.left).bytes, encode("unread"));
  const late = [
    () => conn.detach(),
    () => conn.write(encode("x")),
    () => conn.pause(),
    () => conn.atBoundary(),
    () => loop.conn(pair.left),
  ];
  for (const call of late) assertThrows(call, UnknownFDError);
  conn.unregister();
  await assertEmpty(loop);
  assertEquals(seen, []);
});

test("C30 detach is refused while something waits, and the connection goes on", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = MemFD.create("detach");
  file.write(pattern(10));
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  fill(pair.left);
  conn.write(encode("abc"));
  assertThrows(() => conn.detach(), Error, "because 3 bytes wait to be sent: wait for onDrain");
  const sent = conn.sendfile(file);
  assertThrows(() => conn.detach(), Error, "because a file is being sent");
  drain(pair.right);
  const detached: boolean[] = [];
  sent.then(() => {
    conn.detach();
    detached.push(true);
  });
  await loop.run();
  assertEquals([seen, detached], [["drain"], [true]]);
  assertEquals(decode(drain(pair.right).bytes).slice(0, 3), "abc");

  const again = loop.registerConn(pair.left, handlers);
  fill(pair.left);
  again.write(encode("x"));
  again.end();
  assertThrows(() => again.detach(), Error, "because its writing side ends");
  again.unregister();
  await loop.run();
  assertThrows(() => again.detach(), UnknownFDError);
});

test("C30 inside onRecv: nothing more is read, and the next owner has the rest with its carry", async () => {
  using first = Loop.create();
  using second = Loop.create();
  using pair = connection();
  const bytes = pattern(500_000);
  let got = 0;
  let kept: Uint8Array = new Uint8Array(0);
  const conn: Connection = first.registerConn(pair.server, {
    onRecv: (part) => {
      assertEquals(kept.byteLength, 0, "received after detach");
      // The last seven bytes are the beginning of a message that is not complete.
      got = part.byteLength - 7;
      kept = part.slice(got);
      conn.detach();
    },
    onClose: () => assert(false, "onClose after detach"),
  });
  const sender = second.registerConn(pair.client, { onRecv });
  sender.write(bytes);
  sender.end();
  await first.run();
  const parts: number[] = [];
  second.registerConn(pair.server, {
    onRecv: (part) => {
      for (const byte of part) if (byte !== got++ % 251) throw new Error(`byte ${got - 1}`);
      parts.push(part.byteLength);
    },
  }, { carry: kept });
  kept.fill(255);
  await second.run();
  assertEquals([parts[0], got], [7, 500_000]);
});

test("C30 carry is received in the next turn, although nothing can be read", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const order: string[] = [];
  loop.post(() => order.push("turn"));
  const conn: Connection = loop.registerConn(pair.left, {
    onRecv: (bytes) => {
      order.push(decode(bytes));
      if (order.at(-1) === "new") conn.unregister();
    },
  }, { carry: encode("carried") });
  assertEquals(order, []);
  pair.right.write(encode("new"));
  await deadline(5000, loop.run(), "the carried bytes");
  assertEquals(order, ["carried", "new", "turn"]);

  const { seen, handlers } = until("again");
  loop.registerConn(pair.left, handlers, { carry: new DataView(encode("_again").buffer, 1) });
  await deadline(5000, loop.run(), "the carried bytes");
  assertEquals(seen, ["recv again", "close null"]);
});

test("C30 carry, then the end that had come before it; none is none; to a paused connection it waits", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  pair.right.write(encode("behind"));
  pair.right.close();
  const conn = loop.registerConn(pair.left, handlers, { carry: encode("carried") });
  conn.pause();
  let turns = 0;
  loop.post(function count() {
    if (++turns < 5) loop.post(count);
    else conn.resume();
  });
  await loop.run();
  assertEquals(seen, ["recv carried", "recv behind", "close null"]);
  using other = socketPair();
  const none = record();
  loop.registerConn(other.left, none.handlers, { carry: new Uint8Array(0) });
  other.right.close();
  await loop.run();
  assertEquals(none.seen, ["close null"]);
});

test("C30 hung up while it is paused, with nothing unread: the carry is received before the end", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers, { carry: encode("carried") });
  conn.pause();
  pair.right.close();
  loop.setTimer(5, () => conn.resume());
  await loop.run();
  assertEquals(seen, ["recv carried", "close null"]);
});

test("C30 detached before the carry was received: it is given back", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers, { carry: encode("carried") });
  const { carry } = conn.detach();
  await loop.run();
  const next = until("carried");
  loop.registerConn(pair.left, next.handlers, { carry });
  await loop.run();
  assertEquals([seen, next.seen], [[], ["recv carried", "close null"]]);
});

test("C30 a carry that is no bytes, or to what only writes, is refused and nothing is registered", () => {
  using loop = Loop.create();
  using ends = pipe();
  for (const carry of ["text", 3, null, [1]]) {
    const register = () => loop.registerConn(ends.reader, { onRecv }, { carry: carry as never });
    assertThrows(register, TypeError, "carry");
  }
  const register = () => loop.registerConn(ends.writer, { onRecv }, { carry: encode("x") });
  assertThrows(register, TypeError, "opened for writing only");
  assertEquals(loop.metrics().connections, 0);
  loop.registerConn(ends.writer, { onRecv });
  loop.registerConn(ends.reader, { onRecv });
});

test("C30 boundary: said by the program, taken back by the next byte", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const seen: boolean[] = [];
  const conn: Connection = loop.registerConn(pair.left, {
    onRecv: (bytes) => {
      seen.push(conn.boundary);
      if (decode(bytes) === "carried") pair.right.write(encode("x"));
      conn.atBoundary();
      if (seen.length === 2) loop.post(() => conn.unregister());
    },
  }, { carry: encode("carried") });
  assertEquals(conn.boundary, false);
  conn.atBoundary();
  assertEquals(conn.boundary, true);
  await loop.run();
  assertEquals([...seen, conn.boundary], [false, false, true]);
});

test("C30 back and forth between two loops: no byte is lost, doubled or out of order", async () => {
  using one = Loop.create({ attached: true });
  using other = Loop.create({ attached: true });
  using pair = connection();
  const total = 3_000_000;
  const { promise, resolve } = Promise.withResolvers<void>();
  let got = 0;
  let moves = 0;
  const enter = (loop: Loop, carry: Uint8Array): void => {
    loop.registerConn(pair.server, {
      onRecv: (bytes, conn) => {
        const cut = moves % 3 === 0 ? 5 : 0; // not all of it was understood
        const used = Math.max(0, bytes.byteLength - cut);
        for (const byte of bytes.subarray(0, used)) {
          if (byte !== got++ % 251) throw new Error(`byte ${got - 1}`);
        }
        const rest = bytes.slice(used);
        moves++;
        const { carry } = conn.detach();
        assertEquals(carry.byteLength, 0);
        if (got === total) return resolve();
        enter(loop === one ? other : one, rest);
      },
    }, { carry });
  };
  enter(one, new Uint8Array(0));
  const sender = one.registerConn(pair.client, { onRecv });
  sender.write(pattern(total));
  await promise;
  sender.unregister();
  assert(moves > 20, `${moves} moves`);
});

test("C30 idle: at a boundary with nothing to send, so that detach is not refused", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  assertEquals(conn.idle, false);
  conn.atBoundary();
  assertEquals([conn.boundary, conn.idle], [true, true]);
  fill(pair.left);
  conn.write(encode("x"));
  assertEquals([conn.boundary, conn.idle], [true, false]);
  conn.unregister();
  assertEquals(conn.idle, false);
  await loop.run();
});
