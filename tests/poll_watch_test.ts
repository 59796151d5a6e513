// The bridge both ways: an EventPoll in a Loop, and a Loop's handle in an EventPoll.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventFD } from "../handles/event_fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { BoundedQueue } from "../loop/bounded_queue.ts";
import { EntryFlags, EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { HandleSource } from "../loop/handle_source.ts";
import { Loop } from "../loop/loop.ts";
import { PollWatch } from "../loop/poll_watch.ts";
import { deadline, test } from "./support.ts";

const { IN, OUT, HUP, RDHUP } = EventMask;

for (const attached of [false, true]) {
  const kind = attached ? "an attached" : "a dedicated";
  test(`PollWatch: ${kind} loop gives a poll's reports in its turns`, async () => {
    using loop = Loop.create({ attached });
    using poll = new EventPoll();
    const queue = new BoundedQueue<number>(1000);
    poll.addEntry({ file: queue }, 0, IN, 1);
    const taken: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    using watch = new PollWatch(loop, poll, ({ mask, data }) => {
      assertEquals([mask, data], [IN, 1]);
      taken.push(queue.take()!);
      if (taken.length < 1000) return;
      watch.cancel();
      resolve();
    });
    loop.post(() => {
      for (let value = 0; value < 1000; value++) queue.push(value);
    });
    if (!attached) await loop.run();
    await deadline(10_000, promise, "the reports");
    assertEquals(taken, Array.from({ length: 1000 }, (_, value) => value));
    assertEquals(watch.active, false);
  });
}

test("PollWatch: what was ready before, what is released, and a loop that is closed", async () => {
  const loop = Loop.create();
  const poll = new EventPoll();
  const queue = new BoundedQueue<number>(4);
  queue.push(1);
  poll.addEntry({ file: queue }, EntryFlags.EdgeTriggered, IN, 1);
  let reports = 0;
  const first = new PollWatch(loop, poll, () => {
    reports++;
    poll.release();
  });
  await loop.run();
  assertEquals([reports, first.active], [1, false]);
  using other = new EventPoll();
  other.addEntry({ file: queue }, EntryFlags.EdgeTriggered, IN, 1);
  const second = new PollWatch(loop, other, () => {});
  loop.close();
  assertEquals(second.active, false);
  queue.push(2); // gives the eventfd back
  second.cancel();
  assertThrows(() => new PollWatch(loop, other, () => {}), Error, "closed");
  assertThrows(() => new PollWatch({} as Loop, other, () => {}), TypeError, "loop");
  using open = Loop.create();
  assertThrows(() => new PollWatch(open, {} as EventPoll, () => {}), TypeError, "EventPoll");
  assertThrows(() => new PollWatch(open, other, 1 as unknown as () => void), TypeError, "callback");
  assertThrows(() => new PollWatch(open, poll, () => {}), Error, "EventPoll is closed");
});

test("HandleSource: the kernel is asked, and its edges are told", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  using source = new HandleSource(loop, pair.left);
  using poll = new EventPoll();
  poll.addEntry({ file: source }, 0, IN | RDHUP, 7);
  assertEquals(poll.readEvents(1), []);
  pair.right.write(new Uint8Array(3));
  assertEquals(await deadline(5000, poll.wait(1), "bytes"), [{ mask: IN, data: 7 }]);
  assertEquals(poll.readEvents(1).length, 1, "a level");
  pair.left.read(new Uint8Array(8));
  assertEquals(poll.readEvents(1), []);
  pair.right.close();
  assertEquals(await deadline(5000, poll.wait(1), "the end"), [{
    mask: IN | RDHUP | HUP,
    data: 7,
  }]);
  pair.left.close();
  assertEquals([poll.readEvents(1), poll.size], [[], 0]);
});

test("HandleSource: both worlds at once: a descriptor and a queue in one poll", async () => {
  using loop = Loop.create({ attached: true });
  using counter = EventFD.create();
  using source = new HandleSource(loop, counter);
  using poll = new EventPoll();
  const queue = new BoundedQueue<number>(1);
  poll.addEntry({ file: source }, EntryFlags.EdgeTriggered, IN, 1);
  poll.addEntry({ file: queue }, EntryFlags.EdgeTriggered, IN, 2);
  const seen = new Set<number | bigint>();
  counter.signal();
  queue.push(1);
  while (seen.size < 2) {
    for (const { data } of await deadline(5000, poll.wait(8), "both")) seen.add(data);
  }
  assert(seen.has(1) && seen.has(2));
});

test("HandleSource: refuses what the loop refuses, and what is no handle", () => {
  using loop = Loop.create();
  using ends = pipe();
  using first = new HandleSource(loop, ends.writer);
  assertEquals(first.readiness(OUT), OUT);
  assertThrows(() => new HandleSource(loop, ends.writer), Error, "EEXIST");
  assertThrows(() => new HandleSource(loop, 5 as unknown as typeof ends.writer), TypeError);
  assertThrows(() => new HandleSource({} as Loop, ends.reader), TypeError, "loop");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  using _again = new HandleSource(loop, ends.writer);
});
