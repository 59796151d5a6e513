import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { count, type Report, reports, RESERVED, reserved } from "./epoll_fixture.ts";
import type { EpollWorker } from "./epoll_worker.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { flagsOf, isOpen, readable } from "./probes.ts";
import { root, test, worker } from "./support.ts";

const { IN, OUT, PRI, HUP, RDHUP, RDNORM, WRNORM, ET, ONESHOT, EXCLUSIVE, WAKEUP } = EPOLL;

const start = () => worker<EpollWorker>(new URL("./epoll_worker.ts", import.meta.url));

/** The fields of the SyscallError that a call throws, and that its message has the remedy. */
function refused(call: () => unknown, code: string, fd: number, remedy: string = code): void {
  const error = assertThrows(call, SyscallError, remedy);
  assertEquals([error.code, error.syscall, error.fd], [code, "epoll_ctl", fd]);
}

test("R01 create: closed on exec unless it is to be inherited, and closed once", () => {
  using own = Epoll.create();
  using inherited = Epoll.create({ inherit: true });
  assertEquals([flagsOf(own).cloexec, flagsOf(inherited).cloexec], [true, false]);
  assertEquals([String(own), own.valid], ["[object Epoll]", true]);
  own.close();
  own.close();
  assertEquals([own.raw, own.closed], [-1, true]);
});

test("R01 create refuses options that are none", () => {
  for (const bad of [null, 3, "inherit", true]) {
    assertThrows(() => Epoll.create(bad as never), TypeError, "Epoll.create: options");
  }
  assertThrows(() => Epoll.create({ inherit: 1 as never }), TypeError, "Epoll.create: inherit");
  const construct = Epoll as unknown as new () => Epoll;
  assertThrows(() => new construct(), TypeError, "factories of Epoll");
});

test("R01 adopt takes ownership of an epoll set, and of nothing else", () => {
  using counter = EventFD.create({ initial: 1 });
  using first = Epoll.create();
  const set = Epoll.adopt(reserved(first).raw);
  set.add(counter, IN);
  assertEquals(reports(set), [[counter.raw, IN]]);
  set.close();
  assertEquals(isOpen(RESERVED), false);

  refused(() => Epoll.adopt(counter.raw), "EINVAL", counter.raw, "adopt it as an FD");
  const file = openSync(new URL(import.meta.url), "r");
  refused(() => Epoll.adopt(file), "EINVAL", file, "adopt it as an FD");
  closeSync(file);
  assertEquals(assertThrows(() => Epoll.adopt(RESERVED), SyscallError).code, "EBADF");
  for (const bad of [-1, 1.5, NaN, 2 ** 31]) assertThrows(() => Epoll.adopt(bad), RangeError);
  for (const bad of [undefined, null, "3", 3n, {}]) {
    assertThrows(() => Epoll.adopt(bad as never), TypeError, "Epoll.adopt: the number");
  }
  assert(isOpen(counter.raw), "what was refused is left alone");
});

test("R01 an adopted set keeps what is in it", () => {
  using counter = EventFD.create({ initial: 1 });
  using first = Epoll.create();
  first.add(counter, IN, 77);
  using second = Epoll.adopt(reserved(first).raw);
  assertEquals(reports(second), [[77, IN]]);
});

test("R01 each mask word does what it says", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN | OUT | PRI | RDHUP | RDNORM | WRNORM);
  assertEquals(reports(set), [[pair.left.raw, OUT | WRNORM]]);
  pair.right.write(new Uint8Array(1));
  assertEquals(reports(set), [[pair.left.raw, IN | OUT | RDNORM | WRNORM]]);
  pair.right.close();
  const gone = IN | OUT | RDHUP | HUP | RDNORM | WRNORM;
  assertEquals(reports(set), [[pair.left.raw, gone]]);
  set.modify(pair.left, 0);
  assertEquals(reports(set), [[pair.left.raw, HUP]], "HUP and ERR need not be asked for");
});

test("R01 WAKEUP and EXCLUSIVE are taken", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, IN | WAKEUP | EXCLUSIVE | ET);
  assertEquals(reports(set), [[counter.raw, IN]]);
});

test("R01 the data is the descriptor's number where none is given, 64 bits otherwise", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, IN);
  assertEquals(reports(set), [[counter.raw, IN]]);
  set.modify(counter, IN, 2n ** 64n - 1n);
  assertEquals(reports(set), [[2n ** 64n - 1n, IN]]);
  set.modify(counter, IN | OUT);
  assertEquals(reports(set), [[2n ** 64n - 1n, IN | OUT]], "modify keeps what it is not given");
  set.modify(counter, IN, 0);
  assertEquals(reports(set), [[0, IN]]);
});

test("R01 fd 0 and data 0 are values", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN, 0);
  set.add(ends.writer, OUT, 0n);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set).map(([data]) => data), [0, 0]);
});

/** 2 kB into a pipe, wait, read 1 kB, wait: how many events the two waits reported. */
function story(mask: number): [first: number, second: number] {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, mask);
  ends.writer.write(new Uint8Array(2048));
  const first = count(set);
  assertEquals(ends.reader.read(new Uint8Array(1024)), 1024);
  return [first, count(set)];
}

test("R02 2 kB written, 1 kB read: level-triggered reports again, edge-triggered does not", () => {
  assertEquals(story(IN), [1, 1]);
  assertEquals(story(IN | ET), [1, 0]);
});

test("R03 ET is refused for a descriptor that blocks, and nothing is left of it", () => {
  using set = Epoll.create();
  using ends = pipe({ blocking: true });
  for (const target of [ends.reader, ends.reader.raw]) {
    const error = assertThrows(() => set.add(target, IN | ET), TypeError);
    assert(
      error.message.includes(`fd ${ends.reader.raw}`) && error.message.includes("setNonblock"),
    );
  }
  ends.writer.write(new Uint8Array(1));
  assertEquals(count(set), 0);
  set.add(ends.reader, IN, 5);
  assertThrows(() => set.modify(ends.reader, IN | ET, 6), TypeError, "blocking: false");
  assertEquals(reports(set), [[5, IN]], "the registration is as it was");
  set.rearm(ends.reader);
  assertEquals(reports(set), [[5, IN]]);
  ends.reader.setNonblock(true);
  set.modify(ends.reader, IN | ET, 6);
  assertEquals([reports(set), reports(set)], [[[6, IN]], []]);
});

test("R03 ET: a set in a set never blocks, a file is refused as what it is", () => {
  using set = Epoll.create();
  using inner = Epoll.create();
  set.add(inner, IN | ET);
  const file = openSync(new URL(import.meta.url), "r");
  refused(() => set.add(file, IN | ET), "EPERM", file, "always ready");
  closeSync(file);
  refused(() => set.add(RESERVED, IN | ET), "EBADF", RESERVED);
});

test("R04 ONESHOT reports once; rearm reports again with the same mask and data", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, IN | OUT | ONESHOT, 0xdeadbeef_00000001n);
  const report: Report = [0xdeadbeef_00000001n, IN | OUT];
  for (let round = 0; round < 3; round++) {
    assertEquals([reports(set), reports(set)], [[report], []]);
    counter.signal();
    assertEquals(reports(set), [], "silent, whatever comes");
    refused(() => set.add(counter, IN), "EEXIST", counter.raw);
    set.rearm(counter);
  }
  assertEquals(reports(set), [report]);
  set.rearm(counter.raw);
  assertEquals(reports(set), [report], "by number too");
});

test("R04 rearm of what was not added here says what to do", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  assertThrows(() => set.rearm(counter), RangeError, "call modify with the mask");
  set.add(counter, IN);
  set.delete(counter);
  assertThrows(() => set.rearm(counter.raw), RangeError, "call modify with the mask");
});

test("R05 each refusal has its name, the target's number, and a remedy", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  const fd = counter.raw;
  refused(() => set.modify(counter, IN), "ENOENT", fd, "add it first");
  refused(() => set.delete(counter), "ENOENT", fd, "add it first");
  set.add(counter, IN);
  refused(() => set.add(counter, IN), "EEXIST", fd, "change it with modify");
  refused(() => set.add(fd, IN), "EEXIST", fd, "change it with modify");
  refused(() => set.add(set, IN), "EINVAL", set.raw, "A set cannot be in itself");
  refused(() => set.add(set.raw, IN | ET), "EINVAL", set.raw, "A set cannot be in itself");
  refused(() => set.modify(counter, IN | EXCLUSIVE), "EINVAL", fd, "EXCLUSIVE is for add only");
  set.delete(counter);
  refused(() => set.add(counter, IN | EXCLUSIVE | ONESHOT), "EINVAL", fd, "EXCLUSIVE goes with");
  const file = openSync("/dev/null", "r");
  refused(() => set.add(file, IN), "EPERM", file, "always ready");
  closeSync(file);
  refused(() => set.add(RESERVED, IN), "EBADF", RESERVED);
  refused(() => set.delete(RESERVED), "EBADF", RESERVED);
  assertEquals(count(set), 0);
});

test("R05 R06 ELOOP: sets in a circle, and more than five deep", () => {
  using stack = new DisposableStack();
  const sets = Array.from({ length: 6 }, () => stack.use(Epoll.create()));
  for (let depth = 1; depth < 5; depth++) sets[depth]!.add(sets[depth - 1]!, IN);
  refused(() => sets[5]!.add(sets[4]!, IN), "ELOOP", sets[4]!.raw, "five deep");
  refused(() => sets[0]!.add(sets[4]!, IN), "ELOOP", sets[4]!.raw, "not in a circle");
  using counter = stack.use(EventFD.create({ initial: 1 }));
  sets[0]!.add(counter, IN);
  assertEquals(reports(sets[4]!), [[sets[3]!.raw, IN]], "five are no problem");
});

test("R06 a set in a set: the outer reports the inner, the inner the descriptor", () => {
  using outer = Epoll.create();
  using inner = Epoll.create();
  using counter = EventFD.create();
  outer.add(inner, IN);
  inner.add(counter, IN);
  assertEquals([count(outer), readable(inner)], [0, false]);
  counter.signal();
  assertEquals([reports(outer), readable(inner)], [[[inner.raw, IN]], true]);
  assertEquals(reports(inner), [[counter.raw, IN]]);
  counter.wait();
  assertEquals([count(outer), count(inner)], [0, 0]);
  inner.close();
  assertEquals(count(outer), 0);
});

test("R06 one descriptor in two sets: each has its own mask, data and edge", () => {
  using level = Epoll.create();
  using edge = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  level.add(counter, IN, 1);
  edge.add(counter, IN | OUT | ET, 2);
  assertEquals([reports(level), reports(edge)], [[[1, IN]], [[2, IN | OUT]]]);
  assertEquals([count(level), count(edge)], [1, 0]);
  level.delete(counter);
  counter.signal();
  assertEquals([count(level), count(edge)], [0, 1]);
});

test("R07 events between two waits are one", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN | RDHUP | ET);
  pair.right.write(new Uint8Array(1));
  pair.right.write(new Uint8Array(1));
  pair.right.close();
  assertEquals(reports(set), [[pair.left.raw, IN | RDHUP | HUP]]);
  assertEquals(count(set), 0);
});

test("R07 a second add fails, modify reports again what is ready", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, IN | ET);
  assertEquals([count(set), count(set)], [1, 0]);
  refused(() => set.add(counter, IN | ET), "EEXIST", counter.raw);
  assertEquals(count(set), 0, "a refused add is no edge");
  set.modify(counter, IN | ET);
  assertEquals([count(set), count(set)], [1, 0]);
});

test("R10 a handle closed earlier in a batch, its number reused: the generation tells", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const counters = [0, 1].map(() => stack.use(EventFD.create({ initial: 1 })));
  const tag = (generation: number, slot: number): number => generation * 2 ** 32 + slot;
  const victim = reserved(counters[1]!);
  set.add(counters[0]!, IN, tag(1, 0));
  set.add(victim, IN, tag(1, 1));
  const events = new EpollEvents(2);
  assertEquals(set.wait(events, 0), 2);

  victim.close();
  using next = reserved(stack.use(EventFD.create({ initial: 1 })));
  set.add(next, IN, tag(2, 1));
  const stale = [...events].map(({ data }) => Number(data)).filter((data) => data % 2 ** 32 === 1);
  assertEquals(
    stale,
    [tag(1, 1)],
    "the batch is as it was, and its generation is not the current one",
  );
  assertEquals(reports(set).map(([data]) => data), [tag(1, 0), tag(2, 1)], "no other wait has it");
});

test("R11 a wait reports no more than its buffer holds, the next ones the rest, in turns", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  for (let slot = 0; slot < 10; slot++) {
    set.add(stack.use(EventFD.create({ initial: 1 })), IN, slot);
  }
  const events = new EpollEvents(4);
  const seen: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    assertEquals(set.wait(events, 0), 4);
    for (const { data } of events) seen.push(Number(data));
  }
  const all = Array.from({ length: 10 }, (_, slot) => slot);
  assertEquals(seen.slice(0, 10).sort((a, b) => a - b), all);
  assertEquals(seen.slice(10).sort((a, b) => a - b), all);
});

test("X03 masks: 32 bits, signed or not, made of the words", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, 0);
  for (const mask of [IN | ET, (IN | ET) >>> 0, ET, -(2 ** 31), 0, -0]) set.modify(counter, mask);
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 32, 2 ** 53, -(2 ** 31) - 1, 0x20, 0x800]) {
    assertThrows(() => set.add(counter, bad), RangeError, "Epoll.add: the mask");
    assertThrows(() => set.modify(counter, bad), RangeError, "Epoll.modify: the mask");
  }
  for (const bad of [undefined, null, "1", 1n, {}, [1], true, Symbol("1")]) {
    assertThrows(() => set.add(counter, bad as never), TypeError, "Epoll.add: the mask");
    assertThrows(() => set.modify(counter, bad as never), TypeError, "Epoll.modify: the mask");
  }
  assertThrows(() => set.add(counter, 0x20), RangeError, "none of them has 0x20");
});

test("X03 data: 64 bits, exact", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  for (const bad of [-1, 0.5, NaN, 2 ** 53, Infinity, -1n, 2n ** 64n]) {
    assertThrows(() => set.add(counter, IN, bad), RangeError, "Epoll.add: the data");
    assertThrows(() => set.modify(counter, IN, bad), RangeError, "Epoll.modify: the data");
  }
  for (const bad of [null, "1", {}, [1], true]) {
    assertThrows(() => set.add(counter, IN, bad as never), TypeError, "Epoll.add: the data");
    assertThrows(() => set.modify(counter, IN, bad as never), TypeError, "Epoll.modify: the data");
  }
});

test("X03 targets: handles and numbers", () => {
  using set = Epoll.create();
  for (const verb of ["add", "modify", "rearm", "delete"] as const) {
    const call = (target: unknown) => set[verb](target as never, IN);
    for (const bad of [-1, 1.5, NaN, 2 ** 31, 2 ** 53]) {
      assertThrows(() => call(bad), RangeError, `Epoll.${verb}: the target`);
    }
    for (const bad of [undefined, null, "3", 3n, {}, { raw: 3 }, []]) {
      assertThrows(() => call(bad), TypeError, `Epoll.${verb}: the target`);
    }
  }
});

test("X03 a wait fills the room that there is, whatever the buffer says of it", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.writer, EPOLL.OUT);
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, EPOLL.IN);
  const events = new EpollEvents(1);
  Object.defineProperty(events, "capacity", { value: 1000 });
  assertEquals(set.wait(events, 0), 1);
  set.share(); // waits in another way from here on
  assertEquals(set.wait(events, 0), 1);
});

test("X03 the events must be EpollEvents", () => {
  using set = Epoll.create();
  for (const bad of [undefined, null, 8, [], {}, new Uint8Array(96), new ArrayBuffer(96)]) {
    assertThrows(() => set.wait(bad as never, 0), TypeError, "Epoll.wait: the events");
  }
  const forged = Object.create(EpollEvents.prototype) as EpollEvents;
  assertThrows(() => set.wait(forged, 0), TypeError, "Epoll.wait: the events");
  set.close();
  assertEquals(set.raw, -1, "and the set can be closed after it");
});

test("iofd: after close every method of Epoll says so", () => {
  using counter = EventFD.create();
  using set = Epoll.create();
  set.add(counter, IN);
  set.close();
  const calls: (() => unknown)[] = [
    () => set.add(counter, IN),
    () => set.modify(counter, IN),
    () => set.modify(counter.raw, IN | ET, 3),
    () => set.delete(counter),
    () => set.wait(new EpollEvents(1), 0),
    () => set.wait(new EpollEvents(1)),
    () => set.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "Epoll is closed");
});

test("iofd: a closed target says so, whatever its number is now", () => {
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  const target = reserved(counter);
  set.add(target, IN);
  target.close();
  using next = reserved(counter);
  set.add(next, IN, 2);
  for (const verb of ["add", "modify", "rearm", "delete"] as const) {
    assertThrows(() => set[verb](target, IN), ClosedError, "FD is closed");
  }
  assertEquals(reports(set), [[2, IN]]);
});

test("I02 from takes what share returned, and nothing else", () => {
  using set = Epoll.create();
  using counter = EventFD.create();
  const shared = set.share();
  using copy = Epoll.from(structuredClone(shared));
  assertEquals([copy.raw, copy.share().doorbell === shared.doorbell], [set.raw, false]);
  const { kind, cell } = shared;
  for (const bad of [{ kind, cell }, { kind, cell, doorbell: new SharedArrayBuffer(128) }]) {
    assertThrows(() => Epoll.from(bad as never), TypeError, "Epoll.from");
  }
  for (const bad of [undefined, null, 3, {}, counter.share()]) {
    assertThrows(() => Epoll.from(bad as never), TypeError, "Epoll.from takes what");
  }
  copy.close();
  assertEquals([set.closed, set.raw], [true, -1]);
});

test("I02 a shared set: what one thread adds, the other waits for", async () => {
  await using thread = start();
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  await thread.call("add", set.share(), counter.raw, IN | ONESHOT, 2n ** 40n);
  assertEquals(reports(set), [[2 ** 40, IN]]);
  set.modify(counter, IN | ONESHOT, 9);
  assertEquals(await thread.call("wait", set.share()), [{ mask: IN, data: 9n }]);
  set.rearm(counter);
  assertEquals(count(set), 1, "modify told this copy the mask");
});

test("I02 threads that change one set at once: each change is whole", async () => {
  await using one = start();
  await using two = start();
  using set = Epoll.create();
  using counter = EventFD.create();
  const churn = [one, two].map((each) => each.call("churn", set.share(), counter.raw, 3000));
  for (const outcomes of await Promise.all(churn)) {
    const names = Object.keys(outcomes).filter((name) =>
      !["ok", "EEXIST", "ENOENT"].includes(name)
    );
    assertEquals(names, []);
    assertEquals(Object.values(outcomes).reduce((sum, each) => sum + each), 3000);
  }
});

test("I16 the error of a wait names it", () => {
  using first = Epoll.create();
  const set = Epoll.adopt(reserved(first).raw);
  libc.close(RESERVED); // somebody else's mistake
  const error = assertThrows(() => set.wait(new EpollEvents(1), 0), SyscallError);
  assertEquals([error.code, error.syscall, error.fd], ["EBADF", "epoll_wait", RESERVED]);
  assertThrows(() => set.close(), SyscallError, "EBADF");
});

test("R01 a number from elsewhere is watched like a handle", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader.raw, IN);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set), [[ends.reader.raw, IN]]);
  set.delete(ends.reader.raw);
  assertEquals(count(set), 0);
});

const HOT = `
  import { Epoll } from "${root}handles/epoll.ts";
  import { EPOLL, EpollEvents } from "${root}handles/epoll_events.ts";
  import { EventFD } from "${root}handles/event_fd.ts";
  const set = Epoll.create();
  const counters = [0, 1, 2].map(() => EventFD.create({ initial: 1 }));
  const counter = counters[0]!;
  const ET = (EPOLL.IN | EPOLL.ET) >>> 0;
  for (const each of counters) set.add(each, EPOLL.IN | EPOLL.ONESHOT);
  const number = counter.raw;
  const events = new EpollEvents(8);`;

const HOT_CALLS: Readonly<Record<string, string>> = {
  "modify": `set.modify(counter, call & 1 ? EPOLL.IN : EPOLL.OUT, call);`,
  "modify with ET and data beyond 32 bits": `set.modify(counter, ET, 0x1_2345_6789_abcd);`,
  "modify by number, without data": `set.modify(number, EPOLL.IN);`,
  "rearm": `set.rearm(counter);`,
  "wait(0) that reports nothing": `set.wait(events, 0);`,
  "wait that reports one, without end": `set.rearm(counter); set.wait(events);`,
  "wait with a limit, reading events": `set.rearm(counter); set.wait(events, 1000.5);
    if (events.mask(0) !== EPOLL.IN || events.dataLow(0) + events.dataHigh(0) !== counter.raw) throw 1;`,
};

for (const [what, call] of Object.entries(HOT_CALLS)) {
  test(`I18 nothing is allocated by ${what}`, async () => {
    await assertNoAllocation({ setup: HOT, call });
  });
}

test("I18 nothing is allocated on a shared set", async () => {
  await assertNoAllocation({
    setup: `${HOT} set.share(); counter.share();`,
    call: `set.rearm(counter); set.wait(events, 1000);`,
  });
});
