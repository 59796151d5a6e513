// CPython, Lib/test/test_timerfd: what it observes, with shorter delays.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { Epoll } from "../../handles/epoll.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { flagsOf, poll } from "../probes.ts";
import { test } from "../support.ts";

const MS = 1_000_000n;
const LATE_MS = 10_000;

test("cpython: timerfd_initval, settime and gettime give the old setting, by hand 3.9 and 10 ms", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  assertEquals(flagsOf(timer).cloexec, true);
  timer.arm(25_000.5, 12_500);
  assertEquals(timer.previous, { remaining: 0n, interval: 0n });
  timer.arm(3.9, 10);
  const { remaining, interval } = timer.previous;
  assert(remaining > 24_000n * MS && remaining <= 25_000_500_000n, `${remaining} ns`);
  assertEquals(interval, 12_500n * MS);
  timer.disarm();
  assert(timer.previous.remaining <= 10n * MS, "3.9 ms, or 10 ms when that is over");
  assertEquals(timer.previous.interval, 10n * MS);
});

test("cpython: timerfd_ns_initval, an interval without a beginning stays disarmed", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  timer.arm(0n, MS);
  assertEquals(timer.previous, { remaining: 0n, interval: 0n });
  timer.arm(0n, MS);
  assertEquals(timer.previous, { remaining: 0n, interval: MS });
  assertEquals(timer.getTime(), { remaining: 0n, interval: MS });
});

test("cpython: timerfd_negative, whichever is negative, however it is armed", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  const negative = [[-1, 0], [1, -1], [-1, -1], [-0.1, 0], [1, -0.1], [-1n, 0n], [1n, -1n]];
  for (const [initial, interval] of negative as [number, number][]) {
    assertThrows(() => timer.arm(initial, interval), RangeError);
    assertThrows(() => timer.armAt(initial, interval), RangeError);
    const options = { cancelOnSet: true };
    assertThrows(() => timer.armAt(initial, interval, options), RangeError);
  }
});

test("cpython: timerfd_interval, one expiration per read, and what nobody read adds up", () => {
  using timer = TimerFD.create({ clock: "realtime", blocking: true });
  using pause = TimerFD.create({ clock: "realtime", blocking: true });
  const before = timer.now();
  timer.arm(20, 10);
  let count = 0n;
  for (let reads = 0; reads < 3; reads++) count += timer.expirations()!;
  assert(timer.now() - before >= 20n * MS + (count - 1n) * 10n * MS);
  pause.arm(35);
  pause.expirations();
  assert(timer.expirations()! >= 3n, "three and a half intervals");
});

test("cpython: timerfd_TFD_TIMER_ABSTIME, gettime is relative all the same", () => {
  using timer = TimerFD.create({ clock: "realtime", blocking: true });
  const before = timer.now();
  timer.armAt(before + 60_000n * MS);
  const { remaining, interval } = timer.getTime();
  assert(remaining > 0n && remaining <= 60_000n * MS);
  assertEquals(interval, 0n);
  timer.armAt(before + 30n * MS);
  assertEquals(timer.expirations(), 1n);
  assert(timer.now() - before >= 30n * MS);
});

test("cpython: timerfd_select, poll: silent, then readable and nothing else at each interval", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  const all = posix.POLLIN | posix.POLLOUT | posix.POLLPRI;
  assertEquals(poll(timer, all), 0);
  const before = timer.now();
  timer.arm(20, 10);
  let count = 0n;
  for (let rounds = 0; rounds < 3; rounds++) {
    assertEquals(poll(timer, all, LATE_MS), posix.POLLIN);
    count += timer.expirations()!;
  }
  assert(timer.now() - before >= 20n * MS + (count - 1n) * 10n * MS);
});

test("cpython: timerfd epoll, one event an interval, none when it was read", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  using set = Epoll.create();
  set.add(timer, EPOLL.IN);
  const events = new EpollEvents(4);
  assertEquals(set.wait(events, 0), 0);
  const before = timer.now();
  timer.arm(20, 1_000_000);
  assertEquals(set.wait(events, LATE_MS), 1);
  assertEquals([events.mask(0), events.dataLow(0)], [EPOLL.IN, timer.raw]);
  assert(timer.now() - before >= 20n * MS);
  assertEquals(timer.expirations(), 1n);
  assertEquals(set.wait(events, 0), 0);
});
