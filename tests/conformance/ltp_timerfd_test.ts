// linux-test-project/ltp, testcases/kernel/syscalls/timerfd: what they observe. The error tables
// call libc itself, since the class refuses such arguments before the call.

import { assert, assertEquals } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { pipe } from "../../handles/pipe.ts";
import { withClock } from "../privileges.ts";
import { flagsOf, readable } from "../probes.ts";
import { test, worker } from "../support.ts";
import type { TimerFDWorker } from "../timer_fd_worker.ts";

const MS = 1_000_000n;
const LATE_MS = 10_000;

/** The name of the error of a call that must fail. */
function failed(result: number): string {
  const code = errno();
  assertEquals(result, -1);
  return errnoName(code);
}

const setting = (): Uint32Array => new Uint32Array(new ArrayBuffer(32));

for (const clock of ["monotonic", "realtime"] as const) {
  test(`ltp: timerfd01 ${clock}: relative, absolute, periodic, would-block`, () => {
    using timer = TimerFD.create({ clock });
    timer.arm(20);
    assert(readable(timer, LATE_MS));
    assertEquals(timer.expirations(), 1n);

    timer.armAt(timer.now() + 20n * MS);
    assert(readable(timer, LATE_MS));
    assertEquals(timer.expirations(), 1n);

    const first = timer.now() + 20n * MS;
    timer.armAt(first, 20);
    assert(timer.getTime().remaining <= 20n * MS, "what is read back is relative");
    using pause = TimerFD.create({ clock });
    pause.armAt(first + 50n * MS);
    assert(readable(pause, LATE_MS));
    const count = timer.expirations()!;
    assert(count >= 3n && count <= 1n + (timer.now() - first) / (20n * MS), `${count} expirations`);

    timer.arm(20);
    assert(readable(timer, LATE_MS));
    assertEquals([timer.expirations(), timer.expirations()], [1n, null]);
  });
}

test("ltp: timerfd02 CLOEXEC and NONBLOCK are set only when asked for", () => {
  for (const blocking of [false, true]) {
    for (const inherit of [false, true]) {
      using timer = TimerFD.create({ blocking, inherit });
      assertEquals(flagsOf(timer), { nonblock: !blocking, cloexec: !inherit });
    }
  }
});

test("ltp: timerfd_create01 unknown clocks and flags are EINVAL", () => {
  for (const clock of [-1, 12, linux.CLOCK_TAI, posix.CLOCK_PROCESS_CPUTIME_ID]) {
    assertEquals(failed(libc.timerfd_create(clock, 0)), "EINVAL", `clock ${clock}`);
  }
  assertEquals(failed(libc.timerfd_create(posix.CLOCK_MONOTONIC, -1)), "EINVAL");
});

test("ltp: timerfd_gettime01 no descriptor EBADF, no timer EINVAL, no memory EFAULT", () => {
  using timer = TimerFD.create();
  using ends = pipe();
  assertEquals(failed(libc.timerfd_gettime(-1, setting())), "EBADF");
  assertEquals(failed(libc.timerfd_gettime(ends.reader.raw, setting())), "EINVAL");
  assertEquals(failed(libc.timerfd_gettime(timer.raw, null)), "EFAULT");
});

test("ltp: timerfd_settime01 the same, and unknown flags EINVAL", () => {
  using timer = TimerFD.create();
  using ends = pipe();
  assertEquals(failed(libc.timerfd_settime(-1, 0, setting(), null)), "EBADF");
  assertEquals(failed(libc.timerfd_settime(timer.raw, 0, null, null)), "EFAULT");
  assertEquals(failed(libc.timerfd_settime(timer.raw, -1, setting(), null)), "EINVAL");
  assertEquals(failed(libc.timerfd_settime(ends.reader.raw, 0, setting(), null)), "EINVAL");
});

test("ltp: timerfd_settime02 threads that set and clear CANCEL_ON_SET at once (CVE-2017-10661)", async () => {
  const module = new URL("../timer_fd_worker.ts", import.meta.url);
  await using other = worker<TimerFDWorker>(module);
  using timer = TimerFD.create({ clock: "realtime" });
  await other.ready;
  await withClock(async () => {
    const racing = other.call("armOften", timer.share(), 20_000);
    for (let call = 0; call < 20_000; call++) {
      timer.armAt(timer.now() + 60_000n * MS, 0, { cancelOnSet: true });
      timer.arm(60_000);
    }
    await racing;
  });
  timer.arm(1n);
  assert(readable(timer, LATE_MS));
  assertEquals(timer.expirations(), 1n);
});
