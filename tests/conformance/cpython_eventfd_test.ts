// CPython, Lib/test/test_os: what its eventfd cases observe.

import { assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { poll } from "../probes.ts";
import { test } from "../support.ts";

const BOTH = posix.POLLIN | posix.POLLOUT;

test("cpython: eventfd_initval, read and write raw and in words", () => {
  using counter = EventFD.create({ initial: 42, blocking: true });
  const value = new BigUint64Array(1);
  assertEquals([counter.read(value), value[0]], [8, 42n]);
  value[0] = 7n;
  assertEquals(counter.write(value), 8);
  assertEquals(counter.wait(), 7n);
  counter.signal(7);
  assertEquals([counter.read(value), value[0]], [8, 7n]);
});

test("cpython: eventfd_semaphore", () => {
  using counter = EventFD.create({ initial: 2, semaphore: true });
  assertEquals([counter.wait(), counter.wait()], [1n, 1n]);
  assertEquals(poll(counter, BOTH), posix.POLLOUT);
  counter.signal();
  assertEquals(counter.wait(), 1n);
});

test("cpython: eventfd_select, writable when empty, both after 1, readable when full", () => {
  using counter = EventFD.create();
  assertEquals(poll(counter, BOTH), posix.POLLOUT);
  counter.signal(1);
  assertEquals(poll(counter, BOTH), BOTH);
  counter.wait();
  counter.signal(2n ** 64n - 2n);
  assertEquals(poll(counter, BOTH), posix.POLLIN);
  counter.wait();
  assertEquals(poll(counter, BOTH), posix.POLLOUT);
});
