// hayabusa-cloud/iofd, iofd_test.go and internal_test.go: what its TimerFD cases observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { readable } from "../probes.ts";
import { test } from "../support.ts";

const MS = 1_000_000n;
const LATE_MS = 10_000;
const CLOCKS = ["monotonic", "realtime", "boottime"] as const;

test("iofd: TimerFD create, with each of three clocks", () => {
  for (const clock of CLOCKS) {
    using timer = TimerFD.create({ clock });
    assert(timer.raw >= 0 && timer.valid);
  }
  assertThrows(() => TimerFD.create({ clock: "99" as never }), TypeError, "TimerFD.create: clock");
});

test("iofd: TimerFD ArmAndRead, ArmDuration in milliseconds and in nanoseconds", () => {
  using timer = TimerFD.create();
  for (const initial of [10, 10n * MS]) {
    const before = timer.now();
    timer.arm(initial);
    assert(readable(timer, LATE_MS));
    assertEquals(timer.expirations(), 1n);
    assert(timer.now() - before >= 10n * MS);
  }
});

test("iofd: TimerFD PeriodicTimer, several intervals in one answer", () => {
  using timer = TimerFD.create();
  using end = TimerFD.create({ blocking: true });
  const before = timer.now();
  timer.arm(5, 5);
  end.armAt(timer.now() + 22n * MS);
  end.expirations();
  const count = timer.expirations()!;
  assert(count >= 4n && count <= (timer.now() - before) / (5n * MS), `${count} expirations`);
});

test("iofd: TimerFD Disarm, the time passes and nothing expires", () => {
  using timer = TimerFD.create();
  using end = TimerFD.create({ blocking: true });
  timer.arm(10);
  timer.disarm();
  end.arm(30);
  end.expirations();
  assertEquals([readable(timer), timer.expirations()], [false, null]);
});

test("iofd: TimerFD GetTime, unarmed 0 and 0, armed what is left", () => {
  using timer = TimerFD.create();
  assertEquals(timer.getTime(), { remaining: 0n, interval: 0n });
  timer.arm(10_000, 50);
  const { remaining, interval } = timer.getTime();
  assert(remaining > 0n && remaining <= 10_000n * MS);
  assertEquals(interval, 50n * MS);
});

test("iofd: TimerFD re-armed from 1 min to 10 ms: the new one counts, at 10 ms", () => {
  using timer = TimerFD.create();
  const before = timer.now();
  timer.arm(60_000);
  timer.arm(10);
  assert(readable(timer, LATE_MS));
  const after = timer.now() - before;
  assertEquals(timer.expirations(), 1n);
  assert(after >= 10n * MS && after < 60_000n * MS, `after ${after} ns`);
});

// "Unix nanoseconds" there, and true for one clock only: a deadline is in the timer's own clock.
test("iofd: TimerFD ArmAt in the timer's own clock", () => {
  for (const clock of CLOCKS) {
    using timer = TimerFD.create({ clock });
    timer.armAt(timer.now() + 60_000n * MS);
    assertEquals(timer.expirations(), null);
    const deadline = timer.now() + 20n * MS;
    timer.armAt(deadline);
    assert(readable(timer, LATE_MS));
    assert(timer.now() >= deadline);
    assertEquals(timer.expirations(), 1n);
  }
});

test("iofd: TimerFD WouldBlock for expirations, expirationsInto and read", () => {
  using timer = TimerFD.create();
  timer.arm(60_000);
  const buffer = new Uint8Array(8);
  assertEquals(timer.expirations(), null);
  assertEquals(timer.expirationsInto(buffer), null);
  assertEquals(timer.read(buffer), null);
});

test("iofd: TimerFD small buffers are refused before any call", () => {
  using timer = TimerFD.create();
  const small = new Uint8Array(7);
  assertThrows(() => timer.expirationsInto(small), RangeError, "at least 8 bytes");
  assertThrows(() => timer.read(small), RangeError, "at least 8 bytes");
});

test("iofd: TimerFD after close, and closed twice", () => {
  const timer = TimerFD.create();
  timer.close();
  timer.close();
  assertEquals([timer.raw, timer.valid], [-1, false]);
  for (
    const call of [
      () => timer.arm(1),
      () => timer.armAt(1),
      () => timer.disarm(),
      () => timer.getTime(),
      () => timer.expirations(),
      () => timer.expirationsInto(new Uint8Array(8)),
    ]
  ) assertThrows(call, ClosedError);
});
