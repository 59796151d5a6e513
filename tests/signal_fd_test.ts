// What needs no signal. Those that are sent, and what they may kill: tests/process/signal_*_test.ts.

import { assert, assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import type { Handle } from "../handles/interfaces.ts";
import { SigSet } from "../handles/sig_set.ts";
import { SignalBatch } from "../handles/signal_batch.ts";
import { type SharedSignalFD, SignalFD, type SignalFDOptions } from "../handles/signal_fd.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { flagsOf, isOpen, readable } from "./probes.ts";
import { root, spawnScript, test } from "./support.ts";
import { openDescriptors } from "./support/descriptors.ts";

// No test sends these, and no runtime handles them.
const SIGNALS = ["SIGPROF", "SIGRTMIN+7"] as const;
const BITS = (1n << 26n) | (1n << 40n);

test("I08 SignalFD.create: nothing waits, non-blocking, closed on exec", () => {
  using fd: Handle & SignalFD = SignalFD.create(SIGNALS);
  assertEquals(Object.prototype.toString.call(fd), "[object SignalFD]");
  assertEquals([fd.valid, fd.closed, fd.mask.bits], [true, false, BITS]);
  assertEquals([fd.read(), fd.readInto(new SignalBatch(2)), [...fd]], [null, null, []]);
  assert(!readable(fd));
  assertEquals(flagsOf(fd), { nonblock: true, cloexec: true });
});

test("I08 SignalFD.create: each option does what it says and nothing else", () => {
  using blocking = SignalFD.create(SIGNALS, { blocking: true });
  assertEquals(flagsOf(blocking), { nonblock: false, cloexec: true });
  using inherited = SignalFD.create(SIGNALS, { inherit: true });
  assertEquals(flagsOf(inherited), { nonblock: true, cloexec: false });
});

test("I08 SignalFD.create takes a set, or any list of names and numbers", () => {
  const lists = [
    new SigSet(SIGNALS),
    [27, 41],
    new Set(SIGNALS),
    (function* () {
      yield* SIGNALS;
    })(),
  ];
  for (const list of lists) {
    using fd = SignalFD.create(list);
    assertEquals(fd.mask.bits, BITS);
  }
  using none = SignalFD.create([]);
  assertEquals([none.mask.bits, none.read()], [0n, null]);
});

test("I08 SignalFD.create refuses what is no signal, before anything changes", () => {
  const open = openOnes();
  for (const bad of [undefined, null, 10, "SIGTERM", true, 5n, {}, () => {}, Symbol()]) {
    assertThrows(() => SignalFD.create(bad as never), TypeError);
  }
  for (const bad of [[0], [65], [-1], [1.5], [NaN], ["SIGNONE"], [""], ["SIGPROF", 2 ** 32 + 1]]) {
    assertThrows(() => SignalFD.create(bad as never), RangeError);
  }
  for (const bad of [[null], [undefined], [{}], [10n], [[10]]]) {
    assertThrows(() => SignalFD.create(bad as never), TypeError);
  }
  assertEquals(openOnes(), open);
});

/** The pipes and sockets that are open, and what has no name: files are the runtime's, at any time. */
function openOnes(): string[] {
  const targets = [...(openDescriptors()?.values() ?? [])];
  return targets.filter((target) => !target.startsWith("/")).sort();
}

test("I08 SignalFD.create refuses options that are none", () => {
  for (const bad of [null, 3, "blocking", true]) {
    assertThrows(() => SignalFD.create(SIGNALS, bad as never), TypeError, "options");
  }
  for (const option of ["blocking", "inherit"] as const) {
    for (const bad of [null, 0, 1, "true", {}]) {
      const options = { [option]: bad } as unknown as SignalFDOptions;
      assertThrows(() => SignalFD.create(SIGNALS, options), TypeError, option);
    }
  }
});

test("I08 SignalFD: no constructor", () => {
  const Constructor = SignalFD as unknown as new (...args: unknown[]) => SignalFD;
  assertThrows(() => new Constructor(), TypeError, "factories");
  assertThrows(() => new Constructor(Symbol("owned"), 0), TypeError, "factories");
});

test("I08 SignalFD.mask is a copy, and setMask changes it", () => {
  using fd = SignalFD.create(SIGNALS);
  assertNotStrictEquals(fd.mask, fd.mask);
  fd.mask.add("SIGHUP");
  assertEquals(fd.mask.bits, BITS);
  fd.setMask(["SIGRTMIN+7"]);
  assertEquals([...fd.mask], ["SIGRTMIN+7"]);
  fd.setMask(fd.mask.union(SIGNALS));
  assertEquals(fd.mask.bits, BITS);
  for (const bad of [null, "SIGPROF", 27, [null]]) {
    assertThrows(() => fd.setMask(bad as never), TypeError);
  }
  for (const bad of [[0], ["SIGKILL"], ["SIGSEGV"], ["SIGNONE"]]) {
    assertThrows(() => fd.setMask(bad as never), RangeError);
  }
  assertEquals(fd.mask.bits, BITS);
});

test("I10 SignalFD.readInto takes a SignalBatch only", () => {
  using fd = SignalFD.create(SIGNALS);
  for (const bad of [undefined, null, new Uint8Array(128), {}, 5]) {
    assertThrows(() => fd.readInto(bad as never), TypeError, "expected a SignalBatch");
  }
});

test("I08 SignalFD: closed once, by every way, and every method says so", () => {
  const fd = SignalFD.create(SIGNALS);
  const number = fd.raw;
  const copy = SignalFD.from(structuredClone(fd.share()));
  copy.close();
  assertEquals([fd.raw, fd.valid, fd.closed, isOpen(number)], [-1, false, true, false]);
  for (const closed of [fd, copy]) {
    assertThrows(() => closed.read(), ClosedError);
    assertThrows(() => closed.readInto(new SignalBatch(1)), ClosedError);
    assertThrows(() => [...closed], ClosedError);
    assertThrows(() => closed.mask, ClosedError);
    assertThrows(() => closed.setMask(SIGNALS), ClosedError);
    assertThrows(() => closed.share(), ClosedError);
    closed.close();
    closed[Symbol.dispose]();
  }
});

test("I08 SignalFD.from: a copy has the same mask, and takes nothing else", () => {
  using fd = SignalFD.create(SIGNALS);
  const shared = fd.share();
  const copy = SignalFD.from(structuredClone(shared));
  assertEquals([copy.raw, copy.mask.bits, copy.read()], [fd.raw, BITS, null]);
  copy.setMask(["SIGPROF"]);
  assertEquals([...fd.mask], ["SIGPROF"]);
  const wrong: unknown[] = [
    ...[undefined, null, {}, 5, { ...shared, kind: "EventFD" }, { ...shared, guard: undefined }],
    ...[{ ...shared, guard: new SharedArrayBuffer(64) }, { ...shared, claim: "1" }],
    { ...shared, cell: shared.guard },
  ];
  for (const bad of wrong) assertThrows(() => SignalFD.from(bad as SharedSignalFD), TypeError);
});

test("I08 SignalFD: 128 handles at once, and no more", () => {
  const fds = Array.from({ length: 128 }, () => SignalFD.create(SIGNALS));
  try {
    assertThrows(() => SignalFD.create(SIGNALS), RangeError, "at most 128");
    fds.pop()!.close();
    fds.push(SignalFD.create([]));
  } finally {
    for (const fd of fds) fd.close();
  }
});

const HEAP_SETUP = `
  import { SignalBatch } from "${root}handles/signal_batch.ts";
  import { SignalFD } from "${root}handles/signal_fd.ts";
  import { libc } from "${root}ffi/libc.ts";
  const fd = SignalFD.create([40]);
  const batch = new SignalBatch(16);
  const pid = libc.getpid();`;

test("I18 SignalFD.readInto allocates nothing when it would block", async () => {
  await assertNoAllocation({ setup: HEAP_SETUP, call: `fd.readInto(batch);` });
});

test("I18 SignalFD.readInto and what a batch says allocate nothing", async () => {
  await assertNoAllocation({
    setup: HEAP_SETUP,
    call: `libc.kill(pid, 40);
      for (let count = fd.readInto(batch); count === null;) count = fd.readInto(batch);
      if (batch.signo(0) !== 40 || batch.code(0) !== 0 || batch.pid(0) !== pid) throw 0;
      if (batch.int(0) !== 0 || batch.uid(0) < 0 || batch.status(0) !== 0) throw 0;`,
    calls: 50_000,
  });
}, { timeoutMs: 60_000 });

test("I09 a program that hears of listeners may use its handles while another is made", async () => {
  // Deno is made to install its handlers by a listener that comes and goes.
  const result = await spawnScript(
    `import process from "node:process";
    import { SignalFD } from "${root}handles/signal_fd.ts";
    const first = SignalFD.create(["SIGUSR2"]);
    const told = [];
    const hear = () => told.push(first.mask.size, SignalFD.create(["SIGCONT"]).close());
    for (const event of ["newListener", "removeListener"]) process.on(event, hear);
    const second = SignalFD.create(["SIGTERM"]);
    second.setMask(["SIGHUP"]);
    console.log(told.length > 0, [...second.mask].join());
    process.exit();`,
  );
  assertEquals([result.code, result.stdout.trimEnd()], [0, "true SIGHUP"], result.stderr);
});
