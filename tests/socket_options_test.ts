import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { socketPair } from "../handles/pipe.ts";
import { Socket } from "../handles/socket.ts";
import { readable } from "./probes.ts";
import { codeOf, connection, optionOf } from "./socket_fixture.ts";
import { test } from "./support.ts";

test("C20 noDelay and reusePort are what they were set to", () => {
  using pair = connection();
  const { client } = pair;
  for (const on of [true, false, true]) {
    client.noDelay = on;
    client.reusePort = on;
    assertEquals([client.noDelay, client.reusePort], [on, on]);
  }
  assertEquals(pair.server.noDelay, false);
});

test("C20 buffers read as double what was set, as socket(7) says", () => {
  using pair = connection();
  const { client } = pair;
  client.receiveBuffer = 10_000;
  client.sendBuffer = 30_000;
  assertEquals([client.receiveBuffer, client.sendBuffer], [20_000, 60_000]);
  client.receiveBuffer = 0; // the kernel has a least size
  assert(client.receiveBuffer > 0);
  client.sendBuffer = 2 ** 30 - 1; // and a largest
  assert(client.sendBuffer < 2 ** 30);
});

test("C20 keepAlive: the times in milliseconds, rounded up to seconds; true keeps them, false stops", () => {
  using pair = connection();
  const { client } = pair;
  assertEquals(client.keepAlive, null);
  client.keepAlive = true;
  assertEquals(client.keepAlive, { idle: 7_200_000, interval: 75_000, count: 9 });
  client.keepAlive = { idle: 1, interval: 1001n * 1_000_000n, count: 127 };
  assertEquals(client.keepAlive, { idle: 1000, interval: 2000, count: 127 });
  client.keepAlive = { count: 1 };
  assertEquals(client.keepAlive, { idle: 1000, interval: 2000, count: 1 });
  client.keepAlive = false;
  assertEquals(client.keepAlive, null);
  client.keepAlive = true;
  assertEquals(client.keepAlive, { idle: 1000, interval: 2000, count: 1 });
  client.keepAlive = null;
  assertEquals(client.keepAlive, null);
  client.keepAlive = { idle: 32_767_000, interval: 32_767_000 };
  assertEquals(client.keepAlive, { idle: 32_767_000, interval: 32_767_000, count: 1 });
});

test("C20 linger: null by default, in whole seconds, and 0 resets the connection", () => {
  using pair = connection();
  const { client, server } = pair;
  assertEquals(client.linger, null);
  for (const [time, is] of [[1500, 2000], [0, 0], [65_535_000, 65_535_000]] as const) {
    client.linger = time;
    assertEquals(client.linger, is);
  }
  client.linger = null;
  assertEquals(client.linger, null);
  client.linger = 0;
  client.close();
  assert(readable(server, 1000));
  assertEquals(codeOf(() => server.read(new Uint8Array(1))), "ECONNRESET");
});

test("C20 type and listening say what a socket is", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using datagrams = Socket.bind("127.0.0.1:0");
  using pair = socketPair({ type: "seqpacket" });
  using packets = Socket.duplicate(pair.left.raw);
  const sockets = [listener, datagrams, packets];
  assertEquals(sockets.map(({ type }) => type), ["stream", "dgram", "seqpacket"]);
  assertEquals(sockets.map(({ listening }) => listening), [true, false, false]);
});

test("C20 options that a kind of socket does not have are the kernel's to refuse", () => {
  using unix = Socket.bind("unix:");
  assertEquals(codeOf(() => unix.noDelay), "EOPNOTSUPP");
  assertEquals(codeOf(() => void (unix.noDelay = true)), "EOPNOTSUPP");
  assertEquals(codeOf(() => void (unix.keepAlive = { idle: 1000 })), "EOPNOTSUPP");
  assertEquals(codeOf(() => optionOf(unix, "v6Only")), "EOPNOTSUPP");
  const error = assertThrows(() => unix.noDelay, SyscallError);
  assertEquals([error.syscall, error.fd], ["getsockopt", unix.raw]);
});

test("X03 options refuse what they cannot be, by name", () => {
  using pair = connection();
  const client = pair.client as unknown as Record<string, unknown>;
  const wrong: [string, unknown[]][] = [
    ["noDelay", [undefined, null, 0, 1, "yes", {}]],
    ["reusePort", [undefined, null, 0, "no"]],
    ["receiveBuffer", [undefined, null, "1", 1n, {}]],
    ["sendBuffer", [undefined, null, true]],
    ["linger", [undefined, "1", true, {}]],
    ["keepAlive", [0, "yes", 5n, { idle: "1" }, { count: "2" }, { count: null }]],
  ];
  for (const [name, values] of wrong) {
    for (const bad of values) {
      // Taking nothing for no probes is what null does there.
      assertThrows(() => client[name] = bad, TypeError, `Socket.${name}`, `${name}: ${bad}`);
    }
  }
  const outside: [string, unknown[]][] = [
    ["receiveBuffer", [-1, 1.5, NaN, 2 ** 30, Infinity]],
    ["sendBuffer", [-1, 2 ** 31]],
    ["linger", [-1, NaN, 65_535_001, -1n, 2n ** 63n]],
    ["keepAlive", [{ idle: 0 }, { idle: -1 }, { interval: NaN }, { count: 0 }, { count: 1.5 }]],
  ];
  for (const [name, values] of outside) {
    for (const bad of values) assertThrows(() => client[name] = bad, RangeError, `Socket.${name}`);
  }
});

test("X03 after close every option says so", () => {
  const socket = Socket.bind("unix:");
  socket.close();
  const any = socket as unknown as Record<string, unknown>;
  const values: Record<string, unknown> = {
    noDelay: true,
    keepAlive: true,
    reusePort: true,
    receiveBuffer: 1,
    sendBuffer: 1,
    linger: 1,
  };
  for (const [name, value] of Object.entries(values)) {
    assertThrows(() => any[name], ClosedError, "Socket is closed", name);
    assertThrows(() => any[name] = value, ClosedError, "Socket is closed", name);
  }
  assertEquals(socket.type, "dgram");
});
