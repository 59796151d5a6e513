// The kernel's own tests of epoll, as far as they are about the one who waits, on loops.

import { assertEquals } from "@std/assert";
import { EventFD } from "../../handles/event_fd.ts";
import { socketPair } from "../../handles/pipe.ts";
import { Loop } from "../../loop/loop.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { encode } from "../conn_fixture.ts";
import { test, worker } from "../support.ts";

for (
  const [mode, sources, expected] of [
    ["level", 1, [1, 1]],
    ["edge", 1, [1, 0]],
    ["level", 2, [2, 2]],
    ["edge", 2, [2, 0]],
  ] as const
) {
  test(`selftests: epoll1 to 4 under a loop, ${sources} in mode ${mode}, ${expected}`, async () => {
    using loop = Loop.create();
    using stack = new DisposableStack();
    let reports = 0;
    for (let index = 0; index < sources; index++) {
      const pair = stack.use(socketPair());
      loop.watch(pair.left, { readable: true, mode }, () => {
        reports++;
        loop.stop(); // after this turn
      });
      pair.right.write(encode("x"));
    }
    await loop.run();
    assertEquals(reports, expected[0]);
    reports = 0;
    const timer = loop.setTimer(1, () => loop.stop());
    await loop.run();
    timer.cancel();
    assertEquals(reports, expected[1]);
  });
}

test("selftests: epoll59 under a loop, each rearm of a counter that stays at 1 is a report, none is lost", async () => {
  using loop = Loop.create();
  using counter = EventFD.create({ initial: 1 });
  let reports = 0;
  const watch = loop.watch(counter, { readable: true, mode: "edge" }, () => {
    if (++reports === 5000) watch.cancel();
    else watch.rearm();
  });
  await loop.run();
  assertEquals(reports, 5000);
});

test("selftests: epoll60 under a loop, 10 counters written at once by a thread, each reported once a round", async () => {
  await using thread = worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));
  await thread.ready;
  using loop = Loop.create();
  using stack = new DisposableStack();
  using go = EventFD.create({ blocking: true });
  const rounds = 300;
  const counters = Array.from({ length: 10 }, () => stack.use(EventFD.create()));
  let taken = 0;
  for (const counter of counters) {
    loop.watch(counter, { readable: true, mode: "edge" }, () => {
      assertEquals([counter.wait(), counter.wait()], [1n, null]);
      if (++taken % 10 !== 0) return;
      if (taken === 10 * rounds) loop.stop();
      else go.signal();
    });
  }
  const shared = counters.map((counter) => counter.share());
  const signalling = thread.call("signalRounds", shared, go.share(), rounds);
  go.signal();
  await loop.run();
  await signalling;
  assertEquals(taken, 10 * rounds);
});
