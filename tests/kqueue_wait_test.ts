import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { KqueueEvents } from "../handles/kqueue_events.ts";
import type { Kqueue } from "../handles/kqueue.ts";
import { EV } from "../handles/kqueue_words.ts";
import { FakeKqueue } from "./kqueue_fake.ts";
import { test } from "./support.ts";

/** Runs a wait on a kernel that is not there, with what its calls answer. */
function wait(
  answers: FakeKqueue["answers"],
  limit: number | bigint | null,
  also: (kernel: FakeKqueue, queue: Kqueue, events: KqueueEvents) => void = () => {},
): [count: number, timeouts: unknown[]] {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  kernel.answers.push(...answers);
  const events = kernel.events(4);
  const count = queue.control(null, events, limit);
  assertEquals(events.length, count);
  also(kernel, queue, events);
  return [count, kernel.made.map(({ timeout }) => timeout)];
}

const one = (): number => 1;
const none = (): number => 0;

test("a wait without an end is one call, and goes on behind a signal and behind no event", () => {
  assertEquals(wait([one], null), [1, [null]]);
  assertEquals(wait(["EINTR", none, "EINTR", one], null), [1, [null, null, null, null]]);
});

test("a wait with a limit looks first: what is ready costs one call", () => {
  assertEquals(wait([one], 1000), [1, [[0, 0]]]);
  assertEquals(wait([one], 0), [1, [[0, 0]]]);
  assertEquals(wait([none], 0), [0, [[0, 0]]]);
  assertEquals(wait(["EINTR"], 0), [0, [[0, 0]]]);
});

test("a limit is told as a timespec, and what is left of it behind a signal", () => {
  assertEquals(wait([none, one], 1500.25), [1, [[0, 0], [1, 500_250_000]]]);
  assertEquals(wait([none, one], 2_000_000_001n), [1, [[0, 0], [2, 1]]]);
  const [count, timeouts] = wait([none, "EINTR", one], 10_000);
  assertEquals(count, 1);
  const [, first, second] = timeouts as [number, number][];
  assertEquals(first, [10, 0]);
  assert(second![0] === 9 && second![1] > 0, `${second} is not what was left`);
});

test("a limit that is longer than libkqueue can count is waited for in parts", () => {
  const [count, timeouts] = wait([none, none, one], 2 ** 33);
  assertEquals([count, (timeouts[1] as number[])[0]], [1, 2_147_483]);
});

test("a wait is never early, however often a call answers nothing", () => {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const late = (): number => Atomics.wait(word, 0, 0, 200) === "timed-out" ? 0 : 1;
  const begin = performance.now();
  const [count, timeouts] = wait([none, none, none, late], 150);
  assertEquals(count, 0);
  assert(performance.now() - begin >= 150);
  assert(timeouts.length >= 4);
});

test("an error of the wait is thrown, and no event of an earlier one is left", () => {
  wait([one], null, (kernel, queue, events) => {
    kernel.answers.push("EBADF");
    const error = assertThrows(() => queue.control(null, events), SyscallError);
    assertEquals([error.code, error.syscall, error.fd], ["EBADF", "kevent", queue.raw]);
    assertEquals(events.length, 0);
  });
});

test("nevents_validation: a limit that is none is refused before any call", () => {
  wait([one], null, (kernel, queue, events) => {
    const before = kernel.made.length;
    for (const bad of [-1, NaN, Infinity, -1n]) {
      assertThrows(() => queue.control(null, events, bad), RangeError, "the timeout");
    }
    for (const bad of ["1", {}, true]) {
      assertThrows(() => queue.control(null, events, bad as never), Error);
    }
    for (const bad of [{}, [], 3, new Uint8Array(64)]) {
      assertThrows(() => queue.control(null, bad as never), TypeError, "must be KqueueEvents");
    }
    assertEquals(kernel.made.length, before);
  });
});

test("the kernel is told the room that there is, whatever the buffer says of it", () => {
  wait([one], 0, (kernel, queue, events) => {
    Object.defineProperty(events, "capacity", { value: 1000 });
    queue.control(null, events, 0);
    assertEquals(kernel.made.map(({ nevents }) => nevents), [4, 4]);
    kernel.answers.push((words) => kernel.receipts(words, [0, 0, 0, 0, 0]));
    const flags = EV.ADD | EV.RECEIPT;
    const list = Array.from(
      { length: 5 },
      (_, ident) => ({ filter: "USER", ident, flags } as const),
    );
    assertEquals(queue.control(list, events, 0), 0);
  });
});
