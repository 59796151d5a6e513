import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Socket } from "../handles/socket.ts";
import { bindPort, type BindPortOptions, PortGroup } from "../loop/port_group.ts";
import { Loop } from "../loop/loop.ts";
import { connectAll, listening, outcomes } from "./acceptor_fixture.ts";
import { accepted, codeOf, connection, hasIPv6, optionOf } from "./socket_fixture.ts";
import { test } from "./support.ts";

const portOf = (address: unknown): number => (address as { port: number }).port;

for (const address of ["127.0.0.1:0", ...(hasIPv6 ? ["[::1]:0"] : [])]) {
  test(`C23 bindPort: ${address} for four listeners is one port`, async () => {
    using group = await bindPort(address, 4);
    assert(portOf(group.address) > 0);
    assertEquals(group.listeners.map((each) => each.localAddress), Array(4).fill(group.address));
    assertEquals([...group.listeners, group.holder].map((each) => each.listening), [
      true,
      true,
      true,
      true,
      false,
    ]);
    assertEquals(listening(group.address), 4);
    // The kernel spreads the clients, and loses none.
    using _clients = connectAll(group.address, 200);
    const counts = group.listeners.map((each) => {
      let count = 0;
      for (let one = each.accept(); one !== null; one = each.accept()) {
        one.close();
        count++;
      }
      return count;
    });
    assertEquals(counts.reduce((sum, count) => sum + count), 200);
    assert(counts.every((count) => count > 0), `${counts}`);
  });
}

test("C20 bindPort: every listener has the options, and what is accepted inherits them", async () => {
  const options: BindPortOptions = {
    noDelay: true,
    keepAlive: { idle: 60_000 },
    deferAccept: 0,
    fastOpen: 16,
    receiveBuffer: 65536,
  };
  using group = await bindPort("127.0.0.1:0", 2, options);
  group.listeners[0]!.close();
  using _again = group.reopen(0);
  for (const listener of group.listeners) {
    assertEquals([listener.noDelay, listener.keepAlive?.idle], [true, 60_000]);
    assertEquals([optionOf(listener, "fastOpen"), listener.receiveBuffer], [16, 131072]);
  }
  group.listeners[0]!.close();
  using _client = Socket.connect(group.address);
  using server = accepted(group.listeners[1]!);
  assertEquals([server.noDelay, server.keepAlive?.idle], [true, 60_000]);
});

test("C25 reopen: the port is kept while nobody listens, also from those with SO_REUSEADDR", async () => {
  using loop = Loop.create();
  using group = await bindPort("127.0.0.1:0", 2);
  for (let round = 0; round < 3; round++) {
    using clients = connectAll(group.address, 4);
    const acceptors = group.listeners.map((each) => loop.accept(each, { onAccept() {} }));
    assertEquals(acceptors.reduce((sum, each) => sum + each.drain(), 0), 4);
    assertEquals([outcomes(clients.sockets), listening(group.address)], [{ FIN: 4 }, 0]);
    assertEquals(codeOf(() => Socket.connect(group.address, { blocking: true })), "ECONNREFUSED");
    assertEquals(codeOf(() => Socket.listen(group.address)), "EADDRINUSE");
    assertEquals(codeOf(() => Socket.listen(group.address, { reuseAddr: false })), "EADDRINUSE");
    const reopened = [group.reopen(1), group.reopen(0)];
    assertEquals(group.listeners, reopened.reverse());
    assertEquals(listening(group.address), 2);
  }
});

test("C22 connections that still end at the port are no obstacle", async () => {
  const { client, server } = connection();
  const address = server.localAddress;
  server.close(); // whoever closes first has TIME_WAIT
  client.close();
  using group = await bindPort(address, 2);
  assertEquals(group.address, address);
});

test("C22 a port that is taken: an error that says who has it, at once without retry", async () => {
  using other = Socket.listen("127.0.0.1:0");
  const error = await assertRejects(() => bindPort(other.localAddress, 2), SyscallError);
  assertEquals([error.code, error.syscall], ["EADDRINUSE", "bind"]);
  assertStringIncludes(error.message, `belongs to this process, as fd ${other.raw}`);
});

test("C22 retry: binds when the port is free, and gives up when its time is over", async () => {
  using loop = Loop.create({ attached: true });
  using other = Socket.listen("127.0.0.1:0");
  const address = other.localAddress;
  const begin = performance.now();
  const error = await assertRejects(() => bindPort(address, 2, { retry: 60, loop }), SyscallError);
  assert(performance.now() - begin >= 60, "it gave up early");
  assertStringIncludes(error.message, `belongs to this process, as fd ${other.raw}`);
  const binding = bindPort(address, 2, { retry: 20_000, loop });
  loop.setTimer(1, () => other.close());
  using group = await binding;
  assertEquals(group.address, address);
});

test("C22 retry ends with the signal, and under a loop that runs", async () => {
  using other = Socket.listen("127.0.0.1:0");
  const address = other.localAddress;
  const stop = new AbortController();
  using attached = Loop.create({ attached: true });
  const waiting = bindPort(address, 1, { retry: 20_000, signal: stop.signal, loop: attached });
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(() => bindPort(address, 1, { signal: stop.signal }), Error, "enough");
  using loop = Loop.create();
  const given = bindPort(address, 1, { retry: 20_000, loop });
  loop.setTimer(1, () => other.close());
  await loop.run();
  (await given).close();
});

test("C23 bindPort: nothing is left open when it fails, and everything is closed by close", async () => {
  const bad: [unknown, unknown, unknown, typeof TypeError | typeof RangeError][] = [
    ["unix:@x", 1, {}, TypeError],
    ["localhost:80", 1, {}, TypeError],
    ["127.0.0.1:0", 0, {}, RangeError],
    ["127.0.0.1:0", "2", {}, TypeError],
    ["127.0.0.1:0", 1.5, {}, RangeError],
    ["127.0.0.1:0", 1, 3, TypeError],
    ["127.0.0.1:0", 1, { retry: -1 }, RangeError],
    ["127.0.0.1:0", 1, { retry: "1" }, TypeError],
    ["127.0.0.1:0", 1, { signal: 1 }, TypeError],
    ["127.0.0.1:0", 1, { noDelay: 1 }, TypeError],
    ["127.0.0.1:0", 1, { backlog: -1 }, RangeError],
    ["127.0.0.1:0", 1, { v6Only: true }, TypeError],
  ];
  for (const [address, count, options, error] of bad) {
    const call = bindPort as (...args: unknown[]) => Promise<unknown>;
    await assertRejects(() => call(address, count, options), error);
  }
  const group = await bindPort("127.0.0.1:0", 2);
  const listeners = [...group.listeners];
  assertThrows(() => group.reopen(0), Error, "listener 0 is open");
  assertThrows(() => group.reopen(2), RangeError);
  assertThrows(() => group.reopen("0" as never), TypeError);
  group.close();
  group.close();
  assertEquals([...listeners, group.holder].map((each) => each.closed), [true, true, true]);
  assertThrows(() => group.reopen(0), ClosedError);
  assertThrows(() => new (PortGroup as unknown as new () => object)(), TypeError, "call bindPort");
});
