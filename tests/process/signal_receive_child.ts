// The receiving side of signal_receive_test.ts: each case is one process.

import { spawn } from "node:child_process";
import process from "node:process";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { threadIds } from "../../ffi/proc.ts";
import { signalName } from "../../ffi/signals.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { SignalBatch } from "../../handles/signal_batch.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { handlerOf } from "../../handles/signal_orders.ts";
import { readable } from "../probes.ts";
import { queueSignal, receive, receiveNothing, runCase, runProgram } from "../signal_fixture.ts";
import { spawnScript, turn } from "../support.ts";
import { spinners } from "./signal_spinner.ts";

const { pid } = process;
const uid = libc.getuid();

async function sender(...args: (string | number)[]): Promise<number> {
  const script = await spawnScript("tests/process/signal_sender.ts", { args: args.map(String) });
  assertEquals(script.code, 0, script.stderr);
  return Number(script.stdout);
}

/** A thread of the runtime's own. */
const helperThread = (): number => threadIds().find((thread) => thread !== libc.gettid())!;

await runCase({
  async kill() {
    using fd = SignalFD.create(["SIGUSR1", "SIGTERM"]);
    const killer = await runProgram("/bin/kill", "-TERM", String(pid));
    const [info] = await receive(fd, 1);
    assertEquals([info!.name, info!.code], ["SIGTERM", posix.SI_USER]);
    assertEquals([info!.pid, info!.uid, info!.ptr], [killer.pid, uid, 0n]);
  },

  async queue() {
    using fd = SignalFD.create(["SIGUSR1", "SIGRTMIN+3"]);
    const other = await sender(pid, 37, 3, "queue");
    const infos = await receive(fd, 3);
    for (const info of infos) {
      assertEquals([info.signo, info.code, info.pid, info.uid], [37, -1, other, uid]);
      assertEquals(info.ptr, BigInt(info.int));
    }
    assertEquals(infos.map((info) => info.int).sort(), [0, 1, 2]);
    queueSignal(pid, 10, -1);
    assertEquals((await receive(fd, 1))[0]!.int, -1);
  },

  async child() {
    using fd = SignalFD.create(["SIGCHLD"]);
    const child = spawn("sh", ["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 7"]);
    const exit = new Promise((resolve) => child.once("exit", resolve));
    const [info] = await receive(fd, 1);
    assertEquals([info!.name, info!.code], ["SIGCHLD", posix.CLD_EXITED]);
    assertEquals([info!.pid, info!.uid, info!.status], [child.pid!, uid, 7]);
    assertGreater(info!.utime + info!.stime, 0n);
    assertEquals(await exit, 7); // the runtime's own bookkeeping goes on
  },

  async thread() {
    using fd = SignalFD.create(["SIGUSR2"]);
    assertEquals(libc.tgkill(pid, helperThread(), 12), 0);
    const [info] = await receive(fd, 1);
    assertEquals([info!.name, info!.code, info!.pid], ["SIGUSR2", linux.SI_TKILL, pid]);
  },

  /** Bun waits in epoll_pwait2 with an empty mask: a blocked signal would come through there. */
  async idle() {
    using fd = SignalFD.create(["SIGUSR1"]);
    for (let round = 0; round < 20; round++) {
      const { pid: killer } = await runProgram("/bin/kill", "-USR1", String(pid));
      assertEquals((await receive(fd, 1))[0]!.pid, killer);
    }
    await receiveNothing(fd);
  },

  /** Every signal that nothing else handles can be received, and none of them does anything. */
  async every() {
    const dispositions = [BigInt(posix.SIG_DFL), BigInt(posix.SIG_IGN)];
    const refused = [4, 5, 6, 7, 8, 9, 11, 19, 31];
    const free = Array.from({ length: 64 }, (_, index) => index + 1).filter((signal) =>
      !refused.includes(signal) && dispositions.includes(handlerOf(signal)!)
    );
    assertGreater(free.length, 45);
    using fd = SignalFD.create(free);
    for (const signal of free) {
      assertEquals(libc.kill(pid, signal), 0);
      assertEquals((await receive(fd, 1))[0]!.name, signalName(signal));
    }
  },

  batch() {
    using fd = SignalFD.create(["SIGRTMIN"]);
    for (let value = 0; value < 100; value++) queueSignal(pid, 34, value);
    const batch = new SignalBatch(64);
    const values: number[] = [];
    const sizes: number[] = [];
    while (values.length < 100) {
      assert(readable(fd, 5000));
      const count = fd.readInto(batch)!;
      sizes.push(count);
      for (let record = 0; record < count; record++) values.push(batch.int(record));
    }
    assertEquals(values.sort((a, b) => a - b), Array.from({ length: 100 }, (_, value) => value));
    assert(Math.max(...sizes) > 1, `one at a time: ${sizes}`);
    assertEquals([fd.readInto(batch), batch.count], [null, 0]);
  },

  async epoll() {
    using fd = SignalFD.create(["SIGUSR1"]);
    using set = Epoll.create();
    set.add(fd, EPOLL.IN);
    const events = new EpollEvents(4);
    assertEquals(set.wait(events, 0), 0);
    await runProgram("/bin/kill", "-USR1", String(pid));
    assertEquals(set.wait(events, 5000), 1);
    assertEquals([fd.read()?.name, set.wait(events, 0)], ["SIGUSR1", 0]);
  },

  /** Deno puts handlers on these signals when it starts a first worker. */
  async workerLater() {
    using fd = SignalFD.create(["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"]);
    await using spinning = await spinners(1);
    for (let round = 0; round < 5; round++) {
      for (const name of ["HUP", "INT", "TERM", "USR1"]) {
        await runProgram("/bin/kill", `-${name}`, String(pid));
        assertEquals((await receive(fd, 1))[0]!.name, `SIG${name}`);
      }
      await turn(40);
    }
    assertEquals(spinning.count, 1);
  },

  /** More than the pipe holds: the rest goes through memory, and comes out by reading alone. */
  async overflow() {
    for (const size of [1, 3, 512, 4096]) {
      using fd = SignalFD.create(["SIGRTMIN+1"]);
      for (let value = 0; value < 3000; value++) queueSignal(pid, 35, value);
      const batch = new SignalBatch(size);
      const seen = new Set<number>();
      while (seen.size < 3000) {
        assert(readable(fd, 5000), `${seen.size} of 3000, ${size} at a time`);
        const count = fd.readInto(batch)!;
        for (let record = 0; record < count; record++) seen.add(batch.int(record));
      }
      await receiveNothing(fd);
    }
  },

  async full() {
    using fd = SignalFD.create(["SIGRTMIN+1"]);
    await sender(pid, 35, 70_000, "queue");
    const batch = new SignalBatch(512);
    const seen = new Set<number>();
    while (readable(fd, 1000)) {
      const count = fd.readInto(batch)!;
      for (let record = 0; record < count; record++) seen.add(batch.int(record));
    }
    assertEquals(seen.size, 65_536 + 512); // what the doc promises, and no more
    queueSignal(pid, 35, 70_000);
    assertEquals((await receive(fd, 1))[0]!.int, 70_000);
  },

  async disjoint() {
    using one = SignalFD.create(["SIGUSR1"]);
    using two = SignalFD.create(["SIGUSR2"]);
    await runProgram("/bin/kill", "-USR1", String(pid));
    await runProgram("/bin/kill", "-USR2", String(pid));
    assertEquals((await receive(two, 1))[0]!.name, "SIGUSR2");
    assertEquals((await receive(one, 1))[0]!.name, "SIGUSR1");
    await receiveNothing(one);
    await receiveNothing(two);
  },

  /** The first handle has the signal; when it lets go, the oldest of the others. */
  async same() {
    const one = SignalFD.create(["SIGUSR1", "SIGUSR2"]);
    const two = SignalFD.create(["SIGUSR1"]);
    using three = SignalFD.create(["SIGUSR1"]);
    const hears = async (fd: SignalFD, others: SignalFD[]): Promise<void> => {
      await runProgram("/bin/kill", "-USR1", String(pid));
      await receive(fd, 1);
      for (const other of others) assertEquals(other.read(), null);
    };
    await hears(one, [two, three]);
    one.setMask(["SIGUSR2"]);
    await hears(two, [one, three]);
    one.setMask(["SIGUSR1", "SIGUSR2"]);
    await hears(two, [one, three]);
    three.setMask([]);
    two.close();
    await hears(one, [three]);
    three.setMask(["SIGUSR1"]);
    one.close();
    await hears(three, []);
  },

  async setMask() {
    using fd = SignalFD.create(["SIGUSR1"]);
    fd.setMask(["SIGUSR1", "SIGHUP"]);
    await runProgram("/bin/kill", "-HUP", String(pid));
    assertEquals((await receive(fd, 1))[0]!.name, "SIGHUP");
    const ours = handlerOf(10);
    fd.setMask(["SIGHUP"]);
    assert(handlerOf(10) !== ours);
    await runProgram("/bin/kill", "-HUP", String(pid));
    fd.setMask([]);
    assert(handlerOf(1) !== ours);
    assertEquals((await receive(fd, 1))[0]!.name, "SIGHUP"); // caught before
  },
});
