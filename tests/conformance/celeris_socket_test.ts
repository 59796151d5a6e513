// goceleris/celeris, engine/epoll: what its tests observe of listeners and of what they accept.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL } from "../../handles/epoll_events.ts";
import { Socket } from "../../handles/socket.ts";
import { count } from "../epoll_fixture.ts";
import { flagsOf, readable, writable } from "../probes.ts";
import { accepted, deadAddress, received } from "../socket_fixture.ts";
import { test } from "../support.ts";

test("celeris: AcceptedConnInheritsNoDelay, and O_NONBLOCK comes from accept4 alone", () => {
  for (const noDelay of [true, false]) {
    using listener = Socket.listen("127.0.0.1:0", { noDelay });
    using _client = Socket.connect(listener.localAddress, { blocking: true });
    using server = accepted(listener);
    assertEquals([server.noDelay, flagsOf(server).nonblock], [noDelay, true]);
  }
});

test("celeris: what else a listener hands on: keep-alive, buffers, linger", () => {
  const keepAlive = { idle: 60_000, interval: 10_000, count: 3 };
  const options = { keepAlive, receiveBuffer: 9000, sendBuffer: 9000 };
  using listener = Socket.listen("127.0.0.1:0", options);
  listener.linger = 2000;
  using _client = Socket.connect(listener.localAddress, { blocking: true });
  using server = accepted(listener);
  assertEquals([server.keepAlive, server.linger], [keepAlive, 2000]);
  assertEquals([server.receiveBuffer, server.sendBuffer], [18_000, 18_000]);
});

test("celeris: AcceptAllDrainsBacklogNoStrand, 200 connections before an edge is looked for", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using set = Epoll.create();
  set.add(listener, EPOLL.IN | EPOLL.ET);
  using stack = new DisposableStack();
  for (let client = 0; client < 200; client++) {
    stack.use(Socket.connect(listener.localAddress, { blocking: true }));
  }
  assertEquals(count(set, 1000), 1);
  let connections = 0;
  for (let server = listener.accept(); server !== null; server = listener.accept()) {
    stack.use(server);
    connections++;
  }
  assertEquals([connections, count(set)], [200, 0]);
});

test("C20 one SO_REUSEPORT listener for each of four: the kernel spreads connections", () => {
  using stack = new DisposableStack();
  const first = stack.use(Socket.listen("127.0.0.1:0", { reusePort: true }));
  const others = [1, 2, 3].map(() =>
    stack.use(Socket.listen(first.localAddress, { reusePort: true }))
  );
  for (let client = 0; client < 200; client++) {
    stack.use(Socket.connect(first.localAddress, { blocking: true }));
  }
  const counts = [first, ...others].map((listener) => {
    let connections = 0;
    for (let server = listener.accept(); server !== null; server = listener.accept()) {
      stack.use(server);
      connections++;
    }
    return connections;
  });
  assertEquals(counts.reduce((sum, each) => sum + each), 200);
  for (const each of counts) assertGreater(each, 0, String(counts));
});

test("C24 a connection that waits at a listener that closes is reset; accepted first, it ends", () => {
  for (const accepts of [false, true]) {
    const listener = Socket.listen("127.0.0.1:0");
    using client = Socket.connect(listener.localAddress, { blocking: true });
    if (accepts) accepted(listener).close();
    listener.close();
    assert(readable(client, 1000));
    assertEquals(client.error?.code, accepts ? undefined : "ECONNRESET");
    if (accepts) assertEquals(received(client).length, 0);
  }
});

test("C22 a listener can have its port back at once, and nobody else's connection is in the way", () => {
  const address = deadAddress();
  for (let round = 0; round < 5; round++) {
    using listener = Socket.listen(address);
    using client = Socket.connect(address);
    using server = accepted(listener);
    server.shutdown("write");
    assert(writable(client, 1000));
  }
});
