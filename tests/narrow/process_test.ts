// X02: processes and the loop on Deno with --allow-ffi=<path of libc> and nothing else.

import {
  EPOLL,
  Epoll,
  EpollEvents,
  EventFD,
  Loop,
  LoopWaker,
  PidFD,
  pipe,
  SignalFD,
  TimerFD,
} from "@fdloop/fdloop";
import { assert, assertEquals } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { test, useDescriptorProbe } from "../support.ts";
import { openDescriptors } from "./descriptors.ts";

useDescriptorProbe(openDescriptors);

test("X02 PidFD and SignalFD: this process sends itself a signal", () => {
  using self = PidFD.open(libc.getpid());
  using signals = SignalFD.create(["SIGURG"]);
  using set = Epoll.create();
  set.add(signals, EPOLL.IN);
  self.sendSignal(0);
  self.sendSignal("SIGURG", { value: 7 });
  // Any thread of the process may be the one that takes it, a moment later.
  assertEquals(set.wait(new EpollEvents(1), 10_000), 1);
  const info = signals.read();
  assertEquals([info?.name, info?.int, info?.pid], ["SIGURG", 7, libc.getpid()]);
  assertEquals([self.exitStatus(), self.pid], [null, libc.getpid()]);
});

test("X02 PidFD: a descriptor of a process", () => {
  using self = PidFD.open(libc.getpid());
  using counter = EventFD.create({ initial: 5 });
  using again = self.getFD(counter.raw);
  const bytes = new Uint8Array(8);
  assertEquals([again.read(bytes), bytes[0]], [8, 5]);
});

test("X02 Loop: watches, promises, tasks, timers of the kernel, wakers", async () => {
  using loop = Loop.create();
  using ends = pipe();
  using timer = TimerFD.create();
  const seen: string[] = [];
  const waker = LoopWaker.from(structuredClone(loop.shareWaker()));
  loop.watch(ends.reader, { readable: true }, () => {
    seen.push(`read ${ends.reader.read(new Uint8Array(8))}`);
    timer.arm(1);
  });
  const ticked = loop.readable(timer).then(() => {
    seen.push(`tick ${timer.expirations()}`);
    loop.stop();
  });
  loop.post(() => void ends.writer.write(new Uint8Array(3)));
  waker.wake();
  await loop.run();
  await ticked;
  assertEquals(seen, ["read 3", "tick 1"]);
  assert(!loop.running);
});
