import { assertEquals, assertRejects } from "@std/assert";
import { EventFD } from "../handles/event_fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { deadline, test } from "./support.ts";

test("X04 a watch as an async iterator: one report a step, unregistered by break", async () => {
  using loop = Loop.create({ attached: true });
  using counter = EventFD.create({ initial: 3, semaphore: true });
  let steps = 0;
  for await (const ready of loop.watch(counter, { readable: true })) {
    assertEquals([ready.readable, ready.writable], [true, false]);
    counter.wait();
    if (++steps === 3) break;
  }
  loop.watch(counter, { readable: true }, () => {}).cancel();
});

test("X04 it ends by itself when the handle is closed", async () => {
  using loop = Loop.create({ attached: true });
  const counter = EventFD.create({ initial: 1 });
  let steps = 0;
  for await (const _ready of loop.watch(counter, { readable: true, mode: "edge" })) {
    steps++;
    setTimeout(() => counter.close(), 1);
  }
  assertEquals(steps, 1);
});

test("X04 an AbortSignal and the loop's end reject the step in progress", async () => {
  const loop = Loop.create({ attached: true });
  using ends = pipe();
  const control = new AbortController();
  const { signal } = control;
  const aborted = loop.watch(ends.reader, { readable: true }, { signal }).next();
  control.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
  const waiting = loop.watch(ends.reader, { readable: true }).next();
  loop.close();
  await assertRejects(() => waiting, LoopClosedError);
});

test("X04 edges between two steps are combined", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const reports = loop.watch(pair.left, { readable: true, writable: true, mode: "edge" });
  const first = await reports.next();
  assertEquals([first.value!.readable, first.value!.writable], [false, true]);
  const second = reports.next();
  pair.right.write(new Uint8Array(1));
  assertEquals((await second).value!.readable, true);
  await reports.return!();
});

test("X04 on a dedicated loop it steps inside run()", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 2, semaphore: true });
  let steps = 0;
  const iterate = async (): Promise<void> => {
    for await (const _ready of loop.watch(counter, { readable: true })) {
      counter.wait();
      if (++steps === 2) return;
    }
  };
  await Promise.all([iterate(), loop.run()]);
  assertEquals(steps, 2);
});

test("X04 return and throw end the step in progress", async () => {
  using loop = Loop.create({ attached: true });
  using ends = pipe();
  for (const mode of ["level", "edge", "once"] as const) {
    for (const way of ["return", "throw"] as const) {
      const steps = loop.watch(ends.reader, { readable: true, mode });
      const step = steps.next();
      const end = way === "return"
        ? steps.return!()
        : assertRejects(() => steps.throw!(new Error("x")), Error, "x");
      assertEquals((await deadline(5000, step, `the step, ${way}`)).done, true);
      await deadline<unknown>(5000, end, way);
      assertEquals((await steps.next()).done, true);
      loop.watch(ends.reader, { readable: true }, () => {}).cancel(); // it is not watched any more
    }
  }
});
