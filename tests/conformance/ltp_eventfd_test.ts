// linux-test-project/ltp, testcases/kernel/syscalls/eventfd and eventfd2: what they observe.

import { spawnSync } from "node:child_process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { flagsOf, readable, writable } from "../probes.ts";
import { test } from "../support.ts";

const MOST = 2n ** 64n - 2n;

/** What write(2) itself answers for these bytes: the name of its error, or the number written. */
function rawWrite(counter: EventFD, bytes: Uint8Array): number | string {
  const result = libc.write(counter.raw, bytes, bytes.byteLength);
  return result === -1 ? errnoName(errno()) : result;
}

test("ltp: eventfd01 an empty counter would block", () => {
  using counter = EventFD.create({ initial: 5 });
  assertEquals([counter.wait(), counter.wait()], [5n, null]);
});

test("ltp: eventfd02 more than 2^64 - 2 would block, 2^64 - 1 and short buffers are invalid", () => {
  using counter = EventFD.create();
  assertEquals(counter.signal(MOST), true);
  assertEquals(counter.signal(MOST), false);
  assertEquals(counter.signal(1), false);
  assertThrows(() => counter.signal(MOST + 1n), RangeError);
  assertThrows(() => counter.write(new Uint8Array(7)), RangeError);
  assertThrows(() => counter.read(new Uint8Array(7)), RangeError);
  // The checks say what the kernel would have said.
  assertEquals(rawWrite(counter, new Uint8Array(8).fill(0xff)), "EINVAL");
  assertEquals(rawWrite(counter, new Uint8Array(7)), "EINVAL");
  const short = libc.read(counter.raw, new Uint8Array(7), 7);
  assertEquals([short, errnoName(errno())], [-1, "EINVAL"]);
});

test("ltp: eventfd03 readable exactly while the counter is above 0", () => {
  using counter = EventFD.create();
  assert(!readable(counter));
  counter.signal(10);
  assert(readable(counter));
  counter.wait();
  assert(!readable(counter));
});

test("ltp: eventfd04 writable exactly while 1 can be added", () => {
  using counter = EventFD.create({ initial: 10 });
  assert(writable(counter));
  counter.signal(MOST - 10n);
  assert(!writable(counter));
  counter.wait();
  assert(writable(counter));
});

test("ltp: eventfd05 what a child process adds is seen by the parent", () => {
  using counter = EventFD.create({ initial: 3 });
  const seven = `printf '\\007\\000\\000\\000\\000\\000\\000\\000'`;
  const { status } = spawnSync("sh", ["-c", seven], { stdio: ["ignore", counter.raw, "inherit"] });
  assertEquals([status, counter.wait()], [0, 10n]);
});

test("ltp: eventfd2_01/02 CLOEXEC and NONBLOCK are set only when asked for", () => {
  for (const blocking of [false, true]) {
    for (const inherit of [false, true]) {
      using counter = EventFD.create({ blocking, inherit });
      assertEquals(flagsOf(counter), { nonblock: !blocking, cloexec: !inherit });
    }
  }
});

test("ltp: eventfd2_03 a semaphore gives 1 at a time, whatever was added at once", () => {
  using counter = EventFD.create({ semaphore: true });
  counter.signal(3);
  counter.signal(2);
  for (let taken = 0; taken < 5; taken++) assertEquals(counter.wait(), 1n);
  assertEquals(counter.wait(), null);
});

test("ltp: eventfd2 an unknown flag is EINVAL", () => {
  const unknown = libc.eventfd(0, 0x4000_0000 | linux.EFD_CLOEXEC);
  assertEquals([unknown, errnoName(errno())], [-1, "EINVAL"]);
});
