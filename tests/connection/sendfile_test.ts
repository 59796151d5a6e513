import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import type { FD } from "../../handles/fd.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { QueueFullError, ShortFileError, UnknownFDError } from "../../loop/conn_errors.ts";
import { Loop } from "../../loop/loop.ts";
import { LoopClosedError } from "../../loop/loop_closed_error.ts";
import {
  assertBytes,
  assertEmpty,
  drain,
  encode,
  fill,
  joined,
  onRecv,
  openFile,
  pattern,
  record,
  reset,
  unixConnection,
} from "../conn_fixture.ts";
import { connection } from "../socket_fixture.ts";
import { tempDir, test } from "../support.ts";

/** A file in memory with the {@linkcode pattern} in it. */
function memory(length: number): MemFD {
  const file = MemFD.create("sendfile");
  const bytes = pattern(length);
  for (let at = 0; at < length;) at += file.pwrite(bytes.subarray(at), at)!;
  return file;
}

/** What a promise came to, looked at without waiting. */
function outcome(promise: Promise<number>): { readonly value: unknown } {
  const box: { value: unknown } = { value: "pending" };
  promise.then((sent) => void (box.value = sent), (error) => void (box.value = error));
  return box;
}

/** Receives everything from the other end of a connection that is registered already. */
function collect(loop: Loop, end: FD): { readonly bytes: () => Uint8Array } {
  const parts: Uint8Array[] = [];
  loop.registerConn(end, { onRecv: (bytes) => void parts.push(bytes.slice()) });
  return { bytes: () => joined(parts) };
}

test("C29 a large file, in order with the writes around it, on TCP and on a Unix socket", async () => {
  for (const open of [connection, unixConnection]) {
    using loop = Loop.create();
    using pair = open();
    using file = memory(3_000_000);
    const { seen, handlers } = record();
    const conn = loop.registerConn(pair.server, handlers);
    const got = collect(loop, pair.client as FD);
    conn.write(pattern(700_000));
    const first = conn.sendfile(file, { offset: 7, length: 2_000_000, headers: encode("HEADER") });
    assertEquals(conn.write(encode("between")), false);
    const second = loop.sendfile(pair.server, file, { offset: 2_999_990n });
    conn.write(encode("after"));
    conn.end();
    await loop.run();
    assertEquals([await first, await second], [2_000_000, 10]);
    assertEquals(seen, ["drain", "close null"]);
    assertBytes(
      got.bytes(),
      joined([
        pattern(700_000),
        encode("HEADER"),
        pattern(2_000_000, 7),
        encode("between"),
        pattern(10, 2_999_990),
        encode("after"),
      ]),
    );
    await assertEmpty(loop);
  }
});

test("C29 a handle, a number, a file on a disk: their own positions stay where they are", async () => {
  using dir = tempDir();
  fs.writeFileSync(`${dir.path}/file`, pattern(1000));
  using file = openFile(`${dir.path}/file`, "r");
  const number = file.raw;
  assertEquals(file.read(new Uint8Array(100)), 100);
  using loop = Loop.create();
  using pair = socketPair();
  const conn = loop.registerConn(pair.left, { onRecv });
  assertEquals(await conn.sendfile(file, { offset: 500, length: 20 }), 20);
  assertEquals(await conn.sendfile(number, { offset: 990, length: 0 }), 10);
  assertEquals(await conn.sendfile(file), 1000);
  assertEquals(await conn.sendfile(file, { length: -1, offset: 999 }), 1);
  assertEquals(await conn.sendfile(file, { offset: 1000 }), 0);
  assertEquals(await conn.sendfile(file, { offset: 2n ** 62n }), 0);
  const all = [pattern(20, 500), pattern(10, 990), pattern(1000), pattern(1, 999)];
  assertBytes(drain(pair.right).bytes, joined(all));
  const next = new Uint8Array(1);
  file.read(next);
  assertEquals(next[0], 100);
  conn.unregister();
  await loop.run();
});

test("C29 files that do not say how long they are, and those with nothing in them", async () => {
  using loop = Loop.create();
  using pair = connection();
  const conn = loop.registerConn(pair.server, { onRecv });
  const got = collect(loop, pair.client as unknown as FD);
  using empty = MemFD.create("empty");
  assertEquals(await conn.sendfile(empty, { headers: encode("only a header,") }), 0);
  const status = fs.openSync("/proc/self/cmdline", "r");
  const expected = fs.readFileSync("/proc/self/cmdline");
  assertEquals(await conn.sendfile(status, { headers: new Uint8Array(0) }), expected.byteLength);
  fs.closeSync(status);
  const zeros = fs.openSync("/dev/zero", "r");
  assertEquals(await conn.sendfile(zeros, { length: 5 }), 5);
  fs.closeSync(zeros);
  conn.end();
  await loop.run();
  assertBytes(got.bytes(), joined([encode("only a header,"), expected, new Uint8Array(5)]));
});

test("C29 headers and the beginning of the file are one segment", async () => {
  using loop = Loop.create();
  using pair = connection();
  pair.server.noDelay = true;
  using file = memory(100);
  const sizes: number[] = [];
  const conn = loop.registerConn(pair.server, { onRecv });
  loop.registerConn(pair.client, {
    onRecv: ({ byteLength }) => {
      sizes.push(byteLength);
      conn.end();
    },
  });
  assertEquals(await conn.sendfile(file, { headers: encode("12345") }), 100);
  await loop.run();
  assertEquals(sizes, [105]);
});

test("C29 would-block in the headers and in the body; the buffer of the headers is free at once", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = memory(1_000_000);
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  const headers = pattern(500_000);
  // The first is cut in its headers, the second waits from the beginning.
  const first = conn.sendfile(file, { headers });
  const second = conn.sendfile(file, { headers, length: 10 });
  assert(conn.pending > 500_000 && conn.pending < 1_000_000, `${conn.pending}`);
  assertEquals(loop.metrics().pendingBytes, conn.pending);
  headers.fill(255);
  const got = collect(loop, pair.right);
  conn.end();
  await loop.run();
  assertEquals([await first, await second], [1_000_000, 10]);
  assertEquals(seen, ["drain", "close null"]);
  const expected = [pattern(500_000), pattern(1_000_000), pattern(500_000), pattern(10)];
  assertBytes(got.bytes(), joined(expected));
  assertEquals(loop.metrics().pendingBytes, 0);
});

test("C29 to a pipe, and to a descriptor to which sendfile(2) says EINVAL", async () => {
  using loop = Loop.create();
  using ends = pipe();
  using file = memory(300_000);
  // A pipe that is appended to is one that sendfile refuses; so it is copied.
  for (const status of [fs.constants.O_NONBLOCK, fs.constants.O_NONBLOCK | fs.constants.O_APPEND]) {
    assertEquals(libc.fcntl(ends.writer.raw, 4, /* F_SETFL */ status), 0);
    const conn = loop.registerConn(ends.writer, { onRecv });
    const sent = conn.sendfile(file, { headers: encode("head") });
    const parts: Uint8Array[] = [];
    let got = 0;
    const reader = loop.registerConn(ends.reader, {
      onRecv: (bytes) => {
        parts.push(bytes.slice());
        got += bytes.byteLength;
        if (got < 300_004) return;
        reader.unregister();
        conn.unregister();
      },
    });
    await loop.run();
    assertEquals(await sent, 300_000);
    assertBytes(joined(parts), joined([encode("head"), pattern(300_000)]));
  }
});

test("C29 a file that is too short: refused before anything is sent, and the connection goes on", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = memory(10);
  const conn = loop.registerConn(pair.left, { onRecv });
  const send = () => conn.sendfile(file, { offset: 4, length: 7, headers: encode("never") });
  const error = await assertRejects(send, ShortFileError, "7 bytes too early: 0 of 7");
  assertEquals([error.sent, error.expected], [0, 7]);
  assertEquals(await conn.sendfile(file, { offset: 4, length: 6 }), 6);
  assertBytes(drain(pair.right).bytes, pattern(6, 4));
  conn.unregister();
  await loop.run();
});

test("C29 a file that gets shorter: what was promised ends the connection, what was not ends there", async () => {
  for (const length of [4_000_000, undefined]) {
    using loop = Loop.create();
    using pair = socketPair();
    using file = memory(4_000_000);
    const { seen, handlers } = record({ onClose: () => pair.left.close() });
    const conn = loop.registerConn(pair.left, handlers);
    const first = outcome(conn.sendfile(file, length === undefined ? {} : { length }));
    conn.write(encode("behind"));
    const second = outcome(conn.sendfile(file));
    file.truncate(1_000_000);
    const got = collect(loop, pair.right);
    conn.end();
    await loop.run();
    if (length === undefined) {
      const all = [pattern(1_000_000), encode("behind"), pattern(1_000_000)];
      assertBytes(got.bytes(), joined(all));
      assertEquals([first.value, second.value], [1_000_000, 1_000_000]);
      assertEquals(seen, ["drain", "close null"]);
      continue;
    }
    assertBytes(got.bytes(), pattern(1_000_000));
    assertInstanceOf(first.value, ShortFileError);
    assertEquals([first.value.sent, first.value.expected], [1_000_000, 4_000_000]);
    assertEquals(second.value, first.value);
    assertEquals(seen, ["close ShortFileError"]);
  }
});

/** Ways in which a file is given up, and what the promise is rejected with. */
const WAYS = {
  "the file is closed": (file: MemFD) => file.close(),
  "the signal is aborted": (_: MemFD, abort: AbortController) => abort.abort(new Error("enough")),
} as const;

test("C29 given up before its turn: nothing of it is sent, and what comes behind it is", async () => {
  for (const [name, way] of Object.entries(WAYS)) {
    using loop = Loop.create();
    using pair = socketPair();
    using file = memory(1000);
    const other = memory(10);
    const abort = new AbortController();
    const { signal } = abort;
    const { seen, handlers } = record({ onDrain: (conn) => conn.unregister() });
    const conn = loop.registerConn(pair.left, handlers);
    const before = fill(pair.left);
    conn.write(encode("a"));
    const given = [conn.sendfile(other, { signal, headers: encode("x") })];
    conn.write(encode("b"));
    given.push(conn.sendfile(other, { signal, headers: encode("y") }));
    const kept = conn.sendfile(file, { length: 3 });
    conn.write(encode("c"));
    const settled = Promise.allSettled(given); // a peer that does not read cannot delay it
    way(other, abort);
    for (const result of await settled) {
      assert(result.status === "rejected");
      assert(
        signal.aborted ? result.reason === signal.reason : result.reason instanceof ClosedError,
      );
    }
    assertEquals([conn.pending, loop.metrics().pendingBytes], [3, 3], name);
    assertEquals(drain(pair.right).bytes.byteLength, before);
    await loop.run();
    assertEquals([await kept, seen], [3, ["drain", "close null"]], name);
    assertBytes(drain(pair.right).bytes, joined([encode("ab"), pattern(3), encode("c")]), name);
    other.close();
  }
});

test("C29 given up in the middle: the connection is over, and nothing else is sent", async () => {
  for (const [name, way] of Object.entries(WAYS)) {
    using loop = Loop.create();
    using pair = socketPair();
    using file = memory(2_000_000);
    const abort = new AbortController();
    const { seen, handlers } = record();
    const conn = loop.registerConn(pair.left, handlers);
    const first = outcome(conn.sendfile(file, { signal: abort.signal }));
    const second = outcome(conn.sendfile(file, { signal: abort.signal, offset: 5 }));
    conn.write(encode("behind"));
    way(file, abort);
    assertEquals(conn.closed, true, name);
    await loop.run();
    assertEquals(seen.length, 1);
    assertEquals(first.value, second.value);
    if (abort.signal.aborted) assertEquals(first.value, abort.signal.reason);
    else assertInstanceOf(first.value, ClosedError);
    const { bytes } = drain(pair.right);
    assertBytes(bytes, pattern(bytes.byteLength), name);
    assertEquals(loop.metrics().pendingBytes, 0);
  }
});

test("C29 alone in the queue and given up: onDrain comes, so that whoever waits goes on", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = memory(10);
  const abort = new AbortController();
  const { seen, handlers } = record({ onDrain: (conn) => conn.unregister() });
  const conn = loop.registerConn(pair.left, handlers);
  fill(pair.left);
  const sent = conn.sendfile(file, { signal: abort.signal });
  const expected = assertRejects(() => sent, DOMException);
  abort.abort();
  await loop.run();
  await expected;
  assertEquals(seen, ["drain", "close null"]);
  await assertRejects(() => loop.sendfile(pair.left, file), UnknownFDError);
  const fresh = loop.registerConn(pair.right, { onRecv });
  await assertRejects(() => fresh.sendfile(file, { signal: abort.signal }), DOMException);
  fresh.unregister();
  await loop.run();
});

test("C29 the end of the connection settles what waits: reset, close, unregister, the loop", async () => {
  const ways = {
    reset: [SyscallError, "close ECONNRESET"],
    handle: [ClosedError, "close null"],
    unregister: [UnknownFDError, "close null"],
    loop: [LoopClosedError, "close LoopClosedError"],
  } as const;
  for (const [name, [kind, close]] of Object.entries(ways)) {
    using loop = Loop.create();
    using pair = connection();
    using file = memory(20_000_000);
    const { seen, handlers } = record();
    const conn = loop.registerConn(pair.server, handlers);
    const sent = [outcome(conn.sendfile(file)), outcome(conn.sendfile(file))];
    loop.post(() => {
      if (name === "reset") reset(pair.client);
      else if (name === "handle") pair.server.close();
      else if (name === "unregister") conn.unregister();
      else loop.close();
    });
    await loop.run();
    await Promise.resolve();
    for (const { value } of sent) assertInstanceOf(value, kind, name);
    // A sendfile that is refused by then says EPIPE; what the reset itself says came first.
    assertEquals(seen.map((one) => one.replace("EPIPE", "ECONNRESET")), [close], name);
  }
});

test("C29 a peer that is gone: EPIPE", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = memory(10);
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers);
  pair.right.close();
  const error = await assertRejects(() => conn.sendfile(file), SyscallError);
  assertEquals([error.code, error.syscall], ["EPIPE", "sendfile"]);
  await assertRejects(() => conn.sendfile(file), UnknownFDError);
  await loop.run();
  assertEquals(seen, ["close EPIPE"]);
  await assertRejects(() => conn.sendfile(file), UnknownFDError);
});

test("C29 what cannot be sent is refused, and nothing happens to the connection", async () => {
  using dir = tempDir();
  using loop = Loop.create();
  using pair = socketPair();
  using ends = pipe();
  using file = memory(10);
  const conn = loop.registerConn(pair.left, { onRecv }, { maxBacklog: 100 });
  const code = async (target: FD | number): Promise<string> =>
    (await assertRejects(() => conn.sendfile(target, { headers: encode("x") }), SyscallError)).code;
  const folder = fs.openSync(dir.path, "r");
  const writeOnly = fs.openSync(`${dir.path}/file`, "w");
  const codes = [await code(ends.reader), await code(folder), await code(writeOnly)];
  assertEquals([...codes, await code(987_654)], ["ESPIPE", "EISDIR", "EBADF", "EBADF"]);
  for (const number of [folder, writeOnly]) fs.closeSync(number);
  for (const bad of [undefined, null, "file", {}, 1.5, -1, NaN]) {
    await assertRejects(() => conn.sendfile(bad as never), Error, "Connection.sendfile");
  }
  const options = [
    { offset: -1 },
    { offset: 1.5 },
    { offset: "1" },
    { length: 0.5 },
    { length: 1n },
    {
      headers: "x",
    },
    { signal: 1 },
    { offset: -1n },
    { offset: 2n ** 63n },
    3,
    null,
  ];
  for (const bad of options) {
    await assertRejects(() => conn.sendfile(file, bad as never), Error, "Connection.sendfile");
  }
  const headers = new Uint8Array(101);
  await assertRejects(() => conn.sendfile(file, { headers }), QueueFullError);
  const closed = MemFD.create("closed");
  closed.close();
  await assertRejects(() => conn.sendfile(closed), ClosedError);
  assertEquals([drain(pair.right).bytes.byteLength, conn.pending, conn.closed], [0, 0, false]);
  conn.end();
  await assertRejects(() => conn.sendfile(file), Error, "after end()");
  conn.unregister();
  const reader = loop.registerConn(ends.reader, { onRecv });
  await assertRejects(() => reader.sendfile(file), Error, "opened for reading only");
  reader.unregister();
  await loop.run();
});

const MiB = 1024 * 1024;

test("C15 C29 less than 2 MiB a turn, however fast the peer reads", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  using file = memory(8 * MiB);
  pair.right.setNonblock(false);
  const cat = spawn("cat", [], { stdio: [pair.right.raw, "ignore", "ignore"] });
  const ended = once(cat, "exit");
  pair.right.close();
  const conn = loop.registerConn(pair.left, { onRecv });
  const sent = Array.from({ length: 12 }, () => conn.sendfile(file));
  conn.end();
  let before = 0;
  let most = 0;
  const look = (): void => {
    const { bytesOut } = loop.metrics();
    most = Math.max(most, bytesOut - before);
    before = bytesOut;
    if (!conn.closed) loop.post(look);
  };
  look();
  await loop.run();
  assertEquals((await Promise.all(sent)).every((count) => count === 8 * MiB), true);
  assert(most < 2 * MiB, `${most} bytes in one turn`);
  await ended;
});

test("C15 C29 a row of small files that never has to wait gives the others their turn", async () => {
  using loop = Loop.create();
  using pair = connection();
  using file = memory(10);
  const conn = loop.registerConn(pair.server, { onRecv });
  collect(loop, pair.client as unknown as FD);
  let turns = 0;
  loop.post(function count() {
    turns++;
    if (!conn.closed) loop.post(count);
  });
  const row = (async () => {
    for (let index = 0; index < 2000; index++) await conn.sendfile(file);
    conn.end();
  })();
  await loop.run();
  await row;
  assert(turns >= 2000 / 256, `${turns} turns`);
});
