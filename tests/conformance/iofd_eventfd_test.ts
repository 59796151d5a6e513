// hayabusa-cloud/iofd, iofd_test.go and internal_test.go: what its EventFD cases observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { readable } from "../probes.ts";
import { test } from "../support.ts";

test("iofd: EventFD create, with an initial value, and a semaphore", () => {
  using empty = EventFD.create();
  assert(empty.raw >= 0 && empty.valid);
  using counter = EventFD.create({ initial: 42 });
  assertEquals(counter.wait(), 42n);
  using semaphore = EventFD.create({ initial: 3, semaphore: true });
  assertEquals([semaphore.wait(), semaphore.wait(), semaphore.wait()], [1n, 1n, 1n]);
  assertEquals(semaphore.wait(), null);
});

test("iofd: EventFD SignalAndWait, MultipleSignals, LargeSignal", () => {
  using counter = EventFD.create();
  counter.signal(5);
  counter.signal(3);
  assertEquals(counter.wait(), 8n);
  for (let value = 1; value <= 10; value++) counter.signal(value);
  assertEquals(counter.wait(), 55n);
  counter.signal(0xffff_ffff);
  assertEquals(counter.wait(), 0xffff_ffffn);
  assertEquals(counter.signal(0xffff_ffff_ffff_fffen), true);
});

test("iofd: EventFD SignalZero succeeds and wakes nobody", () => {
  using counter = EventFD.create();
  assertEquals(counter.signal(0), true);
  assertEquals([readable(counter), counter.wait()], [false, null]);
});

test("iofd: EventFD WouldBlock for wait, waitInto and read", () => {
  using counter = EventFD.create();
  const buffer = new Uint8Array(8);
  assertEquals([counter.wait(), counter.waitInto(buffer), counter.read(buffer)], [
    null,
    null,
    null,
  ]);
});

test("iofd: EventFD ReadWrite, the raw bytes are little-endian", () => {
  using counter = EventFD.create();
  const seven = new Uint8Array([7, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals(counter.write(seven), 8);
  const buffer = new Uint8Array(8);
  assertEquals(counter.read(buffer), 8);
  assertEquals(buffer, seven);
});

test("iofd: EventFD small buffers are refused before any call", () => {
  using counter = EventFD.create({ initial: 1 });
  const small = new Uint8Array(7);
  for (const method of ["read", "write", "waitInto"] as const) {
    assertThrows(() => counter[method](small), RangeError, "at least 8 bytes");
  }
  assertEquals(counter.wait(), 1n);
});

test("iofd: EventFD after close, and closed twice", () => {
  const counter = EventFD.create();
  counter.close();
  counter.close();
  assertEquals([counter.raw, counter.valid], [-1, false]);
  const buffer = new Uint8Array(8);
  for (
    const call of [
      () => counter.signal(1),
      () => counter.wait(),
      () => counter.read(buffer),
      () => counter.write(buffer),
    ]
  ) assertThrows(call, ClosedError);
});
