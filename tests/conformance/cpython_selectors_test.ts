// CPython's Lib/test/test_selectors.py: register, modify, unregister and select, on a loop.

import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { UnknownFDError } from "../../loop/conn_errors.ts";
import { Loop } from "../../loop/loop.ts";
import { encode, onRecv } from "../conn_fixture.ts";
import { test } from "../support.ts";

test("cpython: test_selectors register, by object and by number, twice, and bad arguments", () => {
  using loop = Loop.create();
  using pair = socketPair();
  const watch = loop.watch(pair.left, { readable: true }, onRecv);
  assertThrows(() => loop.watch(pair.left, { readable: true }, onRecv), Error, "EEXIST");
  assertThrows(() => loop.watch(pair.left.raw, { readable: true }, onRecv), Error, "EEXIST");
  watch.cancel();
  loop.watch(pair.left.raw, { readable: true }, onRecv).cancel();
  for (const bad of [-10, 1e10]) {
    assertThrows(() => loop.watch(bad, { readable: true }, onRecv), RangeError);
  }
  assertThrows(() => loop.watch("foo" as never, { readable: true }, onRecv), TypeError);
  assertThrows(() => loop.watch(pair.left, { foo: 1, mode: "foo" } as never, onRecv), TypeError);
});

test("cpython: test_selectors unregister, unknown, twice, and after the file was closed", () => {
  using loop = Loop.create();
  const pair = socketPair();
  assertThrows(() => loop.unregisterConn(pair.left), UnknownFDError);
  assertThrows(() => loop.unregisterConn(999_999), UnknownFDError);
  loop.registerConn(pair.left, { onRecv });
  loop.unregisterConn(pair.left);
  assertThrows(() => loop.unregisterConn(pair.left), UnknownFDError);
  const byObject = loop.watch(pair.left, { readable: true }, onRecv);
  const { raw } = pair.right;
  const byNumber = loop.watch(raw, { readable: true }, onRecv);
  pair[Symbol.dispose]();
  assertEquals([byObject.active, byNumber.active], [false, true]);
  byObject.cancel();
  byNumber.cancel(); // nobody told the loop that the number is closed
  assertEquals(byNumber.active, false);
});

test("cpython: test_selectors test_unregister_after_fd_close_and_reuse", () => {
  using loop = Loop.create();
  using old = socketPair();
  const number = FD.duplicate(old.left.raw);
  const { raw } = number;
  const watch = loop.watch(raw, { readable: true }, onRecv);
  number.close();
  using next = FD.duplicate(old.right.raw);
  watch.cancel();
  assert(next.valid);
  loop.watch(next, { readable: true }, onRecv).cancel();
});

test("cpython: test_selectors modify, events and what is called change, a refusal changes nothing", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const seen: string[] = [];
  const watch = loop.watch(pair.left, { readable: true }, (ready) => {
    seen.push(`${ready.readable} ${ready.writable}`);
    loop.stop();
  });
  watch.modify({ writable: true });
  await loop.run();
  assertThrows(() => watch.modify({ mode: "foo" } as never), TypeError);
  assertThrows(() => watch.modify(null as never), TypeError);
  await loop.run();
  watch.modify({ readable: true });
  pair.right.write(encode("x"));
  await loop.run();
  assertEquals(seen, ["false true", "false true", "true false"]);
  watch.cancel();
  assertThrows(() => watch.modify({ readable: true }), Error, "it is over");
});

test("cpython: test_modify_unregister, a back end that refuses leaves nothing half-registered", async () => {
  using loop = Loop.create();
  using ends = pipe({ blocking: true });
  const edge = { readable: true, mode: "edge" } as const;
  assertThrows(() => loop.watch(ends.reader, edge, onRecv), TypeError);
  const watch = loop.watch(ends.reader, { readable: true }, () => loop.stop());
  assertThrows(() => watch.modify(edge), TypeError);
  assertEquals(watch.active, true);
  ends.writer.write(encode("x"));
  await loop.run(); // the interest from before is what counts
  watch.cancel();
  const closed = socketPair();
  closed[Symbol.dispose]();
  assertThrows(() => loop.watch(closed.left, { readable: true }, onRecv), ClosedError);
  await assertRejects(() => loop.readable(closed.left), ClosedError);
  await loop.run();
});

test("cpython: test_selectors select, a timeout that is none, one that passes, one that is cut short", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const writable = loop.writable(pair.left);
  const begin = performance.now();
  await Promise.all([loop.run(), writable]);
  assert(performance.now() - begin < 10_000);
  for (const time of [0, 1, 40]) {
    const start = performance.now();
    const timeout = AbortSignal.abort(new Error("passed"));
    const waiting = new AbortController();
    loop.setTimer(time, () => waiting.abort(timeout.reason));
    const readable = assertRejects(
      () => loop.readable(pair.left, { signal: waiting.signal }),
      Error,
      "passed",
    );
    await Promise.all([loop.run(), readable]);
    assertGreaterOrEqual(performance.now() - start, time);
  }
});

test("cpython: test_select_read_write, both directions are one report", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  pair.right.write(encode("x"));
  let reports = 0;
  const watch = loop.watch(pair.left, { readable: true, writable: true }, (ready) => {
    reports++;
    assertEquals([ready.readable, ready.writable], [true, true]);
    watch.cancel();
  });
  await loop.run();
  assertEquals(reports, 1);
});

test("cpython: test_empty_select, a loop without files waits for its timer, and no longer", async () => {
  using loop = Loop.create();
  const begin = performance.now();
  loop.setTimer(20, () => {});
  await loop.run();
  assertGreaterOrEqual(performance.now() - begin, 20);
});

test("cpython: test_above_fd_setsize, 3000 descriptors, each reported once", async () => {
  using loop = Loop.create();
  using stack = new DisposableStack();
  using ends = pipe();
  const copies = Array.from({ length: 3000 }, () => stack.use(ends.writer.dup()));
  assert(copies.at(-1)!.raw > 1024);
  const seen = new Set<number>();
  for (const copy of copies) {
    const watch = loop.watch(copy, { writable: true }, () => {
      assertEquals(seen.has(copy.raw), false);
      seen.add(copy.raw);
      watch.cancel();
    });
  }
  await loop.run();
  assertEquals(seen.size, 3000);
});
