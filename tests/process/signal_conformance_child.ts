// What other suites say of signalfd(2): the cases of tests/conformance/*_signalfd_test.ts, each one
// process. They send signals to themselves.

import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { signalNumber } from "../../ffi/signals.ts";
import { SignalBatch } from "../../handles/signal_batch.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { poll } from "../probes.ts";
import { receive, receiveNothing, runCase } from "../signal_fixture.ts";
import { turn, worker } from "../support.ts";
import type { SignalFDWorker } from "../signal_fd_worker.ts";

const { pid } = process;
const uid = libc.getuid();
const thread = () => worker<SignalFDWorker>(new URL("../signal_fd_worker.ts", import.meta.url));

/** Sends a signal to this very thread, which handles it before the call returns. */
function raise(signal: number): void {
  assertEquals(libc.tgkill(pid, libc.gettid(), signal), 0);
}

await runCase({
  gvisorBasic() {
    for (const signal of [15, 10, 34, 64]) {
      using fd = SignalFD.create([signal]);
      raise(signal);
      const info = fd.read();
      assertEquals([info?.signo, info?.pid, info?.uid], [signal, pid, uid]);
    }
  },

  gvisorMaskWorks() {
    using one = SignalFD.create([10]);
    using two = SignalFD.create([12]);
    raise(10);
    raise(12);
    assertEquals([two.read()?.signo, two.read()], [12, null]);
    assertEquals([one.read()?.signo, one.read()], [10, null]);
  },

  async gvisorBlocking() {
    await using other = thread();
    using fd = SignalFD.create([12], { blocking: true });
    const reading = other.call("read", fd.share());
    await turn(100);
    raise(12);
    assertEquals(await reading, "SIGUSR2");
  },

  async gvisorThreadGroup() {
    await using other = thread();
    using fd = SignalFD.create([12], { blocking: true });
    const shared = fd.share();
    libc.kill(pid, 12);
    assertEquals(await other.call("read", shared), "SIGUSR2");
  },

  gvisorPoll() {
    using fd = SignalFD.create([10]);
    const began = performance.now();
    assertEquals(poll(fd, posix.POLLIN, 100), 0);
    assert(performance.now() - began >= 99);
    raise(10);
    assertEquals(poll(fd, posix.POLLIN, 5000), posix.POLLIN);
    assertEquals([fd.read()?.signo, poll(fd, posix.POLLIN)], [10, 0]);
  },

  ltpSignalfd01() {
    using fd = SignalFD.create([10]);
    raise(10);
    assertEquals(fd.read()?.signo, 10);
    fd.setMask([12]);
    raise(12);
    const info = fd.read();
    assertEquals([info?.signo, info?.name], [12, "SIGUSR2"]);
  },

  iofdRead() {
    using fd = SignalFD.create([10, 12]);
    const batch = new SignalBatch(1);
    raise(10);
    raise(12);
    assertEquals([fd.readInto(batch), batch.signo(0)], [1, 10]);
    assertEquals([fd.readInto(batch), batch.signo(0)], [1, 12]);
    assertEquals([fd.readInto(batch), fd.read()], [null, null]);
  },

  async libuvSignals() {
    using usr1 = SignalFD.create(["SIGUSR1"]);
    using usr2 = SignalFD.create(["SIGUSR2"]);
    for (let round = 0; round < 30; round++) {
      const fd = round % 2 === 0 ? usr1 : usr2;
      libc.kill(pid, signalNumber(round % 2 === 0 ? "SIGUSR1" : "SIGUSR2"));
      await receive(fd, 1);
    }
    await receiveNothing(usr1);
    await receiveNothing(usr2);
  },

  async libuvOneShot() {
    const fd = SignalFD.create(["SIGUSR1"]);
    libc.kill(pid, 10);
    await receive(fd, 1);
    fd.close();
    using again = SignalFD.create(["SIGUSR1"]);
    await receiveNothing(again);
    libc.kill(pid, 10);
    await receive(again, 1);
  },

  async libuvPendingOnClose() {
    for (let round = 0; round < 20; round++) {
      const fd = SignalFD.create(["SIGUSR1", "SIGRTMIN+1"]);
      libc.kill(pid, 10);
      libc.kill(pid, 35);
      fd.close(); // ends, and nobody is killed
    }
    using fd = SignalFD.create(["SIGUSR1"]);
    libc.kill(pid, 10);
    await receive(fd, 1);
  },
});
