// libkqueue and FreeBSD, the timer cases: TimerFD keeps to what EVFILT_TIMER promises.

import { assert, assertEquals } from "@std/assert";
import { TimerFD } from "../../handles/timer_fd.ts";
import { readable } from "../probes.ts";
import { test } from "../support.ts";

const MS = 1_000_000n;
const LATE_MS = 10_000;

test("libkqueue: timer_overrun_count, expirations since they were last taken: 5 in 110 ms of 20", () => {
  using timer = TimerFD.create();
  using end = TimerFD.create({ blocking: true });
  const earliest = timer.now();
  timer.arm(20, 20);
  const latest = timer.now();
  end.armAt(latest + 110n * MS);
  end.expirations();
  const least = (timer.now() - latest) / (20n * MS);
  const count = timer.expirations()!;
  const most = (timer.now() - earliest) / (20n * MS);
  assert(least >= 5n && count >= least && count <= most, `${least} <= ${count} <= ${most}`);
});

test("libkqueue: timer ev_clear_resets_data, taking resets the count", () => {
  using timer = TimerFD.create();
  timer.arm(1, 60_000);
  assert(readable(timer, LATE_MS));
  assertEquals([timer.expirations(), timer.expirations()], [1n, null]);
});

test("libkqueue: timer modify restarts the clock, and drops the old expiry", () => {
  using timer = TimerFD.create();
  timer.arm(1);
  assert(readable(timer, LATE_MS));
  timer.arm(60_000);
  assert(!readable(timer));
  const before = timer.now();
  timer.arm(15);
  assert(readable(timer, LATE_MS));
  assert(timer.now() - before >= 15n * MS);
  assertEquals(timer.expirations(), 1n);
});

test("libkqueue: timer periodic_to_oneshot, the interval is gone", () => {
  using timer = TimerFD.create();
  timer.arm(1, 1);
  assert(readable(timer, LATE_MS));
  timer.arm(1);
  assert(readable(timer, LATE_MS));
  assertEquals(timer.expirations(), 1n);
  assertEquals(timer.getTime(), { remaining: 0n, interval: 0n });
});

test("libkqueue: timer note_absolute_past fires at once", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  timer.armAt(Date.now() - 1000);
  assert(readable(timer, LATE_MS));
  assertEquals(timer.expirations(), 1n);
});

test("libkqueue: timer_disable, a disarmed timer is silent until it is armed", () => {
  using timer = TimerFD.create();
  timer.arm(1, 1);
  timer.disarm();
  assert(!readable(timer, 20));
  timer.arm(1);
  assert(readable(timer, LATE_MS));
});
