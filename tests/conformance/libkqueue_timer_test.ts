// libkqueue timer.c and FreeBSD timer.c on EVFILT_TIMER.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated, TestQueue } from "../kqueue_queue.ts";

const real = withKqueue("libkqueue and FreeBSD: timers");

/** How long something takes. */
function took(work: () => void): number {
  const begin = performance.now();
  work();
  return performance.now() - begin;
}

/** Spends so many milliseconds of the machine's time, for a count that is to be seen. */
function pass(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

real("libkqueue: timer add, get and del; the unit is milliseconds", () => {
  using queue = new TestQueue();
  const ms = took(() => {
    queue.add("TIMER", 1, 0, { data: 12, udata: 5n });
    const { filter, ident, data, udata } = queue.one();
    assertEquals([filter, ident, udata], ["TIMER", 1, 5n]);
    assert(data >= 1);
  });
  assert(ms >= 12, `${ms} ms`);
  assertEquals(queue.change("TIMER", 1, EV.DELETE), "");
  assertEquals(queue.change("TIMER", 1, EV.DELETE), "ENOENT");
});

real("libkqueue: timer periodic: again and again, never early", () => {
  using queue = new TestQueue();
  const begin = performance.now();
  queue.add("TIMER", 1, 0, { data: 5 });
  for (let times = 0; times < 4;) {
    times += queue.one().data;
    assert(performance.now() - begin >= times * 5 - 0.01, `${times} times is early`);
  }
});

real("libkqueue: timer oneshot is out of the queue with its report", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.ONESHOT, { data: 1 });
  assertEquals(queue.one().data, 1);
  assertEquals(queue.change("TIMER", 1, EV.DELETE), "ENOENT");
});

real("libkqueue: the idents of timers are their own, apart from descriptors and programs", () => {
  using queue = new TestQueue();
  queue.add("USER", 1, EV.CLEAR);
  queue.add("TIMER", 1, EV.ONESHOT, { data: 1 });
  queue.add("TIMER", Number.MAX_SAFE_INTEGER, EV.ONESHOT, { data: 1 });
  const seen: string[] = [];
  while (seen.length < 2) {
    for (const { filter, ident } of queue.next()) seen.push(`${filter} ${ident}`);
  }
  assertEquals(seen.sort(), ["TIMER 1", `TIMER ${Number.MAX_SAFE_INTEGER}`]);
  assertEquals(queue.change("USER", 1, EV.DELETE), "");
});

real("libkqueue: timer disable_and_enable, dispatch", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, 0, { data: 2 });
  assertEquals(queue.change("TIMER", 1, EV.DISABLE), "");
  pass(6);
  assertEquals(queue.now(), []);
  assertEquals(queue.change("TIMER", 1, EV.ENABLE), "");
  assertEquals(queue.one().ident, 1);
  queue.add("TIMER", 2, EV.DISPATCH, { data: 1 });
  assertEquals(queue.change("TIMER", 1, EV.DELETE), "");
  assertEquals(queue.one().ident, 2);
  pass(4);
  assertEquals(queue.now(), []);
  assertEquals(queue.change("TIMER", 2, EV.ENABLE), "");
  assertEquals(queue.one().ident, 2);
});

real("libkqueue: timer_overrun_count, expirations since the last report: 5 in 110 ms of 20", () => {
  using queue = new TestQueue();
  const begin = performance.now();
  queue.add("TIMER", 1, 0, { data: 20 });
  pass(110);
  const { data } = queue.one();
  const most = Math.floor((performance.now() - begin) / 20);
  assert(data >= 5 && data <= most, `5 <= ${data} <= ${most}`);
});

real("libkqueue: timer ev_clear_resets_data", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.CLEAR, { data: 1 });
  pass(5);
  assert(queue.one().data >= 4);
  const begin = performance.now();
  const { data } = queue.one();
  assert(
    data <= 1 + Math.ceil(performance.now() - begin) + 1,
    `${data} has the earlier ones in it`,
  );
});

real("libkqueue: timer modify_replaces_fflags: the unit is replaced, not added", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.ONESHOT, { fflags: NOTE.SECONDS, data: 60 });
  const ms = took(() => {
    queue.add("TIMER", 1, EV.ONESHOT, { fflags: NOTE.USECONDS, data: 3000 });
    assertEquals(queue.one().ident, 1);
  });
  assert(ms >= 3 && ms < 50_000, `${ms} ms`);
});

real("libkqueue: timer note_seconds, note_useconds, note_nseconds, note_mseconds", () => {
  using queue = new TestQueue();
  const units = [[NOTE.SECONDS, 1, 1000], [NOTE.USECONDS, 4000, 4], [NOTE.NSECONDS, 5_000_000, 5], [
    NOTE.MSECONDS,
    6,
    6,
  ]] as const;
  for (const [fflags, data, least] of units) {
    const ms = took(() => {
      queue.add("TIMER", 1, EV.ONESHOT, { fflags, data });
      assertEquals(queue.one().data, 1);
    });
    assert(ms >= least && ms < least + 5000, `${ms} ms instead of ${least}`);
  }
});

real("libkqueue: timer note_absolute: at a time of the clock; note_absolute_past: at once", () => {
  using queue = new TestQueue();
  const at = Date.now() + 20;
  queue.add("TIMER", 1, 0, { fflags: NOTE.ABSOLUTE | NOTE.MSECONDS, data: at });
  assertEquals(queue.one().ident, 1);
  assert(Date.now() >= at, "early");
  assertEquals(queue.now(), []); // a time comes once
  queue.change("TIMER", 1, EV.DELETE);
  const ms = took(() => {
    queue.add("TIMER", 2, EV.ONESHOT, { fflags: NOTE.ABSOLUTE | NOTE.MSECONDS, data: at - 60_000 });
    assertEquals(queue.one().ident, 2);
  });
  assert(ms < 5000);
});

real("libkqueue: timer note_absolute_after_modify: the kind of time can change", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.ONESHOT, { data: 60_000 });
  const at = Date.now() + 15;
  queue.add("TIMER", 1, EV.ONESHOT, { fflags: NOTE.ABSOLUTE | NOTE.MSECONDS, data: at });
  assertEquals(queue.one().ident, 1);
  assert(Date.now() >= at);
});

real(
  "libkqueue: timer negative: refused before the kernel is asked, where macOS would take it",
  () => {
    using queue = new TestQueue();
    for (const data of [-1, -1n, -(2n ** 63n)]) {
      assertThrows(() => queue.change("TIMER", 1, EV.ADD, { data }), RangeError, "negative");
    }
    assertEquals(queue.change("TIMER", 1, EV.DELETE), "ENOENT");
  },
);

real("FreeBSD: timer periodic_to_oneshot", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, 0, { data: 2 });
  assertEquals(queue.one().ident, 1);
  queue.add("TIMER", 1, EV.ONESHOT, { data: 3 });
  assertEquals(queue.one().ident, 1);
  assertEquals(queue.change("TIMER", 1, EV.DELETE), "ENOENT");
});

real("FreeBSD: timer update of a running one restarts the clock", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.ONESHOT, { data: 30 });
  pass(10);
  const ms = took(() => {
    queue.add("TIMER", 1, EV.ONESHOT, { data: 25 });
    assertEquals(queue.one().data, 1);
  });
  assert(ms >= 25, `${ms} ms: the old clock went on`);
});

real("FreeBSD: timer update of a fired one: the old expiry is dropped", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, 0, { data: 2 });
  pass(5);
  const ms = took(() => {
    queue.add("TIMER", 1, EV.ONESHOT, { data: 20 });
    assertEquals(queue.now(), []);
    assertEquals(queue.one().data, 1);
  });
  assert(ms >= 20, `${ms} ms`);
});

real("FreeBSD: timer abstime precision: not before its microsecond", () => {
  using queue = new TestQueue();
  const at = (Date.now() + 10) * 1000 + 500;
  queue.add("TIMER", 1, EV.ONESHOT, { fflags: NOTE.ABSOLUTE | NOTE.USECONDS, data: at });
  assertEquals(queue.one().ident, 1);
  assert(Date.now() * 1000 + 999 >= at);
});

real("native: the smallest time, and the largest that a clock has", () => {
  using queue = new TestQueue();
  queue.add("TIMER", 1, EV.ONESHOT, { fflags: NOTE.NSECONDS, data: 1 });
  assertEquals(queue.one().ident, 1);
  queue.add("TIMER", 2, EV.ONESHOT, { fflags: NOTE.NSECONDS, data: 2n ** 62n });
  assertEquals(queue.now(), []);
  // 0 is a timer that never ends there, where timerfd_settime(2) disarms, and the least time elsewhere.
  queue.add("TIMER", 3, EV.ONESHOT, { data: 0 });
  if (!emulated) assertEquals(queue.one().ident, 3);
});
