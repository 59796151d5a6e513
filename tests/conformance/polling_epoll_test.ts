// smol-rs/polling, tests/: what it observes.

import { assertEquals, assertGreaterOrEqual, assertLess, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { socketPair } from "../../handles/pipe.ts";
import { count, reports } from "../epoll_fixture.ts";
import { test } from "../support.ts";

const { IN, OUT, ET, ONESHOT } = EPOLL;

const code = (call: () => unknown): string => assertThrows(call, SyscallError).code;

test("polling: twice, a wait of 1 s takes 1 s, and so does the next", () => {
  using set = Epoll.create();
  for (let time = 0; time < 2; time++) {
    const began = performance.now();
    assertEquals(count(set, 1000), 0);
    assertGreaterOrEqual(performance.now() - began, 1000);
  }
});

test("polling: non_blocking, 100 looks take no time", () => {
  using set = Epoll.create();
  const began = performance.now();
  for (let time = 0; time < 100; time++) assertEquals(count(set), 0);
  assertLess(performance.now() - began, 10_000);
});

test("polling: basic_io, insert_twice and delete_unrecognized", () => {
  using set = Epoll.create();
  using pair = socketPair();
  assertEquals(code(() => set.delete(pair.left)), "ENOENT");
  set.add(pair.left, IN, 1);
  assertEquals(code(() => set.add(pair.left, OUT, 2)), "EEXIST");
  assertEquals(count(set), 0);
  pair.right.write(new Uint8Array([1]));
  assertEquals(reports(set), [[1, IN]], "the refused one has changed nothing");
});

test("polling: append_events, each wait has the buffer for itself", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const pairs = Array.from({ length: 3 }, () => stack.use(socketPair()));
  pairs.forEach(({ left }, index) => set.add(left, OUT | ET | ONESHOT, index));
  const events = new EpollEvents(8);
  assertEquals([set.wait(events, 0), events.length], [3, 3]);
  assertEquals([set.wait(events, 0), events.length, [...events]], [0, 0, []]);
  for (const { left } of pairs) set.rearm(left);
  assertEquals([set.wait(events, 0), events.length], [3, 3]);
});

const MODES: readonly [name: string, words: number, again: number, later: number][] = [
  ["level", 0, 1, 1],
  ["edge", ET, 0, 1],
  ["oneshot", ONESHOT, 0, 0],
  ["edge and oneshot", ET | ONESHOT, 0, 0],
];

for (const [name, words, again, later] of MODES) {
  test(`polling: modes, ${name}: 5 bytes, 3 of them read, 5 more, all read`, () => {
    using set = Epoll.create();
    using pair = socketPair();
    set.add(pair.left, IN | words);
    pair.right.write(new Uint8Array(5));
    assertEquals(count(set), 1);
    assertEquals(pair.left.read(new Uint8Array(3)), 3);
    assertEquals(count(set), again);
    pair.right.write(new Uint8Array(5));
    assertEquals(count(set), later);
    set.modify(pair.left, IN | words);
    assertEquals(count(set), 1, "modify reports what is there");
    assertEquals(pair.left.read(new Uint8Array(16)), 7);
    set.rearm(pair.left);
    assertEquals(count(set), 0);
  });

  test(`polling: multiple_pollers, ${name}: both sets report, and each is left on its own`, () => {
    using one = Epoll.create();
    using two = Epoll.create();
    using pair = socketPair();
    one.add(pair.left, IN | words, 1);
    two.add(pair.left, IN | words, 2);
    pair.right.write(new Uint8Array(1));
    assertEquals([reports(one), reports(two)], [[[1, IN]], [[2, IN]]]);
    assertEquals([count(one), count(two)], [again, again]);
    one.delete(pair.left);
    two.modify(pair.left, IN | words);
    assertEquals([count(one), count(two)], [0, 1]);
    pair.left.read(new Uint8Array(1));
    pair.right.write(new Uint8Array(1));
    assertEquals([count(one), count(two)], [0, later]);
  });
}

test("polling: many_connections, 100 pairs in an odd order, every one exactly once", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const pairs = Array.from({ length: 100 }, () => stack.use(socketPair()));
  pairs.forEach(({ left }, index) => set.add(left, IN, index));
  const byte = new Uint8Array(1);
  for (let each = 0; each < 100; each++) {
    const index = each * 37 % 100; // 37 and 100 have no divisor in common
    pairs[index]!.right.write(byte);
    assertEquals(reports(set), [[index, IN]]);
    pairs[index]!.left.read(byte);
  }
  assertEquals(count(set), 0);
});
