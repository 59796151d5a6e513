// smol-rs/polling's tests of notifying and of the modes, on a loop.

import { assert, assertEquals } from "@std/assert";
import { socketPair } from "../../handles/pipe.ts";
import { Loop } from "../../loop/loop.ts";
import { LoopWaker } from "../../loop/waker.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { encode, onRecv } from "../conn_fixture.ts";
import { test, worker } from "../support.ts";

test("polling: notify simple, before the wait: it returns, ten times", async () => {
  using loop = Loop.create();
  const waker = LoopWaker.from(loop.shareWaker());
  for (let round = 0; round < 10; round++) {
    const { turns } = loop.metrics();
    waker.wake();
    loop.post(() => loop.stop());
    await loop.run();
    assert(loop.metrics().turns > turns);
  }
});

test("polling: notify concurrent, while the loop sleeps, ten rounds", async () => {
  await using thread = worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));
  await thread.ready;
  using loop = Loop.create();
  const shared = loop.shareWaker();
  for (let round = 0; round < 10; round++) {
    // The reply is a message to this thread: only a wake lets a sleeping loop take it.
    const done = thread.call("wake", shared, 1 + round * 100).then(() => loop.stop());
    const timer = loop.setInterval(1, () => {});
    await loop.run();
    timer.cancel();
    await done;
  }
  const { wakeUps, sleeps } = loop.metrics();
  assert(wakeUps <= sleeps);
});

test("polling: level, edge and once under a loop: 5 bytes, 3 of them read", async () => {
  const expected = { level: [3, 2], edge: [3], once: [3] };
  for (const mode of ["level", "edge", "once"] as const) {
    using loop = Loop.create();
    using pair = socketPair();
    const reads: (number | null)[] = [];
    const buffer = new Uint8Array(3);
    const watch = loop.watch(pair.left, { readable: true, mode }, () => {
      reads.push(pair.left.read(buffer));
    });
    pair.right.write(encode("hello"));
    let turns = 0;
    using _clock = loop.setInterval(1, () => {
      if (++turns === 3) loop.stop();
    });
    await loop.run();
    // A level that was read to its end is not reported again; the other two keep silent before it.
    assertEquals(reads, expected[mode], mode);
    if (mode === "once") watch.rearm();
    else pair.right.write(encode("!"));
    turns = 0;
    await loop.run();
    const last = { level: 1, edge: 3, once: 2 };
    assertEquals(reads.at(-1), last[mode], mode);
    watch.cancel();
  }
});

test("polling: many_connections under a loop, 100 pairs in an odd order, each exactly once", async () => {
  using loop = Loop.create();
  using stack = new DisposableStack();
  const pairs = Array.from({ length: 100 }, () => stack.use(socketPair()));
  const got = new Map<number, string>();
  pairs.forEach((pair, index) => {
    loop.registerConn(pair.left, {
      onRecv: (bytes, conn) => {
        assertEquals(got.has(index), false);
        got.set(index, new TextDecoder().decode(bytes.slice()));
        conn.unregister();
      },
    });
    loop.registerConn(pair.right, { onRecv }).unregister();
  });
  for (let step = 0; step < 100; step++) {
    const index = (step * 37) % 100;
    pairs[index]!.right.write(encode(`${index}`));
  }
  await loop.run();
  assertEquals([...got].map(([index, text]) => text === `${index}`), pairs.map(() => true));
});
