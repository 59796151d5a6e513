import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import type { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { SpliceError } from "../loop/splice.ts";
import {
  assertBytes,
  drain,
  encode,
  fill,
  joined,
  onRecv,
  pattern,
  reset,
  unixConnection,
} from "./conn_fixture.ts";
import { connection } from "./socket_fixture.ts";
import { test } from "./support.ts";
import { sendUrgent } from "./tcp.ts";

/** Sends bytes to one end and ends it, and collects what comes out at another. */
function source(loop: Loop, end: FD, bytes: Uint8Array): void {
  const conn = loop.registerConn(end, { onRecv });
  conn.write(bytes);
  conn.end();
}

function collected(loop: Loop, end: FD): Uint8Array[] {
  const parts: Uint8Array[] = [];
  loop.registerConn(end, { onRecv: (bytes) => void parts.push(bytes.slice()) });
  return parts;
}

async function failure(moved: Promise<number>): Promise<SpliceError> {
  const error = await assertRejects(() => moved, SpliceError);
  return error;
}

test("C29 from every kind of stream to every other, to the end and byte for byte", async () => {
  const bytes = pattern(3_000_000);
  for (const openFrom of [connection, unixConnection]) {
    for (const openTo of [connection, unixConnection]) {
      using loop = Loop.create();
      using from = openFrom();
      using to = openTo();
      source(loop, from.client as FD, bytes);
      const parts = collected(loop, to.client as FD);
      const moved = loop.splice(from.server, to.server).finally(() => {
        to.server.close();
        from.server.close();
      });
      await loop.run();
      assertEquals(await moved, bytes.byteLength);
      assertBytes(joined(parts), bytes);
    }
  }
});

test("C29 pipes on both sides; numbers instead of handles; the end of an empty stream", async () => {
  using loop = Loop.create();
  using from = pipe();
  using to = pipe();
  from.writer.write(pattern(1000));
  from.writer.close();
  const moved = loop.splice(from.reader.raw, to.writer.raw);
  await loop.run();
  assertEquals(await moved, 1000);
  assertBytes(drain(to.reader).bytes, pattern(1000));
  const nothing = loop.splice(from.reader, to.writer);
  await loop.run();
  assertEquals(await nothing, 0);
});

test("C29 length: so many bytes and not one more; the rest is there", async () => {
  using loop = Loop.create();
  using from = socketPair();
  using to = socketPair();
  from.left.write(pattern(1000));
  assertEquals(await loop.splice(from.right, to.left, { length: 0 }), 0);
  assertEquals(await loop.splice(from.right, to.left, { length: 700 }), 700);
  assertBytes(drain(to.right).bytes, pattern(700));
  assertBytes(drain(from.right).bytes, pattern(300, 700));
});

test("C29 back-pressure: what is not read is held up at its writer; abort gives back what is stuck", async () => {
  using loop = Loop.create();
  using from = socketPair();
  using to = socketPair();
  const abort = new AbortController();
  const before = fill(to.left);
  const moved = loop.splice(from.right, to.left, { signal: abort.signal });
  const settled = failure(moved);
  let written = 0;
  const more = (): void => {
    for (;;) {
      const taken = from.left.write(pattern(10_000, written));
      if (taken === null) break;
      written += taken;
    }
  };
  let turns = 0;
  loop.setInterval(1, () => {
    more();
    if (++turns === 10) abort.abort("enough");
    if (turns === 11) loop.stop();
  });
  await loop.run();
  const { rest, cause, moved: count, name } = await settled;
  assertEquals([cause, count, name], ["enough", 0, "SpliceError"]);
  assert(rest.byteLength > 0 && written < 1_000_000, `${rest.byteLength} of ${written}`);
  const left = drain(from.right).bytes;
  assertBytes(joined([rest, left]), pattern(written));
  assertEquals(drain(to.right).bytes.byteLength, before);
  assertEquals(from.left.valid && to.left.valid, true);
});

test("C29 each way to end it settles it once, whatever it waits for", async () => {
  const ends: Record<
    string,
    [(from: FD, to: FD, loop: Loop) => void, new (...args: never[]) => Error]
  > = {
    "close from": [(from) => from.close(), ClosedError],
    "close to": [(_, to) => to.close(), ClosedError],
    "close the loop": [(_, __, loop) => loop.close(), LoopClosedError],
  };
  for (const isFull of [false, true]) {
    for (const [name, [end, kind]] of Object.entries(ends)) {
      using loop = Loop.create();
      using from = socketPair();
      using to = socketPair();
      if (isFull) fill(to.left);
      from.left.write(pattern(10));
      const settled = failure(loop.splice(from.right, to.left));
      loop.post(() => loop.post(() => end(from.right, to.left, loop)));
      await loop.run();
      const { cause, moved, rest } = await settled;
      assertInstanceOf(cause, kind, name);
      assertEquals([moved, rest.byteLength], isFull ? [0, 10] : [10, 0], name);
    }
  }
});

test("C29 the peers: a reset on either side, and one that reads no more while nothing comes", async () => {
  const code = async (moved: Promise<number>): Promise<string> => {
    const { cause } = await failure(moved);
    return cause instanceof SyscallError ? cause.code : String(cause);
  };
  using loop = Loop.create();
  const codes: string[] = [];
  for (const breaks of ["from", "to"] as const) {
    using from = connection();
    using to = connection();
    const settled = code(loop.splice(from.server, to.server));
    reset(breaks === "from" ? from.client : to.client);
    await loop.run();
    codes.push(await settled);
  }
  using from = socketPair();
  using to = socketPair();
  const settled = code(loop.splice(from.right, to.left));
  to.right.close();
  await loop.run();
  using ends = pipe();
  const other = code(loop.splice(from.right, ends.writer));
  ends.reader.close();
  await loop.run();
  assertEquals([...codes, await settled, await other], [
    "ECONNRESET",
    "ECONNRESET",
    "EPIPE",
    "EPIPE",
  ]);
});

test("C29 both directions at once, each with its own end", async () => {
  using loop = Loop.create();
  using near = connection();
  using far = connection();
  const there = loop.splice(near.server, far.server).then((count) => {
    far.server.shutdown("write");
    return count;
  });
  const back = loop.splice(far.server, near.server).then((count) => {
    near.server.shutdown("write");
    return count;
  });
  const answer: Uint8Array[] = [];
  const question: Uint8Array[] = [];
  const client = loop.registerConn(near.client, {
    onRecv: (bytes) => void answer.push(bytes.slice()),
  });
  client.write(pattern(1_000_000));
  client.end();
  loop.registerConn(far.client, {
    onRecv: (bytes) => void question.push(bytes.slice()),
    onEnd: (conn) => {
      conn.write(pattern(2_000_000, 3)); // after the other direction has ended
      conn.end();
    },
  });
  await loop.run();
  assertEquals([await there, await back], [1_000_000, 2_000_000]);
  assertBytes(joined(question), pattern(1_000_000));
  assertBytes(joined(answer), pattern(2_000_000, 3));
});

test("C29 a descriptor to itself: an echo", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  pair.left.write(encode("echo"));
  const moved = loop.splice(pair.right, pair.right, { length: 4 });
  await loop.run();
  assertEquals([await moved, new TextDecoder().decode(drain(pair.left).bytes)], [4, "echo"]);
});

test("C29 an urgent byte does not make it spin, and what comes behind it is moved", async () => {
  using loop = Loop.create();
  using from = connection();
  using to = socketPair();
  from.client.write(encode("before"));
  sendUrgent(from.client);
  const moved = loop.splice(from.server, to.left);
  let ticks = 0;
  const clock = loop.setInterval(2, () => {
    if (++ticks === 5) from.client.write(encode("behind"));
    if (ticks === 10) {
      clock.cancel();
      from.client.close();
    }
  });
  await loop.run();
  assertEquals([await moved, new TextDecoder().decode(drain(to.right).bytes)], [
    12,
    "beforebehind",
  ]);
  assert(loop.metrics().turns < 60, `${loop.metrics().turns} turns`);
});

test("C15 C29 a splice that never has to wait gives the others their turn", async () => {
  using loop = Loop.create();
  using from = socketPair();
  using to = socketPair();
  for (const end of [from.left, to.right]) end.setNonblock(false);
  const hose = spawn("cat", ["/dev/zero"], { stdio: ["ignore", from.left.raw, "ignore"] });
  const sink = spawn("cat", [], { stdio: [to.right.raw, "ignore", "ignore"] });
  const ended = Promise.all([once(hose, "exit"), once(sink, "exit")]);
  from.left.close();
  to.right.close();
  const total = 64 * 1024 * 1024;
  const moved = loop.splice(from.right, to.left, { length: total });
  let turns = 0;
  const count = (): void => {
    turns++;
    loop.post(count);
  };
  count();
  moved.finally(() => loop.stop());
  await loop.run();
  assertEquals(await moved, total);
  assert(turns > 128, `${turns} turns`);
  from.right.close();
  to.left.close();
  await ended;
});

test("C29 what cannot be spliced is refused", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using ends = pipe();
  using blocking = socketPair({ blocking: true });
  using messages = socketPair({ type: "dgram" });
  using counter = EventFD.create();
  const refused = (
    from: FD | number,
    to: FD | number,
    kind: new (...args: never[]) => Error,
    part: string,
  ) => assertRejects(() => loop.splice(from, to), kind, part);
  await refused(blocking.left, pair.left, TypeError, "blocks");
  await refused(pair.left, blocking.left, TypeError, "blocks");
  await refused(messages.left, pair.left, TypeError, "messages");
  await refused(ends.writer, pair.left, TypeError, "opened for writing only");
  await refused(pair.left, ends.reader, TypeError, "opened for reading only");
  await refused(987_654, pair.left, SyscallError, "EBADF");
  counter.signal(1);
  await refused(counter as unknown as FD, pair.left, SpliceError, "cannot be spliced");
  const file = fs.openSync("/proc/self/comm", fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  await refused(pair.left, file, SyscallError, "EPERM");
  fs.closeSync(file);
  for (const bad of [{ length: -1 }, { length: 1.5 }, { length: "1" }, { signal: 1 }, null, 3]) {
    const call = () => loop.splice(pair.left, pair.right, bad as never);
    await assertRejects(call, Error, "Loop.splice");
  }
  const aborted = { signal: AbortSignal.abort(new RangeError("before")) };
  await assertRejects(() => loop.splice(pair.left, pair.right, aborted), RangeError, "before");
  const conn = loop.registerConn(pair.left, { onRecv });
  await refused(ends.reader, pair.left, SyscallError, "EEXIST");
  await refused(pair.left, ends.writer, SyscallError, "EEXIST");
  conn.unregister();
  const closed = socketPair();
  closed[Symbol.dispose]();
  await refused(closed.left, pair.left, ClosedError, "");
  await loop.run();
  loop.close();
  await refused(pair.left, pair.right, LoopClosedError, "");
});
