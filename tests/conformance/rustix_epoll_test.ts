// bytecodealliance/rustix, tests/event/epoll*.rs: what they observe.

import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { test } from "../support.ts";
import { accept, connect, listener } from "../tcp.ts";

for (const [what, timeout, ms] of [["1 ns", 1n, 1e-6], ["1 s", 1_000_000_000n, 1000]] as const) {
  test(`rustix: epoll_timeout of ${what} is never early`, () => {
    using set = Epoll.create();
    const began = performance.now();
    assertEquals(set.wait(new EpollEvents(1), timeout), 0);
    assertGreaterOrEqual(performance.now() - began, ms);
  });
}

test("rustix: epoll, a listener, and a write to each connection that comes", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const { socket, port } = listener();
  set.add(stack.use(socket), EPOLL.IN, 0);
  const clients = [1, 2, 3].map(() => stack.use(connect(port)));
  const servers = clients.map(() => {
    assertEquals(set.wait(new EpollEvents(1), 5000), 1);
    return stack.use(accept(socket));
  });
  set.modify(socket, 0);
  servers.forEach((server, index) => set.add(server, EPOLL.OUT, index + 1));
  const events = new EpollEvents(4);
  assertEquals(set.wait(events, 5000), 3);
  for (const { data } of events) {
    servers[Number(data) - 1]!.write(new Uint8Array(5).fill(Number(data)));
  }
  clients.forEach((client, index) => {
    const buffer = new Uint8Array(8);
    assertEquals([client.read(buffer), buffer[0]], [5, index + 1]);
  });
});
