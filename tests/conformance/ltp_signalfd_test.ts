// linux-test-project/ltp, testcases/kernel/syscalls/signalfd and signalfd4: what they observe.

import { assertEquals } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { structs } from "../../ffi/structs.ts";
import { FD } from "../../handles/fd.ts";
import { pipe } from "../../handles/pipe.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { flagsOf } from "../probes.ts";
import { caseTests } from "../signal_fixture.ts";
import { test } from "../support.ts";

caseTests("tests/process/signal_conformance_child.ts", {
  ltpSignalfd01: "ltp: signalfd01, a signal is read, the mask is changed, another is read",
});

function sigset(...signals: number[]): BigUint64Array {
  const set = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  for (const signal of signals) set[0]! |= 1n << BigInt(signal - 1);
  return set;
}

/** The bare call: what it answers, as a name when it fails. */
function signalfd(fd: number, flags: number): number | string {
  const result = libc.signalfd(fd, sigset(27), flags);
  return result === -1 ? errnoName(errno()) : result;
}

test("ltp: signalfd02, a bad number, another kind of file, unknown flags", () => {
  using ends = pipe();
  assertEquals(signalfd(-2, 0), "EBADF");
  assertEquals(signalfd(ends.reader.raw, 0), "EINVAL");
  assertEquals(signalfd(-1, -1), "EINVAL");
});

test("ltp: signalfd4_01 and 02, flags are set only when they are asked for", () => {
  const both = linux.SFD_CLOEXEC | linux.SFD_NONBLOCK;
  for (const flags of [0, linux.SFD_CLOEXEC, linux.SFD_NONBLOCK, both]) {
    using fd = FD.adopt(signalfd(-1, flags) as number);
    assertEquals(fd.cloexec, (flags & linux.SFD_CLOEXEC) !== 0);
    assertEquals(fd.nonblock, (flags & linux.SFD_NONBLOCK) !== 0);
  }
  for (const blocking of [false, true]) {
    for (const inherit of [false, true]) {
      using fd = SignalFD.create(["SIGPROF"], { blocking, inherit });
      assertEquals(flagsOf(fd), { nonblock: !blocking, cloexec: !inherit });
    }
  }
});
