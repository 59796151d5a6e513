// tokio-rs/mio, tests/tcp_listener.rs, tcp_stream.rs, tcp.rs, udp_socket.rs, unix_listener.rs,
// unix_stream.rs, unix_datagram.rs: what they observe of sockets in an edge-triggered set. The
// masks without a Socket are in mio_epoll_test.ts.

import { assert, assertEquals } from "@std/assert";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL } from "../../handles/epoll_events.ts";
import { Socket } from "../../handles/socket.ts";
import { reports } from "../epoll_fixture.ts";
import { accepted, codeOf, connection, deadAddress, hasIPv6 } from "../socket_fixture.ts";
import { tempDir, test } from "../support.ts";

const { IN, OUT, PRI, ERR, HUP, RDHUP, ET } = EPOLL;
const ALL = IN | OUT | RDHUP | ET;
const MS = 1000;

/** The mask of the one descriptor that is reported within a second, 0 for none. */
function mask(set: Epoll, ms: number = MS): number {
  const found = reports(set, ms);
  assert(found.length <= 1, String(found));
  return found[0]?.[1] ?? 0;
}

const families = ["127.0.0.1:0"].concat(hasIPv6 ? ["[::1]:0"] : []);

for (const address of families) {
  test(`mio: tcp_listener_ipv4 and _ipv6, two_streams at ${address}`, () => {
    using set = Epoll.create();
    using listener = Socket.listen(address);
    set.add(listener, IN | ET, 1);
    for (let stream = 0; stream < 2; stream++) {
      assertEquals([listener.accept(), mask(set, 0)], [null, 0]);
      using client = Socket.connect(listener.localAddress);
      assertEquals(reports(set, MS), [[1, IN]]);
      using server = listener.accept()!;
      assertEquals(server.remoteAddress, client.localAddress);
    }
  });

  test(`mio: smoke_test_tcp_stream at ${address}, writable when connected, readable by bytes`, () => {
    using set = Epoll.create();
    using listener = Socket.listen(address);
    using client = Socket.connect(listener.localAddress);
    set.add(client, ALL);
    assertEquals(mask(set), OUT);
    assertEquals([client.error, client.remoteAddress], [null, listener.localAddress]);
    using server = accepted(listener);
    const buffer = new Uint8Array(64);
    assertEquals(client.read(buffer), null);
    server.write(new Uint8Array(11));
    assertEquals(mask(set), IN | OUT);
    assertEquals([client.receive(buffer, { peek: true }), client.read(buffer)], [11, 11]);
    assertEquals([client.read(buffer), mask(set, 0)], [null, 0]);
  });
}

test("mio: set_nodelay and nodelay before and after a connection is made", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using client = Socket.connect(listener.localAddress);
  client.noDelay = true;
  assertEquals(client.noDelay, true);
  client.noDelay = false;
  assertEquals(client.noDelay, false);
});

test("mio: tcp_shutdown_client_read/write/both_close_event", () => {
  const events = { read: IN | OUT | RDHUP, write: OUT, both: IN | OUT | RDHUP | HUP } as const;
  for (const side of ["read", "write", "both"] as const) {
    using set = Epoll.create();
    using pair = connection();
    set.add(pair.client, ALL);
    assertEquals(mask(set), OUT);
    pair.client.shutdown(side);
    // What the kernel reports of the own end depends on how far the peer's acknowledgement is.
    const seen = mask(set, side === "write" ? 20 : MS);
    assertEquals(seen & ~events[side], 0, `${side}: 0x${seen.toString(16)}`);
    if (side !== "write") assertEquals(seen & (IN | RDHUP), IN | RDHUP, side);
  }
});

test("mio: tcp_shutdown_server_write/both_close_event", () => {
  for (const side of ["write", "both"] as const) {
    using set = Epoll.create();
    using pair = connection();
    set.add(pair.client, ALL);
    assertEquals(mask(set), OUT);
    pair.server.shutdown(side);
    assertEquals(mask(set), IN | OUT | RDHUP);
    assertEquals(pair.client.read(new Uint8Array(1)), 0);
  }
});

test("mio: tcp_reset_close_event and connection_reset_by_peer", () => {
  using set = Epoll.create();
  using pair = connection();
  set.add(pair.client, ALL | PRI);
  assertEquals(mask(set), OUT);
  pair.server.linger = 0;
  pair.server.close();
  assertEquals(mask(set), IN | OUT | ERR | HUP | RDHUP);
  assertEquals([pair.client.error?.code, pair.client.error], ["ECONNRESET", null]);
  assertEquals(pair.client.read(new Uint8Array(1)), 0);
});

test("mio: connect_error, refused in one event", () => {
  using set = Epoll.create();
  using client = Socket.connect(deadAddress());
  set.add(client, ALL);
  assertEquals(mask(set), IN | OUT | ERR | HUP | RDHUP);
  assertEquals(client.error?.code, "ECONNREFUSED");
});

test("mio: write_error, an error that a write met is not met again", () => {
  using pair = connection();
  pair.server.linger = 0;
  pair.server.close();
  using set = Epoll.create();
  set.add(pair.client, ALL);
  assertEquals(mask(set) & ERR, ERR);
  assertEquals(codeOf(() => pair.client.write(new Uint8Array(1))), "ECONNRESET");
  assertEquals(codeOf(() => pair.client.write(new Uint8Array(1))), "EPIPE");
});

test("mio: bind_twice_bad, listen_then_close, multiple_writes_immediate_success", () => {
  using set = Epoll.create();
  const listener = Socket.listen("127.0.0.1:0");
  set.add(listener, IN | ET);
  assertEquals(codeOf(() => Socket.listen(listener.localAddress)), "EADDRINUSE");
  listener.close();
  assertEquals(mask(set, 5), 0);
  using pair = connection();
  for (let write = 0; write < 1024; write++) {
    assertEquals(pair.client.write(new Uint8Array(16)), 16);
  }
});

test("mio: unix_listener and unix_stream_peer_addr, a path on one side, no name on the other", () => {
  using dir = tempDir();
  using set = Epoll.create();
  using listener = Socket.listen(`unix:${dir.path}/any`);
  set.add(listener, IN | ET, 1);
  using client = Socket.connect(listener.localAddress);
  assertEquals(reports(set, MS), [[1, IN]]);
  using server = listener.accept()!;
  const path = { family: "unix", path: `${dir.path}/any` };
  assertEquals([client.remoteAddress, server.localAddress], [path, path]);
  const unnamed = { family: "unix", path: "" };
  assertEquals([server.remoteAddress, client.localAddress], [unnamed, unnamed]);
});

test("mio: unix_stream_shutdown_read/write/both", () => {
  using pair = connection("unix:");
  using set = Epoll.create();
  set.add(pair.client, ALL, 1);
  assertEquals(mask(set), OUT);
  pair.server.shutdown("write");
  assertEquals(mask(set), IN | OUT | RDHUP);
  assertEquals(pair.client.read(new Uint8Array(1)), 0);
  pair.client.write(new Uint8Array(3));
  assertEquals(pair.server.read(new Uint8Array(8)), 3);
  pair.server.shutdown("read");
  assertEquals(mask(set), IN | OUT | RDHUP | HUP);
  assertEquals(codeOf(() => pair.client.write(new Uint8Array(1))), "EPIPE");
});

for (const address of [...families, "unix:"]) {
  test(`mio: unconnected and connected datagrams at ${address}, send_to, recv_from, peek`, () => {
    using set = Epoll.create();
    using left = Socket.bind(address);
    using right = Socket.bind(address);
    set.add(right, IN | ET, 2);
    assertEquals([right.receiveFrom(new Uint8Array(1)), mask(set, 0)], [null, 0]);
    left.sendTo(new Uint8Array(20), right.localAddress);
    assertEquals(reports(set, MS), [[2, IN]]);
    assertEquals(right.receive(new Uint8Array(8), { peek: true }), 8);
    const datagram = right.receiveFrom(new Uint8Array(64));
    assertEquals(datagram, { length: 20, truncated: false, address: left.localAddress });
    assertEquals(right.receiveFrom(new Uint8Array(1)), null);
    using connected = Socket.connect(right.localAddress, { type: "dgram" });
    connected.send(new Uint8Array(5));
    assertEquals(reports(set, MS), [[2, IN]]);
    assertEquals(right.receiveFrom(new Uint8Array(64))?.length, 5);
  });
}
