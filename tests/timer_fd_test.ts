import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClockChangedError } from "../handles/clock_changed_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { type Duration, toNanoseconds } from "../handles/duration.ts";
import type { Reader, Timer } from "../handles/interfaces.ts";
import type { TimerClock } from "../handles/timer_clock.ts";
import { TimerFD, type TimerFDOptions } from "../handles/timer_fd.ts";
import { assertNoAllocation, type HotCall } from "./heap_delta.ts";
import {
  CAP_WAKE_ALARM,
  noClockStep,
  stepClock,
  withClock,
  withoutCapability,
} from "./privileges.ts";
import { blockedOn, duplicate, flagsOf, isOpen, readable } from "./probes.ts";
import { root, test, worker } from "./support.ts";
import type { TimerFDWorker } from "./timer_fd_worker.ts";

const CLOCKS: readonly TimerClock[] = ["monotonic", "realtime", "boottime"];
const MOST = 2n ** 63n - 1n;
const MS = 1_000_000n;
const DISARMED = { remaining: 0n, interval: 0n };

/** How long a timer that should have expired is waited for. */
const LATE_MS = 10_000;

const NO_DURATIONS = [null, "5", true, {}, [], new Date(0)];
const OUT_OF_RANGE = [-1, -1n, -1e-9, NaN, Infinity, 2 ** 53, MOST + 1n, 2n ** 64n];

const start = () => worker<TimerFDWorker>(new URL("./timer_fd_worker.ts", import.meta.url));

/** Waits until the timer has expired, with poll(2), and takes the expirations. */
function expire(timer: TimerFD): bigint | null {
  assert(readable(timer, LATE_MS), "the timer has expired");
  return timer.expirations();
}

// Creating.

test("I06 TimerFD.create: disarmed, monotonic, non-blocking, closed on exec", () => {
  using timer = TimerFD.create();
  assertEquals(Object.prototype.toString.call(timer), "[object TimerFD]");
  assertEquals([timer.valid, timer.clock, timer.expirations()], [true, "monotonic", null]);
  assertEquals([timer.getTime(), timer.previous], [DISARMED, DISARMED]);
  assertEquals(flagsOf(timer), { nonblock: true, cloexec: true });
});

test("I06 TimerFD.create: each option does what it says and nothing else", () => {
  using blocking = TimerFD.create({ blocking: true });
  assertEquals(flagsOf(blocking), { nonblock: false, cloexec: true });
  using inherited = TimerFD.create({ inherit: true });
  assertEquals(flagsOf(inherited), { nonblock: true, cloexec: false });
  for (const clock of CLOCKS) {
    using timer = TimerFD.create({ clock });
    assertEquals(timer.clock, clock);
    assertEquals(flagsOf(timer), { nonblock: true, cloexec: true });
  }
});

test("I06 TimerFD.create refuses options that are none", () => {
  for (const bad of [null, 3, "monotonic", true]) {
    assertThrows(() => TimerFD.create(bad as never), TypeError, "TimerFD.create: options");
  }
  for (const clock of [null, 1, "", "tai", "Monotonic", "toString", {}]) {
    assertThrows(() => TimerFD.create({ clock } as never), TypeError, "TimerFD.create: clock");
  }
  for (const name of ["blocking", "inherit"]) {
    for (const bad of [null, 0, 1, "yes", {}]) {
      const options = { [name]: bad } as TimerFDOptions;
      assertThrows(() => TimerFD.create(options), TypeError, `TimerFD.create: ${name}`);
    }
  }
  const construct = TimerFD as unknown as new () => TimerFD;
  assertThrows(() => new construct(), TypeError, "factories of TimerFD");
});

// Arming.

for (const clock of CLOCKS) {
  test(`I06 ${clock}: arm and armAt are never early, to the nanosecond`, () => {
    using timer = TimerFD.create({ clock });
    const lengths: Duration[] = [1e-6, 0.0005, 0.25, 1, 2.5, 7.000001, 1n, 999_999n, 3n * MS];
    for (const length of lengths) {
      const least = toNanoseconds(length, "length");
      const before = timer.now();
      timer.arm(length);
      assertEquals(expire(timer), 1n);
      assert(timer.now() - before >= least, `${length} by arm`);
      const deadline = timer.now() + least;
      timer.armAt(deadline);
      assertEquals(expire(timer), 1n);
      assert(timer.now() >= deadline, `${length} by armAt`);
    }
  });

  test(`I06 ${clock}: an interval goes on, and counts what nobody took`, () => {
    using timer = TimerFD.create({ clock });
    const before = timer.now();
    timer.arm(3, 2);
    let count = 0n;
    while (count < 6n) count += expire(timer)!;
    assert(timer.now() - before >= 3n * MS + (count - 1n) * 2n * MS);
    timer.armAt(timer.now() - 10n * MS, 1);
    assert(expire(timer)! >= 11n, "the deadline and the ten intervals since");
  });
}

test("I06 a Temporal.Duration is a length of time too", () => {
  const { Temporal } = globalThis as unknown as {
    Temporal: { Duration: { from(text: string): Duration } };
  };
  using timer = TimerFD.create();
  timer.arm(Temporal.Duration.from("PT1H"), Temporal.Duration.from("PT0.000000001S"));
  const { remaining, interval } = timer.getTime();
  assert(remaining > 3_590_000n * MS && remaining <= 3_600_000n * MS);
  assertEquals(interval, 1n);
});

test("I06 a length of time whose fields arm the same timer does not mix two settings", () => {
  using timer = TimerFD.create();
  const unit = { years: 0, months: 0, weeks: 0, days: 0, hours: 0, minutes: 0, seconds: 0 };
  const sly: Duration = {
    ...unit,
    milliseconds: 0,
    microseconds: 0,
    get nanoseconds(): number {
      timer.arm(1000_000, 2000_000);
      return 7;
    },
  };
  timer.arm(60_000, sly);
  assertEquals(timer.getTime().interval, 7n);
  assert(timer.getTime().remaining <= 60_000n * MS);
  timer.arm(sly, 60_000);
  assertEquals(timer.getTime().interval, 60_000n * MS);
});

test("I06 arm again replaces: the new setting counts, and what nobody took is forgotten", () => {
  using timer = TimerFD.create();
  timer.arm(1n);
  assert(readable(timer, LATE_MS));
  timer.arm(60_000);
  assertEquals([readable(timer), timer.expirations()], [false, null]);
  timer.arm(5);
  assertEquals(expire(timer), 1n);
  assertEquals(timer.getTime(), DISARMED, "once is once");
});

test("I06 arm(0) and disarm stop the timer and forget what nobody took", () => {
  using timer = TimerFD.create();
  for (const stop of [() => timer.arm(0), () => timer.arm(0n, 5), () => timer.disarm()]) {
    timer.arm(1n, 1n);
    assert(readable(timer, LATE_MS));
    stop();
    assertEquals([readable(timer), timer.expirations()], [false, null]);
    assertEquals(timer.getTime().remaining, 0n);
  }
  timer.disarm();
  assertEquals(timer.getTime(), DISARMED, "disarming twice is once");
});

test("I06 the longest and the shortest setting are kept exactly", () => {
  using timer = TimerFD.create();
  timer.arm(MOST, MOST);
  assert(timer.getTime().remaining > MOST / 2n);
  timer.arm(60_000, 9_223_372_036_854);
  assertEquals(timer.getTime().interval, MOST, "the kernel's last second is for ever");
  timer.arm(60_000, 9_223_372_035_999);
  assertEquals(timer.getTime().interval, 9_223_372_035_999n * MS);
  timer.arm(60_000n * MS + 1n, 4_294_967_296_000_000_001n);
  assertEquals(timer.getTime().interval, 4_294_967_296_000_000_001n);
  timer.armAt(MOST);
  assert(timer.getTime().remaining > MOST / 2n);
  timer.arm(1e-300);
  assertEquals(expire(timer), 1n, "what is not 0 does not disarm");
});

test("I06 what is no length of time is refused before any call", () => {
  using timer = TimerFD.create();
  timer.arm(60_000, 1_000);
  const calls: [what: string, call: (bad: never) => void][] = [
    ["TimerFD.arm: initial", (bad) => timer.arm(bad)],
    ["TimerFD.arm: interval", (bad) => timer.arm(1, bad)],
    ["TimerFD.armAt: deadline", (bad) => timer.armAt(bad)],
    ["TimerFD.armAt: interval", (bad) => timer.armAt(1, bad)],
  ];
  for (const [what, call] of calls) {
    for (const bad of OUT_OF_RANGE) assertThrows(() => call(bad as never), RangeError, what);
    for (const bad of NO_DURATIONS) assertThrows(() => call(bad as never), TypeError, what);
  }
  assertThrows(() => timer.arm(undefined as never), TypeError, "TimerFD.arm: initial");
  assertThrows(() => timer.armAt(undefined as never), TypeError, "TimerFD.armAt: deadline");
  assert(timer.getTime().remaining > 0n);
  assertEquals(timer.getTime().interval, 1_000n * MS, "nothing was set");
});

test("I06 armAt: the past expires at once, and 0 is the past", () => {
  for (const clock of CLOCKS) {
    using timer = TimerFD.create({ clock });
    for (const past of [0, 0n, -0, 1, 1n, timer.now(), timer.now() - 1n]) {
      timer.armAt(past);
      assertEquals(expire(timer), 1n, `${clock} ${past}`);
    }
  }
});

test("I06 armAt: the realtime clock is Date.now()'s", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  timer.armAt(Date.now() + 60_000);
  assertEquals(timer.expirations(), null);
  const deadline = Date.now() + 15;
  timer.armAt(deadline);
  assertEquals(expire(timer), 1n);
  assert(Date.now() >= deadline);
});

test("I07 armAt refuses options that are none, and cancelOnSet where nobody sets the clock", () => {
  using timer = TimerFD.create();
  for (const bad of [null, 3, "cancelOnSet", true]) {
    assertThrows(() => timer.armAt(1, 0, bad as never), TypeError, "TimerFD.armAt: options");
  }
  for (const cancelOnSet of [null, 0, 1, "yes"]) {
    const bad = { cancelOnSet } as never;
    assertThrows(() => timer.armAt(1, 0, bad), TypeError, "TimerFD.armAt: cancelOnSet");
  }
  for (const clock of ["monotonic", "boottime"] as const) {
    using fixed = TimerFD.create({ clock });
    assertThrows(() => fixed.armAt(1, 0, { cancelOnSet: true }), TypeError, `"${clock}"`);
    fixed.armAt(1, 0, { cancelOnSet: false });
    assertEquals(expire(fixed), 1n);
  }
});

// What it is set to.

test("I06 getTime: what is left, and the interval", () => {
  using timer = TimerFD.create({ clock: "realtime" });
  timer.arm(60_000, 2.5);
  const { remaining, interval } = timer.getTime();
  assert(remaining > 50_000n * MS && remaining <= 60_000n * MS);
  assertEquals(interval, 2_500_000n);
  timer.armAt(timer.now() + 60_000n * MS);
  const absolute = timer.getTime();
  assert(absolute.remaining > 50_000n * MS && absolute.remaining <= 60_000n * MS);
  assertEquals(absolute.interval, 0n);
});

test("I07 previous is the setting that the last call replaced", () => {
  using timer = TimerFD.create();
  timer.arm(60_000, 3.9);
  assertEquals(timer.previous, DISARMED);
  timer.armAt(timer.now() + 120_000n * MS, 10n);
  const { remaining, interval } = timer.previous;
  assert(remaining > 50_000n * MS && remaining <= 60_000n * MS);
  assertEquals(interval, 3_900_000n);
  timer.disarm();
  assert(timer.previous.remaining > 110_000n * MS && timer.previous.interval === 10n);
  assertThrows(() => timer.arm(-1), RangeError);
  assertEquals(timer.previous.interval, 10n, "a call that was not made replaces nothing");
  timer.arm(1);
  assertEquals(timer.previous, DISARMED);
});

test("I06 now is the clock of the timer, and goes on", () => {
  for (const clock of CLOCKS) {
    using timer = TimerFD.create({ clock });
    const [first, second] = [timer.now(), timer.now()];
    assert(second >= first);
    if (clock === "realtime") {
      const skew = Number(first / MS) - Date.now();
      assert(Math.abs(skew) < 1000, `${skew} ms away from Date.now()`);
    }
  }
});

// Expirations.

test("I06 expirationsInto and read write 8 bytes into any kind of view, and no more", () => {
  using timer = TimerFD.create();
  const memory = new ArrayBuffer(24);
  const all = new Uint8Array(memory);
  const views = [
    new Uint8Array(memory, 8, 8),
    new Uint8Array(memory, 8),
    new DataView(memory, 8, 8),
    new BigUint64Array(memory, 8, 1),
    new Uint16Array(memory, 8, 5),
  ];
  const expected = [...Array(8).fill(0xee), 1, 0, 0, 0, 0, 0, 0, 0, ...Array(8).fill(0xee)];
  for (const view of views) {
    for (const [method, result] of [["expirationsInto", true], ["read", 8]] as const) {
      all.fill(0xee);
      assertEquals(timer[method](view), null);
      assertEquals([...all], Array(24).fill(0xee), "nothing is written for null");
      timer.arm(1n);
      assert(readable(timer, LATE_MS));
      assertEquals(timer[method](view), result);
      assertEquals([...all], expected);
    }
  }
});

test("X03 TimerFD: buffers that are too short or none are refused before any call", () => {
  using timer = TimerFD.create();
  timer.arm(1n);
  assert(readable(timer, LATE_MS));
  for (const method of ["expirationsInto", "read"] as const) {
    const what = `TimerFD.${method}: the buffer`;
    for (const length of [0, 1, 7]) {
      assertThrows(() => timer[method](new Uint8Array(length)), RangeError, what);
    }
    for (const bad of [undefined, null, 8, "12345678", new ArrayBuffer(8), [1], {}]) {
      assertThrows(() => timer[method](bad as never), TypeError, what);
    }
  }
  assertEquals(timer.expirations(), 1n);
});

/** Makes the kernel say so many expirations: TFD_IOC_SET_TICKS, of kernels that can checkpoint. */
function setTicks(timer: TimerFD, ticks: bigint): string | null {
  const words = new BigUint64Array(new ArrayBuffer(8)).fill(ticks);
  if (libc.ioctl(timer.raw, linux.TFD_IOC_SET_TICKS, words) === 0) return null;
  return new SyscallError("ioctl", errno(), timer.raw).code;
}

function noTicks(): string | null {
  using timer = TimerFD.create();
  return setTicks(timer, 1n);
}

test.if(
  noTicks() === null,
  `TFD_IOC_SET_TICKS: ${noTicks()}`,
  "I06 expirations beyond 2^53 are exact",
  () => {
    using timer = TimerFD.create();
    for (const ticks of [2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      assertEquals(setTicks(timer, ticks), null);
      assertEquals(timer.expirations(), ticks);
    }
  },
);

test("I06 a read of 0 bytes, after the clock was set back, is no expiration", () => {
  using timer = TimerFD.create();
  const read = libc.read;
  let calls = 0;
  libc.read = (...args) => ++calls === 1 ? 0 : read(...args);
  try {
    assertEquals(timer.expirations(), null);
  } finally {
    libc.read = read;
  }
  assertEquals(calls, 2);
});

test("I17 TimerFD is a Timer and a Reader", () => {
  using timer = TimerFD.create();
  const generic: Timer & Reader = timer;
  generic.arm(1n);
  assert(readable(timer, LATE_MS));
  assertEquals([generic.read(new Uint8Array(8)), generic.expirations()], [8, null]);
});

// The clock is set.

const whyNot = await withClock(noClockStep);

for (const clock of ["realtime", "realtime-alarm"] as const) {
  const reports = (): void => {
    using timer = TimerFD.create({ clock });
    const hour = (): bigint => timer.now() + 3_600_000n * MS;
    timer.armAt(hour(), 0, { cancelOnSet: true });
    assert(!readable(timer));
    stepClock();
    assert(readable(timer), "a poller reports it");
    const error = assertThrows(() => timer.expirations(), ClockChangedError, "clock was set");
    assertInstanceOf(error, SyscallError);
    assertEquals(
      [error.name, error.code, error.errno, error.syscall, error.fd],
      ["ClockChangedError", "ECANCELED", 125, "read", timer.raw],
    );
    assertEquals([readable(timer), timer.expirations()], [false, null], "once");

    timer.armAt(hour(), 0, { cancelOnSet: true });
    stepClock();
    const late = assertThrows(
      () => timer.armAt(hour(), 5n, { cancelOnSet: true }),
      ClockChangedError,
      "armed anew",
    );
    assertEquals([late.syscall, late.fd], ["timerfd_settime", timer.raw]);
    assertEquals([timer.getTime().interval, timer.previous], [5n, DISARMED]);
    assertEquals(timer.expirations(), null);

    for (const arm of [() => timer.armAt(hour()), () => timer.arm(3_600_000)]) {
      arm();
      stepClock();
      assertEquals([readable(timer), timer.expirations()], [false, null], "nobody asked");
    }
  };
  const name = `I07 ${clock}: cancelOnSet reports a set clock`;
  test.if(whyNot === null, `${whyNot}`, name, () => withClock(reports));
}

test.if(
  whyNot === null,
  `${whyNot}`,
  "I07 a set clock ends a blocking wait",
  () =>
    withClock(async () => {
      await using thread = start();
      using timer = TimerFD.create({ clock: "realtime", blocking: true });
      timer.armAt(timer.now() + 3_600_000n * MS, 0, { cancelOnSet: true });
      const waiting = thread.call("expirations", timer.share());
      await blockedOn(timer.raw);
      stepClock();
      assertEquals(await waiting, "ClockChangedError ECANCELED");
    }),
);

// The alarm clocks.

test("I07 the alarm clocks without the capability: EPERM, with a remedy", () => {
  withoutCapability(CAP_WAKE_ALARM, () => {
    for (const clock of ["realtime-alarm", "boottime-alarm"] as const) {
      const error = assertThrows(
        () => TimerFD.create({ clock }),
        SyscallError,
        "capability CAP_WAKE_ALARM",
      );
      assertEquals([error.code, error.syscall, error.fd], ["EPERM", "timerfd_create", -1]);
    }
  });
});

for (const clock of ["realtime-alarm", "boottime-alarm"] as const) {
  test.if(canWake(), "this process lacks CAP_WAKE_ALARM", `I07 ${clock}`, () => {
    using timer = TimerFD.create({ clock });
    const before = timer.now();
    timer.arm(2);
    assertEquals(expire(timer), 1n);
    assert(timer.now() - before >= 2n * MS);
    const deadline = timer.now() + 2n * MS;
    timer.armAt(deadline);
    assertEquals(expire(timer), 1n);
    assert(timer.now() >= deadline);
    withoutCapability(CAP_WAKE_ALARM, () => {
      const error = assertThrows(() => timer.arm(1), SyscallError, "capability CAP_WAKE_ALARM");
      assertEquals([error.code, error.syscall], ["EPERM", "timerfd_settime"]);
    });
  });
}

function canWake(): boolean {
  try {
    TimerFD.create({ clock: "boottime-alarm" }).close();
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EPERM") return false;
    throw error;
  }
}

// Closing and sharing.

test("X03 after close every method of TimerFD says so", () => {
  const timer = TimerFD.create({ clock: "realtime" });
  timer.arm(60_000);
  timer.close();
  timer.close();
  assertEquals([timer.raw, timer.valid, timer.closed], [-1, false, true]);
  assertEquals([timer.clock, timer.previous], ["realtime", DISARMED]);
  const calls: (() => unknown)[] = [
    () => timer.arm(1),
    () => timer.armAt(1),
    () => timer.armAt(1, 0, { cancelOnSet: true }),
    () => timer.disarm(),
    () => timer.getTime(),
    () => timer.now(),
    () => timer.expirations(),
    () => timer.expirationsInto(new Uint8Array(8)),
    () => timer.read(new Uint8Array(8)),
    () => timer.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "TimerFD is closed");
});

test("I01 TimerFD.from takes what share() returned, and nothing else", () => {
  using timer = TimerFD.create({ clock: "boottime" });
  const shared = timer.share();
  const same = TimerFD.from(structuredClone(shared));
  assertEquals([same.raw, same.clock], [timer.raw, "boottime"]);
  same.arm(60_000);
  assert(timer.getTime().remaining > 0n);
  assertEquals(timer.previous, DISARMED, "each handle knows what it replaced itself");
  for (const bad of [undefined, null, 3, {}, { ...shared, kind: "EventFD" }]) {
    assertThrows(() => TimerFD.from(bad as never), TypeError, "TimerFD.from takes");
  }
  for (const clock of [undefined, null, 1, "tai"]) {
    const bad = { ...shared, clock } as never;
    assertThrows(() => TimerFD.from(bad), TypeError, "TimerFD.from: clock");
  }
  same.close();
  assertEquals(timer.closed, true);
});

test("I01 one thread arms, the other takes; closing there is closing here", async () => {
  await using thread = start();
  using timer = TimerFD.create({ clock: "realtime" });
  assertEquals(await thread.call("clock", timer.share()), "realtime");
  await thread.call("arm", timer.share(), 1);
  assertEquals(expire(timer), 1n);
  await thread.call("close", timer.share());
  assertThrows(() => timer.expirations(), ClosedError);
});

test("I02 closed during a blocking wait: it ends normally when it expires, then the number is free", async () => {
  await using thread = start();
  const timer = TimerFD.create({ blocking: true });
  using other = duplicate(timer);
  const number = timer.raw;
  const waiting = thread.call("expirations", timer.share());
  await blockedOn(number);
  timer.close();
  assertEquals([timer.raw, isOpen(number)], [-1, true]);
  assertThrows(() => timer.arm(1), ClosedError);
  const soon = new Uint32Array(new ArrayBuffer(32));
  soon[6] = 1; // it_value of 1 ns
  assertEquals(libc.timerfd_settime(other.raw, 0, soon, null), 0);
  assertEquals(await waiting, 1n);
  assert(!isOpen(number));
});

// Allocating nothing.

const IMPORT =
  `import { TimerFD } from "${root}handles/timer_fd.ts"; const bytes = new Uint8Array(8);
  const timer = TimerFD.create();`;

/** Expires again as soon as it was read. The timer interrupt takes its time: fewer calls. */
const ALWAYS = { setup: `timer.arm(1e-6, 1e-6);`, calls: 20_000 };

// V8 boxes a number that is no small integer wherever it is computed and handed to a function. That
// is the caller's object, so the fractions below are constants.
const HOT: Readonly<Record<string, Partial<HotCall> & { readonly call: string }>> = {
  "expirationsInto": { ...ALWAYS, call: `while (timer.expirationsInto(bytes) === null);` },
  "expirationsInto of a shared handle": {
    ...ALWAYS,
    setup: `${ALWAYS.setup} timer.share();`,
    call: `while (timer.expirationsInto(bytes) === null);`,
  },
  "expirationsInto when there was none": { call: `timer.expirationsInto(bytes);` },
  "read": { ...ALWAYS, call: `while (timer.read(bytes) === null);` },
  "arm": { call: `timer.arm(60_000 + (call & 1));` },
  "arm with fractions and an interval": {
    call: `if (call & 1) timer.arm(60_000.5, 0.25); else timer.arm(40_000.0005, 1e9);`,
  },
  "armAt": { call: `if (call & 1) timer.armAt(1e12, 5); else timer.armAt(4e12 + 0.5);` },
  "disarm": { call: `timer.disarm();` },
};

for (const [name, hot] of Object.entries(HOT)) {
  test(`I18 TimerFD allocates nothing: ${name}`, () =>
    assertNoAllocation({ ...hot, setup: `${IMPORT} ${hot.setup ?? ""}` }));
}
