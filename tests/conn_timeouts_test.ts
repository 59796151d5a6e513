import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { pipe, socketPair } from "../handles/pipe.ts";
import type { ConnTimeoutError } from "../loop/conn_errors.ts";
import { type ConnTimeoutOptions, ConnTimeouts } from "../loop/conn_timeouts.ts";
import type { ConnHandlers } from "../loop/conn_options.ts";
import { Loop } from "../loop/loop.ts";
import type { Poller } from "../loop/poller.ts";
import { Timers } from "../loop/timers.ts";
import { encode, fill, record } from "./conn_fixture.ts";
import { test } from "./support.ts";

/** Limits under a clock that only the test moves: no time passes, and none is waited for. */
class Clock {
  now = 1000;
  alarms = 0;
  readonly passed: string[] = [];
  readonly timers: Timers;
  readonly limits: ConnTimeouts;

  constructor(options: ConnTimeoutOptions) {
    const poller = { now: () => this.now, alarm: () => void this.alarms++ } as unknown as Poller;
    this.timers = new Timers(poller, () => {});
    this.limits = new ConnTimeouts(this.timers, poller, options, (error: ConnTimeoutError) => {
      this.passed.push(`${error.kind} ${error.milliseconds} at ${this.now - 1000}`);
      this.limits.stop();
    });
    this.limits.start();
  }

  /** Moves to a time, millisecond by millisecond, as the loop's alarm would call. */
  to(time: number): void {
    while (this.now < 1000 + time) {
      this.now++;
      this.timers.run((fire) => fire());
    }
  }
}

test("C19 no limits, no timer", () => {
  const clock = new Clock({});
  clock.limits.received();
  clock.limits.writeWaits();
  clock.limits.expectHeader();
  assertEquals([clock.timers.size, clock.alarms], [0, 0]);
});

test("C19 each limit passes exactly once, at its time", () => {
  for (const kind of ["header", "read", "idle"] as const) {
    const clock = new Clock({ [kind]: 50 });
    clock.to(49);
    assertEquals(clock.passed, []);
    clock.to(500);
    assertEquals(clock.passed, [`${kind} 50 at 50`]);
    assertEquals(clock.timers.size, 0);
  }
});

test("C19 the write limit runs only while bytes wait, and from the last one that was taken", () => {
  const clock = new Clock({ write: 50 });
  clock.to(200);
  assertEquals([clock.passed, clock.timers.size], [[], 0]);
  clock.limits.writeWaits();
  clock.to(240);
  clock.limits.sent();
  clock.limits.writeWaits();
  clock.to(289);
  clock.limits.writeDone();
  clock.to(1000);
  assertEquals(clock.passed, []);
  clock.limits.writeWaits();
  clock.to(1050);
  assertEquals(clock.passed, ["write 50 at 1050"]);
});

test("C19 the read limit: each byte begins it anew, a pause ends it, reading on begins it", () => {
  const clock = new Clock({ read: 50 });
  clock.to(40);
  clock.limits.received();
  clock.to(80);
  clock.limits.readOn(); // it runs already: nothing changes
  clock.limits.sent(); // what goes is no byte that comes
  clock.to(89);
  assertEquals(clock.passed, []);
  clock.limits.readNoMore();
  clock.to(300);
  assertEquals([clock.passed, clock.timers.size], [[], 0]);
  clock.limits.readOn();
  clock.to(349);
  assertEquals(clock.passed, []);
  clock.to(350);
  assertEquals(clock.passed, ["read 50 at 350"]);
});

test("C19 the idle limit: bytes in either direction begin it anew, pausing and reading on do not", () => {
  const clock = new Clock({ idle: 50 });
  clock.to(40);
  clock.limits.received();
  clock.to(80);
  clock.limits.sent();
  clock.to(120);
  clock.limits.readNoMore();
  clock.limits.readOn();
  clock.to(129);
  assertEquals(clock.passed, []);
  clock.to(130);
  assertEquals(clock.passed, ["idle 50 at 130"]);
});

test("C19 the header limit: bytes do not move it, the next header begins it anew", () => {
  const clock = new Clock({ header: 50 });
  clock.to(49);
  clock.limits.received();
  clock.limits.headerDone();
  clock.to(500);
  assertEquals(clock.passed, []);
  clock.limits.expectHeader();
  clock.to(540);
  clock.limits.received();
  clock.to(550);
  assertEquals(clock.passed, ["header 50 at 550"]);
});

test("C19 several limits: the first that passes is the one that is told", () => {
  const clock = new Clock({ header: 70, read: 60, write: 30, idle: 100 });
  clock.to(20);
  clock.limits.writeWaits(); // shorter than what the timer was set for
  clock.to(50);
  assertEquals(clock.passed, ["write 30 at 50"]);
});

test("C19 traffic moves no timer: 100,000 bytes cost no alarm", () => {
  const clock = new Clock({ read: 1000, idle: 1000 });
  const { alarms } = clock;
  for (let byte = 0; byte < 100_000; byte++) clock.limits.received();
  assertEquals([clock.alarms, clock.timers.size], [alarms, 1]);
});

test("C19 limits that are none are refused, with the name of the option", () => {
  for (const kind of ["header", "read", "write", "idle"] as const) {
    for (const bad of [0, -1, NaN, Infinity, 0n]) {
      assertThrows(() => new Clock({ [kind]: bad }), RangeError, `timeouts.${kind}`);
    }
    for (const bad of [null, "1 s", true, {}]) {
      assertThrows(() => new Clock({ [kind]: bad } as never), TypeError, `timeouts.${kind}`);
    }
  }
});

test("C19 under a loop: never early, the descriptor stays open, and no timer is left", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  for (const kind of ["header", "read", "idle"] as const) {
    const begin = performance.now();
    let elapsed = 0;
    const { seen, handlers } = record({ onClose: () => elapsed = performance.now() - begin });
    loop.registerConn(pair.left, handlers, { timeouts: { [kind]: 4.5 } });
    await loop.run();
    assertEquals(seen, ["close ConnTimeoutError"]);
    assertGreaterOrEqual(elapsed, 4.5);
    assert(pair.left.valid);
    assertEquals([loop.metrics().connections, loop.metrics().timers], [0, 0]);
  }
});

test("C19 under a loop: a peer that takes nothing runs into the write limit, with what waits dropped", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record();
  const conn = loop.registerConn(pair.left, handlers, { timeouts: { write: 5, idle: 5000 } });
  fill(pair.left);
  assertEquals(conn.write(encode("waits")), false);
  await loop.run();
  assertEquals(seen, ["close ConnTimeoutError"]);
  assertEquals([conn.pending, loop.metrics().pendingBytes], [0, 0]);
});

test("C12 C19 a peer that has ended is not waited for: the read limit is over, the answer goes out", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = record({
    onEnd: (conn) => {
      loop.setTimer(150, () => {
        conn.write(encode("answer"));
        conn.end();
      });
    },
  });
  const peer = record();
  loop.registerConn(pair.right, peer.handlers).end();
  loop.registerConn(pair.left, handlers, { timeouts: { read: 50 } });
  await loop.run();
  assertEquals(seen, ["end", "close null"]);
  assertEquals(peer.seen, ["recv answer", "close null"]);
});

test("C19 while reading is paused the read limit does not run, and begins again with resume", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const begin = performance.now();
  let elapsed = 0;
  const { seen, handlers } = record({ onClose: () => elapsed = performance.now() - begin });
  const conn = loop.registerConn(pair.left, handlers, { timeouts: { read: 5 } });
  conn.pause();
  loop.setTimer(20, () => conn.resume());
  await loop.run();
  assertEquals(seen, ["close ConnTimeoutError"]);
  assertGreaterOrEqual(elapsed, 25);
});

test("C19 under a loop: what is only written has no limit of reading", async () => {
  using loop = Loop.create();
  using ends = pipe();
  const passed: string[] = [];
  const handlers: ConnHandlers = {
    onRecv: () => {},
    onClose: (error) => void passed.push((error as ConnTimeoutError).kind),
  };
  loop.registerConn(ends.writer, handlers, { timeouts: { read: 5, idle: 20 } });
  await loop.run();
  assertEquals(passed, ["idle"]);
});
