import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import type { Duration, DurationLike } from "../handles/duration.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { asleep } from "./epoll_fixture.ts";
import type { EpollWorker } from "./epoll_worker.ts";
import { test, worker } from "./support.ts";

const { Temporal } = globalThis as unknown as {
  Temporal: { Duration: { from(text: string): DurationLike } };
};

const start = () => worker<EpollWorker>(new URL("./epoll_worker.ts", import.meta.url));

function timed(set: Epoll, timeout: Duration | null): number {
  const began = performance.now();
  assertEquals(set.wait(new EpollEvents(1), timeout), 0);
  return performance.now() - began;
}

const TIMEOUTS: readonly [what: string, timeout: Duration | null, ms: number][] = [
  ["whole milliseconds", 7, 7],
  ["a fraction", 2.25, 2.25],
  ["less than a millisecond", 0.2, 0.2],
  ["a nanosecond", 1n, 1e-6],
  ["nanoseconds", 3_000_001n, 3.000001],
  ["the smallest number", Number.MIN_VALUE, 1e-6],
  ["a Temporal.Duration", Temporal.Duration.from("PT0.0045S"), 4.5],
];

for (const [what, timeout, ms] of TIMEOUTS) {
  test(`R11 a timeout is never early, and the best run is close: ${what}`, () => {
    using set = Epoll.create();
    // A whole millisecond more would be a fraction that was rounded up.
    let best = Infinity;
    for (let run = 0; run < 15 || (best >= ms + 0.9 && run < 1000); run++) {
      best = Math.min(best, timed(set, timeout));
    }
    assertGreaterOrEqual(best, ms);
    assert(best < ms + 0.9, `${best} ms for ${ms} ms`);
  });
}

test("R11 a timeout of 0 only looks, however it is written", () => {
  using set = Epoll.create();
  for (const zero of [0, -0, 0n, Temporal.Duration.from("PT0S")]) {
    assertEquals(set.wait(new EpollEvents(1), zero), 0);
  }
});

test("R11 what is ready is reported at once, whatever the timeout", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, EPOLL.IN);
  const events = new EpollEvents(1);
  const forever = [
    null,
    undefined,
    2 ** 31,
    2 ** 31 - 1,
    2 ** 32,
    9_223_372_036_854,
    2n ** 63n - 1n,
  ];
  for (const timeout of [...forever, 0, 1, 0.5, 5n]) assertEquals(set.wait(events, timeout), 1);
});

test("R11 timeouts beyond 2^31 − 1 ms wait, and are woken", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create();
  set.add(counter, EPOLL.IN);
  for (const timeout of [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 0.5, 9_223_372_036_854, 2n ** 63n - 1n]) {
    const waiting = thread.call("timedWait", set.share(), timeout);
    await asleep(set);
    counter.signal();
    assertEquals((await waiting)[0], 1);
    counter.wait();
  }
});

test("R11 timeouts that are none are refused before the call", () => {
  using set = Epoll.create();
  const events = new EpollEvents(1);
  for (const bad of [-1, -0.001, NaN, Infinity, -Infinity, 1e13, -1n, 2n ** 63n]) {
    assertThrows(
      () => set.wait(events, bad),
      RangeError,
      "Epoll.wait: the timeout (null for none)",
    );
  }
  for (const bad of ["5", {}, [], true, Symbol("5"), () => 5]) {
    assertThrows(() => set.wait(events, bad as never), TypeError, "Epoll.wait: the timeout");
  }
});
