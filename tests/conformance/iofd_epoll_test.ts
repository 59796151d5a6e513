// hayabusa-cloud/iofd: what its tests observe of every descriptor, for a set.

import { assertEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { count, reports } from "../epoll_fixture.ts";
import { test } from "../support.ts";

test("iofd: create, a set is a descriptor with a number, and valid", () => {
  using set = Epoll.create();
  assertEquals([set.raw >= 0, set.valid, set.closed], [true, true, false]);
});

test("iofd: after close, raw is −1, valid is false, closing again is fine, all else is ErrClosed", () => {
  using counter = EventFD.create();
  const set = Epoll.create();
  set.close();
  set.close();
  assertEquals([set.raw, set.valid], [-1, false]);
  for (const verb of ["add", "modify", "delete"] as const) {
    assertThrows(() => set[verb](counter, EPOLL.IN), ClosedError);
  }
  assertThrows(() => set.wait(new EpollEvents(1), 0), ClosedError);
});

test("iofd: an eventfd is readable from its signal to its wait, SignalZero wakes nobody", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  set.add(counter, EPOLL.IN);
  counter.signal(0);
  assertEquals(count(set), 0);
  counter.signal(3);
  assertEquals(reports(set), [[counter.raw, EPOLL.IN]]);
  counter.wait();
  assertEquals(count(set), 0);
});

test("iofd: a timer is readable from its expiry to the reading of its expirations", () => {
  using set = Epoll.create();
  using timer = TimerFD.create();
  set.add(timer, EPOLL.IN);
  assertEquals(count(set), 0);
  timer.arm(5);
  assertEquals(reports(set, 5000), [[timer.raw, EPOLL.IN]]);
  assertEquals(timer.expirations(), 1n);
  assertEquals(count(set), 0);
});
