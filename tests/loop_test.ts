import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { LoopTimer } from "../loop/timers.ts";
import { LoopWaker } from "../loop/waker.ts";
import { Watch } from "../loop/watch.ts";
import { root, spawnScript, test, worker } from "./support.ts";
import type { LoopWorker } from "./loop_worker.ts";

const start = () => worker<LoopWorker>(new URL("./loop_worker.ts", import.meta.url));
const byte = (): Uint8Array => new Uint8Array(1);

test("C33 a loop with nothing to wait for ends by itself, and can run again", async () => {
  using loop = Loop.create();
  await loop.run();
  await loop.run();
  assertEquals([loop.running, loop.closed], [false, false]);
});

test("C33 a level is reported for as long as it lasts, until the watch is cancelled", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 3, semaphore: true });
  const seen: unknown[] = [];
  const watch = loop.watch(counter, { readable: true }, (ready) => {
    seen.push(ready.readable, ready.writable, counter.wait());
    if (seen.length === 9) watch.cancel();
  });
  await loop.run();
  assertEquals(seen, [true, false, 1n, true, false, 1n, true, false, 1n]);
  assertEquals(watch.active, false);
});

test("R04 once is silent after one report until it is re-armed", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  using other = EventFD.create({ initial: 1 });
  let reports = 0;
  let turns = 0;
  const once = loop.watch(counter, { readable: true, mode: "once" }, () => void reports++);
  const clock = loop.watch(other, { readable: true }, () => {
    if (++turns === 5) {
      assertEquals(reports, 1);
      once.rearm();
    }
    if (turns < 10) return;
    once.cancel();
    clock.cancel();
  });
  await loop.run();
  assertEquals(reports, 2);
});

test("R01 an edge is reported when it comes, not while it lasts; a modify looks again", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  using other = EventFD.create({ initial: 1 });
  let edges = 0;
  let turns = 0;
  const edge = loop.watch(counter, { readable: true, mode: "edge" }, () => void edges++);
  const clock = loop.watch(other, { readable: true }, () => {
    const expected: Record<number, number> = { 5: 1, 8: 2, 12: 3 };
    const now = expected[++turns];
    if (now !== undefined) assertEquals(edges, now, `in turn ${turns}`);
    if (turns === 5) counter.signal();
    if (turns === 8) edge.modify({ readable: true, mode: "edge" });
    if (turns < 12) return;
    edge.cancel();
    clock.cancel();
  });
  await loop.run();
});

test("R03 an edge on a descriptor that blocks is refused, and nothing is left of it", () => {
  using loop = Loop.create();
  using ends = pipe({ blocking: true });
  const edge = { readable: true, mode: "edge" } as const;
  assertThrows(() => loop.watch(ends.reader, edge, () => {}), TypeError, "setNonblock");
  ends.reader.setNonblock(true);
  loop.watch(ends.reader, edge, () => {}).cancel();
});

test("R05 libuv: a second watch of one descriptor is refused with EEXIST, a duplicate's is not", () => {
  using loop = Loop.create();
  using ends = pipe();
  const interest = { readable: true };
  loop.watch(ends.reader, interest, () => {});
  const twice = () => loop.watch(ends.reader, interest, () => {});
  assertEquals((assertThrows(twice, Error, "dup()") as { code?: string }).code, "EEXIST");
  assertThrows(() => loop.watch(ends.reader.raw, interest, () => {}), Error, "EEXIST");
  using copy = ends.reader.dup();
  loop.watch(copy, interest, () => {});
});

test("libuv: what cannot be watched is refused at once, and not at the first wait", async () => {
  const result = await spawnScript(
    `
    import { openSync } from "node:fs";
    import { FD, Loop } from "@fdloop/fdloop";
    using loop = Loop.create();
    for (const path of [process.argv[2], "/"]) {
      using file = FD.duplicate(openSync(path, "r"));
      try {
        loop.watch(file, { readable: true }, () => {});
      } catch (error) {
        console.log(error.code);
      }
      await loop.readable(file).catch((error) => console.log(error.code));
    }
    await loop.run();
  `,
    { args: [new URL("mod.ts", root).pathname] },
  );
  assertEquals([result.stdout, result.stderr], ["EPERM\nEPERM\nEPERM\nEPERM\n", ""]);
});

test("R10 C16 a callback that closes a handle: its report of the same batch reaches nobody", async () => {
  using loop = Loop.create();
  let reused = 0;
  for (let round = 0; round < 200; round++) {
    using first = EventFD.create({ initial: 1 });
    const second = EventFD.create({ initial: 1 });
    let next: EventFD | null = null;
    const owner = { first, second };
    // Whichever of the two is reported first closes the other and takes its number.
    const strike = (self: "first" | "second", other: "first" | "second") => () => {
      owner[self].wait();
      if (next !== null) return;
      const number = owner[other].raw;
      owner[other].close();
      next = EventFD.create();
      if (next.raw === number) reused++;
      loop.watch(next, { readable: true }, () => {
        throw new Error("a stale report reached the number's next owner");
      });
      loop.post(() => loop.stop());
    };
    loop.watch(first, { readable: true }, strike("first", "second"));
    loop.watch(second, { readable: true }, strike("second", "first"));
    await loop.run();
    second.close();
    next!.close();
  }
  assertEquals(reused, 200, "the number was reused, or this proves nothing");
});

test("R08 a handle that is closed ends its watch, even while a duplicate keeps the file", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  using copy = FD.duplicate(counter.raw);
  const watch = loop.watch(counter, { readable: true }, () => {
    throw new Error("reported after it was closed");
  });
  counter.close();
  assertEquals(watch.active, false);
  watch.cancel();
  assertThrows(() => watch.rearm(), Error, "it is over");
  using other = EventFD.create({ initial: 1 });
  loop.watch(other, { readable: true }, () => loop.stop());
  await loop.run();
  assert(copy.valid);
});

test("X04 readable and writable resolve when it is so, and are rejected when the handle closes", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const order: string[] = [];
  const reading = loop.readable(pair.left).then(() => order.push("readable"));
  const writing = loop.writable(pair.left).then(() => {
    order.push("writable");
    pair.right.write(byte());
  });
  await loop.run();
  await Promise.all([reading, writing]);
  assertEquals(order, ["writable", "readable"]);
  pair.left.read(byte());
  const closing = assertRejects(() => loop.readable(pair.left), ClosedError);
  pair.left.close();
  await closing;
  await assertRejects(() => loop.readable(pair.left), ClosedError);
});

test("X04 several promises of one descriptor are fulfilled by one report", async () => {
  using loop = Loop.create();
  using ends = pipe();
  const waits = [loop.readable(ends.reader), loop.readable(ends.reader.raw)];
  ends.writer.write(byte());
  await Promise.all([loop.run(), ...waits]);
});

test("X04 a promise leaves nothing behind: the descriptor can be watched after it", async () => {
  using loop = Loop.create();
  using ends = pipe();
  ends.writer.write(byte());
  for (const target of [ends.reader, ends.reader.raw]) {
    await Promise.all([loop.run(), loop.readable(target)]);
    const watch = loop.watch(target, { readable: true }, () => watch.cancel());
    await loop.run();
  }
});

test("X04 AbortSignal: before, during, and from a callback of the loop", async () => {
  using loop = Loop.create();
  using ends = pipe();
  const early = AbortSignal.abort(new Error("early"));
  await assertRejects(() => loop.readable(ends.reader, { signal: early }), Error, "early");
  await assertRejects(() => loop.run({ signal: early }), Error, "early");
  const control = new AbortController();
  const waiting = assertRejects(
    () => loop.readable(ends.reader, { signal: control.signal }),
    Error,
    "during",
  );
  loop.post(() => control.abort(new Error("during")));
  await Promise.all([loop.run(), waiting]);
  const stopping = new AbortController();
  const watch = loop.watch(
    ends.writer,
    { writable: true },
    () => stopping.abort(new Error("stop")),
  );
  await assertRejects(() => loop.run({ signal: stopping.signal }), Error, "stop");
  watch.cancel();
  await loop.run();
});

test("X05 promises make progress while it runs, however long the chain of awaits", async () => {
  using loop = Loop.create();
  using counter = EventFD.create();
  using never = EventFD.create();
  const watch = loop.watch(never, { readable: true }, () => {});
  const deep = async (levels: number): Promise<number> =>
    levels === 0 ? 0 : 1 + await deep(levels - 1);
  const work = (async () => {
    await loop.readable(counter);
    const depth = await deep(1000);
    watch.cancel();
    return depth;
  })();
  counter.signal();
  await loop.run();
  assertEquals(await work, 1000);
});

test("X05 an async handler runs on through its awaits before the thread sleeps again", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  let answer = 0;
  loop.registerConn(pair.left, {
    onRecv: async (bytes, conn) => {
      let sum = bytes[0]!; // the bytes are valid until the first await
      for (let step = 0; step < 1000; step++) sum += await Promise.resolve(1);
      conn.write(Uint8Array.of(sum % 256));
    },
  });
  loop.registerConn(pair.right, {
    onRecv: (bytes) => {
      answer = bytes[0]!;
      loop.stop();
    },
  }).write(Uint8Array.of(7));
  // Nothing else turns this loop: a handler that were left in the middle would stay there.
  await loop.run();
  assertEquals(answer, 1007 % 256);
});

test("C33 post: on the loop's thread, in order, in the next turn", async () => {
  using loop = Loop.create();
  const order: number[] = [];
  loop.post(() => {
    order.push(1);
    loop.post(() => order.push(3));
  });
  loop.post(() => order.push(2));
  assertEquals(order, []);
  await loop.run();
  assertEquals(order, [1, 2, 3]);
});

test("C33 what a callback throws ends the run after the turn's other reports; none is lost", async () => {
  using loop = Loop.create();
  using first = EventFD.create({ initial: 1 });
  using second = EventFD.create({ initial: 1 });
  let seen = 0;
  const error = new Error("from a callback");
  const edge = { readable: true, mode: "edge" } as const;
  loop.watch(first, edge, () => {
    seen++;
    throw error;
  });
  loop.watch(second, edge, () => {
    seen++;
    throw error;
  });
  const thrown = await assertRejects(() => loop.run(), AggregateError, "2 callbacks");
  assertEquals([seen, thrown.errors], [2, [error, error]]);
  loop.post(() => {
    throw error;
  });
  assertStrictEquals(await assertRejects(() => loop.run()), error);
  loop.post(() => loop.stop());
  await loop.run();
});

test("C33 one run at a time; stop ends the run, not the loop", async () => {
  using loop = Loop.create();
  using ready = EventFD.create({ initial: 1 });
  let turns = 0;
  loop.watch(ready, { readable: true }, () => {
    if (++turns % 3 === 0) loop.stop();
  });
  const running = loop.run();
  await assertRejects(() => loop.run(), Error, "runs already");
  await running;
  await loop.run();
  assertEquals(turns, 6);
});

test("C33 close: watches are over, promises rejected, the descriptors stay their owners'", async () => {
  const loop = Loop.create();
  using ends = pipe();
  const watch = loop.watch(ends.writer, { writable: true }, () => {});
  const waiting = assertRejects(() => loop.readable(ends.reader), LoopClosedError);
  loop.close();
  loop.close();
  await waiting;
  assertEquals([watch.active, loop.closed, ends.reader.valid], [false, true, true]);
  assertThrows(() => loop.watch(ends.reader, { readable: true }, () => {}), LoopClosedError);
  assertThrows(() => loop.post(() => {}), LoopClosedError);
  assertThrows(() => loop.shareWaker(), LoopClosedError);
  await assertRejects(() => loop.run(), LoopClosedError);
  await assertRejects(() => loop.readable(ends.reader), LoopClosedError);
});

test("C33 close inside a callback ends the run", async () => {
  const loop = Loop.create();
  using ready = EventFD.create({ initial: 1 });
  using other = EventFD.create({ initial: 1 });
  let calls = 0;
  for (const counter of [ready, other]) {
    loop.watch(counter, { readable: true }, () => {
      calls++;
      loop.close();
    });
  }
  await loop.run();
  assertEquals(calls, 1);
});

test("C33 arguments that are not what they should be are refused before anything is made", async () => {
  using loop = Loop.create();
  using ends = pipe();
  const noop = (): void => {};
  for (const bad of [undefined, null, "3", {}, 3n]) {
    assertThrows(() => loop.watch(bad as never, { readable: true }, noop), TypeError);
  }
  for (const bad of [-1, NaN, 2 ** 31]) {
    assertThrows(() => loop.watch(bad, { readable: true }, noop), RangeError, "Loop.watch");
  }
  for (const bad of [undefined, null, "readable", 1]) {
    assertThrows(() => loop.watch(ends.reader, bad as never, noop), TypeError, "Loop.watch");
    await assertRejects(() => loop.readable([bad] as never), TypeError, "Loop.readable");
  }
  assertThrows(
    () => loop.watch(ends.reader, { readable: 1 } as never, noop),
    TypeError,
    "Loop.watch: readable",
  );
  assertThrows(
    () => loop.watch(ends.reader, { mode: "twice" } as never, noop),
    TypeError,
    '"level", "edge", "once"',
  );
  assertThrows(() => loop.watch(ends.reader, {}, "x" as never), TypeError, "the callback");
  assertThrows(() => loop.post(3 as never), TypeError, "a function");
  await loop.run();
});

test("R06 I19 an epoll set is a handle like any other under a loop", async () => {
  using loop = Loop.create();
  using inner = Epoll.create();
  using ends = pipe();
  inner.add(ends.reader, 1);
  ends.writer.write(byte());
  loop.watch(inner, { readable: true }, () => loop.stop());
  await loop.run();
});

test("R08 a worker closes a shared handle: it is out of the loop's set", async () => {
  await using thread = start();
  using loop = Loop.create();
  const counter = EventFD.create();
  using copy = FD.duplicate(counter.raw);
  const watch = loop.watch(counter, { readable: true }, () => {
    throw new Error("reported after it was closed");
  });
  await thread.call("close", counter.share());
  copy.write(new Uint8Array(new BigUint64Array([1n]).buffer));
  assertEquals(watch.active, true, "the loop has not looked yet");
  using other = EventFD.create({ initial: 1 });
  loop.watch(other, { readable: true }, () => loop.stop());
  await loop.run();
  watch.cancel();
});

test("C17 a waker from another thread makes a sleeping loop take a turn", async () => {
  await using thread = start();
  using loop = Loop.create();
  await thread.ready;
  const reply = thread.call("wakeAfterReply", loop.shareWaker());
  // Nothing but the wake can end a sleep before this alarm, and a turn then looks at the count.
  const alarm = loop.setTimer(10_000, () => loop.stop());
  const look = (): void => {
    if (loop.metrics().wakeUps === 1) loop.stop();
    else setImmediate(look);
  };
  setImmediate(look);
  await loop.run();
  assertEquals([loop.metrics().wakeUps, alarm.active], [1, true]);
  alarm.cancel();
  await reply;
});

test("mio: wakes before the loop sleeps are one turn", async () => {
  await using thread = start();
  using loop = Loop.create();
  const shared = loop.shareWaker();
  await thread.call("wake", shared, 1000);
  using ready = EventFD.create({ initial: 1 });
  loop.watch(ready, { readable: true }, () => loop.stop());
  await loop.run();
});

test("C17 waking a closed loop says so", async () => {
  await using thread = start();
  const loop = Loop.create();
  const shared = loop.shareWaker();
  await thread.call("wake", shared, 1);
  loop.close();
  await assertRejects(() => thread.call("wake", shared, 1), Error, "the Loop is closed");
});

test("gVisor: a worker adds a ready descriptor to the set that a loop sleeps in", async () => {
  using loop = Loop.create();
  using counter = EventFD.create();
  await using thread = start();
  await thread.ready;
  const signalled = thread.call("signal", counter.share());
  loop.watch(counter, { readable: true }, () => loop.stop());
  await loop.run();
  await signalled;
  assertEquals(counter.wait(), 1n);
});

test("X03 a watch, a timer and a waker are not made by their constructors", () => {
  for (const [made, factory] of [[Watch, "Loop.watch"], [LoopTimer, "Loop.setTimer"]] as const) {
    const construct = made as unknown as new (...args: unknown[]) => object;
    assertThrows(() => new construct(), TypeError, factory);
    assertThrows(() => new construct(Symbol("owned"), {}, {}), TypeError, factory);
  }
  const construct = LoopWaker as unknown as new (...args: unknown[]) => object;
  assertThrows(() => new construct(new Int32Array(2), {}), TypeError, "LoopWaker.from");
});

test("C33 what waits without naming a loop never waits in one that is over, however runs overlap", async () => {
  const { stdout, stderr } = await spawnScript(`
    import { EventFD, Loop } from "@fdloop/fdloop";
    const [first, second] = [Loop.create(), Loop.create()];
    for (const loop of [first, second]) loop.setInterval(1, () => loop.stop());
    await Promise.all([first.run(), second.run()]); // the first one ends first
    first.close();
    second.close();
    using counter = EventFD.create();
    setTimeout(() => counter.signal(3), 5);
    for await (const count of counter) {
      console.log(count);
      break;
    }
  `);
  assertEquals([stdout, stderr], ["3n\n", ""]);
});
