// X02: sockets on Deno with --allow-ffi=<path of libc> and nothing else.

import { assertEquals, assertThrows } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { listenFds } from "../../handles/listen_fds.ts";
import { socketPair } from "../../handles/pipe.ts";
import { recvFds, sendFds } from "../../handles/send_fds.ts";
import { Socket } from "../../handles/socket.ts";
import { Loop } from "../../loop/loop.ts";
import { bindPort } from "../../loop/port_group.ts";
import {
  abstractName,
  accepted,
  codeOf,
  connection,
  deadAddress,
  received,
} from "../socket_fixture.ts";
import { test, useDescriptorProbe } from "../support.ts";
import { openDescriptors } from "./descriptors.ts";

useDescriptorProbe(openDescriptors);

test("X02 Socket: everything works, addresses and options too", () => {
  for (const address of ["127.0.0.1:0", "unix:", `unix:${abstractName("narrow")}`]) {
    using listener = Socket.listen(address, { backlog: 5 });
    using client = Socket.connect(listener.localAddress, { blocking: true });
    using server = accepted(listener);
    assertEquals(client.remoteAddress, server.localAddress);
    client.send(new Uint8Array(3), { more: true });
    client.send(new Uint8Array(2));
    assertEquals([received(server, 5).length > 0, client.error], [true, null]);
    using same = Socket.from(client.share());
    same.shutdown("both");
  }
  using pair = connection();
  pair.client.noDelay = true;
  pair.client.keepAlive = { idle: 1000 };
  pair.client.linger = 0;
  assertEquals([pair.client.noDelay, pair.client.keepAlive?.idle], [true, 1000]);
  assertEquals(codeOf(() => Socket.connect(deadAddress(), { blocking: true })), "ECONNREFUSED");
});

test("X02 Socket: a path in the file system, its mode and a dead one", () => {
  const path = `/tmp/fdloop-narrow-${Date.now()}-${Math.random()}`;
  const address = `unix:${path}`;
  try {
    Socket.listen(address, { mode: 0o600 }).close();
    using listener = Socket.listen(address, { unlinkStale: true, mode: 0o666 });
    using client = Socket.connect(address);
    assertEquals([client.error, codeOf(() => Socket.listen(address))], [null, "EADDRINUSE"]);
    assertEquals(listener.listening, true);
  } finally {
    libc.unlink(new TextEncoder().encode(`${path}\0`)); // this grant lets no other call do it
  }
});

test("X02 Socket: datagrams", () => {
  using server = Socket.bind("127.0.0.1:0");
  using client = Socket.bind("127.0.0.1:0");
  client.sendTo(new Uint8Array(9), server.localAddress);
  const datagram = server.receiveFrom(new Uint8Array(4));
  assertEquals(datagram, { length: 4, truncated: true, address: client.localAddress });
});

test("X02 sendFds and recvFds: messages have addresses in them, and work", () => {
  using pair = socketPair({ type: "seqpacket" });
  using counter = EventFD.create({ initial: 7 });
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
  assertEquals(sendFds(pair.left, [counter], bytes), bytes.length);
  const buffer = new Uint8Array(80_000);
  const { length, descriptors } = recvFds(pair.right, buffer, 1)!;
  const value = new BigUint64Array(1);
  descriptors[0]!.read(value);
  descriptors[0]!.close();
  assertEquals([length, buffer[69_999], value[0]], [70_000, 69_999 % 251, 7n]);
});

test("X02 listenFds takes the environment as it is given", () => {
  assertEquals(listenFds({}), []);
  assertThrows(() => listenFds({ LISTEN_PID: "x", LISTEN_FDS: "1" }), RangeError, "LISTEN_PID");
});

test("X02 a Loop accepts and reads", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("unix:");
  using client = Socket.connect(listener.localAddress);
  const work = loop.readable(listener).then(async () => {
    using server = listener.accept()!;
    client.write(new Uint8Array(3));
    await loop.readable(server);
    return server.read(new Uint8Array(8));
  });
  await loop.run();
  assertEquals(await work, 3);
});

test("X02 Loop.accept, drain and bindPort, and who has a port", async () => {
  using loop = Loop.create();
  using group = await bindPort("127.0.0.1:0", 2);
  const acceptors = group.listeners.map((each) =>
    loop.accept(each, {
      onAccept: (socket) => {
        socket.close();
        loop.stop();
      },
    })
  );
  using client = Socket.connect(group.address, { blocking: true });
  await loop.run();
  assertEquals(client.read(new Uint8Array(1)), 0);
  using queued = Socket.connect(group.address, { blocking: true });
  assertEquals(acceptors.reduce((sum, acceptor) => sum + acceptor.drain(), 0), 1);
  assertEquals(queued.read(new Uint8Array(1)), 0);
  using again = group.reopen(0);
  assertThrows(
    () => Socket.listen(group.address),
    SyscallError,
    `this process, as fd ${again.raw}`,
  );
});
