// A real kqueue; the encodings and the logic of changes are tested without one in kqueue_changes_test.ts.

import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { ClosedError } from "../handles/closed_error.ts";
import type { FD } from "../handles/fd.ts";
import { Kqueue } from "../handles/kqueue.ts";
import { type KqueueEvent, KqueueEvents } from "../handles/kqueue_events.ts";
import { EV, NOTE } from "../handles/kqueue_words.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { FakeKqueue } from "./kqueue_fake.ts";
import { hasKqueue, withKqueue } from "./kqueue_fixture.ts";
import type { KqueueWorker } from "./kqueue_worker.ts";
import { flagsOf, isOpen } from "./probes.ts";
import { deadline, root, test, worker } from "./support.ts";

const { ADD, DELETE, CLEAR, RECEIPT, ERROR } = EV;

const real = withKqueue("Kqueue");

/** What a queue reports within `timeout`. */
function reports(queue: Kqueue, timeout: number = 0): KqueueEvent[] {
  const events = new KqueueEvents(8);
  queue.control(null, events, timeout);
  return [...events];
}

const start = () => worker<KqueueWorker>(new URL("./kqueue_worker.ts", import.meta.url));

test("K14 without a kqueue every way to one says what it takes", () => {
  if (hasKqueue) return;
  for (const open of [() => Kqueue.create(), () => Kqueue.adopt(0), () => new KqueueEvents(1)]) {
    assertThrows(open, UnsupportedError, "libkqueue on Linux by its path in FDLOOP_KQUEUE_LIB");
  }
  assert(Number.isNaN(NOTE.SECONDS) && Number.isNaN(NOTE.ABSOLUTE));
});

test("K10 options that are none are refused before anything is opened", () => {
  for (const bad of [null, 3, "inherit", true]) {
    assertThrows(() => Kqueue.create(bad as never), TypeError, "Kqueue.create: options");
  }
  assertThrows(() => Kqueue.create({ inherit: 1 as never }), TypeError, "Kqueue.create: inherit");
  const construct = Kqueue as unknown as new () => Kqueue;
  assertThrows(() => new construct(), TypeError, "factories of Kqueue");
  for (const bad of [-1, 1.5, NaN, 2 ** 31]) assertThrows(() => Kqueue.adopt(bad), RangeError);
});

test("K14 a queue that cannot be opened leaves nothing", () => {
  const kernel = new FakeKqueue("darwin");
  kernel.calls.kqueue = () => -1;
  Object.defineProperty(kernel, "errno", { value: () => errnoNumber("EMFILE") });
  const error = assertThrows(() => kernel.queue(), SyscallError);
  assertEquals([error.code, error.syscall, error.fd], ["EMFILE", "kqueue", -1]);
});

test("K14 events of another system's size are refused", () => {
  using queue = new FakeKqueue("freebsd").queue();
  const other = new FakeKqueue("darwin").events(4);
  assertThrows(() => queue.control(null, other, 0), TypeError, "must be KqueueEvents");
});

real("K10 create: closed on exec unless it is to be inherited, and closed once", () => {
  using own = Kqueue.create();
  using inherited = Kqueue.create({ inherit: true });
  assertEquals([flagsOf(own).cloexec, flagsOf(inherited).cloexec], [true, false]);
  assertEquals([String(own), own.valid], ["[object Kqueue]", true]);
  own.close();
  own.close();
  assertEquals([own.raw, own.closed], [-1, true]);
  for (
    const call of [
      () => own.control(null),
      () => own.control([{ filter: "USER", ident: 1, flags: ADD }]),
      () => own.control(null, new KqueueEvents(1), 0),
      () => own.share(),
    ]
  ) assertThrows(call, ClosedError, "Kqueue");
});

real("K14 adopt takes ownership of a kqueue, and of nothing else", () => {
  using ends = pipe();
  assertThrows(() => Kqueue.adopt(ends.reader.raw), SyscallError, "not a kqueue");
  assert(isOpen(ends.reader.raw), "what was refused is left alone");
  const file = openSync(new URL(import.meta.url), "r");
  assertThrows(() => Kqueue.adopt(file), SyscallError, "not a kqueue");
  closeSync(file);
  const first = Kqueue.create();
  const second = Kqueue.adopt(first.raw);
  second.control([{ filter: "USER", ident: 1, flags: ADD }]);
  second.close();
  assertThrows(() => first.close(), SyscallError, "EBADF"); // it was given away
});

real("K14 a handle in a queue leaves it when it is closed, also while a duplicate lives", () => {
  using queue = Kqueue.create();
  const { left, right } = socketPair();
  using copy: FD = left.dup();
  queue.control([
    { filter: "READ", ident: left, flags: ADD, udata: 1 },
    { filter: "WRITE", ident: left, flags: ADD | CLEAR, udata: 2 },
  ]);
  right.write(new Uint8Array(1));
  assertEquals(reports(queue).map(({ udata }) => udata).sort(), [1n, 2n]);
  const number = left.raw;
  left.close();
  assertEquals(reports(queue), []);
  for (const filter of ["READ", "WRITE"] as const) {
    const list = [{ filter, ident: number, flags: DELETE }];
    assertThrows(() => queue.control(list), SyscallError);
  }
  queue.control([{ filter: "READ", ident: copy, flags: ADD }]);
  assertEquals(reports(queue).length, 1);
  right.close();
});

real("K14 answers and room: receipts of all, and what was there stays for the next call", () => {
  using queue = Kqueue.create();
  const events = new KqueueEvents(3);
  queue.control([{ filter: "USER", ident: 9, flags: ADD }]);
  queue.control([{ filter: "USER", ident: 9, flags: 0, fflags: NOTE.TRIGGER }]);
  const list = [1, 2].map((ident) => ({ filter: "TIMER", ident, flags: ADD | RECEIPT, data: 9e6 }));
  assertEquals(queue.control(list as never, events), 2);
  assertEquals([...events].map(({ ident, flags, data }) => [ident, flags, data]), [
    [1, ADD | RECEIPT | ERROR, 0],
    [2, ADD | RECEIPT | ERROR, 0],
  ]);
  assertEquals(reports(queue).map(({ ident }) => ident), [9]);
  assertEquals(queue.control(list as never), 0); // receipts that nobody wants to see
});

real("K13 another thread waits for what this one triggers, and the other way round", async () => {
  using queue = Kqueue.create();
  await using thread = start();
  const shared = queue.share();
  queue.control([{ filter: "USER", ident: 4, flags: ADD | CLEAR, udata: 8n }]);
  const waiting = thread.call("wait", shared);
  queue.control([{ filter: "USER", ident: 4, flags: 0, fflags: NOTE.TRIGGER, udata: 8n }]);
  const seen = await deadline(5000, waiting, "the event");
  assertEquals(seen, [{ filter: "USER", ident: 4, flags: CLEAR, fflags: 0, data: 0, udata: 8n }]);
  await thread.call("trigger", shared, 5);
  assertEquals(reports(queue, 5000).map(({ ident }) => ident), [5]);
});

real("K13 closing a shared queue ends the waits of all threads", async () => {
  for (const closer of ["here", "there"]) {
    const queue = Kqueue.create();
    await using thread = start();
    await using other = start();
    const shared = queue.share();
    const waits = [thread.call("wait", shared)];
    if (closer === "here") {
      waits.push(other.call("wait", shared));
      queue.close();
    } else {
      await other.call("close", shared);
    }
    const ends = await deadline(5000, Promise.all(waits), "the end");
    assert(ends.every((end) => end === "closed"));
    assertEquals([queue.closed, queue.raw], [true, -1]);
    queue.close();
  }
});

real("I18 a wait allocates nothing", async () => {
  await assertNoAllocation({
    setup: `
    import { Kqueue } from "${root}handles/kqueue.ts";
    import { KqueueEvents } from "${root}handles/kqueue_events.ts";
    import { EV } from "${root}handles/kqueue_words.ts";
    import { pipe } from "${root}handles/pipe.ts";
    const queue = Kqueue.create();
    const ends = pipe();
    queue.control([{ filter: "WRITE", ident: ends.writer, flags: EV.ADD }]);
    const events = new KqueueEvents(8);
    `,
    call: "queue.control(null, events, 0); events.ident(0); events.flags(0); events.data(0);",
  });
});
