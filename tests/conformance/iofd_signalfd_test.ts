// hayabusa-cloud/iofd, iofd_test.go: what it observes of SignalFD and SigSet.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { SigSet } from "../../handles/sig_set.ts";
import { SignalBatch } from "../../handles/signal_batch.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { SignalInfo } from "../../handles/signal_info.ts";
import { caseTests } from "../signal_fixture.ts";
import { test } from "../support.ts";

caseTests("tests/process/signal_conformance_child.ts", {
  iofdRead: "iofd: Read, one record each, then would-block",
});

test("iofd: create table, the number is valid and the mask is the one that was given", () => {
  using fd = SignalFD.create(new SigSet([10]));
  assert(fd.raw >= 0 && fd.valid);
  assertEquals(fd.mask.bits, new SigSet([10]).bits);
});

test("iofd: WouldBlock for SignalFD.Read", () => {
  using fd = SignalFD.create(["SIGPROF"]);
  assertEquals([fd.read(), fd.readInto(new SignalBatch(4))], [null, null]);
});

test("iofd: small buffers, 127 bytes and none are refused", () => {
  assertThrows(() => new SignalInfo(new DataView(new ArrayBuffer(127))), RangeError);
  assertThrows(() => new SignalBatch(0), RangeError);
});

test("iofd: after close, every method says so, and a second close does nothing", () => {
  const fd = SignalFD.create(["SIGPROF"]);
  fd.close();
  fd.close();
  assertEquals([fd.raw, fd.valid], [-1, false]);
  assertThrows(() => fd.read(), ClosedError);
  assertThrows(() => fd.readInto(new SignalBatch(1)), ClosedError);
  assertThrows(() => fd.setMask(new SigSet()), ClosedError);
});

test("iofd: SigSet bounds, 0, 65 and −1 are no-ops, 1 to 64 are bits", () => {
  const set = new SigSet();
  for (const none of [0, 65, -1]) set.add(none);
  assertEquals([set.bits, set.size], [0n, 0]);
  for (let signal = 1; signal <= 64; signal++) {
    assertEquals(new SigSet().add(signal).bits, 1n << BigInt(signal - 1));
    set.add(signal);
  }
  for (const none of [0, 65, -1]) {
    assertEquals(set.has(none), false);
    set.del(none);
  }
  assertEquals(set.size, 64);
  for (let signal = 1; signal <= 64; signal++) set.del(signal);
  assertEquals(set.bits, 0n);
});

test("iofd: SetMask, the mask is the new one", () => {
  using fd = SignalFD.create(["SIGPROF"]);
  fd.setMask(new SigSet(["SIGPROF", "SIGVTALRM"]));
  assertEquals([...fd.mask], ["SIGVTALRM", "SIGPROF"]);
});
