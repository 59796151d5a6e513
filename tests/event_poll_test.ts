import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { BoundedQueue } from "../loop/bounded_queue.ts";
import { EntryFlags, EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { EventPollError } from "../loop/event_poll_error.ts";
import { MemoryCounter } from "../loop/memory_counter.ts";
import { memoryPipe } from "../loop/memory_pipe.ts";
import { memorySocketPair } from "../loop/memory_socket.ts";
import { WaitableBase } from "../loop/waitable.ts";
import { deadline, test, turn } from "./support.ts";

const { IN, OUT, ERR, HUP, RDHUP, PRI, RDNORM, WRNORM } = EventMask;
const { OneShot, EdgeTriggered, Exclusive, WakeUp } = EntryFlags;

/** A source whose readiness a test sets. */
class Lamp extends WaitableBase {
  words = 0;
  asked = 0;
  readonly onAsked: () => void;

  constructor(onAsked: () => void = () => {}) {
    super();
    this.onAsked = onAsked;
  }

  readiness(mask: number): number {
    this.asked++;
    this.onAsked();
    return this.words & mask;
  }

  set(words: number, told: number = words): void {
    this.words = words;
    this.listeners.notify(told);
  }

  get isAlone(): boolean {
    return this.listeners.isEmpty;
  }

  end(): void {
    this.listeners.release();
  }
}

const codeOf = (call: () => unknown): string => assertThrows(call, EventPollError).code;

/** What a poll reports now: mask and data of each. */
const reports = (poll: EventPoll, max: number = 64): [number, number | bigint][] =>
  poll.readEvents(max).map(({ mask, data }) => [mask, data]);

test("G01 EventPoll: EEXIST, ENOENT, EINVAL, EPERM, and a refused call changes nothing", () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  const id = { file: lamp };
  assertEquals(codeOf(() => poll.updateEntry(id, 0, IN, 1)), "ENOENT");
  assertEquals(codeOf(() => poll.removeEntry(id)), "ENOENT");
  poll.addEntry(id, 0, IN, 1);
  assertEquals(codeOf(() => poll.addEntry(id, 0, OUT, 2)), "EEXIST");
  lamp.set(IN | OUT);
  assertEquals(reports(poll), [[IN, 1]]);
  poll.removeEntry(id);
  assertEquals([codeOf(() => poll.removeEntry(id)), reports(poll), poll.size], ["ENOENT", [], 0]);
  for (const verb of ["addEntry", "updateEntry", "removeEntry"] as const) {
    assertEquals(codeOf(() => poll[verb]({ file: poll }, 0, IN, 1)), "EINVAL");
    const file = Object.assign(new Lamp(), { pollable: false });
    assertEquals(codeOf(() => poll[verb]({ file }, 0, IN, 1)), "EPERM");
  }
});

test("G01 EventPoll: what exclusive goes with", () => {
  using poll = new EventPoll();
  using inner = new EventPoll();
  const lamp = new Lamp();
  const add = (flags: number, mask: number): void => poll.addEntry({ file: lamp }, flags, mask, 1);
  assertEquals(codeOf(() => add(Exclusive, IN | PRI)), "EINVAL");
  assertEquals(codeOf(() => add(Exclusive | OneShot, IN)), "EINVAL");
  assertEquals(codeOf(() => poll.addEntry({ file: inner }, Exclusive, IN, 1)), "EINVAL");
  add(Exclusive | EdgeTriggered | WakeUp, IN | OUT | ERR | HUP);
  assertEquals(codeOf(() => poll.updateEntry({ file: lamp }, 0, IN, 1)), "EINVAL");
  poll.removeEntry({ file: lamp });
  add(0, IN);
  assertEquals(codeOf(() => poll.updateEntry({ file: lamp }, Exclusive, IN, 1)), "EINVAL");
});

test("G01 EventPoll: misuse is a TypeError or a RangeError", () => {
  using poll = new EventPoll();
  const file = new Lamp();
  const add = (...args: unknown[]) => (): void => Reflect.apply(poll.addEntry, poll, args);
  assertThrows(add(), TypeError, "identifier");
  assertThrows(add({ file: {} }, 0, IN, 1), TypeError, "Waitable");
  assertThrows(add({ file, fd: -1 }, 0, IN, 1), RangeError, "fd");
  assertThrows(add({ file }, 16, IN, 1), RangeError, "EntryFlags");
  assertThrows(add({ file }, 0, 0x20, 1), RangeError, "EventMask");
  assertThrows(add({ file }, 0, 2 ** 31, 1), RangeError, "EventMask");
  assertThrows(add({ file }, 0, IN), TypeError, "data");
  assertThrows(add({ file }, 0, IN, 1.5), RangeError, "data");
  assertThrows(add({ file }, 0, IN, 2n ** 64n), RangeError, "data");
  assertThrows(() => poll.readEvents(0), RangeError, "max");
  assertThrows(() => poll.readEvents("1" as unknown as number), TypeError, "max");
  assertEquals([poll.size, file.isAlone], [0, true]);
});

test("G02 EventPoll: one file under several numbers is several entries", () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  poll.addEntry({ file: lamp, fd: 3 }, 0, IN, 3);
  poll.addEntry({ file: lamp, fd: 4 }, EdgeTriggered, OUT, 4);
  poll.addEntry({ file: lamp, fd: 5 }, 0, IN, 5);
  lamp.set(IN | OUT);
  // Whoever came last is told first, as by the kernel's wait queues.
  assertEquals(reports(poll), [[IN, 5], [OUT, 4], [IN, 3]]);
  poll.removeEntry({ file: lamp, fd: 5 });
  assertEquals(codeOf(() => poll.removeEntry({ file: lamp, fd: 5 })), "ENOENT");
  assertEquals([reports(poll), poll.size], [[[IN, 3]], 2]);
  poll.removeEntry({ file: lamp, fd: 3 });
  poll.removeEntry({ file: lamp, fd: 4 });
  assertEquals(lamp.isAlone, true);
});

test("G03 EventPoll: notifications combine, and only what is listed is asked", () => {
  using poll = new EventPoll();
  const [busy, idle] = [new Lamp(), new Lamp()];
  poll.addEntry({ file: busy }, 0, IN | OUT, 1);
  poll.addEntry({ file: idle }, 0, IN, 2);
  busy.asked = idle.asked = 0;
  busy.set(IN);
  busy.set(IN | OUT);
  assertEquals(reports(poll), [[IN | OUT, 1]]);
  assertEquals([busy.asked, idle.asked], [1, 0]);
  busy.set(0);
  assertEquals(reports(poll), []);
  assertEquals(busy.asked, 2);
  assertEquals([reports(poll), busy.asked], [[], 2], "it waits again, and is not asked");
});

test("G04 EventPoll: level-triggered entries take turns when more are ready than asked for", () => {
  using poll = new EventPoll();
  const lamps = Array.from({ length: 5 }, () => new Lamp());
  lamps.forEach((file, data) => poll.addEntry({ file }, 0, IN, data));
  for (const lamp of lamps) lamp.set(IN);
  const order = Array.from({ length: 5 }, () => poll.readEvents(2).map(({ data }) => data)).flat();
  assertEquals(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
});

test("G05 EventPoll: an edge once, one-shot until it is updated, which reports again", () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  const id = { file: lamp };
  poll.addEntry(id, EdgeTriggered, IN, 1);
  lamp.set(IN);
  assertEquals([reports(poll), reports(poll)], [[[IN, 1]], []]);
  lamp.set(IN);
  assertEquals([reports(poll), reports(poll)], [[[IN, 1]], []]);
  poll.updateEntry(id, EdgeTriggered, IN, 2);
  assertEquals([reports(poll), reports(poll)], [[[IN, 2]], []]);
  poll.updateEntry(id, OneShot, IN, 3);
  assertEquals([reports(poll), reports(poll)], [[[IN, 3]], []]);
  lamp.set(IN | ERR | HUP);
  assertEquals(reports(poll), []);
  poll.updateEntry(id, OneShot, IN, 4);
  assertEquals([reports(poll), reports(poll)], [[[IN | ERR | HUP, 4]], []]);
});

test("G06 G10 EventPoll: ERR and HUP unasked; RDHUP, PRI and the NORM words kept, when asked", () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  poll.addEntry({ file: lamp }, 0, 0, 1);
  lamp.set(0x27ff);
  assertEquals(reports(poll), [[ERR | HUP, 1]]);
  for (const word of Object.values(EventMask)) {
    poll.updateEntry({ file: lamp }, 0, word, 1);
    assertEquals(reports(poll), [[ERR | HUP | word, 1]]);
  }
  poll.updateEntry({ file: lamp }, 0, RDHUP | PRI | RDNORM | WRNORM, 1);
  lamp.set(RDHUP | PRI | RDNORM | WRNORM);
  assertEquals(reports(poll), [[RDHUP | PRI | RDNORM | WRNORM, 1]]);
});

test("G08 EventPoll: it is itself readable, while something is truly ready", () => {
  using outer = new EventPoll();
  using inner = new EventPoll();
  const lamp = new Lamp();
  outer.addEntry({ file: inner }, 0, IN | OUT | RDNORM, 1);
  inner.addEntry({ file: lamp }, 0, IN, 2);
  assertEquals(reports(outer), []);
  lamp.set(IN);
  assertEquals(inner.readiness(0xffff), IN | RDNORM);
  assertEquals([reports(outer), reports(inner), reports(outer).length], [
    [[IN | RDNORM, 1]],
    [[IN, 2]],
    1,
  ]);
  lamp.set(0);
  assertEquals([reports(outer), inner.readiness(0xffff), reports(inner)], [[], 0, []]);
  lamp.set(IN);
  inner.release();
  assertEquals([reports(outer), outer.size], [[], 0]);
});

test("G09 EventPoll: 64 bits of data come back as they were given", () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  lamp.words = IN;
  poll.addEntry({ file: lamp }, 0, IN, 0);
  for (const data of [0, 1, 2 ** 53 - 1, 0n, 1n, 2n ** 53n, 0xdeadbeef_facefeedn, 2n ** 64n - 1n]) {
    poll.updateEntry({ file: lamp }, 0, IN, data);
    assertEquals(reports(poll), [[IN, data]]);
  }
});

test("G12 EventPoll: an entry vanishes with the last reference to its file", () => {
  using poll = new EventPoll();
  const counter = MemoryCounter.create({ initial: 1 });
  const copy = counter.dup();
  poll.addEntry({ file: counter.file }, 0, IN, 1);
  poll.addEntry({ file: counter }, 0, IN, 2);
  counter.close();
  assertEquals([reports(poll), poll.size], [[[IN, 1]], 1]);
  copy.close();
  assertEquals([reports(poll), poll.size], [[], 0]);
});

test("G13 EventPoll: unregisterEpollWaiters detaches and keeps what was noted", () => {
  using poll = new EventPoll();
  const [noted, later] = [new Lamp(), new Lamp()];
  poll.addEntry({ file: noted }, 0, IN, 1);
  poll.addEntry({ file: later }, 0, IN, 2);
  noted.set(IN);
  poll.unregisterEpollWaiters();
  later.set(IN);
  assertEquals([noted.isAlone, later.isAlone, poll.size], [true, true, 2]);
  assertEquals(reports(poll), [[IN, 1]]);
  poll.updateEntry({ file: later }, 0, IN, 2);
  assertEquals([later.isAlone, reports(poll)], [false, [[IN, 1], [IN, 2]]]);
});

test("R02 EventPoll: 2 kB come, 1 kB is read: a level says so again, an edge does not", () => {
  for (const [flags, again] of [[0, 1], [EdgeTriggered, 0]] as const) {
    using poll = new EventPoll();
    using ends = memoryPipe();
    poll.addEntry({ file: ends.reader }, flags, IN, 1);
    ends.writer.write(new Uint8Array(2048));
    assertEquals(reports(poll).length, 1);
    assertEquals(ends.reader.read(new Uint8Array(1024)), 1024);
    assertEquals(reports(poll).length, again);
  }
});

test("R07 EventPoll: what happens between two waits is one report", () => {
  using poll = new EventPoll();
  using pair = memorySocketPair();
  poll.addEntry({ file: pair.left }, EdgeTriggered, IN | RDHUP, 1);
  pair.right.write(new Uint8Array(1));
  pair.right.write(new Uint8Array(1));
  pair.right.close();
  assertEquals([reports(poll), reports(poll)], [[[IN | RDHUP | HUP, 1]], []]);
});

test("G11 EventPoll.wait: what is ready at once, what comes, and nothing in time", async () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  poll.addEntry({ file: lamp }, EdgeTriggered, IN, 1);
  assertEquals(await poll.wait(1, { timeout: 0 }), []);
  for (const timeout of [0.3, 5, 12_000_001n]) {
    const begin = performance.now();
    assertEquals(await poll.wait(1, { timeout }), []);
    assertGreaterOrEqual(performance.now() - begin, Number(timeout) / (timeout === 5 ? 1 : 1e6));
  }
  const waiting = poll.wait(1);
  lamp.set(OUT); // nobody waits for that
  await turn();
  lamp.set(IN);
  assertEquals(await waiting, [{ mask: IN, data: 1 }]);
  await assertRejects(() => poll.wait(0), RangeError);
  await assertRejects(() => poll.wait(1, { timeout: -1 }), RangeError);
  await assertRejects(() => poll.wait(1, { signal: {} as AbortSignal }), TypeError);
});

test("G11 EventPoll.wait: a signal ends it, and takes nothing along", async () => {
  using poll = new EventPoll();
  const lamp = new Lamp();
  poll.addEntry({ file: lamp }, EdgeTriggered, IN, 1);
  const reason = new Error("enough");
  await assertRejects(() => poll.wait(1, { signal: AbortSignal.abort(reason) }), Error, "enough");
  const controller = new AbortController();
  const waiting = poll.wait(1, { signal: controller.signal });
  controller.abort(reason);
  await assertRejects(() => waiting, Error, "enough");
  lamp.set(IN);
  // Woken first and aborted then: the report must not be lost.
  const other = new AbortController();
  assertEquals(reports(poll).length, 1);
  const woken = poll.wait(1, { signal: other.signal });
  lamp.set(IN);
  other.abort(reason);
  assertEquals((await woken).length, 1);
});

test("EventPoll.wait: release ends it with ClosedError, and everything after it", async () => {
  const poll = new EventPoll();
  const lamp = new Lamp();
  poll.addEntry({ file: lamp }, 0, IN, 1);
  const waits = [poll.wait(1), poll.wait(1, { timeout: 60_000 })];
  poll.release();
  poll.release();
  for (const one of waits) await assertRejects(() => one, Error, "EventPoll is closed");
  assertEquals([lamp.isAlone, poll.closed, poll.readiness(0xffff)], [true, true, 0]);
  assertThrows(() => poll.readEvents(1), Error, "closed");
  assertThrows(() => poll.addEntry({ file: lamp }, 0, IN, 1), Error, "closed");
  await assertRejects(() => poll.wait(1), Error, "closed");
});

test("EventPoll.wait: of several, each gets what one change brings, in their order", async () => {
  using poll = new EventPoll();
  const queue = new BoundedQueue<number>(8);
  poll.addEntry({ file: queue }, 0, IN, 1);
  const served: string[] = [];
  const worker = async (name: string): Promise<void> => {
    for (;;) {
      await poll.wait(1);
      const value = queue.take();
      if (value === 0) break;
      if (value !== null) served.push(`${name}${value}`);
    }
    queue.push(0);
  };
  const workers = Promise.all([worker("a"), worker("b"), worker("c")]);
  await turn();
  queue.push(1);
  await turn();
  queue.push(2);
  queue.push(3);
  await turn();
  queue.push(0);
  await deadline(5000, workers, "the workers");
  assertEquals(served[0], "a1");
  assertEquals(served.map((one) => one[1]).toSorted(), ["1", "2", "3"]);
});

test("R01 EventPoll: one change wakes one of the exclusive polls, and all others", async () => {
  const lamp = new Lamp();
  const polls = Array.from({ length: 4 }, () => new EventPoll());
  polls.forEach((poll, data) => {
    poll.addEntry({ file: lamp }, data < 3 ? Exclusive | EdgeTriggered : EdgeTriggered, IN, data);
  });
  const woken: number[] = [];
  const waits = polls.map(async (poll, number) => {
    await poll.wait(1);
    woken.push(number);
  });
  await turn();
  lamp.set(IN);
  await turn();
  assertEquals(woken.toSorted(), [0, 3]);
  lamp.set(IN);
  await turn();
  assertEquals(woken.toSorted(), [0, 1, 3], "the first has nobody waiting any more");
  lamp.set(IN, 0); // the kernel's wake_up_all
  await Promise.all(waits);
  for (const poll of polls) poll.release();
  assertEquals(lamp.isAlone, true);
});

test("EventPoll: a source that throws costs no report, and takes its turn", () => {
  using poll = new EventPoll();
  let wrong = true;
  const good = new Lamp();
  const bad = new Lamp(() => {
    if (wrong) throw new Error("broken source");
  });
  wrong = false;
  poll.addEntry({ file: good }, EdgeTriggered, IN, 1);
  poll.addEntry({ file: bad }, EdgeTriggered, IN, 2);
  wrong = true;
  good.set(IN);
  bad.set(IN);
  assertEquals(reports(poll), [[IN, 1]]);
  assertThrows(() => poll.readEvents(8), Error, "broken source");
  good.set(IN);
  assertThrows(() => poll.readEvents(8), Error, "broken source");
  assertEquals(reports(poll), [[IN, 1]], "the others have their turn");
  wrong = false;
  assertEquals(reports(poll), [[IN, 2]]);
  wrong = true;
  assertThrows(() => poll.addEntry({ file: bad, fd: 1 }, 0, IN, 3), Error, "broken source");
  assertEquals(poll.size, 2, "and nothing half-made stays");
});

test("EventPoll: a source may change the poll while it is asked, but not read it", () => {
  using poll = new EventPoll();
  let act: () => void = () => {};
  const lamps = Array.from({ length: 3 }, () => new Lamp(() => act()));
  lamps.forEach((file, data) => poll.addEntry({ file }, 0, IN, data));
  for (const lamp of lamps) lamp.set(IN);
  act = () => {
    act = () => {};
    for (const file of lamps) poll.removeEntry({ file });
    assertThrows(() => poll.readEvents(1), Error, "in progress");
    assertEquals(poll.readiness(0xffff), 0);
  };
  assert(poll.readEvents(8).length <= 1);
  assertEquals([reports(poll), poll.size], [[], 0]);
});

test("EventPoll: ten thousand entries cost nothing while they wait", () => {
  using poll = new EventPoll();
  const lamps = Array.from({ length: 10_000 }, () => new Lamp());
  lamps.forEach((file, data) => poll.addEntry({ file }, 0, IN, data));
  for (const lamp of lamps) lamp.asked = 0;
  for (let index = 0; index < 10; index++) lamps[index * 1000]!.set(IN);
  assertEquals(poll.readEvents(100).length, 10);
  assertEquals(lamps.reduce((sum, { asked }) => sum + asked, 0), 10);
});
