// Linux, tools/testing/selftests/filesystems/eventfd: what it observes.

import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { flagsOf } from "../probes.ts";
import { test } from "../support.ts";

/** A line of /proc/self/fdinfo, null where this kernel has none of that name. */
function fdinfo(counter: EventFD, name: string): string | null {
  const text = fs.readFileSync(`/proc/self/fdinfo/${counter.raw}`, "utf8");
  return new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(text)?.[1] ?? null;
}

function tellsSemaphores(): boolean {
  using counter = EventFD.create();
  return fdinfo(counter, "eventfd-semaphore") !== null;
}

test("selftests: eventfd_check_flag_rdwr, a counter is open for reading and writing", () => {
  using counter = EventFD.create({ blocking: true, inherit: true });
  const flags = libc.fcntl(counter.raw, posix.F_GETFL, 0);
  assertEquals(flags & posix.O_ACCMODE, posix.O_RDWR);
});

test("selftests: eventfd_check_flag_cloexec, _nonblock, and both", () => {
  using cloexec = EventFD.create({ blocking: true });
  assertEquals(flagsOf(cloexec), { nonblock: false, cloexec: true });
  using nonblock = EventFD.create({ inherit: true });
  assertEquals(flagsOf(nonblock), { nonblock: true, cloexec: false });
  using both = EventFD.create();
  assertEquals(flagsOf(both), { nonblock: true, cloexec: true });
});

test.if(
  tellsSemaphores(),
  "this kernel's fdinfo has no eventfd-semaphore",
  "selftests: eventfd_check_flag_semaphore, the kernel says so in fdinfo",
  () => {
    using semaphore = EventFD.create({ semaphore: true });
    assertEquals(fdinfo(semaphore, "eventfd-semaphore"), "1");
    using counter = EventFD.create();
    assertEquals(fdinfo(counter, "eventfd-semaphore"), "0");
  },
);

test("selftests: fdinfo has the counter, in hexadecimal", () => {
  using counter = EventFD.create({ initial: 0xfeed_beef_0000n });
  assertEquals(BigInt(`0x${fdinfo(counter, "eventfd-count")}`), 0xfeed_beef_0000n);
});

test("selftests: eventfd_check_write, short and 2^64 - 1 are refused, 8 bytes are taken", () => {
  using counter = EventFD.create();
  assertThrows(() => counter.write(new Uint8Array(4)), RangeError);
  assertEquals(counter.write(new Uint8Array(8).fill(1)), 8);
  assertThrows(() => counter.write(new Uint8Array(8).fill(0xff)), RangeError);
});

test("selftests: eventfd_check_read, short is refused, and gives nothing away", () => {
  using counter = EventFD.create({ initial: 1 });
  assertThrows(() => counter.read(new Uint8Array(4)), RangeError);
  assertEquals(counter.read(new Uint8Array(8)), 8);
});

test("selftests: eventfd_check_read_with_nonsemaphore, the sum, then would-block", () => {
  using counter = EventFD.create();
  for (let signals = 0; signals < 1000; signals++) counter.signal();
  assertEquals([counter.wait(), counter.wait()], [1000n, null]);
});

test("selftests: eventfd_check_read_with_semaphore, 1 each, then would-block", () => {
  using counter = EventFD.create({ semaphore: true });
  counter.signal(1000);
  for (let waits = 0; waits < 1000; waits++) assertEquals(counter.wait(), 1n);
  assertEquals(counter.wait(), null);
});
