import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { test } from "./support.ts";

/** A buffer with one report per given data, each of a counter that can be read and written. */
function filled(...data: (number | bigint)[]): EpollEvents {
  using set = Epoll.create();
  using stack = new DisposableStack();
  for (const each of data) {
    set.add(stack.use(EventFD.create({ initial: 1 })), EPOLL.IN | EPOLL.OUT, each);
  }
  const events = new EpollEvents(16);
  assertEquals(set.wait(events, 0), data.length);
  return events;
}

test("R01 the words are the kernel's, positive, and cannot be changed", () => {
  const names =
    "IN PRI OUT RDNORM RDBAND WRNORM WRBAND MSG ERR HUP RDHUP EXCLUSIVE WAKEUP ONESHOT ET";
  assertEquals(Object.keys(EPOLL), names.split(" "));
  for (const [name, word] of Object.entries(EPOLL)) {
    assertEquals(word, (linux as Record<string, number>)[`EPOLL${name}`], name);
    assert(word > 0, name);
  }
  assertEquals(EPOLL.ET, 0x8000_0000);
  assertThrows(() => {
    (EPOLL as { IN: number }).IN = 2;
  }, TypeError);
});

test("R11 the capacity is from 1 to 2^20", () => {
  for (const capacity of [1, 2, 1000, 2 ** 20]) {
    assertEquals(new EpollEvents(capacity).capacity, capacity);
  }
  for (const bad of [0, -1, 1.5, NaN, Infinity, 2 ** 20 + 1, 2 ** 31, 2 ** 53, -0.5]) {
    assertThrows(() => new EpollEvents(bad), RangeError, "EpollEvents: the capacity");
  }
  for (const bad of [undefined, null, "8", 8n, [], {}, true]) {
    assertThrows(() => new EpollEvents(bad as never), TypeError, "EpollEvents: the capacity");
  }
});

test("X03 capacity and length cannot be set", () => {
  const events = filled(1) as { capacity: number; length: number };
  assertThrows(() => events.capacity = 1e6, TypeError);
  assertThrows(() => events.length = 9, TypeError);
  assertEquals([events.capacity, events.length], [16, 1]);
});

test("R01 masks are never negative, and 64 bits of data are kept", () => {
  const data = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
  const events = filled(...data);
  data.forEach((expected, index) => {
    assertEquals(events.mask(index), EPOLL.IN | EPOLL.OUT);
    assertEquals(events.data(index), expected);
    assertEquals(events.dataLow(index), Number(expected & 0xffff_ffffn));
    assertEquals(events.dataHigh(index), Number(expected >> 32n));
  });
});

test("R01 data given as a number is the same 64 bits", () => {
  for (const data of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 0xdeadbeef, Number.MAX_SAFE_INTEGER]) {
    assertEquals(filled(data).data(0), BigInt(data));
  }
});

test("R11 the length is that of the last wait, and the rest cannot be read", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  const events = new EpollEvents(4);
  assertEquals([events.length, [...events]], [0, []]);
  assertThrows(() => events.mask(0), RangeError, "no event 0: the last wait reported none");
  set.add(counter, EPOLL.IN);
  set.wait(events, 0);
  assertEquals(events.length, 1);
  for (const bad of [1, -1, 0.5, NaN, 4, 2 ** 31, 2 ** 32, 2 ** 53, Infinity]) {
    for (const verb of ["mask", "data", "dataLow", "dataHigh"] as const) {
      assertThrows(() => events[verb](bad), RangeError, "EpollEvents: the index");
    }
  }
  for (const bad of [undefined, null, "0", 0n, {}, true]) {
    for (const verb of ["mask", "data", "dataLow", "dataHigh"] as const) {
      assertThrows(() => events[verb](bad as never), TypeError, "EpollEvents: the index");
    }
  }
  counter.wait();
  assertEquals([set.wait(events, 0), events.length, [...events]], [0, 0, []]);
});

test("X04 the events can be gone through, as often as wanted", () => {
  const events = filled(5, 6n);
  const mask = EPOLL.IN | EPOLL.OUT;
  for (let time = 0; time < 2; time++) {
    assertEquals([...events], [{ mask, data: 5n }, { mask, data: 6n }]);
  }
  assertEquals(String(events), "[object EpollEvents]");
});
