// google/gvisor, test/syscalls/linux/socket_unix_cmsg.cc, socket_abstract.cc,
// socket_ip_*.cc: what they observe.

import { assert, assertEquals } from "@std/assert";
import { EventFD } from "../../handles/event_fd.ts";
import type { FD } from "../../handles/fd.ts";
import { socketPair } from "../../handles/pipe.ts";
import { recvFds, sendFds } from "../../handles/send_fds.ts";
import { Socket } from "../../handles/socket.ts";
import { flagsOf, readable } from "../probes.ts";
import {
  abstractName,
  accepted,
  codeOf,
  connection,
  hasIPv6,
  received,
} from "../socket_fixture.ts";
import { test } from "../support.ts";

const one = (): Uint8Array => new Uint8Array(1);

/** What a counter that was received holds; it is closed. */
function take(descriptor: FD | undefined): bigint | undefined {
  const value = new BigUint64Array(1);
  if (descriptor?.read(value) !== 8) return undefined;
  descriptor.close();
  return value[0];
}

for (const type of ["stream", "dgram", "seqpacket"] as const) {
  test(`gvisor: BasicFDPass to ThreeFDPass, ${type}`, () => {
    using pair = socketPair({ type });
    for (const count of [1, 2, 3]) {
      const counters = Array.from({ length: count }, (_, n) => EventFD.create({ initial: n + 1 }));
      assertEquals(sendFds(pair.left, counters, new Uint8Array(20)), 20);
      for (const counter of counters) counter.close();
      const { length, descriptors, truncated } = recvFds(pair.right, new Uint8Array(20), count)!;
      assertEquals([length, truncated], [20, false]);
      assertEquals(descriptors.map(take), [1n, 2n, 3n].slice(0, count));
    }
  });

  test(`gvisor: FDPassInterspersed, messages with and without a descriptor, ${type}`, () => {
    using pair = socketPair({ type });
    using counter = EventFD.create({ initial: 4 });
    sendFds(pair.left, [counter], new Uint8Array(20));
    pair.left.write(new Uint8Array(20));
    const first = recvFds(pair.right, new Uint8Array(20), 1)!;
    assertEquals([first.length, first.descriptors.map(take)], [20, [4n]]);
    assertEquals(recvFds(pair.right, new Uint8Array(20), 1)?.descriptors, []);
  });

  test(`gvisor: CloexecRecvFDPass, ${type}`, () => {
    using pair = socketPair({ type });
    using inherited = EventFD.create({ inherit: true });
    sendFds(pair.left, [inherited], one());
    const { descriptors: [descriptor] } = recvFds(pair.right, one(), 1)!;
    assertEquals(flagsOf(descriptor!).cloexec, true);
    descriptor!.close();
  });

  test(`gvisor: RecvFDPass of fewer than were sent, the others do not leak, ${type}`, () => {
    using pair = socketPair({ type });
    using counter = EventFD.create({ initial: 1 });
    sendFds(pair.left, [counter, counter], one());
    const { descriptors, truncated } = recvFds(pair.right, one(), 1)!;
    assertEquals([descriptors.map(take), truncated], [[1n], true]);
  });
}

test("gvisor: FDPassNotCoalesced, a buffer for both gets the first alone", () => {
  using pair = socketPair();
  for (const initial of [1, 2]) {
    using counter = EventFD.create({ initial });
    sendFds(pair.left, [counter], new Uint8Array(20));
  }
  for (const value of [1n, 2n]) {
    const { length, descriptors } = recvFds(pair.right, new Uint8Array(40), 2)!;
    assertEquals([length, descriptors.map(take)], [20, [value]]);
  }
});

test("gvisor: FDPassPartialRead, the descriptor comes with the first byte", () => {
  using pair = socketPair();
  using counter = EventFD.create({ initial: 1 });
  sendFds(pair.left, [counter], new Uint8Array(20));
  const first = recvFds(pair.right, new Uint8Array(10), 1)!;
  const second = recvFds(pair.right, new Uint8Array(10), 1)!;
  assertEquals([first.length, first.descriptors.map(take)], [10, [1n]]);
  assertEquals([second.length, second.descriptors], [10, []]);
});

test("gvisor: FDPassAfterSenderClose and the receiver's own end inside itself", () => {
  const pair = socketPair();
  using counter = EventFD.create({ initial: 1 });
  sendFds(pair.left, [counter], one());
  pair.left.close();
  assertEquals(recvFds(pair.right, one(), 1)!.descriptors.map(take), [1n]);
  assertEquals(recvFds(pair.right, one(), 1)!.length, 0);
  pair.right.close();
  // A descriptor that is on its way through itself is collected by the kernel.
  using again = socketPair();
  sendFds(again.left, [again.left, again.right], one());
});

test("gvisor: abstract names end nowhere but at their length", () => {
  const name = abstractName("gvisor");
  using short = Socket.listen(`unix:${name}`);
  using long = Socket.listen(`unix:${name}\0`);
  using longer = Socket.listen(`unix:${name}\0more`);
  for (const listener of [short, long, longer]) {
    using client = Socket.connect(listener.localAddress);
    using server = accepted(listener);
    assertEquals([client.remoteAddress, server.localAddress], [
      listener.localAddress,
      listener.localAddress,
    ]);
  }
  assertEquals(codeOf(() => Socket.listen(`unix:${name}\0`)), "EADDRINUSE");
  assertEquals(codeOf(() => Socket.connect(`unix:${name}\0no`)), "ECONNREFUSED");
});

test("gvisor: an abstract name is free when its socket is closed", () => {
  for (let round = 0; round < 3; round++) {
    const listener = Socket.listen(`unix:${abstractName("gvisor-reuse")}`);
    listener.close();
  }
});

test("gvisor: ReuseAddr and ReusePort of datagrams", () => {
  using first = Socket.bind("127.0.0.1:0", { reusePort: true });
  using second = Socket.bind(first.localAddress, { reusePort: true });
  assertEquals(codeOf(() => Socket.bind(first.localAddress)), "EADDRINUSE");
  using client = Socket.bind("127.0.0.1:0");
  for (let datagram = 0; datagram < 64; datagram++) {
    using other = Socket.bind("127.0.0.1:0"); // another port is another hash
    other.sendTo(one(), first.localAddress);
  }
  const counts = [first, second].map((socket) => {
    let count = 0;
    while (socket.receiveFrom(one()) !== null) count++;
    return count;
  });
  assertEquals(counts[0]! + counts[1]!, 64);
  assert(counts[0]! > 0 && counts[1]! > 0, String(counts));
  assertEquals(client.error, null);
});

test("gvisor: TcpResetAfterClose, bytes that were not read make a reset of a close", () => {
  using pair = connection();
  pair.client.write(new Uint8Array(3));
  assert(readable(pair.server, 1000));
  pair.server.close();
  assert(readable(pair.client, 1000));
  assertEquals(codeOf(() => pair.client.read(one())), "ECONNRESET");
});

test("gvisor: RecvZeroWhenClosed and data before the end", () => {
  using pair = connection();
  pair.client.write(new Uint8Array(3));
  pair.client.close();
  assertEquals([received(pair.server).length, received(pair.server).length], [3, 0]);
  assertEquals(pair.server.read(one()), 0);
});

test.if(
  hasIPv6,
  "this machine has no IPv6",
  "gvisor: DualStackPort, one family after the other",
  () => {
    using six = Socket.listen("[::]:0", { v6Only: true });
    assert(six.localAddress.family === "inet6");
    using four = Socket.listen(`0.0.0.0:${six.localAddress.port}`);
    const both = (): Socket => Socket.listen("[::]:0", { v6Only: false });
    using dual = both();
    assert(dual.localAddress.family === "inet6");
    const { port } = dual.localAddress;
    assertEquals(codeOf(() => Socket.listen(`0.0.0.0:${port}`)), "EADDRINUSE");
    assertEquals(four.listening, true);
  },
);
