// X02: what works on Deno with --allow-ffi=<path of libc> and nothing else. Memory has its own file.

import {
  closeRange,
  cpuTopology,
  currentCPU,
  EPOLL,
  Epoll,
  EpollEvents,
  EventFD,
  FD,
  getAffinity,
  pipe,
  setAffinity,
  SignalBatch,
  SignalFD,
  signalName,
  signalNumber,
  SigSet,
  socketPair,
  spreadCPUs,
  supports,
  SyscallError,
  TimerFD,
} from "@fdloop/fdloop";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { test, useDescriptorProbe } from "../support.ts";
import { openDescriptors } from "./descriptors.ts";

useDescriptorProbe(openDescriptors);

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("X02 the grant is the narrow one, and descriptors are seen under it", async () => {
  const { Deno } = globalThis as unknown as {
    Deno: { permissions: { query(what: object): Promise<{ state: string }> } };
  };
  for (const name of ["ffi", "read", "write", "env", "run", "net", "sys"]) {
    const { state } = await Deno.permissions.query({ name });
    assert(state !== "granted", `${name} is granted, so that this run proves nothing`);
  }
  const before = openDescriptors();
  using counter = EventFD.create();
  assertEquals(openDescriptors().get(counter.raw), "anon_inode:[eventfd]");
  assertEquals(openDescriptors().size, before.size + 1);
});

test("X02 FD, pipe and socketPair: every verb", () => {
  using ends = pipe();
  const buffer = new Uint8Array(8);
  assertEquals(ends.reader.read(buffer), null);
  assertEquals(ends.writer.write(new TextEncoder().encode("narrow")), 6);
  assertEquals([ends.reader.read(buffer), text(buffer.subarray(0, 6))], [6, "narrow"]);
  using again = ends.reader.dup(50);
  assert(again.raw >= 50 && again.cloexec && again.nonblock);
  again.setNonblock(false);
  again.setCloexec(false);
  assertEquals([ends.reader.nonblock, ends.reader.cloexec, again.cloexec], [false, true, false]);
  using duplicate = FD.duplicate(ends.writer.raw);
  using adopted = FD.adopt(pipeEnd(ends.writer));
  assertEquals([duplicate.write(buffer), adopted.write(buffer)], [8, 8]);
  using here = FD.from(structuredClone(ends.reader.share()));
  assertEquals(here.read(buffer), 8);
  closeRange(again.raw, Infinity, { cloexec: true });
  assertEquals(again.cloexec, true);
  using pair = socketPair({ type: "seqpacket" });
  assertEquals([pair.left.write(buffer), pair.right.read(buffer)], [8, 8]);
});

/** A number that nobody owns yet: what share() leaves when its handle is forgotten, of a duplicate. */
function pipeEnd(end: FD): number {
  return end.dup().raw;
}

test("X02 errors: code, errno, call and number", () => {
  const error = assertThrows(() => FD.adopt(290), SyscallError);
  assertEquals([error.code, error.errno, error.syscall, error.fd], ["EBADF", 9, "fcntl", 290]);
});

test("X02 EventFD: every verb", () => {
  using counter = EventFD.create({ initial: 2n ** 40n, semaphore: false });
  const bytes = new Uint8Array(8);
  assertEquals(counter.wait(), 2n ** 40n);
  assertEquals(counter.signal(3), true);
  assertEquals([counter.waitInto(bytes), bytes[0]], [true, 3]);
  assertEquals([counter.write(bytes), counter.read(bytes)], [8, 8]);
  assertEquals(counter.waitInto(bytes), null);
  assertEquals(EventFD.from(structuredClone(counter.share())).signal(), true);
});

test("X02 TimerFD: every verb", () => {
  using timer = TimerFD.create({ blocking: true });
  timer.arm(1, 1);
  assert(timer.expirations()! >= 1n);
  assertEquals(timer.expirationsInto(new Uint8Array(8)), true);
  timer.armAt(timer.now() + 1_000_000n);
  assertEquals([timer.read(new Uint8Array(8)), timer.getTime().remaining], [8, 0n]);
  timer.arm(60_000);
  timer.disarm();
  assert(timer.previous.remaining > 0n);
});

test("X02 Epoll: every verb", () => {
  using set = Epoll.create();
  using ends = pipe();
  const events = new EpollEvents(4);
  set.add(ends.reader, EPOLL.IN | EPOLL.ONESHOT, 7);
  ends.writer.write(new Uint8Array(1));
  assertEquals([set.wait(events, 0.25), events.data(0), set.wait(events, 0)], [1, 7n, 0]);
  set.rearm(ends.reader);
  assertEquals(set.wait(events), 1);
  set.modify(ends.reader, EPOLL.IN | EPOLL.ET);
  assertEquals(set.wait(events), 1);
  set.delete(ends.reader);
  assertEquals(set.wait(events, 0), 0);
  using there = Epoll.from(structuredClone(set.share()));
  there.add(ends.writer, EPOLL.OUT);
  assertEquals(set.wait(events, 0), 1);
});

test("X02 SigSet, SignalFD: they need /proc, which they read through libc", () => {
  assertEquals([signalNumber("SIGTERM"), signalName(15)], [15, "SIGTERM"]);
  using signals = SignalFD.create(new SigSet(["SIGURG", "SIGWINCH"]));
  assertEquals([...signals.mask], ["SIGURG", "SIGWINCH"]);
  assertEquals([signals.read(), signals.readInto(new SignalBatch(2))], [null, null]);
  signals.setMask(["SIGURG"]);
  assertEquals([...signals.mask], ["SIGURG"]);
});

test("X02 supports: every feature can be probed", () => {
  assertEquals([supports("epoll"), supports("eventfd"), supports("timerfd")], [true, true, true]);
});

test("X02 affinity: /sys is read through libc", () => {
  const cpus = getAffinity();
  assertEquals(setAffinity(spreadCPUs(cpus.length)), cpus);
  assert(cpus.includes(currentCPU()) && cpuTopology().online.includes(cpus[0]!));
});
