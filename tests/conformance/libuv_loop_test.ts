// libuv's tests of polls, streams and the loop itself, on Loop.watch and on connections.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { Socket } from "../../handles/socket.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import type { LoopTimer } from "../../loop/timers.ts";
import type { ConnWorker } from "../conn_worker.ts";
import { encode, fill, onRecv, pattern, random, record, reset, until } from "../conn_fixture.ts";
import { accepted, connection } from "../socket_fixture.ts";
import { keepsErrors, TAKES_ERRORS } from "../kqueue_fixture.ts";
import { spawnScript, test, worker } from "../support.ts";

/** Sends so much each way, in odd parts, with reading toggled all the time; each end once. */
async function exchange(bytesEachWay: readonly [number, number], pairs: number): Promise<void> {
  using loop = Loop.create();
  using stack = new DisposableStack();
  const next = random(7);
  const got: number[] = [];
  const closes: (string | null)[] = [];
  const party = (side: 0 | 1, handle: Socket): void => {
    const index = got.push(0) - 1;
    const total = bytesEachWay[side];
    let sent = 0;
    const send = (conn: Connection): void => {
      while (sent < total) {
        const bytes = pattern(Math.min(Math.ceil(next() * 9000), total - sent), sent);
        sent += bytes.byteLength;
        if (!conn.write(bytes)) return;
      }
      conn.end();
    };
    const conn = loop.registerConn(handle, {
      onRecv: (bytes, conn) => {
        assertEquals(bytes[0], got[index]! % 251);
        got[index]! += bytes.byteLength;
        if (next() > 0.25) return;
        conn.pause();
        loop.post(() => conn.closed || conn.resume());
      },
      onEnd: () => {}, // it ends when all is sent, not before
      onDrain: send,
      onClose: (error) => closes.push(error === null ? null : error.message),
    });
    send(conn);
  };
  for (let pair = 0; pair < pairs; pair++) {
    const { client, server } = stack.use(connection());
    party(0, client);
    party(1, server);
  }
  await loop.run();
  assertEquals(got, got.map((_, index) => bytesEachWay[1 - index % 2]));
  assertEquals(closes, got.map(() => null));
}

test("libuv: poll_duplex on connections, all bytes arrive both ways, one end each", async () => {
  await exchange([700_000, 500_000], 4);
});

test("libuv: poll_unidirectional on connections, all bytes arrive one way, one end each", async () => {
  await exchange([900_000, 0], 4);
});

test("libuv: poll_nested_epoll under a loop, readable when something in the set is", async () => {
  using loop = Loop.create();
  using inner = Epoll.create();
  using ends = pipe();
  inner.add(ends.reader, EPOLL.IN);
  let reports = 0;
  loop.watch(inner, { readable: true }, (ready) => {
    assert(ready.readable);
    reports++;
    loop.stop();
  });
  loop.setTimer(1, () => {
    assertEquals(reports, 0);
    ends.writer.write(encode("x"));
  });
  await loop.run();
  assertEquals(reports, 1);
});

test("libuv: poll_multiple_handles under a loop, the second is refused until the first is gone", () => {
  using loop = Loop.create();
  using pair = socketPair();
  const watch = loop.watch(pair.left, { readable: true }, onRecv);
  assertThrows(() => loop.watch(pair.left, { writable: true }, onRecv), Error, "EEXIST");
  assertThrows(() => loop.registerConn(pair.left, { onRecv }), Error, "EEXIST");
  watch.cancel();
  loop.registerConn(pair.left, { onRecv }).unregister();
  loop.watch(pair.left, { writable: true }, onRecv).cancel();
});

test("libuv: tcp_write_queue_order, writes that wait are sent in their order, before the end", async () => {
  using loop = Loop.create();
  using pair = connection();
  const conn = loop.registerConn(pair.server, { onRecv });
  fill(pair.server);
  for (let index = 0; index < 5000; index++) conn.write(encode(`${index},`));
  conn.end();
  let text = "";
  loop.registerConn(pair.client, {
    onRecv: (bytes) => {
      text += new TextDecoder().decode(bytes.slice()).replaceAll("\0", "");
    },
  });
  await loop.run();
  assertEquals(text, Array.from({ length: 5000 }, (_, index) => `${index},`).join(""));
});

test("libuv: try_write, what the kernel takes is taken at once, with nothing left to wait", async () => {
  using loop = Loop.create();
  using pair = connection();
  let got = 0;
  const conn = loop.registerConn(pair.server, { onRecv });
  loop.registerConn(pair.client, { onRecv: (bytes) => void (got += bytes.byteLength) });
  let sent = 0;
  while (conn.write(new Uint8Array(1000))) sent += 1000;
  assert(sent > 0 && conn.pending > 0);
  conn.end();
  await loop.run();
  assertEquals(got, sent + 1000);
});

test("libuv: writealot, both ends write and read more than any buffer", async () => {
  await exchange([6_000_000, 6_000_000], 1);
});

test("libuv: shutdown_after_write, the end comes behind the bytes, to the byte", async () => {
  using loop = Loop.create();
  using pair = connection();
  const conn = loop.registerConn(pair.server, { onRecv });
  const { seen, handlers } = record();
  loop.registerConn(pair.client, handlers);
  conn.write(encode("PING"));
  conn.end();
  await loop.run();
  assertEquals(seen, ["recv PING", "close null"]);
});

test("libuv: read_stop_start, a stop in the callback lets no other come in that batch", async () => {
  using loop = Loop.create();
  using pair = connection();
  let inTurn = 0;
  let got = 0;
  const conn = loop.registerConn(pair.server, {
    onRecv: (bytes, conn) => {
      assertEquals(++inTurn, 1);
      got += bytes.byteLength;
      conn.pause();
      loop.post(() => {
        inTurn = 0;
        if (!conn.closed) conn.resume();
      });
    },
  });
  const client = loop.registerConn(pair.client, { onRecv });
  client.write(new Uint8Array(3_000_000));
  client.end();
  await loop.run();
  assertEquals([got, conn.closed], [3_000_000, true]);
});

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "libuv: tcp_rst and close_reset, ECONNRESET once, also where the end was asked for",
  async () => {
    for (const ending of [false, true]) {
      using loop = Loop.create();
      using pair = connection();
      const { seen, handlers } = record({ onEnd: () => {} });
      const conn = loop.registerConn(pair.server, handlers);
      conn.write(encode("x"));
      if (ending) conn.end();
      loop.post(() => reset(pair.client));
      await loop.run();
      assertEquals(seen, ["close ECONNRESET"]);
    }
  },
);

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "libuv: close_while_connecting and connect_refused, one callback",
  async () => {
    using loop = Loop.create();
    using listener = Socket.listen("127.0.0.1:0");
    const address = listener.localAddress;
    using pending = Socket.connect(address);
    const closed = record();
    loop.registerConn(pending, closed.handlers);
    pending.close();
    accepted(listener).close();
    listener.close();
    using refused = Socket.connect(address);
    const failed = record();
    loop.registerConn(refused, failed.handlers);
    await loop.run();
    assertEquals([closed.seen, failed.seen], [["close null"], ["close ECONNREFUSED"]]);
  },
);

test("libuv: tcp_close_accept, connections that come while others are closed, each to its own end", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  const address = listener.localAddress;
  const servers: Socket[] = [];
  let closes = 0;
  loop.watch(listener, { readable: true }, () => {
    for (let socket = listener.accept(); socket !== null; socket = listener.accept()) {
      const server = socket;
      servers.push(server);
      loop.registerConn(server, {
        onRecv: (bytes, conn) => void conn.write(bytes),
        onClose: () => {
          server.close();
          if (++closes < 50) connect();
          else if (closes === 50) listener.close(); // and with it what nobody has accepted
        },
      });
    }
  });
  const connect = (): void => {
    const client = Socket.connect(address);
    loop.registerConn(client, {
      onRecv: (_, conn) => conn.end(),
      onClose: () => client.close(),
    }).write(encode("x"));
  };
  for (let begun = 0; begun < 10; begun++) connect();
  await loop.run();
  assert(closes >= 50 && servers.every((server) => server.closed));
});

test("libuv: async, a burst of wakes is one turn at least, and far fewer than there were wakes", async () => {
  await using thread = worker<ConnWorker>(new URL("../conn_worker.ts", import.meta.url));
  using loop = Loop.create();
  await thread.ready;
  const done = thread.call("wake", loop.shareWaker(), 50_000).then(() => loop.stop());
  using _clock = loop.setInterval(5, () => {}); // so that the message of the reply is taken
  await loop.run();
  await done;
  const { turns, wakeUps, sleeps } = loop.metrics();
  assert(turns > 0 && wakeUps <= sleeps && wakeUps < 50_000, `${wakeUps} in ${turns} turns`);
});

test("libuv: loop_alive and loop_close, alive while something is watched, closed with it all the same", async () => {
  const loop = Loop.create();
  using counter = EventFD.create();
  let ended = false;
  const watch = loop.watch(counter, { readable: true }, onRecv);
  const run = loop.run().then(() => void (ended = true));
  const timer: LoopTimer = loop.setTimer(1, () => {
    assert(!ended && !timer.active);
    watch.cancel();
  });
  await run;
  assert(ended);
  loop.watch(counter, { readable: true }, onRecv);
  loop.close();
  assert(loop.closed && counter.valid);
});

test("libuv: loop_stop, takes effect after the round, and the next run goes on", async () => {
  using loop = Loop.create();
  using one = EventFD.create({ initial: 1 });
  using two = EventFD.create({ initial: 1 });
  let reports = 0;
  for (const counter of [one, two]) {
    loop.watch(counter, { readable: true }, () => {
      reports++;
      loop.stop();
    });
  }
  await loop.run();
  assertEquals(reports, 2);
  await loop.run();
  assertEquals(reports, 4);
});

test("libuv: active, a poll is active from its start to its stop or its handle's close", () => {
  using loop = Loop.create();
  using counter = EventFD.create();
  const first = loop.watch(counter, { readable: true }, onRecv);
  assertEquals(first.active, true);
  first.cancel();
  assertEquals(first.active, false);
  const second = loop.watch(counter, { readable: true }, onRecv);
  counter.close();
  assertEquals([first.active, second.active], [false, false]);
});

test("libuv: metrics_info_check, turns and events grow by what was delivered", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const before = loop.metrics();
  const { handlers } = until("abc");
  loop.registerConn(pair.left, handlers);
  for (const text of ["a", "b", "c"]) loop.post(() => void pair.right.write(encode(text)));
  await loop.run();
  const after = loop.metrics();
  assertEquals(after.bytesIn - before.bytesIn, 3);
  assert(after.events > before.events && after.turns > before.turns);
});

test("libuv: close_loop_alive, a handle that closes while its signal is there keeps no loop alive", async () => {
  const { stdout, stderr } = await spawnScript(`
    import process from "node:process";
    import { EventFD, Loop, SignalFD } from "@fdloop/fdloop";
    using loop = Loop.create();
    for (let round = 0; round < 20; round++) {
      const signals = SignalFD.create(["SIGUSR1"]);
      using turn = EventFD.create({ initial: 1 });
      let seen = 0;
      loop.watch(signals, { readable: true }, () => seen++);
      const watch = loop.watch(turn, { readable: true }, () => {
        watch.cancel();
        process.kill(process.pid, "SIGUSR1");
        if (round % 2 === 0) signals.close();
        else loop.post(() => signals.close());
      });
      await loop.run(); // it ends: nothing is watched any more
      if (seen > 1 || !signals.closed) console.log(round, seen, signals.closed);
    }
    console.log("ended", loop.metrics().events >= 20);
  `);
  assertEquals([stdout, stderr], ["ended true\n", ""]);
});
