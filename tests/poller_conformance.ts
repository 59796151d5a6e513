/**
 * What every poller must do, whatever is behind it: the invariants at the head of `loop/poller.ts`,
 * one test each. A back end brings a way to make pollers, and sources that its kernel knows.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ALARM_SLOT,
  CLOSED_SLOT,
  EDGE,
  ERROR,
  HANGUP,
  ONCE,
  PEER_CLOSED,
  type Poller,
  READABLE,
  type Target,
  WAKE_SLOT,
  WRITABLE,
} from "../loop/poller.ts";
import { ring } from "../handles/ring.ts";
import { test, type TestBody } from "./support.ts";

/** A stream with two ends: what is put into the far one is read from the near one, and back. */
export interface TestStream extends Disposable {
  /** The near end, which is watched. */
  readonly target: Target;
  /** A second handle of the near end. */
  duplicate(): { readonly target: Target } & Disposable;
  /** Reads all there is at the near end. */
  drain(): void;
  /** Fills the near end until it takes no more. */
  fill(): void;
  /** Puts bytes into the far end. */
  send(): void;
  /** Takes all there is out of the far end. */
  drainFar(): void;
  /** Ends the writing side of the far end. */
  endFar(): void;
  /** Closes the far end. */
  closeFar(): void;
  /** Closes the near end. */
  close(): void;
}

/** What a back end brings to the suite. */
export interface Subject {
  readonly name: string;
  /** Set where no other thread can reach it, and so none can close its targets. */
  readonly local?: true;
  poller(): Poller;
  stream(): TestStream;
  /** Something that no poller can watch, null where there is no such thing. */
  unpollable(): ({ readonly target: Target } & Disposable) | null;
}

/** One report, as a test compares it. */
type Seen = readonly [slot: number, generation: number, readiness: number];

function wait(poller: Poller, milliseconds = 0): Seen[] {
  const count = poller.wait(milliseconds);
  return Array.from(
    { length: count },
    (_, index) => [poller.slot(index), poller.generation(index), poller.readiness(index)] as const,
  ).sort(([a], [b]) => a - b);
}

const codeOf = (call: () => unknown): unknown =>
  (assertThrows(call, Error) as { code?: unknown }).code;

/** Registers one case. */
type Check = (title: string, body: (poller: Poller) => void) => void;

/** Registers the suite for one back end, by `register` where it is not to run everywhere. */
export function pollerConformance(
  subject: Subject,
  register: (name: string, body: TestBody) => void = test,
): void {
  const check: Check = (title, body) =>
    register(`${subject.name}: ${title}`, () => {
      using poller = subject.poller();
      body(poller);
    });
  membership(check, subject);
  levels(check, subject);
  ends(check, subject);
  time(check, subject);
}

/** What may be in a poller, and what comes back of it. */
function membership(check: Check, { stream, unpollable }: Subject): void {
  check("a target is in it at most once, and a refused call changes nothing", (poller) => {
    using one = stream();
    assertEquals(codeOf(() => poller.modify(one.target, READABLE, 1, 1)), "ENOENT");
    assertEquals(codeOf(() => poller.delete(one.target)), "ENOENT");
    poller.add(one.target, READABLE, 1, 1);
    assertEquals(codeOf(() => poller.add(one.target, WRITABLE, 2, 2)), "EEXIST");
    assertEquals(wait(poller), []);
    one.send();
    assertEquals(wait(poller), [[1, 1, READABLE]]);
    poller.delete(one.target);
    assertEquals(codeOf(() => poller.delete(one.target)), "ENOENT");
    assertEquals(wait(poller), []);
  });

  check("what cannot be watched is refused when it is added", (poller) => {
    using refused = unpollable();
    if (refused === null) return;
    assertEquals(codeOf(() => poller.add(refused.target, READABLE, 1, 1)), "EPERM");
    assertEquals(wait(poller), []);
  });

  check("each target is reported once a wait, with all that is known of it", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE | WRITABLE, 1, 1);
    one.send();
    one.send();
    assertEquals(wait(poller), [[1, 1, READABLE | WRITABLE]]);
  });

  check("slots and generations come back as they were given", (poller) => {
    using one = stream();
    using other = stream();
    poller.add(one.target, WRITABLE, 0, 0);
    poller.add(other.target, WRITABLE, 0xffff_fffc, 2 ** 21 - 1);
    assertEquals(wait(poller), [[0, 0, WRITABLE], [0xffff_fffc, 2 ** 21 - 1, WRITABLE]]);
    poller.modify(one.target, WRITABLE, 5, 6);
    assertEquals(wait(poller)[0], [5, 6, WRITABLE]);
  });
}

/** How levels, edges and single reports differ. */
function levels(check: Check, { stream }: Subject): void {
  check("a level is reported by every wait for as long as it lasts", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE, 1, 1);
    assertEquals(wait(poller), []);
    one.send();
    for (let turn = 0; turn < 3; turn++) assertEquals(wait(poller), [[1, 1, READABLE]]);
    one.drain();
    assertEquals(wait(poller), []);
  });

  check("an edge is reported once, and again after new activity or modify", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE | EDGE, 1, 1);
    one.send();
    assertEquals([wait(poller).length, wait(poller).length], [1, 0]);
    one.send();
    assertEquals([wait(poller).length, wait(poller).length], [1, 0]);
    poller.modify(one.target, READABLE | EDGE, 1, 2);
    assertEquals(wait(poller), [[1, 2, READABLE]]);
    assertEquals(wait(poller), []);
  });

  check("an edge of room to write: at first, and after it was full", (poller) => {
    using one = stream();
    poller.add(one.target, WRITABLE | EDGE, 1, 1);
    assertEquals(wait(poller), [[1, 1, WRITABLE]]);
    assertEquals(wait(poller), []);
    one.fill();
    assertEquals(wait(poller), []);
    one.drainFar();
    assertEquals(wait(poller), [[1, 1, WRITABLE]]);
  });

  check("once is silent after one report until modify, which sees what has come", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE | ONCE, 1, 1);
    one.send();
    assertEquals(wait(poller), [[1, 1, READABLE]]);
    one.send();
    assertEquals(wait(poller), []);
    poller.modify(one.target, READABLE | ONCE, 1, 1);
    assertEquals(wait(poller), [[1, 1, READABLE]]);
    assertEquals(wait(poller), []);
  });
}

/** What is reported unasked, and what closing does. */
function ends(check: Check, { stream }: Subject): void {
  check("an interest of nothing reports nothing but the end of both directions", (poller) => {
    using one = stream();
    poller.add(one.target, 0, 1, 1);
    one.send();
    assertEquals(wait(poller), []);
    one.closeFar();
    const [seen] = wait(poller);
    assert(seen !== undefined && (seen[2] & (HANGUP | ERROR)) !== 0, `reported ${seen}`);
  });

  check("a peer that ended its writing is PEER_CLOSED and READABLE when asked for", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE | PEER_CLOSED, 1, 1);
    one.endFar();
    assertEquals(wait(poller), [[1, 1, READABLE | PEER_CLOSED]]);
    poller.modify(one.target, WRITABLE, 1, 1);
    assertEquals(wait(poller), [[1, 1, WRITABLE]]);
  });

  check("a handle that is closed is out of it, even while a duplicate lives", (poller) => {
    const one = stream();
    using duplicate = one.duplicate();
    poller.add(one.target, READABLE, 1, 1);
    one.send();
    one.close();
    assertEquals(wait(poller), []);
    poller.add(duplicate.target, READABLE, 2, 1);
    assertEquals(wait(poller), [[2, 1, READABLE]]);
    one[Symbol.dispose]();
  });

  check("many are all reported, each once, over as many waits as it takes", (poller) => {
    using stack = new DisposableStack();
    const streams = Array.from({ length: 100 }, () => stack.use(stream()));
    streams.forEach(({ target }, slot) => poller.add(target, READABLE | EDGE, slot, 1));
    for (const one of streams) one.send();
    const slots = new Set<number>();
    for (let seen = wait(poller); seen.length > 0; seen = wait(poller)) {
      for (const [slot] of seen) {
        assert(!slots.has(slot), `slot ${slot} was reported twice`);
        slots.add(slot);
      }
    }
    assertEquals(slots.size, streams.length);
  });
}

/** What ends a wait when another thread closes a target. */
function closingBell(check: Check): void {
  check("its closing bell ends the next wait once, however often it is rung", (poller) => {
    const bell = poller.closingBell();
    ring(bell);
    ring(bell);
    assertEquals(wait(poller, -1).map(([slot]) => slot), [CLOSED_SLOT]);
    assertEquals(wait(poller), []);
    assertEquals(poller.closingBell(), bell);
  });
}

/** Waits, wakes and alarms. */
function time(check: Check, { local, poller: make, stream }: Subject): void {
  check("a wait is never early, and ends without a report", (poller) => {
    for (const milliseconds of [0, 0.3, 1, 12.5]) {
      const begin = poller.now();
      assertEquals(poller.wait(milliseconds), 0);
      assert(poller.now() - begin >= milliseconds, `${milliseconds} ms was early`);
    }
  });

  check("wake ends the next wait once, however often it is called", (poller) => {
    poller.wake();
    poller.wake();
    assertEquals(wait(poller, -1).map(([slot]) => slot), [WAKE_SLOT]);
    assertEquals(wait(poller), []);
  });

  if (local === undefined) closingBell(check);

  check("an alarm ends a wait, once and never early; a new one replaces it", (poller) => {
    const begin = poller.now();
    poller.alarm(60_000);
    poller.alarm(5);
    assertEquals(wait(poller, -1).map(([slot]) => slot), [ALARM_SLOT]);
    assert(poller.now() - begin >= 5, "the alarm was early");
    assertEquals(wait(poller), []);
    poller.alarm(0);
    assertEquals(wait(poller, -1).map(([slot]) => slot), [ALARM_SLOT]);
  });

  check("closing it leaves the targets to their owners; closing again does nothing", (poller) => {
    using one = stream();
    poller.add(one.target, READABLE, 1, 1);
    poller.close();
    poller.close();
    one.send();
    one.drain();
    using next = make();
    next.add(one.target, WRITABLE, 1, 1);
    assertEquals(wait(next), [[1, 1, WRITABLE]]);
  });
}
