import { assertEquals, assertThrows } from "@std/assert";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { EventPollError } from "../loop/event_poll_error.ts";
import { MemoryCounter } from "../loop/memory_counter.ts";
import { test } from "./support.ts";

const { IN } = EventMask;

const polls = (count: number): EventPoll[] => Array.from({ length: count }, () => new EventPoll());

/** Puts one poll into another: the name of the error, null for none. */
function nest(outer: EventPoll, inner: EventPoll, fd: number = 0): string | null {
  try {
    outer.addEntry({ file: inner, fd }, 0, IN, fd);
    return null;
  } catch (error) {
    if (error instanceof EventPollError) return error.code;
    throw error;
  }
}

test("G07 R06 nesting: five polls in a chain, whichever end grows, and a report through all", () => {
  const chain = polls(5);
  for (let index = 3; index >= 0; index--) {
    assertEquals(nest(chain[index]!, chain[index + 1]!), null);
  }
  assertEquals(nest(new EventPoll(), chain[0]!), "ELOOP");
  assertEquals(nest(chain[4]!, new EventPoll()), "ELOOP");
  const down = polls(6);
  const grown = down.slice(1).map((inner, index) => nest(down[index]!, inner));
  assertEquals(grown, [null, null, null, null, "ELOOP"]);
  const counter = MemoryCounter.create();
  chain[4]!.addEntry({ file: counter }, 0, IN, 7);
  assertEquals(chain[0]!.readEvents(1), []);
  counter.signal();
  for (const poll of chain) assertEquals(poll.readEvents(1).length, 1);
  counter.wait();
  for (const poll of chain) assertEquals(poll.readEvents(1).length, 0);
});

test("G07 nesting: no circle, however long, and two chains that would join too deep", () => {
  const [a, b, c] = polls(3) as [EventPoll, EventPoll, EventPoll];
  assertEquals([nest(a, a), nest(a, b), nest(b, a), nest(b, c), nest(c, a)], [
    "EINVAL",
    null,
    "ELOOP",
    null,
    "ELOOP",
  ]);
  const [d, e, f] = polls(3) as [EventPoll, EventPoll, EventPoll];
  assertEquals([nest(d, e), nest(e, f)], [null, null]);
  assertEquals(nest(c, d), "ELOOP", "six of them");
  assertEquals(nest(c, e), null, "five");
  e.release();
  assertEquals(
    [nest(c, new EventPoll()), nest(new EventPoll(), a)],
    [null, null],
    "and room again",
  );
});

test("G07 nesting: a poll that is in two others wakes both", () => {
  const [one, two, inner] = polls(3) as [EventPoll, EventPoll, EventPoll];
  assertEquals([nest(one, inner), nest(two, inner)], [null, null]);
  const counter = MemoryCounter.create();
  inner.addEntry({ file: counter }, 0, IN, 1);
  counter.signal();
  assertEquals([one.readEvents(1).length, two.readEvents(1).length], [1, 1]);
});

test("G07 nesting: not too many ways through polls, and any number straight", () => {
  const counter = MemoryCounter.create();
  for (let fd = 0; fd < 2000; fd++) {
    new EventPoll().addEntry({ file: counter }, 0, IN, 1);
  }
  // Each link of a chain is there three times: 81 ways of five polls, of which ten are allowed.
  const chain = polls(5);
  for (let index = 3; index >= 0; index--) {
    for (let fd = 0; fd < 3; fd++) assertEquals(nest(chain[index]!, chain[index + 1]!, fd), null);
  }
  const add = (): void => chain[4]!.addEntry({ file: counter }, 0, IN, 1);
  assertEquals(assertThrows(add, EventPollError).code, "EINVAL");
  assertEquals(chain[4]!.size, 0);
  chain[3]!.addEntry({ file: counter }, 0, IN, 1); // 27 of four polls, of 50
});
