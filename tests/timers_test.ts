import { assert, assertEquals, assertThrows } from "@std/assert";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import type { Poller } from "../loop/poller.ts";
import { Timers } from "../loop/timers.ts";
import { test } from "./support.ts";

test("C19 a timer fires once, never early, and the loop ends when none is left", async () => {
  using loop = Loop.create();
  for (const delay of [0, 0.25, 1, 7.5, 3_000_000n]) {
    const begin = performance.now();
    let fired = 0;
    const timer = loop.setTimer(delay, () => {
      fired++;
      const milliseconds = typeof delay === "bigint" ? Number(delay) / 1e6 : delay;
      assert(performance.now() - begin >= milliseconds, `${delay} was early`);
    });
    assertEquals(timer.active, true);
    await loop.run();
    assertEquals([fired, timer.active], [1, false]);
  }
});

test("C19 timers fire in the order of their deadlines, whatever the order they were set in", async () => {
  let [order, tookMs]: [number[], number] = [[], 30];
  // Timers that were set more than the 30 ms apart that lie between them have another order.
  for (let attempt = 0; attempt < 100 && tookMs >= 30; attempt++) {
    using loop = Loop.create();
    order = [];
    const begun = performance.now();
    for (const delay of [90, 30, 60, 0, 120]) loop.setTimer(delay, () => order.push(delay));
    tookMs = performance.now() - begun;
    await loop.run();
  }
  assertEquals(order, [0, 30, 60, 90, 120]);
});

test("C19 an interval keeps its beat and counts what it missed", async () => {
  using loop = Loop.create();
  const begin = performance.now();
  const calls: number[] = [];
  const clock = loop.setInterval(10, (times) => {
    calls.push(times);
    if (calls.length === 1) {
      const end = performance.now() + 35;
      while (performance.now() < end); // holds the loop up for three periods
    }
    if (calls.length === 4) clock.cancel();
  });
  await loop.run();
  assert(calls[1]! >= 3, `after 35 ms of hold-up the second call counts ${calls[1]}`);
  const periods = calls.reduce((sum, times) => sum + times, 0);
  assert(performance.now() - begin >= periods * 10, "no period is counted before it has passed");
});

test("C19 cancel and reset, before and after it has fired, and from its own callback", async () => {
  using loop = Loop.create();
  let fired = 0;
  const never = loop.setTimer(1, () => fired++);
  never.cancel();
  never.cancel();
  await loop.run();
  assertEquals(fired, 0);
  never.reset(1);
  await loop.run();
  assertEquals(fired, 1);
  const again = loop.setTimer(1, () => {
    if (++fired < 4) again.reset(1);
  });
  await loop.run();
  assertEquals(fired, 4);
  const moved = loop.setTimer(60_000, () => fired++);
  moved.reset(1);
  await loop.run();
  assertEquals(fired, 5);
  {
    using scoped = loop.setTimer(1, () => fired++);
    assertEquals(scoped.active, true);
  }
  await loop.run();
  assertEquals(fired, 5);
});

test("C19 timers that set timers of 0 do not keep others waiting", async () => {
  using loop = Loop.create();
  let zeros = 0;
  let stopped = false;
  const zero = (): void => {
    zeros++;
    if (!stopped) loop.setTimer(0, zero);
  };
  loop.setTimer(0, zero);
  loop.setTimer(5, () => (stopped = true));
  await loop.run();
  assert(zeros > 1);
});

test("C19 a timer cancelled by another one of the same turn does not fire", async () => {
  using loop = Loop.create();
  let fired = 0;
  const one = loop.setTimer(1, () => {
    fired++;
    other.cancel();
  });
  const other = loop.setTimer(1, () => {
    fired++;
    one.cancel();
  });
  await loop.run();
  assertEquals(fired, 1);
});

test("C19 a hundred thousand timers on one alarm", async () => {
  using loop = Loop.create();
  let fired = 0;
  const timers = Array.from(
    { length: 100_000 },
    (_, index) => loop.setTimer(index % 100, () => fired++),
  );
  assertEquals(loop.metrics().timers, 100_000);
  for (let index = 0; index < timers.length; index += 2) timers[index]!.cancel();
  await loop.run();
  assertEquals(fired, 50_000);
});

test("C19 what a timer is given is checked before it is set", () => {
  const loop = Loop.create();
  const noop = (): void => {};
  for (const bad of [undefined, null, "5", {}, true]) {
    assertThrows(() => loop.setTimer(bad as never, noop), TypeError, "Loop.setTimer: the delay");
    assertThrows(() => loop.setInterval(bad as never, noop), TypeError, "Loop.setInterval");
  }
  for (const bad of [-1, NaN, Infinity, -1n]) {
    assertThrows(() => loop.setTimer(bad, noop), RangeError, "Loop.setTimer: the delay");
  }
  assertThrows(() => loop.setInterval(0, noop), RangeError, "longer than 0");
  assertThrows(() => loop.setTimer(1, undefined as never), TypeError, "the callback");
  assertEquals(loop.metrics().timers, 0);
  loop.close();
  assertThrows(() => loop.setTimer(1, noop), LoopClosedError);
  assertThrows(() => loop.setInterval(1, noop), LoopClosedError);
});

test("C19 an alarm that could not be set is not waited for: the next timer sets one", () => {
  const alarms: number[] = [];
  let now = 0;
  let refuses = true;
  const alarm = (milliseconds: number): void => {
    if (refuses) throw new Error("no descriptor left");
    alarms.push(milliseconds);
  };
  const timers = new Timers({ now: () => now, alarm } as unknown as Poller, () => {});
  assertThrows(() => timers.start(5, () => {}, false, "test"), Error, "no descriptor left");
  refuses = false;
  now = 1;
  timers.start(7, () => {}, false, "test");
  assertEquals([alarms, timers.size], [[7], 1]);
});

test("C19 the longest delays are waited for, and so is what comes before", async () => {
  using loop = Loop.create();
  for (const delay of [2n ** 63n - 1n, 9_223_372_036_854]) {
    using timer = loop.setTimer(delay, () => {});
    assertEquals(timer.active, true);
    using _next = loop.setTimer(1, () => loop.stop());
    await loop.run();
  }
});

test("C19 a period shorter than the clock can tell is 1 ns", async () => {
  using loop = Loop.create();
  const seen: number[] = [];
  using _clock = loop.setInterval(5e-324, (times) => {
    seen.push(times);
    if (seen.length === 3) loop.stop();
  });
  using _end = loop.setTimer(20_000, () => loop.stop());
  await loop.run();
  assertEquals(seen.length >= 3, true, `${seen}`);
  assertEquals(seen.every((times) => Number.isFinite(times) && times >= 1), true, `${seen}`);
});

test("C19 a timer of a closed loop cannot be set anew", () => {
  for (const delay of [1, 500, 2000]) {
    const loop = Loop.create();
    const timer = loop.setTimer(1000, () => {});
    loop.close();
    assertThrows(() => timer.reset(delay), LoopClosedError);
    assertEquals(timer.active, false);
    timer.cancel();
  }
});
