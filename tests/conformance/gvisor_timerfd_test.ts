// gVisor, test/syscalls/linux/timerfd.cc: what it observes, with shorter delays.

import { assert, assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { poll, readable } from "../probes.ts";
import { test } from "../support.ts";

const MS = 1_000_000n;
const LATE_MS = 10_000;

for (const clock of ["monotonic", "boottime", "realtime"] as const) {
  test(`gvisor: ${clock}: IsInitiallyStopped`, () => {
    using timer = TimerFD.create({ clock });
    assertEquals(timer.getTime(), { remaining: 0n, interval: 0n });
    assertEquals(timer.expirations(), null);
  });

  test(`gvisor: ${clock}: SingleShot, BlockingRead`, () => {
    using timer = TimerFD.create({ clock, blocking: true });
    const before = timer.now();
    timer.arm(30);
    assertEquals(timer.expirations(), 1n);
    assert(timer.now() - before >= 30n * MS);
    assertEquals(timer.getTime().remaining, 0n, "exactly once");
  });

  test(`gvisor: ${clock}: Periodic`, () => {
    using timer = TimerFD.create({ clock });
    using end = TimerFD.create({ clock, blocking: true });
    const before = timer.now();
    timer.arm(10, 10);
    end.armAt(timer.now() + 35n * MS);
    assertEquals(end.expirations(), 1n);
    assert(readable(timer));
    const count = timer.expirations()!;
    assert(count >= 3n && count <= (timer.now() - before) / (10n * MS), `${count} expirations`);
  });

  test(`gvisor: ${clock}: NonblockingRead, would-block before, 1 after, would-block again`, () => {
    using timer = TimerFD.create({ clock });
    assertEquals(timer.expirations(), null);
    timer.arm(60_000);
    assertEquals(timer.expirations(), null);
    timer.arm(30);
    assert(readable(timer, LATE_MS));
    assertEquals([timer.expirations(), timer.expirations()], [1n, null]);
  });

  test(`gvisor: ${clock}: BlockingPoll, and arming with 0 forgets the expiration`, () => {
    using timer = TimerFD.create({ clock });
    const before = timer.now();
    timer.arm(30);
    assertEquals(poll(timer, posix.POLLIN, LATE_MS), posix.POLLIN);
    assert(timer.now() - before >= 30n * MS);
    timer.arm(0);
    assertEquals([readable(timer), timer.expirations()], [false, null]);
  });

  test(`gvisor: ${clock}: SetAbsoluteTime`, () => {
    using timer = TimerFD.create({ clock });
    const deadline = timer.now() + 30n * MS;
    timer.armAt(deadline);
    assert(readable(timer, LATE_MS));
    assert(timer.now() >= deadline);
    assertEquals(timer.expirations(), 1n);
  });
}

test("gvisor: IllegalReadWrite, pread and pwrite ESPIPE, write EINVAL", () => {
  using timer = TimerFD.create();
  const bytes = new Uint8Array(8);
  const failed = (result: number): string => {
    const code = errno();
    assertEquals(result, -1);
    return errnoName(code);
  };
  assertEquals(failed(libc.pread(timer.raw, bytes, 8, 0)), "ESPIPE");
  assertEquals(failed(libc.pwrite(timer.raw, bytes, 8, 0)), "ESPIPE");
  assertEquals(failed(libc.write(timer.raw, bytes, 8)), "EINVAL");
});
