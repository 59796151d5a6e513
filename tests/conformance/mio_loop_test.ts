// mio's tests of polls, tokens and wakers, on Loop.watch and on connections.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { Socket } from "../../handles/socket.ts";
import { Loop } from "../../loop/loop.ts";
import { LoopWaker } from "../../loop/waker.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { drain, encode, onRecv, record, reset } from "../conn_fixture.ts";
import { connection, deadAddress } from "../socket_fixture.ts";
import { keepsErrors, NOT_URGENT, reportsUrgent, TAKES_ERRORS } from "../kqueue_fixture.ts";
import { deadline, test, worker } from "../support.ts";

test("mio: run_once_with_nothing and add_then_drop under a loop", async () => {
  using loop = Loop.create();
  await loop.run();
  {
    using pair = socketPair();
    loop.watch(pair.left, { readable: true, writable: true }, onRecv);
    loop.registerConn(pair.right, { onRecv });
  }
  await loop.run();
  const { events, connections } = loop.metrics();
  assertEquals([events, connections], [0, 0]);
});

test("mio: readiness_is_reregistered_after_would_block under a loop, in mode edge", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const reads: (number | null)[] = [];
  const watch = loop.watch(pair.left, { readable: true, mode: "edge" }, () => {
    const buffer = new Uint8Array(8);
    for (let got = pair.left.read(buffer);; got = pair.left.read(buffer)) {
      reads.push(got);
      if (got === null) break;
    }
    if (reads.length < 4) loop.post(() => void pair.right.write(encode("again")));
    else watch.cancel();
  });
  pair.right.write(encode("one"));
  await loop.run();
  assertEquals(reads, [3, null, 5, null]);
});

test("mio: drop_cancels_interest_and_shuts_down under a loop, the peer sees the end at once", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  loop.registerConn(pair.client, handlers);
  const server = record();
  loop.registerConn(pair.server, server.handlers);
  pair.server.close();
  await loop.run();
  assertEquals([seen, server.seen], [["close null"], ["close null"]]);
});

test("mio: register_during_poll, another thread makes what this one waits for ready", async () => {
  await using thread = worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));
  await thread.ready;
  using loop = Loop.create();
  using pair = socketPair();
  const writing = thread.call("write", pair.right.share());
  const { seen, handlers } = record();
  loop.registerConn(pair.left, handlers);
  await loop.run();
  await writing;
  assertEquals(seen, ["recv \0", "close null"]);
});

test("mio: reregister_interest_token_usage under a loop, only the last interest counts", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const seen: boolean[][] = [];
  const watch = loop.watch(pair.left, { readable: true }, (ready) => {
    seen.push([ready.readable, ready.writable]);
    if (seen.length === 1) watch.modify({ readable: true });
    else watch.cancel();
  });
  watch.modify({ writable: true });
  pair.right.write(encode("x"));
  await loop.run();
  assertEquals(seen, [[false, true], [true, false]]);
});

test("mio: double_register, and verbs of what is not registered, each with an error and no half state", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const watch = loop.watch(pair.left, { readable: true }, onRecv);
  assertThrows(() => loop.watch(pair.left, { readable: true }, onRecv), Error, "EEXIST");
  watch.cancel();
  watch.cancel();
  assertThrows(() => watch.modify({ writable: true }), Error, "it is over");
  assertThrows(() => watch.rearm(), Error, "it is over");
  assertThrows(() => loop.unregisterConn(pair.left), Error, "no connection");
  await loop.run();
});

test("mio: registering_after_deregistering and multiple_event_loops, moved and shared", async () => {
  using first = Loop.create();
  using second = Loop.create();
  using pair = socketPair();
  using both = FD.duplicate(pair.left.raw);
  const order: string[] = [];
  const take = (name: string, loop: Loop): void => {
    const watch = loop.watch(pair.left, { readable: true }, () => {
      order.push(name);
      watch.cancel();
    });
  };
  pair.right.write(encode("x"));
  for (const round of [1, 2]) {
    take(`first ${round}`, first);
    await first.run();
    take(`second ${round}`, second);
    await second.run();
  }
  assertEquals(order, ["first 1", "second 1", "first 2", "second 2"]);
  take("first", first);
  take("second", second); // one descriptor in two loops at once
  second.watch(both, { readable: true }, () => second.stop());
  await Promise.all([first.run(), second.run()]);
  assertEquals(order.slice(4).sort(), ["first", "second"]);
});

test("mio: waker, two wakes before a poll are one turn, and the next poll sleeps", async () => {
  using loop = Loop.create();
  const waker = LoopWaker.from(loop.shareWaker());
  waker.wake();
  waker.wake();
  // Awake when it was woken, asleep afterwards.
  const asleep = (): boolean => loop.metrics().sleeps > 0;
  using _clock = loop.setInterval(5, () => {
    if (asleep()) loop.stop();
  });
  await deadline(10_000, loop.run(), "its sleep");
  assertEquals([asleep(), loop.metrics().wakeUps], [true, 0]);
});

test("mio: unix_pipe under a loop, the other end is dropped", async () => {
  using loop = Loop.create();
  using one = pipe();
  using two = pipe();
  const seen: string[] = [];
  const reader = loop.watch(one.reader, { readable: true }, (ready) => {
    seen.push(`reader ${ready.hangup} ${ready.error}`);
    reader.cancel();
  });
  const writer = loop.watch(two.writer, {}, (ready) => {
    seen.push(`writer ${ready.hangup} ${ready.error}`);
    writer.cancel();
  });
  one.writer.close();
  two.reader.close();
  await loop.run();
  assertEquals(seen.sort(), ["reader true false", "writer false true"]);
});

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "mio: connection_reset_by_peer under a loop, an error report, and ECONNRESET behind it",
  async () => {
    using loop = Loop.create();
    using pair = connection();
    const watch = loop.watch(pair.server, { readable: true, peerClosed: true }, (ready) => {
      assertEquals([ready.error, ready.hangup, ready.peerClosed, ready.readable], [
        true,
        true,
        true,
        true,
      ]);
      assertEquals(pair.server.error?.code, "ECONNRESET");
      watch.cancel();
    });
    reset(pair.client);
    await loop.run();
  },
);

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "mio: connect_error under a loop, writable with the error behind it",
  async () => {
    using loop = Loop.create();
    using socket = Socket.connect(deadAddress());
    await Promise.all([loop.run(), loop.writable(socket)]);
    assertEquals(socket.error?.code, "ECONNREFUSED");
  },
);

test("mio: hup_event_on_disconnect under a loop, told although only writing is watched", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const watch = loop.watch(pair.left, { mode: "edge" }, (ready) => {
    assert(ready.hangup);
    watch.cancel();
  });
  pair.right.close();
  await loop.run();
});

test.if(reportsUrgent, NOT_URGENT, "mio: priority_event_on_oob_data under a loop", async () => {
  using loop = Loop.create();
  using pair = connection();
  const watch = loop.watch(pair.server, { priority: true }, (ready) => {
    assertEquals([ready.priority, ready.readable], [true, false]);
    watch.cancel();
  });
  pair.client.send(encode("!"), { oob: true });
  await loop.run();
});

test("mio: write_then_drop under a loop, what was written comes before the end", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  loop.registerConn(pair.client, handlers);
  loop.registerConn(pair.server, { onRecv }).write(encode("1234"));
  pair.server.close();
  await loop.run();
  assertEquals(seen, ["recv 1234", "close null"]);
});

test("mio: tcp_no_events_after_deregister under a loop", async () => {
  using loop = Loop.create();
  using pair = connection();
  const { seen, handlers } = record();
  loop.registerConn(pair.server, handlers);
  pair.client.write(encode("x"));
  loop.unregisterConn(pair.server);
  await loop.run();
  pair.client.write(encode("y"));
  loop.setTimer(1, () => {});
  await loop.run();
  assertEquals(seen, ["close null"]);
  assertEquals(drain(pair.server).bytes.byteLength, 2);
});

test("mio: et_behavior of datagrams under a loop, one edge for two, the next for the next", async () => {
  using loop = Loop.create();
  using server = Socket.bind("127.0.0.1:0");
  using client = Socket.bind("127.0.0.1:0");
  const buffer = new Uint8Array(8);
  const sizes: number[] = [];
  let edges = 0;
  const watch = loop.watch(server, { readable: true, mode: "edge" }, () => {
    edges++;
    for (;;) {
      const datagram = server.receiveFrom(buffer);
      if (datagram === null) break;
      sizes.push(datagram.length);
    }
    if (edges === 1) loop.post(() => void client.sendTo(encode("abc"), server.localAddress));
    else watch.cancel();
  });
  for (const text of ["a", "ab"]) client.sendTo(encode(text), server.localAddress);
  await loop.run();
  assertEquals([sizes, edges], [[1, 2, 3], 2]);
});
