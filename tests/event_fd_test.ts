import { assert, assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD, type EventFDOptions } from "../handles/event_fd.ts";
import type { ReadWriter, Signaler } from "../handles/interfaces.ts";
import type { EventFDWorker } from "./event_fd_worker.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { blockedOn, duplicate, flagsOf, isOpen, readable, writable } from "./probes.ts";
import { root, test, worker } from "./support.ts";

const MOST = 2n ** 64n - 2n;

const NO_BUFFERS = [undefined, null, 8, "12345678", new ArrayBuffer(8), [1, 2], {}];

const start = () => worker<EventFDWorker>(new URL("./event_fd_worker.ts", import.meta.url));

function detached(): Uint8Array {
  const buffer = new Uint8Array(8);
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  return buffer;
}

const bytesOf = (value: bigint): Uint8Array => new Uint8Array(new BigUint64Array([value]).buffer);

// Creating.

test("I04 EventFD.create: empty, non-blocking, closed on exec, not a semaphore", () => {
  using counter = EventFD.create();
  assertEquals(Object.prototype.toString.call(counter), "[object EventFD]");
  assertEquals([counter.valid, counter.semaphore, counter.wait()], [true, false, null]);
  assertEquals(flagsOf(counter), { nonblock: true, cloexec: true });
});

test("I04 EventFD.create: each option does what it says and nothing else", () => {
  using blocking = EventFD.create({ blocking: true });
  assertEquals(flagsOf(blocking), { nonblock: false, cloexec: true });
  using inherited = EventFD.create({ inherit: true });
  assertEquals(flagsOf(inherited), { nonblock: true, cloexec: false });
  using semaphore = EventFD.create({ semaphore: true });
  assertEquals(flagsOf(semaphore), { nonblock: true, cloexec: true });
  assertEquals(semaphore.semaphore, true);
  using all = EventFD.create({ initial: 1, semaphore: true, blocking: true, inherit: true });
  assertEquals(flagsOf(all), { nonblock: false, cloexec: false });
  assertEquals(all.wait(), 1n);
});

test("I05 initial values are delivered exactly, beyond 32 bits too", () => {
  const exact = [0n, 1n, 42n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 1n]
    .concat([2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 3n, MOST]);
  for (const initial of exact) {
    using counter = EventFD.create({ initial });
    assertEquals(counter.wait(), initial === 0n ? null : initial);
    assertEquals(counter.wait(), null);
    if (initial > Number.MAX_SAFE_INTEGER) continue;
    using same = EventFD.create({ initial: Number(initial) });
    assertEquals(same.wait(), initial === 0n ? null : initial);
  }
});

test("I05 a large initial value does not block, and is one by one in a semaphore", () => {
  using blocking = EventFD.create({ initial: MOST, blocking: true });
  assertEquals(blocking.wait(), MOST);
  using semaphore = EventFD.create({ initial: 2n ** 40n, semaphore: true });
  assertEquals([semaphore.wait(), semaphore.wait()], [1n, 1n]);
});

test("I05 an initial value that no counter can hold is refused", () => {
  for (const initial of [-1, -1n, 1.5, NaN, Infinity, 2 ** 53, MOST + 1n, MOST + 2n]) {
    assertThrows(() => EventFD.create({ initial }), RangeError, "EventFD.create: initial");
  }
  for (const initial of [null, "1", true, {}, []]) {
    assertThrows(
      () => EventFD.create({ initial } as never),
      TypeError,
      "EventFD.create: initial",
    );
  }
});

test("I05 nothing half-made stays open when the initial value cannot be written", () => {
  const write = libc.write;
  // An errno of 0: the stand-in makes no call.
  libc.write = () => -1;
  try {
    assertThrows(() => EventFD.create({ initial: MOST }), SyscallError, "write(2)");
  } finally {
    libc.write = write;
  }
});

test("I04 EventFD.create refuses options that are none", () => {
  for (const bad of [null, 3, "semaphore", true]) {
    assertThrows(() => EventFD.create(bad as never), TypeError, "EventFD.create: options");
  }
  for (const name of ["semaphore", "blocking", "inherit"]) {
    for (const bad of [null, 0, 1, "yes", {}]) {
      const options = { [name]: bad } as unknown as EventFDOptions;
      assertThrows(() => EventFD.create(options), TypeError, `EventFD.create: ${name}`);
    }
  }
  const construct = EventFD as unknown as new () => EventFD;
  assertThrows(() => new construct(), TypeError, "factories of EventFD");
});

// Signalling.

test("I04 signal adds, 1 when nothing is said, and wait takes the sum", () => {
  using counter = EventFD.create();
  assertEquals([counter.signal(), counter.signal(5), counter.signal(3n)], [true, true, true]);
  assertEquals(counter.wait(), 9n);
  assertEquals(counter.wait(), null);
});

test("I04 signal: every size arrives exactly, as a number and as a bigint", () => {
  using counter = EventFD.create();
  const sizes = [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
  for (const size of sizes) {
    counter.signal(size);
    assertEquals(counter.wait(), BigInt(size));
    counter.signal(BigInt(size));
    assertEquals(counter.wait(), BigInt(size));
  }
  for (const size of [2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, MOST]) {
    counter.signal(size);
    assertEquals(counter.wait(), size);
  }
  counter.signal(2 ** 40); // no high half may remain for the next
  counter.signal(1);
  assertEquals(counter.wait(), 2n ** 40n + 1n);
});

test("I04 signal answers false when there is no room, and adds nothing", () => {
  using counter = EventFD.create({ initial: MOST - 1n });
  assertEquals([counter.signal(2), counter.signal(MOST)], [false, false]);
  assertEquals([counter.signal(1), counter.signal(1), counter.signal(1n)], [true, false, false]);
  assert(!writable(counter));
  assertEquals(counter.signal(0), true, "nothing is always room for");
  assertEquals(counter.wait(), MOST);
  assertEquals(counter.signal(1), true);
});

test("I04 signal(0) changes nothing and wakes nobody", () => {
  using counter = EventFD.create();
  assertEquals([counter.signal(0), counter.signal(0n), counter.signal(-0)], [true, true, true]);
  assert(!readable(counter));
  assertEquals(counter.wait(), null);
});

test("I04 signal refuses what it cannot add before any call", () => {
  using counter = EventFD.create();
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53, 2 ** 64, -1n, MOST + 1n, 2n ** 64n]) {
    assertThrows(() => counter.signal(bad), RangeError, "EventFD.signal: the value");
  }
  for (const bad of [null, "1", true, {}, []]) {
    assertThrows(() => counter.signal(bad as never), TypeError, "EventFD.signal: the value");
  }
  assertEquals(counter.wait(), null);
});

// Waiting.

test("I04 a semaphore gives 1 for each wait", () => {
  using tickets = EventFD.create({ semaphore: true, initial: 2 });
  tickets.signal(1);
  assertEquals([tickets.wait(), tickets.wait(), tickets.wait()], [1n, 1n, 1n]);
  assertEquals(tickets.wait(), null);
});

test("I04 waitInto writes 8 bytes into any kind of view, and no more", () => {
  using counter = EventFD.create();
  const value = 0x0102_0304_0506_0708n;
  const bytes = [8, 7, 6, 5, 4, 3, 2, 1];
  const memory = new ArrayBuffer(24);
  const views = [
    new Uint8Array(memory, 8, 8),
    new Uint8Array(memory, 8),
    new DataView(memory, 8, 8),
    new BigUint64Array(memory, 8, 1),
    new Uint32Array(memory, 8, 2),
    new Float64Array(memory, 8),
    new Uint16Array(memory, 8, 5),
  ];
  for (const view of views) {
    const all = new Uint8Array(memory).fill(0xee);
    counter.signal(value);
    assertEquals(counter.waitInto(view), true);
    assertEquals([...all.subarray(0, 8), ...all.subarray(16)], Array(16).fill(0xee));
    assertEquals([...all.subarray(8, 16)], bytes);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  counter.signal(value);
  assertEquals(counter.waitInto(shared), true);
  assertEquals([...shared], bytes);
});

test("I04 waitInto answers null and leaves the buffer as it is when nothing was signalled", () => {
  using counter = EventFD.create();
  const buffer = new Uint8Array(8).fill(0xee);
  assertEquals(counter.waitInto(buffer), null);
  assertEquals([...buffer], Array(8).fill(0xee));
});

test("I04 read and write are the raw 8 bytes", () => {
  using counter = EventFD.create();
  assertEquals(counter.read(new Uint8Array(8)), null);
  assertEquals(counter.write(bytesOf(2n ** 63n + 5n)), 8);
  const buffer = new Uint8Array(12);
  assertEquals(counter.read(buffer), 8);
  assertEquals([...buffer], [5, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0]);
  assertEquals(counter.write(new Uint8Array(12).fill(1)), 8, "of 12 bytes, the first 8 count");
  assertEquals(counter.wait(), 0x0101_0101_0101_0101n);
  assertEquals(counter.write(new DataView(bytesOf(MOST).buffer)), 8);
  assertEquals(counter.write(bytesOf(1n)), null);
});

test("I04 write refuses 2^64 - 1, which the kernel would refuse", () => {
  using counter = EventFD.create();
  const ones = new Uint8Array(16).fill(0xff);
  assertThrows(() => counter.write(ones), RangeError, "EventFD.write: the buffer");
  ones[7] = 0xfe;
  assertEquals(counter.write(ones), 8);
  assertEquals(counter.wait(), 0xfeff_ffff_ffff_ffffn);
});

test("X03 buffers that are too short, gone or none are refused before any call", () => {
  using counter = EventFD.create({ initial: 1 });
  const methods = ["waitInto", "read", "write"] as const;
  for (const method of methods) {
    const what = `EventFD.${method}: the buffer`;
    for (const length of [0, 1, 7]) {
      assertThrows(() => counter[method](new Uint8Array(length)), RangeError, what);
    }
    assertThrows(() => counter[method](new DataView(new ArrayBuffer(16), 9)), RangeError, what);
    assertThrows(() => counter[method](detached()), RangeError, what);
    for (const bad of NO_BUFFERS) {
      assertThrows(() => counter[method](bad as never), TypeError, what);
    }
  }
  assertEquals(counter.wait(), 1n);
});

test("I17 EventFD is a Signaler and a ReadWriter", () => {
  using counter = EventFD.create();
  const signaler: Signaler = counter;
  const stream: ReadWriter = counter;
  assertEquals([signaler.signal(), stream.read(new Uint8Array(8))], [true, 8]);
});

// Closing and sharing.

test("X03 after close every method of EventFD says so", () => {
  const counter = EventFD.create({ semaphore: true });
  counter.close();
  counter.close();
  assertEquals([counter.raw, counter.valid, counter.closed], [-1, false, true]);
  assertEquals(counter.semaphore, true);
  const calls: (() => unknown)[] = [
    () => counter.signal(),
    () => counter.signal(1n),
    () => counter.wait(),
    () => counter.waitInto(new Uint8Array(8)),
    () => counter.read(new Uint8Array(8)),
    () => counter.write(new Uint8Array(8)),
    () => counter.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "EventFD is closed");
});

test("I01 EventFD.from takes what share() returned, and nothing else", () => {
  using counter = EventFD.create({ semaphore: true });
  const shared = counter.share();
  const same = EventFD.from(structuredClone(shared));
  assertEquals([same.raw, same.semaphore], [counter.raw, true]);
  same.signal(2);
  assertEquals([counter.wait(), same.wait(), counter.wait()], [1n, 1n, null]);
  for (const bad of [undefined, null, 3, {}, { ...shared, kind: "TimerFD" }]) {
    assertThrows(() => EventFD.from(bad as never), TypeError, "EventFD.from takes");
  }
  for (const semaphore of [undefined, null, 1]) {
    const bad = { ...shared, semaphore } as never;
    assertThrows(() => EventFD.from(bad), TypeError, "EventFD.from: semaphore");
  }
  same.close();
  assertEquals(counter.closed, true);
});

test("I01 signals of two threads add up, and closing on one thread closes on the other", async () => {
  await using thread = start();
  using counter = EventFD.create();
  const others = thread.call("signalOften", counter.share(), 10_000);
  for (let call = 0; call < 10_000; call++) counter.signal();
  assertEquals(await others, 10_000);
  assertEquals(counter.wait(), 20_000n);
  await thread.call("close", counter.share());
  assertThrows(() => counter.wait(), ClosedError);
});

test("I01 a semaphore is one on the other thread too", async () => {
  await using thread = start();
  using counter = EventFD.create({ semaphore: true, initial: 9 });
  assertEquals(await thread.call("semaphore", counter.share()), true);
  assertEquals(await thread.call("wait", counter.share()), 1n);
  assertEquals(await thread.call("signal", counter.share(), 2n ** 40n), true);
});

test("I02 closed during a blocking wait: it ends normally when signalled, then the number is free", async () => {
  await using thread = start();
  const counter = EventFD.create({ blocking: true });
  using other = duplicate(counter);
  const number = counter.raw;
  const waiting = thread.call("wait", counter.share());
  await blockedOn(number);
  counter.close();
  assertEquals([counter.raw, isOpen(number)], [-1, true]);
  assertThrows(() => counter.signal(), ClosedError);
  other.write(bytesOf(7n));
  assertEquals(await waiting, 7n);
  assert(!isOpen(number));
});

test("I02 closed during a blocking signal: it ends normally when there is room", async () => {
  await using thread = start();
  const counter = EventFD.create({ blocking: true, initial: MOST });
  using other = duplicate(counter);
  const number = counter.raw;
  const signalling = thread.call("signal", counter.share(), 5);
  await blockedOn(number);
  counter.close();
  assert(isOpen(number));
  const buffer = new Uint8Array(8);
  other.read(buffer);
  assertEquals(await signalling, true);
  assert(!isOpen(number));
  other.read(buffer);
  assertEquals(buffer[0], 5);
});

// Allocating nothing.

const IMPORT =
  `import { EventFD } from "${root}handles/event_fd.ts"; const bytes = new Uint8Array(8);`;

const HOT: Readonly<Record<string, readonly [setup: string, call: string]>> = {
  "signal": [`const counter = EventFD.create();`, `counter.signal();`],
  "signal of a number beyond 32 bits": [
    `const counter = EventFD.create();`,
    `counter.signal(2 ** 40 + (call & 1));`,
  ],
  "signal when full": [
    `const counter = EventFD.create({ initial: 2n ** 64n - 2n });`,
    `counter.signal(1);`,
  ],
  "signal and waitInto": [
    `const counter = EventFD.create();`,
    `counter.signal(3); counter.waitInto(bytes);`,
  ],
  "waitInto of a semaphore": [
    `const counter = EventFD.create({ semaphore: true, initial: 2n ** 40n });`,
    `counter.waitInto(bytes);`,
  ],
  "waitInto when nothing was signalled": [
    `const counter = EventFD.create();`,
    `counter.waitInto(bytes);`,
  ],
  "write and read": [
    `const counter = EventFD.create(); bytes[0] = 1;`,
    `counter.write(bytes); counter.read(bytes);`,
  ],
  "signal and waitInto of a shared handle": [
    `const counter = EventFD.create(); counter.share();`,
    `counter.signal(3); counter.waitInto(bytes);`,
  ],
};

for (const [name, [setup, call]] of Object.entries(HOT)) {
  test(`I18 EventFD allocates nothing: ${name}`, () =>
    assertNoAllocation({ setup: `${IMPORT} ${setup}`, call }));
}
