import { assertEquals, assertThrows } from "@std/assert";
import { BoundedQueue } from "../loop/bounded_queue.ts";
import { EntryFlags, EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { test } from "./support.ts";

const { IN, OUT, HUP } = EventMask;

test("BoundedQueue: values in order, up to its capacity, around its ring", () => {
  const queue = new BoundedQueue<number>(3);
  const taken: (number | null)[] = [];
  for (let value = 0; value < 10; value++) {
    assertEquals(queue.push(value), true);
    if (value % 2 === 1) taken.push(queue.take());
    if (value >= 2) taken.push(queue.take());
  }
  assertEquals([taken, queue.size], [[0, 1, 2, 3, 4, 5, null, 6, 7, null, 8, 9, null], 0]);
  assertEquals([queue.push(1), queue.push(2), queue.push(3), queue.push(4)], [
    true,
    true,
    true,
    false,
  ]);
  assertEquals([queue.size, queue.capacity], [3, 3]);
});

test("BoundedQueue: what its poll sees of it", () => {
  using poll = new EventPoll();
  const queue = new BoundedQueue<string>(2);
  poll.addEntry({ file: queue }, EntryFlags.EdgeTriggered, IN | OUT, 1);
  const seen = (): number[] => poll.readEvents(4).map(({ mask }) => mask);
  assertEquals([seen(), seen()], [[OUT], []]);
  queue.push("a");
  assertEquals(seen(), [IN | OUT]);
  queue.push("b");
  assertEquals(seen(), [IN]);
  queue.take();
  assertEquals(seen(), [IN | OUT], "room where there was none");
  queue.take();
  assertEquals(seen(), [], "room where there was some");
  queue.push("c");
  queue.close();
  queue.close();
  assertEquals([seen(), queue.closed], [[IN | HUP], true]);
  assertThrows(() => queue.push("d"), Error, "BoundedQueue is closed");
  assertEquals([queue.take(), queue.take()], ["c", null]);
  queue[Symbol.dispose]();
  assertEquals([poll.size, seen()], [0, []]);
});

test("BoundedQueue: a capacity is a whole number from 1", () => {
  for (const bad of [0, -1, 1.5, NaN, 2 ** 20 + 1]) {
    assertThrows(() => new BoundedQueue(bad), RangeError, "capacity");
  }
  assertThrows(() => new BoundedQueue("1" as unknown as number), TypeError, "capacity");
});
