// gVisor's tests of epoll with several threads, on loops.

import { assertEquals } from "@std/assert";
import { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { Loop } from "../../loop/loop.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { encode } from "../conn_fixture.ts";
import { test, worker } from "../support.ts";

const start = () => worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));

test("gvisor: Oneshot under a loop, one report, and one more after each rearm", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  let reports = 0;
  const watch = loop.watch(pair.left, { writable: true, mode: "once" }, () => void reports++);
  for (let round = 1; round <= 3; round++) {
    loop.setTimer(1, () => loop.stop());
    await loop.run();
    assertEquals(reports, round);
    watch.rearm();
  }
  watch.cancel();
});

test("gvisor: DoubleEpollOneShot under two loops, 4096 requests and answers, both ends re-arming", async () => {
  await using thread = start();
  await thread.ready;
  using loop = Loop.create();
  using pair = socketPair();
  const answering = thread.call("answer", pair.right.share());
  const byte = new Uint8Array(new ArrayBuffer(1));
  let rounds = 0;
  pair.left.write(byte);
  const watch = loop.watch(pair.left, { readable: true, mode: "once" }, () => {
    while (pair.left.read(byte) !== null) {
      if (++rounds === 4096) return watch.cancel();
      pair.left.write(byte);
    }
    watch.rearm(); // what came since the read must be reported
  });
  await loop.run();
  pair.left.close();
  assertEquals([rounds, await answering], [4096, 4096]);
});

test("gvisor: UnblockWithNewFD under a loop, a descriptor that is ready when it is added from a task", async () => {
  await using thread = start();
  await thread.ready;
  using loop = Loop.create();
  using never = pipe();
  using ready = pipe();
  ready.writer.write(encode("x"));
  const idle = loop.watch(never.reader, { readable: true }, () => {});
  const shared = loop.shareWaker();
  const waking = thread.call("wake", shared, 1).then(() => {
    const watch = loop.watch(ready.reader, { readable: true }, () => {
      watch.cancel();
      idle.cancel();
      loop.stop();
    });
  });
  const clock = loop.setInterval(5, () => {}); // so that the message of the reply is taken
  await loop.run();
  clock.cancel();
  await waking;
});

test("gvisor: CloseFile under a loop, a shared handle that another thread closes reports nothing more", async () => {
  await using thread = start();
  using loop = Loop.create();
  using pair = socketPair();
  using copy = FD.duplicate(pair.left.raw);
  let calls = 0;
  const conn = loop.registerConn(pair.left, {
    onRecv: () => void calls++,
    onClose: (error) => assertEquals(error, null),
  });
  await thread.call("close", pair.left.share());
  pair.right.write(encode("x"));
  assertEquals(conn.write(encode("y")), false); // it learns of it here
  await loop.run();
  assertEquals([calls, conn.closed, copy.valid], [0, true, true]);
});
