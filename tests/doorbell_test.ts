import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { asleep, count, reports, RESERVED, reserved, sleepers } from "./epoll_fixture.ts";
import type { EpollWorker } from "./epoll_worker.ts";
import { isOpen, readable } from "./probes.ts";
import { deadline, test, type TestWorker, worker } from "./support.ts";

const start = () => worker<EpollWorker>(new URL("./epoll_worker.ts", import.meta.url));

/** Starts workers that end with the test. */
function startMany(stack: AsyncDisposableStack, many: number): TestWorker<EpollWorker>[] {
  return Array.from({ length: many }, () => stack.use(start()));
}

/** Resolves when a wait has ended because its set was closed, which must be soon. */
async function closed(wait: Promise<unknown>): Promise<void> {
  const { name, message } = await deadline(15_000, assertRejects(() => wait, Error), "the end");
  assertEquals([name, message.split(":")[0]], ["ClosedError", "Epoll is closed"]);
}

for (const timeout of [null, 20_000, 20_000.5]) {
  test(`I02 closing a shared set ends a wait of ${timeout} ms on another thread`, async () => {
    await using thread = start();
    using first = Epoll.create();
    const set = Epoll.adopt(reserved(first).raw);
    const waiting = closed(thread.call("wait", set.share(), timeout));
    await asleep(set);
    set.close();
    await waiting;
    assertEquals(isOpen(RESERVED), false, "the last one out has closed it");
  });
}

test("I02 closing ends the waits of all threads, and then the number is free", async () => {
  await using stack = new AsyncDisposableStack();
  const threads = startMany(stack, 4);
  using first = Epoll.create();
  const set = Epoll.adopt(reserved(first).raw);
  const waits = threads.map((thread) => closed(thread.call("wait", set.share(), null, 1)));
  await asleep(set, 4);
  set.close();
  await Promise.all(waits);
  assertEquals([isOpen(RESERVED), sleepers(RESERVED)], [false, 0]);
});

test("I02 a worker closes the set in which another one sleeps", async () => {
  await using stack = new AsyncDisposableStack();
  const [sleeper, closer] = startMany(stack, 2);
  using set = Epoll.create();
  using counter = EventFD.create();
  set.add(counter, EPOLL.IN);
  const waiting = closed(sleeper!.call("wait", set.share()));
  await asleep(set);
  await closer!.call("closeSet", set.share());
  await waiting;
  assertThrows(() => set.wait(new EpollEvents(1), 0), ClosedError);
});

test("I02 the doorbell is heard through a full house: one place, and others that are ready", async () => {
  await using stack = new AsyncDisposableStack();
  const threads = startMany(stack, 2);
  using set = Epoll.create();
  using counter = EventFD.create();
  set.add(counter, EPOLL.IN, 0);
  const progress = new SharedArrayBuffer(4);
  const consuming = threads.map((thread) =>
    thread.call("consume", set.share(), [counter.share()], progress)
  );
  const taken = new Int32Array(progress);
  while (Atomics.load(taken, 0) < 2000) {
    counter.signal();
    await Promise.race([Atomics.waitAsync(taken, 0, Atomics.load(taken, 0), 5).value]);
  }
  counter.signal(1000);
  set.close();
  for (const each of consuming) assertEquals((await each).length, 2);
});

test("I02 the doorbell of an open set is silent, and costs one descriptor", () => {
  using set = Epoll.create();
  const shared = set.share();
  using copy = Epoll.from(shared);
  const doorbell = new Int32Array(shared.doorbell)[1]!;
  assertEquals([count(set), count(copy), readable(set)], [0, 0, false]);
  assertEquals(set.share().doorbell, shared.doorbell, "it has one however often it is shared");
  assert(isOpen(doorbell));
  using counter = EventFD.create({ initial: 1 });
  copy.add(counter, EPOLL.IN, 0);
  assertEquals(reports(set), [[0, EPOLL.IN]]);
  copy.close(); // and the test would fail if the doorbell stayed
  assertEquals([set.closed, copy.closed], [true, true]);
});

test("I02 sets that are shared, waited for and closed, again and again", async () => {
  await using thread = start();
  for (let round = 0; round < 100; round++) {
    const set = Epoll.create();
    const waiting = closed(thread.call("wait", set.share(), null, 1));
    if (round % 2 === 0) await asleep(set); // or close while it is on its way in
    set.close();
    await waiting;
  }
});
