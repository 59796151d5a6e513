// goceleris/celeris, engine/epoll: what its tests observe of accepting in a loop; and the same of
// libkqueue, LTP and libuv, where they accept.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { Loop } from "../../loop/loop.ts";
import { bindPort } from "../../loop/port_group.ts";
import { connectAll } from "../acceptor_fixture.ts";
import { flagsOf } from "../probes.ts";
import { test } from "../support.ts";

/** Accepts so many connections in a loop of its own, looks at each, and closes them. */
async function acceptIn(
  listener: Socket,
  count: number,
  look: (socket: Socket) => void,
  maxPerTurn?: number,
): Promise<void> {
  using loop = Loop.create();
  let left = count;
  using acceptor = loop.accept(listener, {
    onAccept: (socket) => {
      using accepted = socket;
      look(accepted);
      if (--left === 0) loop.stop();
    },
  }, maxPerTurn === undefined ? {} : { maxPerTurn });
  await loop.run({ signal: AbortSignal.timeout(10_000) });
  assertEquals(acceptor.accepted, count);
}

for (const maxPerTurn of [1, 7, 64, 1000]) {
  test(`celeris: AcceptAllDrainsBacklogNoStrand, 200 before the loop runs, ${maxPerTurn} a turn`, async () => {
    using listener = Socket.listen("127.0.0.1:0");
    using clients = connectAll(listener.localAddress, 200);
    const peers: unknown[] = [];
    await acceptIn(listener, 200, (socket) => peers.push(socket.remoteAddress), maxPerTurn);
    // In the order in which they came.
    assertEquals(peers, clients.sockets.map((client) => client.localAddress));
  });
}

test("celeris: AcceptedConnInheritsNoDelay, accepted in a loop", async () => {
  for (const noDelay of [true, false]) {
    using listener = Socket.listen("127.0.0.1:0", { noDelay });
    using _clients = connectAll(listener.localAddress, 2);
    await acceptIn(listener, 2, (socket) => assertEquals(socket.noDelay, noDelay));
  }
});

test("ltp: accept4_01, what a loop accepts is non-blocking and closed on exec", async () => {
  for (const inherit of [false, true]) {
    using listener = Socket.listen("127.0.0.1:0", { inherit });
    using _clients = connectAll(listener.localAddress, 1);
    await acceptIn(
      listener,
      1,
      (socket) => assertEquals(flagsOf(socket), { nonblock: true, cloexec: true }),
    );
  }
});

test("libkqueue: listen_backlog, a listener is readable while connections wait, and only then", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  const seen: number[] = [];
  using watch = loop.watch(listener, { readable: true }, () => {
    using accepted = listener.accept()!; // one for each report
    seen.push(accepted.raw);
    if (seen.length === 3) loop.setTimer(20, () => loop.stop());
  });
  using _clients = connectAll(listener.localAddress, 3);
  await loop.run();
  assertEquals([seen.length, watch.active, listener.accept()], [3, true, null]);
});

test("libuv: tcp_reuseport, two loops that accept on one port share the clients", async () => {
  using group = await bindPort("127.0.0.1:0", 2);
  using stack = new DisposableStack();
  const loops = [0, 1].map(() => stack.use(Loop.create()));
  const acceptors = loops.map((loop, index) =>
    loop.accept(group.listeners[index]!, {
      onAccept: (socket) => {
        socket.close();
        loop.post(() => loop.stop());
      },
    })
  );
  using _clients = connectAll(group.address, 100);
  for (const loop of loops) await loop.run();
  assertEquals(acceptors.reduce((sum, { accepted }) => sum + accepted, 0), 100);
  for (const { accepted, active } of acceptors) {
    assertGreater(accepted, 0);
    assert(active);
  }
});
