// tokio-rs/mio, tests/: what it observes of registrations and events.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { errnoName } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { asleep, count, reports } from "../epoll_fixture.ts";
import type { EpollWorker } from "../epoll_worker.ts";
import { test, worker } from "../support.ts";
import { accept, connect, connection, listener, reset, sendUrgent, socketError } from "../tcp.ts";

const { IN, OUT, PRI, ERR, HUP, RDHUP, ET } = EPOLL;

const start = () => worker<EpollWorker>(new URL("../epoll_worker.ts", import.meta.url));

const code = (call: () => unknown): string => assertThrows(call, SyscallError).code;

test("mio: run_once_with_nothing and add_then_drop", () => {
  using set = Epoll.create();
  assertEquals(count(set), 0);
  {
    using ends = pipe();
    set.add(ends.reader, IN);
  }
  assertEquals(count(set, 5), 0);
});

test("mio: zero_duration_polls_events, many are there at once", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  for (let each = 0; each < 3; each++) set.add(stack.use(EventFD.create({ initial: 1 })), IN);
  for (let time = 0; time < 5; time++) assertEquals(count(set), 3);
});

test("mio: readiness_is_reregistered_after_would_block, an edge after the reader saw the end", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN | ET);
  const buffer = new Uint8Array(64);
  for (const length of [5, 7]) {
    pair.right.write(new Uint8Array(length));
    assertEquals(reports(set, 1000), [[pair.left.raw, IN]]);
    assertEquals([pair.left.read(buffer), pair.left.read(buffer)], [length, null]);
    assertEquals(count(set), 0);
  }
});

test("mio: drop_cancels_interest_and_shuts_down, the peer sees the end at once", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN);
  set.add(pair.right, IN | RDHUP, 2);
  pair.left.close();
  assertEquals(reports(set), [[2, IN | RDHUP | HUP]]);
  assertEquals(pair.right.read(new Uint8Array(1)), 0);
});

test("mio: register_during_poll, a thread adds while this set is waited for", async () => {
  await using stack = new AsyncDisposableStack();
  const [waiting, adding] = [stack.use(start()), stack.use(start())];
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  const waited = waiting.call("wait", set.share());
  await asleep(set);
  await adding.call("add", set.share(), counter.raw, IN, 3);
  assertEquals(await waited, [{ mask: IN, data: 3n }]);
});

test("mio: registry_operations_are_thread_safe, two change while one waits", async () => {
  await using stack = new AsyncDisposableStack();
  const [waiting, one, two] = [stack.use(start()), stack.use(start()), stack.use(start())];
  using set = Epoll.create();
  using counter = EventFD.create();
  using last = EventFD.create();
  set.add(last, IN, 5);
  const waited = waiting.call("wait", set.share());
  await asleep(set);
  const changes = [one, two].map((each) => each.call("churn", set.share(), counter.raw, 999));
  for (const outcomes of await Promise.all(changes)) {
    assert(Object.keys(outcomes).every((name) => ["ok", "EEXIST", "ENOENT"].includes(name)));
  }
  last.signal();
  const events = await waited;
  assert(events.length > 0);
});

test("mio: reregister_interest_token_usage, only what was given last counts", () => {
  using set = Epoll.create();
  using pair = socketPair();
  set.add(pair.left, IN, 0);
  set.modify(pair.left, OUT, 1);
  set.modify(pair.left, IN | OUT, 2);
  assertEquals(reports(set), [[2, OUT]]);
});

test("mio: double_register, and what was not registered", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN);
  assertEquals(code(() => set.add(ends.reader, IN)), "EEXIST");
  assertEquals(code(() => set.modify(ends.writer, OUT)), "ENOENT");
  assertEquals(code(() => set.delete(ends.writer)), "ENOENT");
  set.delete(ends.reader);
  assertEquals(code(() => set.modify(ends.reader, IN)), "ENOENT");
  assertEquals(code(() => set.delete(ends.reader)), "ENOENT");
});

test("mio: registering_after_deregistering and multiple_event_loops, from set to set", () => {
  using one = Epoll.create();
  using two = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  one.add(counter, IN);
  one.delete(counter);
  one.add(counter, IN);
  two.add(counter, IN);
  assertEquals([count(one), count(two)], [1, 1]);
  one.delete(counter);
  assertEquals([count(one), count(two)], [0, 1]);
});

test("mio: unix_pipe, the other end is dropped", () => {
  using set = Epoll.create();
  {
    using ends = pipe();
    set.add(ends.reader, IN, 1);
    ends.writer.close();
    assertEquals(reports(set), [[1, HUP]]);
  }
  using ends = pipe();
  set.add(ends.writer, OUT, 2);
  ends.reader.close();
  assertEquals(reports(set), [[2, OUT | ERR]]);
});

test("mio: connection_reset_by_peer, 0x2019 and ECONNRESET", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const [client, server] = connection();
  stack.use(client), stack.use(server);
  set.add(client, IN | RDHUP);
  reset(server);
  assertEquals(reports(set, 5000), [[client.raw, IN | RDHUP | HUP | ERR]]);
  assertEquals(errnoName(socketError(client)), "ECONNRESET");
  assertEquals(socketError(client), 0, "it is told once");
});

test("mio: connect_error, an event and ECONNREFUSED", () => {
  using set = Epoll.create();
  const { socket, port } = listener();
  socket.close();
  using client = connect(port);
  set.add(client, OUT);
  assertEquals(reports(set, 5000), [[client.raw, OUT | ERR | HUP]]);
  assertEquals(errnoName(socketError(client)), "ECONNREFUSED");
});

test("mio: a connection that is made is OUT, and the listener IN", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const { socket, port } = listener();
  stack.use(socket);
  set.add(socket, IN, 1);
  assertEquals(count(set), 0);
  set.add(stack.use(connect(port)), OUT, 2);
  assertEquals(reports(set, 5000), [[1, IN], [2, OUT]]);
  stack.use(accept(socket));
  assertEquals(reports(set), [[2, OUT]]);
});

test("mio: priority_event_on_oob_data", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const [client, server] = connection();
  stack.use(client), stack.use(server);
  set.add(client, IN | PRI);
  sendUrgent(server);
  assertEquals(reports(set, 5000), [[client.raw, PRI]]);
});

test("mio: write_then_drop, what was written is read before the end", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const [client, server] = connection();
  stack.use(client), stack.use(server);
  set.add(client, IN | RDHUP);
  server.write(new Uint8Array(4));
  server.close();
  assertEquals(reports(set, 5000), [[client.raw, IN | RDHUP]]);
  const buffer = new Uint8Array(16);
  assertEquals([client.read(buffer), client.read(buffer)], [4, 0]);
});

test("mio: tcp_no_events_after_deregister", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const [client, server] = connection();
  stack.use(client), stack.use(server);
  set.add(client, IN | OUT);
  assertEquals(count(set), 1);
  set.delete(client);
  server.write(new Uint8Array(1));
  server.close();
  assertEquals(count(set, 20), 0);
});

test("mio: et_behavior of datagrams, one edge, a second read, and the next edge later", () => {
  using set = Epoll.create();
  using pair = socketPair({ type: "dgram" });
  set.add(pair.left, IN | ET);
  const buffer = new Uint8Array(16);
  pair.right.write(new Uint8Array(3));
  pair.right.write(new Uint8Array(4));
  assertEquals([count(set), count(set)], [1, 0]);
  assertEquals([1, 2, 3].map(() => pair.left.read(buffer)), [3, 4, null]);
  assertEquals(count(set), 0);
  pair.right.write(new Uint8Array(5));
  assertEquals([count(set), count(set)], [1, 0]);
});
