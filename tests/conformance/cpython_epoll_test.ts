// CPython, Lib/test/test_epoll.py and test_selectors.py: what they observe.

import { closeSync, openSync } from "node:fs";
import { assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { check, libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { count, reports, RESERVED, reserved } from "../epoll_fixture.ts";
import { flagsOf } from "../probes.ts";
import { test } from "../support.ts";

const { IN, OUT, ET } = EPOLL;

const code = (call: () => unknown): string => assertThrows(call, SyscallError).code;

test("cpython: test_create and test_close, open, then closed for good", () => {
  const set = Epoll.create();
  assertEquals([set.raw > 0, set.closed], [true, false]);
  set.close();
  set.close();
  assertEquals([set.raw, set.closed], [-1, true]);
  assertThrows(() => set.wait(new EpollEvents(1), 0), ClosedError);
});

test("cpython: test_badcreate, options of the wrong type", () => {
  for (const bad of [5, "cloexec", null]) assertThrows(() => Epoll.create(bad as never), TypeError);
});

test("cpython: test_context_manager, closed at the end of its scope", () => {
  let outside: Epoll;
  {
    using set = Epoll.create();
    outside = set;
    assertEquals(set.closed, false);
  }
  assertEquals(outside.closed, true);
  assertThrows(() => outside.add(0, IN), ClosedError);
});

test("cpython: test_add, by object and by number, twice, and the wrong type", () => {
  using pair = socketPair();
  for (const [left, right] of [[pair.left, pair.right], [pair.left.raw, pair.right.raw]] as const) {
    using set = Epoll.create();
    set.add(left, IN | OUT);
    set.add(right, IN | OUT);
    assertEquals(count(set), 2);
    assertEquals(code(() => set.add(left, IN)), "EEXIST");
    assertThrows(() => set.add({} as never, IN), TypeError);
    assertThrows(() => set.add("4" as never, IN), TypeError);
    assertThrows(() => set.add(-1, IN), RangeError);
    assertEquals(code(() => set.add(RESERVED, IN)), "EBADF");
  }
});

test("cpython: test_fromfd, a wrapper of another number shares the set", () => {
  using pair = socketPair();
  using set = Epoll.create();
  using wrapper = Epoll.adopt(reserved(set).raw);
  wrapper.add(pair.left, IN | OUT);
  wrapper.add(pair.right, IN | OUT);
  assertEquals([count(set), count(wrapper)], [2, 2]);
  wrapper.close();
  assertEquals(count(set), 2);
  set.delete(pair.left);
  set.delete(pair.right);
  assertEquals(code(() => Epoll.adopt(RESERVED)), "EBADF");
});

test("cpython: test_control_and_wait, a socket pair through all its states", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN | OUT | ET, 1);
  set.add(pair.right, IN | OUT | ET, 2);
  assertEquals(reports(set), [[1, OUT], [2, OUT]]);
  assertEquals(count(set, 10), 0);
  const hello = new TextEncoder().encode("hello");
  pair.left.write(hello);
  pair.right.write(hello);
  assertEquals(reports(set), [[1, IN | OUT], [2, IN | OUT]]);
  set.delete(pair.left);
  set.modify(pair.right, OUT);
  assertEquals(reports(set), [[2, OUT]]);
});

test("cpython: test_errors, a capacity below 1 and a closed set", () => {
  assertThrows(() => new EpollEvents(-2), RangeError);
  assertThrows(() => new EpollEvents(0), RangeError);
});

test("cpython: test_unregister_closed, EBADF by number, closed by object", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN);
  ends.reader.close();
  assertThrows(() => set.delete(ends.reader), ClosedError);
  assertEquals(code(() => set.delete(RESERVED)), "EBADF");
});

test("cpython: test_fd_non_inheritable", () => {
  using set = Epoll.create();
  assertEquals(flagsOf(set).cloexec, true);
});

test("cpython: test_selectors, register twice, unknown, closed and added anew", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN);
  assertEquals(code(() => set.add(pair.left, IN)), "EEXIST");
  assertEquals(code(() => set.delete(pair.right)), "ENOENT");
  assertEquals(code(() => set.modify(pair.right, IN)), "ENOENT");
  set.delete(pair.left);
  assertEquals(code(() => set.delete(pair.left)), "ENOENT");
  set.add(pair.left, OUT);
  assertEquals(count(set), 1);
});

test("cpython: test_selectors, a modify that is refused changes nothing", () => {
  using set = Epoll.create();
  using ends = pipe({ blocking: true });
  ends.writer.write(new Uint8Array(1));
  set.add(ends.reader, IN, 3);
  assertThrows(() => set.modify(ends.reader, IN | ET, 4), TypeError);
  assertEquals(code(() => set.modify(ends.reader, IN | EPOLL.EXCLUSIVE, 4)), "EINVAL");
  set.rearm(ends.reader);
  assertEquals(reports(set), [[3, IN]]);
});

test("cpython: test_select_read_write, both directions are one event", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN | OUT);
  pair.right.write(new Uint8Array(1));
  assertEquals(reports(set), [[pair.left.raw, IN | OUT]]);
});

test("cpython: test_timeout and test_empty_select", () => {
  using set = Epoll.create();
  for (const ms of [0, 20]) {
    const began = performance.now();
    assertEquals(count(set, ms), 0);
    assertGreaterOrEqual(performance.now() - began, ms);
  }
  assertThrows(() => count(set, -1), RangeError, "null for none");
});

test("cpython: test_above_fd_setsize, 3000 descriptors, numbers above 1024, one wait", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  {
    using stack = new DisposableStack();
    const numbers = Array.from({ length: 3000 }, () => {
      const number = check("fcntl", libc.fcntl(counter.raw, posix.F_DUPFD_CLOEXEC, 1000));
      set.add(stack.use(FD.adopt(number)), IN);
      return number;
    });
    const events = new EpollEvents(4096);
    assertEquals(set.wait(events, 0), 3000);
    const seen = Array.from({ length: 3000 }, (_, index) => events.dataLow(index));
    assertEquals(seen.sort((a, b) => a - b), numbers);
  }
  assertEquals(count(set), 0);
});

test("cpython: test_register_file, a regular file is refused when it is registered", () => {
  using set = Epoll.create();
  const file = openSync(new URL(import.meta.url), "r");
  assertEquals(code(() => set.add(file, IN)), "EPERM");
  closeSync(file);
});
