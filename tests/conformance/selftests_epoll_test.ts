// Linux, tools/testing/selftests/filesystems/epoll: what epoll_wakeup_test observes.

import { assert, assertEquals } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { type SocketPair, socketPair } from "../../handles/pipe.ts";
import { asleep, count } from "../epoll_fixture.ts";
import type { EpollWorker } from "../epoll_worker.ts";
import { readable } from "../probes.ts";
import { test, type TestWorker, turn, waitUntil, worker } from "../support.ts";

const { IN, ET } = EPOLL;
const MODES = [["level", IN], ["edge", IN | ET]] as const;

/** How long a thread that is not to be woken is given the chance to be. */
const NOT_WOKEN_MS = 300;

const start = () => worker<EpollWorker>(new URL("../epoll_worker.ts", import.meta.url));

/** A set with so many socket pairs, one end of each in it, and a byte under way to each. */
function written(stack: DisposableStack, pairs: number, mask: number): Epoll {
  const set = stack.use(Epoll.create());
  for (let pair = 0; pair < pairs; pair++) {
    const { left, right } = stack.use(socketPair());
    set.add(left, mask);
    right.write(new Uint8Array(1));
  }
  return set;
}

for (const [mode, mask] of MODES) {
  const again = mode === "level" ? 1 : 0;
  for (const pairs of [1, 2]) {
    const first = mode === "level" ? 1 : 2;
    test(`selftests: epoll${pairs * 2 - 2 + first}, ${mode}, ${pairs} written, two waits`, () => {
      using stack = new DisposableStack();
      const set = written(stack, pairs, mask);
      assertEquals([count(set), count(set)], [pairs, pairs * again]);
    });

    test(`selftests: epoll${pairs * 2 + 2 + first}, the same, poll(2) before each wait`, () => {
      using stack = new DisposableStack();
      const set = written(stack, pairs, mask);
      const seen = [readable(set), count(set), readable(set), count(set)];
      assertEquals(seen, [true, pairs, again === 1, pairs * again]);
    });
  }
}

/** Two threads asleep in one set; what each wait reports after a byte was written to each pair. */
async function twoThreads(
  threads: readonly TestWorker<EpollWorker>[],
  mask: number,
  pairs: number,
  nested: boolean = false,
  woken: number = 2,
): Promise<(number | bigint)[][]> {
  using stack = new DisposableStack();
  const set = stack.use(Epoll.create());
  const inner = nested ? stack.use(Epoll.create()) : null;
  if (inner !== null) set.add(inner, mask);
  const all = Array.from({ length: pairs }, (): SocketPair => stack.use(socketPair()));
  all.forEach(({ left }, index) => (inner ?? set).add(left, inner === null ? mask : IN, index));
  const waits = threads.map((thread) => thread.call("wait", set.share(), 20_000, 1));
  await asleep(set, threads.length);
  for (const { right } of all) right.write(new Uint8Array(1));
  // Whoever has not been woken by now is ended by the set's closing.
  let done = 0;
  const settled = waits.map((wait) =>
    wait.then((events) => events.map(({ data }) => data), (error: Error) => {
      assertEquals(error.name, ClosedError.name);
      return [];
    }).finally(() => done++)
  );
  await waitUntil(() => done >= woken, 10_000, `${woken} to be woken`);
  if (done < threads.length) await turn(NOT_WOKEN_MS); // the chance of those that must not be
  set.close();
  return (await Promise.all(settled)).sort((a, b) => Number(a[0] ?? -1) - Number(b[0] ?? -1));
}

test("selftests: epoll9 to 16, two threads in one set, one fd or two", async () => {
  await using stack = new AsyncDisposableStack();
  const threads = [stack.use(start()), stack.use(start())];
  assertEquals(await twoThreads(threads, IN, 1), [[0n], [0n]], "level: both");
  assertEquals(await twoThreads(threads, IN | ET, 1, false, 1), [[], [0n]], "edge: exactly one");
  assertEquals((await twoThreads(threads, IN, 2)).flat().length, 2, "level: both");
  assertEquals(await twoThreads(threads, IN | ET, 2), [[0n], [1n]], "edge: each its own");
});

test("selftests: epoll25 to 32, two threads in the outer set", async () => {
  await using stack = new AsyncDisposableStack();
  const threads = [stack.use(start()), stack.use(start())];
  const level = await twoThreads(threads, IN, 1, true);
  assertEquals(level.map((events) => events.length), [1, 1], "outer level: both");
  const edge = await twoThreads(threads, IN | ET, 1, true, 1);
  assertEquals(edge.map((events) => events.length), [0, 1], "outer edge: exactly one");
});

test("selftests: epoll13, one thread in poll(2) and one in a wait: both return", async () => {
  await using stack = new AsyncDisposableStack();
  const [polling, waiting] = [stack.use(start()), stack.use(start())];
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN, 4);
  const polled = polling.call("pollThenWait", set.share(), 10_000);
  const waited = waiting.call("wait", set.share());
  await asleep(set);
  pair.right.write(new Uint8Array(1));
  assertEquals(await polled, [1, 1]);
  assertEquals(await waited, [{ mask: IN, data: 4n }]);
});

test("selftests: epoll59, each MOD of a counter that stays at 1 is an edge, and none is lost", async () => {
  await using stack = new AsyncDisposableStack();
  const [modifying, waiting] = [stack.use(start()), stack.use(start())];
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, IN | EPOLL.ERR | ET);
  const [gate, rounds] = [new SharedArrayBuffer(4), 5000];
  const modified = modifying.call("modifyOnDemand", set.share(), counter.share(), gate, rounds);
  assertEquals(await waiting.call("waitOnDemand", set.share(), gate, rounds), 0);
  await modified;
});

test("selftests: epoll60, as many threads as edge-triggered counters: no two get the same", async () => {
  const [many, rounds] = [10, 300];
  await using stack = new AsyncDisposableStack();
  const threads = Array.from({ length: many }, () => stack.use(start()));
  using counters = new DisposableStack();
  using set = Epoll.create();
  const each = Array.from({ length: many }, () => counters.use(EventFD.create()));
  each.forEach((counter, index) => set.add(counter, IN | ET, index));
  const progress = new SharedArrayBuffer(4);
  const shared = each.map((counter) => counter.share());
  const consuming = threads.map((thread) => thread.call("consume", set.share(), shared, progress));
  await asleep(set, many);
  const done = new Int32Array(progress);
  for (let round = 1; round <= rounds; round++) {
    for (const counter of each) counter.signal();
    for (let seen = 0; (seen = Atomics.load(done, 0)) < round * many;) {
      const outcome = await Atomics.waitAsync(done, 0, seen, 10_000).value;
      assert(outcome !== "timed-out", `round ${round} ended with ${seen}`);
    }
  }
  set.close();
  const totals = await Promise.all(consuming);
  assertEquals(totals.reduce((sum, [taken]) => sum + taken!, 0), rounds * many);
  assertEquals(totals.map(([, empty]) => empty), totals.map(() => 0), "a read found nothing");
});
