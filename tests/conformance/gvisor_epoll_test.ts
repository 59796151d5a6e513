// gVisor, test/syscalls/linux/epoll.cc: what it observes.

import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import type { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { asleep, count, reports } from "../epoll_fixture.ts";
import type { EpollWorker } from "../epoll_worker.ts";
import { test, worker } from "../support.ts";

const { IN, OUT, ET, ONESHOT } = EPOLL;

const start = () => worker<EpollWorker>(new URL("../epoll_worker.ts", import.meta.url));

/** Three counters in a set, under 64-bit data. */
function three(stack: DisposableStack, mask: number): { set: Epoll; counters: EventFD[] } {
  const set = stack.use(Epoll.create());
  const counters = [0, 1, 2].map(() => stack.use(EventFD.create()));
  counters.forEach((counter, index) =>
    set.add(counter, mask, 0xdead_beef_0000_0000n + BigInt(index))
  );
  return { set, counters };
}

const TAGS = [0xdead_beef_0000_0000n, 0xdead_beef_0000_0001n, 0xdead_beef_0000_0002n] as const;

test("gvisor: AllWritable, three counters, each exactly OUT", () => {
  using stack = new DisposableStack();
  const { set } = three(stack, IN | OUT);
  assertEquals(reports(set), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], OUT]]);
});

test("gvisor: LastReadable, the one that was signalled is IN and OUT", () => {
  using stack = new DisposableStack();
  const { set, counters } = three(stack, IN | OUT);
  counters[2]!.signal();
  assertEquals(reports(set), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], IN | OUT]]);
});

test("gvisor: LastNonWritable, a full counter is not", () => {
  using stack = new DisposableStack();
  const { set, counters } = three(stack, IN | OUT);
  counters[2]!.signal(2n ** 64n - 2n);
  assertEquals(reports(set), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], IN]]);
  counters[2]!.wait();
  assertEquals(reports(set), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], OUT]]);
});

test("gvisor: Timeout, TimeoutNoFds and EpollPwait2Timeout, 200 ms", () => {
  using stack = new DisposableStack();
  const { set } = three(stack, IN);
  using empty = Epoll.create();
  for (const each of [set, empty]) {
    for (const timeout of [200, 200_000_001n]) {
      const began = performance.now();
      assertEquals(each.wait(new EpollEvents(8), timeout), 0);
      assertGreaterOrEqual(performance.now() - began, 200);
    }
  }
});

test("gvisor: WaitThenUnblock, a write from another thread", async () => {
  await using thread = start();
  using stack = new DisposableStack();
  const { set, counters } = three(stack, IN);
  const waiting = thread.call("wait", set.share());
  await asleep(set);
  counters[0]!.signal();
  assertEquals(await waiting, [{ mask: IN, data: TAGS[0] }]);
});

test("gvisor: UnblockWithNewFD, a ready descriptor is added while a thread waits", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  const waiting = thread.call("wait", set.share());
  await asleep(set);
  set.add(counter, IN, 0xdeadbeef_facefeedn);
  assertEquals(await waiting, [{ mask: IN, data: 0xdeadbeef_facefeedn }]);
});

test("gvisor: Oneshot, MOD to OUT and ONESHOT: one report, then none", () => {
  using stack = new DisposableStack();
  const { set, counters } = three(stack, IN);
  set.modify(counters[0]!, OUT | ONESHOT);
  assertEquals([reports(set), reports(set)], [[[TAGS[0], OUT]], []]);
});

test("gvisor: EdgeTriggered, what is an edge for a writer and what is not", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  set.add(counter, OUT | ET, 1);
  assertEquals([reports(set), reports(set)], [[[1, OUT]], []]);
  counter.signal(2n ** 64n - 2n);
  assertEquals(counter.signal(), false, "full");
  assertEquals(reports(set), []);
  counter.wait();
  assertEquals([reports(set), reports(set)], [[[1, OUT]], []], "room again");
  set.modify(counter, OUT | ET, 2);
  assertEquals([reports(set), reports(set)], [[[2, OUT]], []], "MOD, with the new data");
});

test("gvisor: DoubleLayerEpoll, twice", async () => {
  await using thread = start();
  using outer = Epoll.create();
  using inner = Epoll.create();
  using ends = pipe();
  inner.add(ends.reader, IN);
  outer.add(inner, IN);
  const byte = new Uint8Array(1);
  for (let time = 0; time < 2; time++) {
    assertEquals([count(outer), count(inner)], [0, 0]);
    const waiting = thread.call("wait", outer.share());
    await asleep(outer);
    ends.writer.write(byte);
    assertEquals(await waiting, [{ mask: IN, data: BigInt(inner.raw) }]);
    assertEquals(reports(inner), [[ends.reader.raw, IN]]);
    assertEquals(ends.reader.read(byte), 1);
  }
  assertEquals([count(outer), count(inner)], [0, 0]);
});

test("gvisor: DoubleEpollOneShot, requests and answers over a pair, both ends re-arming", async () => {
  await using thread = start();
  using here = Epoll.create();
  using there = Epoll.create();
  using pair = socketPair();
  const answering = thread.call("answer", there.share(), pair.right.share());
  await asleep(there); // it needs this thread's event loop to begin, and not any more then
  const [rounds, byte, events] = [4096, new Uint8Array(1), new EpollEvents(1)];
  const mask = IN | ET | ONESHOT;
  here.add(pair.left, mask);
  for (let round = 0; round < rounds; round++) {
    pair.left.write(byte);
    while (pair.left.read(byte) === null) {
      here.modify(pair.left, mask);
      assertEquals(here.wait(events, 10_000), 1, `round ${round}`);
    }
  }
  pair.left.close();
  assertEquals(await answering, rounds);
});

test("gvisor: RegularFiles, EPERM comes before what else is wrong", () => {
  using set = Epoll.create();
  const file = openSync(new URL(import.meta.url), "r");
  for (const verb of ["add", "modify", "delete"] as const) {
    assertEquals(assertThrows(() => set[verb](file, IN), SyscallError).code, "EPERM");
  }
  closeSync(file);
});

test("gvisor: CycleOfOneFails, CycleOfThreeFails", () => {
  using one = Epoll.create();
  using two = Epoll.create();
  using three = Epoll.create();
  assertEquals(assertThrows(() => one.add(one, IN), SyscallError).code, "EINVAL");
  one.add(two, IN);
  two.add(three, IN);
  assertEquals(assertThrows(() => three.add(one, IN), SyscallError).code, "ELOOP");
});

test("gvisor: CloseFile, a descriptor that is closed leaves the set", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const close = (target: EventFD | FD): void => {
    set.add(target, OUT | IN);
    assert(count(set) > 0);
    target.close();
    assertEquals(count(set), 0);
  };
  close(stack.use(EventFD.create()));
  const ends = stack.use(pipe());
  close(ends.writer);
  close(ends.reader);
});
