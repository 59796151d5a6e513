// What waits in a loop on a handle that another thread closes. The kernel says nothing of that: what
// was taken out of an epoll set is reported no more, and what is closed leaves it without a word.

import { assert, assertEquals, assertRejects } from "@std/assert";
import fs from "node:fs";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import type { ConnWorker } from "./conn_worker.ts";
import type { LoopWorker } from "./loop_worker.ts";
import { deadline, test, type TestWorker, waitUntil, worker } from "./support.ts";

const start = () => worker<LoopWorker>(new URL("./loop_worker.ts", import.meta.url));
const startConn = () => worker<ConnWorker>(new URL("./conn_worker.ts", import.meta.url));
const interest = { readable: true };
const nothing = (): void => assert(false, "it was reported");

/** Runs a dedicated loop until it has nothing left to wait for; an attached one runs by itself. */
async function settled<T>(loop: Loop, promise: Promise<T>): Promise<T> {
  const running = loop.attached ? undefined : loop.run();
  const value = await deadline(10_000, promise, "what waits");
  await deadline(10_000, Promise.resolve(running), "the end of the run");
  return value;
}

/** The counts of a wake and of a report, which another thread's close is neither. */
function counts({ wakeUps, events, staleEvents }: ReturnType<Loop["metrics"]>): number[] {
  return [wakeUps, events, staleEvents];
}

for (const attached of [false, true]) {
  const driver = attached ? "attached" : "dedicated";

  test(`R08 X04 another thread closes a handle: promises are rejected, ${driver}`, async () => {
    await using thread = start();
    await thread.ready;
    using loop = Loop.create({ attached });
    const counter = EventFD.create();
    using copy = FD.duplicate(counter.raw); // the kernel keeps the file, and would keep reporting
    const waits = [
      assertRejects(() => loop.readable(counter), ClosedError, "EventFD"),
      assertRejects(() => loop.readable(counter), ClosedError),
    ];
    const closing = thread.call("close", counter.share()); // while they wait
    await settled(loop, Promise.all(waits));
    await closing;
    copy.write(new Uint8Array(8).fill(1));
    await assertRejects(() => loop.readable(counter), ClosedError);
    assertEquals(counts(loop.metrics()), [0, 0, 0]);
  });

  test(`R08 another thread closes a handle: its watch and its iterator end, ${driver}`, async () => {
    await using thread = start();
    await thread.ready;
    using loop = Loop.create({ attached });
    const watched = EventFD.create();
    const iterated = EventFD.create();
    const shared = [watched.share(), iterated.share()]; // before anything waits for them
    const watch = loop.watch(watched, interest, nothing);
    const steps = (async () => {
      for await (const _ of loop.watch(iterated, interest)) nothing();
    })();
    const closings = shared.map((memory) => thread.call("close", memory));
    await settled(loop, steps);
    assertEquals(watch.active, false);
    await Promise.all(closings);
    assertEquals(counts(loop.metrics()), [0, 0, 0]);
  });

  test(`C05 R08 another thread closes a connection's handle: onClose(null), ${driver}`, async () => {
    await using thread = startConn();
    await thread.ready;
    using loop = Loop.create({ attached });
    using pair = socketPair();
    const closed = Promise.withResolvers<Error | null>();
    const conn = loop.registerConn(pair.left, { onRecv: nothing, onClose: closed.resolve });
    const closing = thread.call("close", pair.left.share());
    assertEquals(await settled(loop, closed.promise), null);
    assertEquals([conn.closed, loop.metrics().connections], [true, 0]);
    await closing;
  });
}

test("R08 a copy on the loop's own thread is closed: all the same", async () => {
  using loop = Loop.create();
  const counter = EventFD.create();
  using copy = EventFD.from(structuredClone(counter.share()));
  const waiting = assertRejects(() => loop.readable(counter), ClosedError);
  loop.post(() => copy.close());
  await settled(loop, waiting);
});

test("R08 both directions wait, one is reported, and the handle is closed meanwhile", async () => {
  using loop = Loop.create();
  using full = EventFD.create();
  const order: string[] = [];
  // It is writable at once; that what reads is asked for again finds the handle closed.
  const writing = loop.writable(full).then(() => order.push("writable"));
  const reading = assertRejects(() => loop.readable(full), ClosedError).then(() =>
    order.push("closed")
  );
  using other = EventFD.create({ initial: 1 });
  const copy = EventFD.from(structuredClone(full.share()));
  const watch = loop.watch(other, interest, () => {
    copy.close();
    watch.cancel();
  });
  await settled(loop, Promise.all([writing, reading]).catch((error) => order.push(String(error))));
  assertEquals(order.at(-1), "closed");
});

/** Lets another thread close handles, beginning now. Its last one is closed when `ended` settles. */
async function closeAll(
  thread: TestWorker<LoopWorker>,
  handles: EventFD[],
): Promise<{ ended: Promise<void> }> {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const shared = handles.map((handle) => handle.share());
  const ended = thread.call("closeAll", shared, word.buffer as SharedArrayBuffer);
  await waitUntil(() => Atomics.load(word, 0) === 1, 5000, "the thread is ready to close");
  Atomics.store(word, 0, 2);
  Atomics.notify(word, 0);
  return { ended };
}

test("R08 handles are closed while they are put under watch: each ends, none is missed", async () => {
  await using thread = start();
  using loop = Loop.create();
  const counters = Array.from({ length: 2000 }, () => EventFD.create());
  const closing = await closeAll(thread, counters);
  let ended = 0;
  const waits: Promise<void>[] = [];
  // From the end, so that both meet in the middle.
  for (const counter of counters.toReversed()) {
    waits.push(
      loop.readable(counter).catch((error) => {
        assert(error instanceof ClosedError, String(error));
        ended++;
      }),
    );
  }
  await settled(loop, Promise.all(waits));
  assertEquals(ended, counters.length);
  await closing.ended;
});

test("R08 a loop is closed while another thread closes what it watches: no other eventfd is rung", async () => {
  await using thread = start();
  for (let round = 0; round < 50; round++) {
    const loop = Loop.create();
    const counters = Array.from({ length: 40 }, () => EventFD.create());
    for (const counter of counters) loop.watch(counter, interest, nothing);
    const closing = await closeAll(thread, counters);
    const last = counters[round % 40]!;
    for (const begin = Date.now(); !last.closed && Date.now() - begin < 5000;); // in the middle of it
    loop.close();
    // They take the numbers of the loop's own descriptors.
    using next = new DisposableStack();
    const strangers = Array.from({ length: 8 }, () => next.use(EventFD.create()));
    await closing.ended;
    for (const stranger of strangers) assertEquals(stranger.wait(), null);
  }
});

test("R10 a watch is not given the report for a promise that was aborted in the same batch", async () => {
  using loop = Loop.create();
  using first = EventFD.create();
  using second = EventFD.create();
  const control = new AbortController();
  const waiting = assertRejects(() => loop.readable(second, { signal: control.signal }));
  const seen: boolean[][] = [];
  loop.watch(first, interest, () => {
    first.wait();
    second.wait();
    control.abort();
    loop.watch(second, { writable: true, mode: "once" }, ({ readable, writable }) => {
      seen.push([readable, writable]);
      loop.post(() => loop.stop());
    });
  });
  loop.post(() => {
    first.signal();
    second.signal();
  });
  await loop.run();
  await waiting;
  assertEquals(seen, [[false, true]]);
});

test("R08 a number that was closed by its owner and is a file by now: the wait can still be aborted", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const { raw } = pair.left;
  const control = new AbortController();
  const waiting = loop.readable(raw, { signal: control.signal });
  pair.left.close();
  const files: FD[] = [];
  try {
    do files.push(FD.adopt(fs.openSync("/etc/passwd", "r"))); while (
      files.at(-1)!.raw !== raw && files.length < 100
    );
    control.abort(new Error("enough"));
    await deadline(5000, assertRejects(() => waiting, Error, "enough"), "the wait");
  } finally {
    for (const file of files) file.close();
  }
});
