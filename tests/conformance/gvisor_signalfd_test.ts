// gVisor, test/syscalls/linux/signalfd.cc: what it observes.

import { assertEquals, assertThrows } from "@std/assert";
import { SignalFD } from "../../handles/signal_fd.ts";
import { flagsOf } from "../probes.ts";
import { caseTests } from "../signal_fixture.ts";
import { test } from "../support.ts";

caseTests("tests/process/signal_conformance_child.ts", {
  gvisorBasic: "gvisor: Basic, a signal to the own thread comes with its sender",
  gvisorMaskWorks: "gvisor: MaskWorks, two sets for two signals, read in reverse order",
  gvisorBlocking: "gvisor: Blocking, a read on another thread waits for the signal",
  gvisorThreadGroup: "gvisor: ThreadGroup, a signal to the process is read on another thread",
  gvisorPoll: "gvisor: Poll, not ready before the signal and after the read",
});

test("gvisor: Cloexec, set and not set", () => {
  using closed = SignalFD.create(["SIGPROF"]);
  using inherited = SignalFD.create(["SIGPROF"], { inherit: true });
  assertEquals([flagsOf(closed).cloexec, flagsOf(inherited).cloexec], [true, false]);
});

// The kernel ignores SIGKILL in a mask; asking for it is a mistake, and is refused here.
test("gvisor: KillStillKills, SIGKILL cannot be had", () => {
  assertThrows(() => SignalFD.create(["SIGKILL"]), RangeError);
});
