import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { MOST_SETS } from "../handles/cell.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { pipe } from "../handles/pipe.ts";
import { count, reports, RESERVED, reserved } from "./epoll_fixture.ts";
import type { EpollWorker } from "./epoll_worker.ts";
import { duplicate } from "./probes.ts";
import { test, turn, worker } from "./support.ts";

const { IN, OUT, RDHUP } = EPOLL;

const start = () => worker<EpollWorker>(new URL("./epoll_worker.ts", import.meta.url));

test("R08 the pitfall: a number that is closed goes on reporting while a duplicate lives", () => {
  using set = Epoll.create();
  const ends = pipe();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader.raw, IN, 5);
  ends.writer.write(new Uint8Array(1));
  ends.reader.close();
  assertEquals(reports(set), [[5, IN]]);
  ends.writer.close();
});

test("R08 a handle leaves its sets before it is closed, also where a duplicate lives", () => {
  using sets = new DisposableStack();
  const [one, two] = [sets.use(Epoll.create()), sets.use(Epoll.create())];
  using ends = pipe();
  using copy = duplicate(ends.reader);
  one.add(ends.reader, IN);
  two.add(ends.reader, IN);
  ends.writer.write(new Uint8Array(1));
  assertEquals([count(one), count(two)], [1, 1]);
  ends.reader.close();
  assertEquals([count(one), count(two)], [0, 0]);
  one.add(copy, IN, 3);
  assertEquals(reports(one), [[3, IN]], "the duplicate is one of its own");
});

test("R08 a handle that modify made known leaves the set too", () => {
  using set = Epoll.create();
  using ends = pipe();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader.raw, 0, 4);
  set.modify(ends.reader, IN);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set), [[4, IN]]);
  ends.reader.close();
  assertEquals(count(set), 0);
});

test("R08 a handle that was refused because its number is there leaves the set too", () => {
  using set = Epoll.create();
  using ends = pipe();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader.raw, IN);
  assertThrows(() => set.add(ends.reader, IN), SyscallError, "EEXIST");
  ends.writer.write(new Uint8Array(1));
  ends.reader.close();
  assertEquals(count(set), 0);
});

test("R08 a shared handle that another thread closes leaves the set", async () => {
  await using thread = start();
  using set = Epoll.create();
  using ends = pipe();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader, IN);
  ends.writer.write(new Uint8Array(1));
  assertEquals(count(set), 1);
  await thread.call("closeFD", ends.reader.share());
  assertEquals([count(set), ends.reader.closed], [0, true]);
});

test("R08 a shared handle that was shared before it was added, likewise", async () => {
  await using thread = start();
  using set = Epoll.create();
  using ends = pipe();
  const shared = ends.reader.share();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader, IN);
  ends.writer.write(new Uint8Array(1));
  await thread.call("closeFD", shared);
  assertEquals(count(set), 0);
});

test("R08 a copy of a handle is the handle: known by the one, taken out by the other", async () => {
  await using thread = start();
  using set = Epoll.create();
  using ends = pipe();
  using _copy = duplicate(ends.reader);
  set.add(ends.reader, IN, 6);
  const same = FD.from(ends.reader.share());
  set.modify(same, IN | RDHUP);
  set.modify(ends.reader, IN);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set), [[6, IN]]);
  await thread.call("closeFD", same.share());
  assertEquals(count(set), 0);
});

test("R08 what a thread added leaves the set when another thread closes it", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  using _copy = duplicate(counter);
  await thread.call("addCounter", set.share(), counter.share(), IN);
  assertEquals(count(set), 1);
  counter.close();
  assertEquals(count(set), 0);
});

test("R08 a thread that was told EEXIST takes it out when it closes it", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  using _copy = duplicate(counter);
  set.add(counter, IN);
  assertEquals(await thread.call("addTwiceAndClose", set.share(), counter.share()), "EEXIST");
  assertEquals([count(set), counter.closed], [0, true]);
});

test("R08 a number that another thread closed, and that is another's now, is added as new", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create();
  using other = EventFD.create({ initial: 1 });
  const first = reserved(counter);
  set.add(first, IN, 1);
  await thread.call("closeFD", first.share());
  const next = reserved(other);
  assertThrows(() => set.modify(next, IN, 2), SyscallError, "ENOENT");
  set.add(next, IN, 2);
  first.close(); // closed before: it must not take its successor out
  assertEquals(reports(set), [[2, IN]]);
  next.close();
  assertEquals(count(set), 0);
});

test("R10 a number that another copy closed, and that is another's now, does not get its data", () => {
  using here = Epoll.create();
  const there = Epoll.from(structuredClone(here.share()));
  const first = EventFD.create();
  const number = first.raw;
  const copy = EventFD.from(structuredClone(first.share()));
  here.add(first, EPOLL.IN, 111);
  copy.close(); // as another thread would: `first` and the set here are told nothing
  using second = EventFD.create({ initial: 1 });
  assertEquals(second.raw, number);
  there.add(second, EPOLL.IN | EPOLL.ONESHOT, 222);
  assertThrows(() => here.rearm(second), RangeError, "was not added through this object");
  assertThrows(() => here.rearm(number), RangeError, "was not added through this object");
  const events = new EpollEvents(2);
  assertEquals([here.wait(events, 0), events.data(0)], [1, 222n]);
  here.modify(second, EPOLL.IN);
  assertEquals([here.wait(events, 0), events.data(0)], [1, BigInt(number)]);

  here.modify(number, EPOLL.IN | EPOLL.ONESHOT, 333); // and what a bare number was given is known
  assertEquals([here.wait(events, 0), here.wait(events, 0)], [1, 0]);
  here.rearm(number);
  assertEquals([here.wait(events, 0), events.data(0)], [1, 333n]);
});

test("R08 a number that was closed behind the library's back, likewise", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  using other = EventFD.create();
  const first = reserved(other);
  set.add(RESERVED, IN, 1);
  first.close();
  using _next = reserved(counter);
  set.add(RESERVED, IN, 2);
  assertEquals(reports(set), [[2, IN]]);
});

test("R08 delete, add and close in any order", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  using copy = duplicate(counter);
  set.add(counter, IN);
  set.delete(counter);
  assertEquals(count(set), 0);
  set.add(counter, IN, 2);
  set.delete(counter.raw);
  set.add(counter.raw, IN, 3);
  assertEquals(reports(set), [[3, IN]]);
  set.delete(counter);
  counter.close();
  set.add(copy, IN, 4);
  assertEquals(reports(set), [[4, IN]]);
});

test("R08 closing a set lets go of what is in it, whatever becomes of its number", () => {
  using sets = new DisposableStack();
  const [one, two] = [sets.use(Epoll.create()), sets.use(Epoll.create())];
  using counter = EventFD.create({ initial: 1 });
  using _copy = duplicate(counter);
  counter.share();
  const first = Epoll.adopt(reserved(one).raw);
  first.add(counter, IN);
  first.close();
  using next = Epoll.adopt(reserved(two).raw);
  next.add(counter, IN | OUT, 1);
  assertEquals(count(next), 1);
  counter.close();
  assertEquals(count(next), 0);
});

test("R08 a shared handle can be in 13 sets at once, and in any number one after the other", () => {
  using counter = EventFD.create({ initial: 1 });
  counter.share();
  using sets = new DisposableStack();
  const all = Array.from({ length: MOST_SETS }, () => sets.use(Epoll.create()));
  for (const set of all) set.add(counter, IN);
  using one = Epoll.create();
  assertThrows(() => one.add(counter, IN), RangeError, "dup() it");
  assertEquals(count(one), 0);
  all[3]!.close();
  one.add(counter, IN);
  all[4]!.delete(counter);
  using two = Epoll.create();
  two.add(counter, IN);
  for (let round = 0; round < 30; round++) {
    all[5]!.close();
    all[5] = sets.use(Epoll.create());
    all[5].add(counter, IN);
  }
  using _copy = duplicate(counter);
  counter.close();
  for (const set of [one, two, all[0]!, all[5]!]) assertEquals(count(set), 0);
});

test("R08 sets that another thread closes under a wait let go of what is in them", async () => {
  await using thread = start();
  using counter = EventFD.create();
  counter.share();
  await thread.ready;
  using numbers = new DisposableStack(); // so that each set has a number of its own
  for (let round = 0; round <= MOST_SETS; round++) {
    const set = Epoll.create();
    set.add(counter, IN);
    const closing = thread.call("closeAsleep", set.share());
    await turn(); // the call is on its way; from here on this thread sleeps
    assertThrows(() => set.wait(new EpollEvents(1), 10_000), ClosedError);
    await closing;
    numbers.use(duplicate(counter));
  }
  using last = Epoll.create();
  last.add(counter, IN);
  counter.signal();
  assertEquals(count(last), 1);
});

test("R08 a set in a set leaves it when it is closed", () => {
  using outer = Epoll.create();
  const inner = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  using _copy = duplicate(inner);
  inner.add(counter, IN);
  outer.add(inner, IN);
  assertEquals(count(outer), 1);
  inner.close();
  assertEquals(count(outer), 0);
});
