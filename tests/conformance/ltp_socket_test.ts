// linux-test-project/ltp, testcases/kernel/syscalls/{accept,accept4,bind,connect,getpeername,
// getsockopt,listen,recv,recvmsg,send,sendmsg,sendto,shutdown}: what they observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Epoll } from "../../handles/epoll.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { recvFds, sendFds } from "../../handles/send_fds.ts";
import { Socket } from "../../handles/socket.ts";
import { flagsOf, readable } from "../probes.ts";
import {
  abstractName,
  accepted,
  codeOf,
  connection,
  deadAddress,
  hasIPv6,
  received,
  receivedText,
} from "../socket_fixture.ts";
import { tempDir, test } from "../support.ts";

test("ltp: accept4_01 CLOEXEC and NONBLOCK are those asked for, whatever the listener has", () => {
  for (const listening of [false, true]) {
    using listener = Socket.listen("127.0.0.1:0", { blocking: listening, inherit: listening });
    for (const blocking of [false, true]) {
      for (const inherit of [false, true]) {
        using _client = Socket.connect(listener.localAddress, { blocking: true });
        assert(readable(listener, 1000));
        using server = listener.accept({ blocking, inherit })!;
        assertEquals(flagsOf(server), { nonblock: !blocking, cloexec: !inherit });
      }
    }
  }
});

test("ltp: accept01 what does not listen, is closed or is for datagrams", () => {
  using datagrams = Socket.bind("127.0.0.1:0");
  using pair = connection();
  assertEquals(codeOf(() => datagrams.accept()), "EOPNOTSUPP");
  assertEquals(codeOf(() => pair.server.accept()), "EINVAL");
});

test("ltp: accept03 every kind of descriptor that is no socket is ENOTSOCK", () => {
  using stack = new DisposableStack();
  const ends = stack.use(pipe());
  for (const other of [EventFD.create(), Epoll.create(), ends.reader, ends.writer]) {
    stack.use(other);
    assertEquals(codeOf(() => Socket.adopt(other.raw)), "ENOTSOCK");
  }
});

test("ltp: bind01 an address in use, of no interface, and beyond a folder that is not there", () => {
  using listener = Socket.listen("127.0.0.1:0");
  const { localAddress } = listener;
  assertEquals(codeOf(() => Socket.listen(localAddress)), "EADDRINUSE");
  assertEquals(codeOf(() => Socket.listen("203.0.113.1:0")), "EADDRNOTAVAIL");
  assertEquals(codeOf(() => Socket.bind("unix:/no/folder/socket")), "ENOENT");
  using dir = tempDir();
  Socket.bind(`unix:${dir.path}/s`).close();
  assertEquals(codeOf(() => Socket.bind(`unix:${dir.path}/s/x`)), "ENOTDIR");
  assertEquals(codeOf(() => Socket.bind(`unix:${dir.path}/s`)), "EADDRINUSE");
});

for (const type of ["stream", "seqpacket"] as const) {
  test(`ltp: bind04 ${type}: every address can be bound, connected to and served`, () => {
    using dir = tempDir();
    const unix = [`unix:${dir.path}/socket`, `unix:${abstractName("bind04")}`];
    const inet = ["127.0.0.1:0", "0.0.0.0:0"].concat(hasIPv6 ? ["[::1]:0", "[::]:0"] : []);
    for (const address of type === "stream" ? [...unix, ...inet] : unix) {
      using listener = Socket.listen(address, { type });
      using client = Socket.connect(listener.localAddress, { type, blocking: true });
      using server = accepted(listener);
      client.write(new TextEncoder().encode("hello"));
      assertEquals(receivedText(server), "hello", address);
    }
  });
}

test("ltp: bind05 datagrams: every address can be bound and sent to", () => {
  using dir = tempDir();
  const addresses = [
    `unix:${dir.path}/socket`,
    `unix:${abstractName("bind05")}`,
    "127.0.0.1:0",
    "0.0.0.0:0",
  ];
  for (const address of hasIPv6 ? [...addresses, "[::1]:0", "[::]:0"] : addresses) {
    using server = Socket.bind(address);
    using client = Socket.connect(server.localAddress, { type: "dgram" });
    client.write(new Uint8Array(5));
    assert(readable(server, 1000));
    assertEquals(server.receiveFrom(new Uint8Array(9))?.length, 5, address);
  }
});

test("ltp: bind06 a port is free again when its listener is closed, with a connection still open", () => {
  const listener = Socket.listen("127.0.0.1:0");
  const { localAddress } = listener;
  using client = Socket.connect(localAddress, { blocking: true });
  using server = accepted(listener);
  server.shutdown("write"); // this side will be in TIME_WAIT
  listener.close();
  using again = Socket.listen(localAddress);
  assertEquals([again.localAddress, client.error], [localAddress, null]);
});

test("ltp: connect01 refused, and of another family", () => {
  assertEquals(codeOf(() => Socket.connect(deadAddress(), { blocking: true })), "ECONNREFUSED");
  assertThrows(() => Socket.connect("127.0.0.1:9", { local: "unix:@x" }), TypeError, "local");
});

test("ltp: getpeername01 no peer is null, not an error", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using datagrams = Socket.bind("127.0.0.1:0");
  using pair = socketPair();
  using left = Socket.duplicate(pair.left.raw);
  assertEquals([listener.remoteAddress, datagrams.remoteAddress], [null, null]);
  assertEquals(left.remoteAddress, { family: "unix", path: "" });
});

test("ltp: getsockopt02 SO_PEERCRED of both ends of a connection over a path", () => {
  using dir = tempDir();
  using pair = connection(`unix:${dir.path}/socket`);
  assertEquals(pair.client.credentials?.pid, pair.server.credentials?.pid);
  assertEquals(pair.client.credentials?.uid, pair.server.credentials?.uid);
});

test("ltp: listen01 a socket for datagrams cannot listen, so it has no way to", () => {
  const call = (): Socket => Socket.listen("127.0.0.1:0", { type: "dgram" as never });
  assertThrows(call, TypeError, "Socket.listen: type");
});

test("ltp: recv01 urgent data where there is none, and on what knows none", () => {
  using pair = connection();
  assertEquals(pair.client.receive(new Uint8Array(1), { oob: true }), null);
  using datagrams = Socket.bind("unix:");
  const receive = (): unknown => datagrams.receive(new Uint8Array(1), { oob: true });
  assertEquals(codeOf(receive), "EOPNOTSUPP");
});

test("ltp: recvmsg01 large cmesg length, rights passing and queue handling of two messages", () => {
  using pair = socketPair();
  using counter = EventFD.create({ initial: 5 });
  sendFds(pair.left, [counter], new TextEncoder().encode("rights"));
  pair.left.write(new TextEncoder().encode("and no rights"));
  const buffer = new Uint8Array(64);
  const first = recvFds(pair.right, buffer, 9)!;
  assertEquals([first.length, first.descriptors.length], [6, 1]);
  const value = new BigUint64Array(1);
  first.descriptors[0]!.read(value);
  first.descriptors[0]!.close();
  const second = recvFds(pair.right, buffer, 9)!;
  assertEquals([value[0], second.length, second.descriptors.length], [5n, 13, 0]);
});

test("ltp: recvmsg02 peeking at a datagram does not change what is received", () => {
  using server = Socket.bind("127.0.0.1:0");
  using client = Socket.connect(server.localAddress, { type: "dgram" });
  client.write(new Uint8Array(10));
  assert(readable(server, 1000));
  const buffer = new Uint8Array(4);
  assertEquals(server.receive(buffer, { peek: true }), 4);
  const datagram = server.receiveFrom(new Uint8Array(64))!;
  assertEquals([datagram.length, datagram.truncated], [10, false]);
});

test("ltp: send01 and sendto01 too long a datagram, after shutdown, to a peer that is gone", () => {
  using server = Socket.bind("127.0.0.1:0");
  using client = Socket.connect(server.localAddress, { type: "dgram" });
  assertEquals(codeOf(() => client.send(new Uint8Array(131_072))), "EMSGSIZE");
  using pair = connection();
  pair.client.shutdown("write");
  assertEquals(codeOf(() => pair.client.send(new Uint8Array(1))), "EPIPE");
  assertEquals(codeOf(() => pair.server.sendTo(new Uint8Array(1), "unix:@x")), "no error");
  assertEquals(received(pair.client).length, 1); // a stream has its peer, and no other address
});

test("ltp: sendmsg01 a closed descriptor is EBADF, and nothing was sent", () => {
  using pair = socketPair();
  assertEquals(codeOf(() => sendFds(pair.left, [987_654], new Uint8Array(3))), "EBADF");
  assertEquals(pair.right.read(new Uint8Array(8)), null);
});

test("ltp: sendmsg02 queues full of descriptors, round after round, none is lost or left", () => {
  using pair = socketPair({ type: "dgram" });
  using counter = EventFD.create();
  let [sent, arrived] = [0, 0];
  for (let round = 0; round < 200; round++) {
    while (sendFds(pair.left, [counter, counter], new Uint8Array(1)) !== null) sent += 2;
    for (let one = recvFds(pair.right, new Uint8Array(1), 2); one !== null;) {
      arrived += one.descriptors.length;
      for (const each of one.descriptors) each.close();
      one = recvFds(pair.right, new Uint8Array(1), 2);
    }
  }
  assertEquals(arrived, sent);
});

test("ltp: shutdown01 each direction ends by itself", () => {
  for (const [side, writes, reads] of [["read", true, false], ["write", false, true]] as const) {
    using pair = connection("unix:");
    const { client, server } = pair;
    client.shutdown(side);
    assertEquals(codeOf(() => client.write(new Uint8Array(1))), writes ? "no error" : "EPIPE");
    assertEquals(codeOf(() => server.write(new Uint8Array(1))), reads ? "no error" : "EPIPE");
    assertEquals(client.read(new Uint8Array(8)), reads ? 1 : 0);
  }
});

test("ltp: shutdown02 not connected, no such side", () => {
  using datagrams = Socket.bind("127.0.0.1:0");
  assertEquals(codeOf(() => datagrams.shutdown("both")), "ENOTCONN");
  assertThrows(() => datagrams.shutdown("sideways" as never), TypeError);
});
