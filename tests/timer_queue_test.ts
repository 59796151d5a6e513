import { assertEquals } from "@std/assert";
import { ABSENT, type Deadline, TimerQueue } from "../loop/timer_queue.ts";
import { test } from "./support.ts";

interface Entry extends Deadline {
  readonly name: number;
}

const entry = (name: number): Entry => ({ name, deadline: 0, position: ABSENT, order: 0 });

/** A generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

test("C19 an empty queue has nothing due, ever", () => {
  const queue = new TimerQueue<Entry>();
  assertEquals([queue.size, queue.next, queue.takeDue(Infinity)], [0, Infinity, null]);
});

test("C19 entries come by deadline, those of one deadline in the order they were added", () => {
  const queue = new TimerQueue<Entry>();
  [5, 1, 3, 1, 5, 3, 1].forEach((deadline, name) => queue.add(entry(name), deadline));
  const taken: number[] = [];
  for (let due = queue.takeDue(9); due !== null; due = queue.takeDue(9)) taken.push(due.name);
  assertEquals(taken, [1, 3, 6, 2, 5, 0, 4]);
});

test("C19 what is not due stays; at its deadline it is due", () => {
  const queue = new TimerQueue<Entry>();
  queue.add(entry(1), 10);
  assertEquals([queue.takeDue(9.999), queue.next], [null, 10]);
  assertEquals(queue.takeDue(10)?.name, 1);
});

test("C19 removing twice, and removing what was never in, changes nothing", () => {
  const queue = new TimerQueue<Entry>();
  const one = entry(1);
  queue.remove(one);
  queue.add(one, 1);
  queue.add(entry(2), 2);
  queue.remove(one);
  queue.remove(one);
  assertEquals([queue.size, queue.next, one.position], [1, 2, ABSENT]);
});

test("C19 a queue agrees with a sorted list over 100,000 random steps", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const next = random(seed);
    const queue = new TimerQueue<Entry>();
    const entries = Array.from({ length: 200 }, (_, name) => entry(name));
    const model = new Map<Entry, [deadline: number, order: number]>();
    let order = 0;
    for (let step = 0; step < 10_000; step++) {
      const one = entries[Math.floor(next() * entries.length)]!;
      if (next() < 0.6) {
        const deadline = Math.floor(next() * 100);
        queue.add(one, deadline);
        model.set(one, [deadline, order++]);
      } else if (next() < 0.5) {
        queue.remove(one);
        model.delete(one);
      } else {
        const now = Math.floor(next() * 40);
        const [expected] = [...model].filter(([, [deadline]]) => deadline <= now)
          .sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1])[0] ?? [null];
        assertEquals(queue.takeDue(now)?.name, expected?.name, `seed ${seed}, step ${step}`);
        if (expected !== null) model.delete(expected);
      }
      assertEquals(queue.size, model.size);
    }
  }
});
