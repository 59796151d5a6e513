import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import type { ReadWriter } from "../handles/interfaces.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Socket } from "../handles/socket.ts";
import { Loop } from "../loop/loop.ts";
import { start } from "./children.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { flagsOf, isOpen, poll, readable, writable } from "./probes.ts";
import {
  accepted,
  asleepOn,
  codeOf,
  connection,
  deadAddress,
  failing,
  hasIPv6,
  received,
  receivedText,
} from "./socket_fixture.ts";
import type { SocketWorker } from "./socket_worker.ts";
import { hasCommand, root, test, turn, worker } from "./support.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const begin = () => worker<SocketWorker>(new URL("./socket_worker.ts", import.meta.url));

function duplicateNumber(number: number): number {
  return check("fcntl", libc.fcntl(number, posix.F_DUPFD_CLOEXEC, 0), number);
}

// Adopting.

test("C20 Socket.adopt makes it non-blocking and closed on exec unless asked otherwise", () => {
  using pair = socketPair({ blocking: true, inherit: true });
  for (const options of [{}, { blocking: true }, { inherit: true }]) {
    const number = check("fcntl", libc.fcntl(pair.left.raw, posix.F_DUPFD, 0), pair.left.raw);
    using left = Socket.adopt(number, options);
    const { blocking = false, inherit = false } = { blocking: false, inherit: false, ...options };
    assertEquals(flagsOf(left), { nonblock: !blocking, cloexec: !inherit });
    assertEquals([left.raw, left.type], [number, "stream"]);
    left.write(new Uint8Array(1));
  }
  assertEquals(pair.right.read(new Uint8Array(8)), 3);
});

test("C20 Socket.duplicate leaves the owner its descriptor", () => {
  using pair = socketPair({ type: "dgram" });
  const copy = Socket.duplicate(pair.left.raw);
  assert(copy.raw !== pair.left.raw && copy.type === "dgram");
  copy.close();
  assertEquals(pair.left.write(new Uint8Array(2)), 2);
});

test("C20 what is no socket is refused, and stays its owner's", () => {
  const number = openSync("/dev/null", "r");
  for (const make of ["adopt", "duplicate"] as const) {
    const error = assertThrows(() => Socket[make](number), SyscallError, "adopt it as an FD");
    assertEquals(error.code, "ENOTSOCK");
    assertEquals(codeOf(() => Socket[make](987_654)), "EBADF");
    for (const bad of [-1, 1.5, NaN, 2 ** 31]) {
      assertThrows(() => Socket[make](bad), RangeError, `Socket.${make}: the number`);
    }
    for (const bad of [undefined, null, "3", 3n]) {
      assertThrows(() => Socket[make](bad as never), TypeError, `Socket.${make}: the number`);
    }
    const blocking = { blocking: 1 } as never;
    assertThrows(() => Socket[make](number, blocking), TypeError, `Socket.${make}: blocking`);
  }
  assert(isOpen(number));
  closeSync(number);
  const netlink = check("socket", libc.socket(16, posix.SOCK_RAW | posix.SOCK_CLOEXEC, 0));
  assertThrows(() => Socket.adopt(netlink), UnsupportedError, "a socket of type 3");
  libc.close(netlink);
  const datagrams = check("socket", libc.socket(16, posix.SOCK_DGRAM | posix.SOCK_CLOEXEC, 0));
  using other = Socket.adopt(datagrams);
  assertThrows(() => other.localAddress, UnsupportedError, "family 16");
});

test("X03 a Socket comes from its factories only", () => {
  const construct = Socket as unknown as new () => Socket;
  assertThrows(() => new construct(), TypeError, "factories of Socket");
});

// Accepting.

test("C21 accept: in the order in which they came, then null", () => {
  using listener = Socket.listen("127.0.0.1:0");
  assertEquals(listener.accept(), null);
  using stack = new DisposableStack();
  const clients = Array.from(
    { length: 5 },
    () => stack.use(Socket.connect(listener.localAddress, { blocking: true })),
  );
  const servers = clients.map(() => stack.use(accepted(listener)));
  assertEquals(
    servers.map(({ remoteAddress }) => remoteAddress),
    clients.map(({ localAddress }) => localAddress),
  );
  assertEquals(listener.accept(), null);
});

test("C21 accept: the address of a peer that is gone is still known", () => {
  using pair = connection();
  const { client, server } = pair;
  const address = client.localAddress;
  client.linger = 0;
  client.close();
  assert(readable(server, 1000));
  assertEquals(codeOf(() => server.read(new Uint8Array(1))), "ECONNRESET");
  assertEquals(server.remoteAddress, address);
  using same = Socket.duplicate(server.raw);
  assertEquals(same.remoteAddress, null); // getpeername(2) does not know it any more
});

test("C21 accept: a signal and a connection that broke are retried", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using _client = Socket.connect(listener.localAddress, { blocking: true });
  const lost = ["EINTR", "ECONNABORTED", "EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN"] as const;
  const more = ["ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "EINTR"] as const;
  using calls = failing("accept4", [...lost, ...more]);
  accepted(listener).close();
  assertEquals(calls.calls, lost.length + more.length + 1);
});

test("C21 accept: what is the listener's own fault is thrown, with the remedy", () => {
  using datagrams = Socket.bind("127.0.0.1:0");
  using pair = connection();
  using listener = Socket.listen("127.0.0.1:0");
  const says = (socket: Socket, code: string, remedy: string): void => {
    const error = assertThrows(() => socket.accept(), SyscallError, remedy);
    assertEquals([error.code, error.syscall, error.fd], [code, "accept4", socket.raw]);
  };
  says(datagrams, "EOPNOTSUPP", "call receiveFrom");
  says(pair.client, "EINVAL", "It does not listen");
  for (const [code, remedy] of [["EMFILE", "ulimit -n"], ["ENFILE", "fs.file-max"]] as const) {
    using _ = failing("accept4", [code]);
    says(listener, code, remedy);
  }
  using _ = failing("accept4", ["EPERM"]);
  assertEquals(codeOf(() => listener.accept()), "EPERM");
  listener.shutdown("both");
  says(listener, "EINVAL", "was shut down");
});

test("C21 accept: options that are not what they should be are refused", () => {
  using listener = Socket.listen("127.0.0.1:0");
  for (const name of ["blocking", "inherit"]) {
    const options = { [name]: 1 } as never;
    assertThrows(() => listener.accept(options), TypeError, `Socket.accept: ${name}`);
  }
});

// Addresses and errors.

test("C20 addresses: of Unix sockets with a path, a name and none", () => {
  using pair = connection("unix:");
  const unnamed = { family: "unix", path: "" };
  assertEquals([pair.client.localAddress, pair.server.remoteAddress], [unnamed, unnamed]);
  assertEquals(pair.client.remoteAddress, pair.server.localAddress);
  using two = socketPair();
  using left = Socket.duplicate(two.left.raw);
  assertEquals([left.localAddress, left.remoteAddress], [unnamed, unnamed]);
});

test("C20 credentials: who is at the other end of a Unix socket", () => {
  using pair = connection("unix:");
  const self = { pid: libc.getpid(), uid: libc.getuid(), gid: pair.client.credentials!.gid };
  assertEquals([pair.client.credentials, pair.server.credentials], [self, self]);
  using inet = connection();
  using listener = Socket.listen("unix:");
  using datagrams = Socket.bind("unix:");
  assertEquals(inet.client.credentials, null);
  assertEquals(datagrams.credentials, null);
  assertEquals(listener.credentials?.pid, libc.getpid()); // of who called listen(2)
});

test("C14 error: told once, and null when nothing is wrong", () => {
  using pair = connection();
  const { client, server } = pair;
  assertEquals([client.error, server.error], [null, null]);
  client.linger = 0;
  client.close();
  assert((poll(server, posix.POLLERR, 1000) & posix.POLLERR) !== 0);
  const { error } = server;
  assert(error instanceof SyscallError);
  assertEquals([error.code, error.errno, server.error], ["ECONNRESET", 104, null]);
});

// Reading and writing.

test("C20 read and write: would-block, bytes, the end", () => {
  using pair = connection();
  const stream: ReadWriter = pair.client;
  const buffer = new Uint8Array(64);
  assertEquals(stream.read(buffer), null);
  assertEquals(stream.write(encode("some")), 4);
  assertEquals(stream.write(new Uint8Array(0)), 0);
  assertEquals(receivedText(pair.server), "some");
  pair.server.shutdown("write");
  assertEquals(received(pair.client).length, 0);
  assertEquals(pair.client.write(encode("more")), 4); // the other side still goes
  assertEquals(receivedText(pair.server), "more");
});

for (const method of ["write", "send"] as const) {
  test(`C20 ${method}: null when there is no room, and all bytes arrive in order`, () => {
    using pair = connection();
    const block = new Uint8Array(65536);
    let sent = 0;
    for (;;) {
      for (let at = 0; at < block.length; at++) block[at] = (sent + at) % 251;
      const taken = pair.client[method](block);
      // What the other side's kernel is about to take makes room once more.
      if (taken === null && !writable(pair.client, 100)) break;
      sent += taken ?? 0;
    }
    assert(!writable(pair.client));
    assertGreater(sent, 65536);
    let read = 0;
    while (read < sent) {
      for (const byte of received(pair.server)) {
        if (byte !== read++ % 251) throw new Error(`byte ${read - 1} is ${byte}`);
      }
    }
    assertEquals(pair.server.read(block), null);
  });

  test(`C20 ${method}: to a peer that is gone is EPIPE, and no signal`, () => {
    using pair = connection("unix:");
    pair.server.close();
    assertEquals(codeOf(() => pair.client[method](new Uint8Array(1))), "EPIPE");
  });
}

test("C20 send with more waits for the rest of the packet", () => {
  using pair = connection();
  const { client, server } = pair;
  client.noDelay = true;
  assertEquals(client.send(encode("he"), { more: true }), 2);
  assert(!readable(server, 20));
  assertEquals(client.send(encode("llo")), 3);
  assertEquals(receivedText(server), "hello");
});

test("C20 receive with peek leaves the bytes where they are", () => {
  using pair = connection();
  pair.client.write(encode("hello"));
  assert(readable(pair.server, 1000));
  const buffer = new Uint8Array(3);
  assertEquals([pair.server.receive(buffer, { peek: true }), buffer[0]], [3, 0x68]);
  assertEquals(receivedText(pair.server), "hello");
  assertEquals(pair.server.receive(buffer, { peek: true }), null);
  pair.client.close();
  assert(readable(pair.server, 1000));
  assertEquals([pair.server.receive(buffer, { peek: true }), pair.server.receive(buffer)], [0, 0]);
});

test("C20 an urgent byte overtakes the others, and is null when there is none", () => {
  using pair = connection();
  const { client, server } = pair;
  const buffer = new Uint8Array(8);
  assertEquals(server.receive(buffer, { oob: true }), null);
  client.write(encode("abc"));
  assertEquals(client.send(encode("xy"), { oob: true }), 2); // the last one is urgent
  assert((poll(server, posix.POLLPRI, 1000) & posix.POLLPRI) !== 0);
  assertEquals([server.receive(buffer, { oob: true }), buffer[0]], [1, 0x79]);
  assertEquals(server.receive(buffer, { oob: true }), null);
  assertEquals(receivedText(server), "abcx");
});

test("C20 EINTR never reaches the user", () => {
  using pair = connection();
  using _sent = failing("sendto", ["EINTR", "EINTR"]);
  assertEquals(pair.client.send(encode("hello")), 5);
  assert(readable(pair.server, 1000));
  using _received = failing("recvfrom", ["EINTR", "EINTR"]);
  assertEquals(pair.server.receive(new Uint8Array(8)), 5);
});

test("C12 shutdown: each side by itself, and both", () => {
  using pair = connection();
  const { client, server } = pair;
  client.shutdown("write");
  assertEquals(codeOf(() => client.write(new Uint8Array(1))), "EPIPE");
  assertEquals(received(server).length, 0);
  server.write(encode("answer"));
  assertEquals(receivedText(client), "answer");
  client.shutdown("read");
  assertEquals(client.read(new Uint8Array(1)), 0);
  server.shutdown("both");
  assertEquals(codeOf(() => server.write(new Uint8Array(1))), "EPIPE");
  using lonely = Socket.bind("127.0.0.1:0");
  assertEquals(codeOf(() => lonely.shutdown("write")), "ENOTCONN");
  for (const bad of [undefined, null, 1, "all", ""]) {
    assertThrows(() => client.shutdown(bad as never), TypeError, "Socket.shutdown: the side");
  }
});

// Datagrams.

for (const address of ["127.0.0.1:0", "unix:"].concat(hasIPv6 ? ["[::1]:0"] : [])) {
  test(`C20 sendTo and receiveFrom at ${address}`, () => {
    using server = Socket.bind(address);
    using client = Socket.bind(address);
    const buffer = new Uint8Array(8);
    assertEquals(server.receiveFrom(buffer), null);
    for (const length of [3, 0, 8, 9]) {
      assertEquals(client.sendTo(new Uint8Array(length), server.localAddress), length);
    }
    const from = { address: client.localAddress };
    assert(readable(server, 1000));
    assertEquals(server.receiveFrom(buffer), { length: 3, truncated: false, ...from });
    assertEquals(server.receiveFrom(buffer), { length: 0, truncated: false, ...from });
    assertEquals(server.receiveFrom(buffer), { length: 8, truncated: false, ...from });
    assertEquals(server.receiveFrom(buffer), { length: 8, truncated: true, ...from });
    assertEquals(server.receiveFrom(buffer), null);
  });
}

test("C20 a datagram without a sender's address, and one that is too long", () => {
  using server = Socket.bind("unix:");
  using client = Socket.connect(server.localAddress, { type: "dgram" });
  client.write(new Uint8Array(3));
  const datagram = server.receiveFrom(new Uint8Array(2));
  assertEquals(datagram, { length: 2, truncated: true, address: null });
  using inet = Socket.bind("127.0.0.1:0");
  const long = new Uint8Array(65_536);
  assertEquals(codeOf(() => inet.sendTo(long, inet.localAddress)), "EMSGSIZE");
});

test("C20 messages in order have their lengths; a stream has none", () => {
  using pair = socketPair({ type: "seqpacket" });
  using right = Socket.duplicate(pair.right.raw);
  pair.left.write(new Uint8Array(5));
  const packet = right.receiveFrom(new Uint8Array(3));
  assertEquals(packet, { length: 3, truncated: true, address: null });
  using stream = connection();
  const { client, server } = stream;
  client.write(new Uint8Array(3));
  assertThrows(() => server.receiveFrom(new Uint8Array(1)), TypeError, "no datagrams: call read");
  assertEquals(received(server).length, 3); // nothing was thrown away
});

test("C20 sendTo refuses addresses that are none, and the kernel those of another family", () => {
  using socket = Socket.bind("127.0.0.1:0");
  for (const bad of [undefined, null, 80, "localhost:80", {}]) {
    const call = (): unknown => socket.sendTo(new Uint8Array(1), bad as never);
    assertThrows(call, TypeError, "Socket.sendTo: the address");
  }
  assertEquals(codeOf(() => socket.sendTo(new Uint8Array(1), "[::1]:9")), "EAFNOSUPPORT");
  assertEquals(codeOf(() => socket.sendTo(new Uint8Array(1), "unix:@x")), "EINVAL");
});

test("C20 a datagram that nobody wants comes back as ECONNREFUSED", () => {
  const nobody = deadAddress();
  using client = Socket.connect(nobody, { type: "dgram" });
  client.write(new Uint8Array(1));
  assert((poll(client, posix.POLLERR, 1000) & posix.POLLERR) !== 0);
  assertEquals(codeOf(() => client.read(new Uint8Array(1))), "ECONNREFUSED");
});

// Arguments, closing and sharing.

test("X03 buffers that are none are refused before any call", () => {
  using pair = connection();
  const client = pair.client as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const method of ["read", "write", "send", "receive", "sendTo", "receiveFrom"]) {
    for (const bad of [undefined, null, 8, "bytes", new ArrayBuffer(8), [1], {}]) {
      const call = (): unknown => client[method]!(bad, ...(method === "sendTo" ? ["unix:@x"] : []));
      assertThrows(call, TypeError, `Socket.${method}: the buffer`);
    }
  }
  for (const [method, name] of [["send", "more"], ["send", "oob"], ["receive", "peek"]] as const) {
    const options = { [name]: 1 };
    assertThrows(
      () => client[method]!(new Uint8Array(1), options),
      TypeError,
      `Socket.${method}: ${name}`,
    );
    assertThrows(() => client[method]!(new Uint8Array(1), 5), TypeError, `${method}: options`);
  }
});

test("X03 after close every method of Socket says so", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using _client = Socket.connect(listener.localAddress);
  const socket = accepted(listener);
  socket.close();
  socket.close();
  assertEquals([socket.raw, socket.valid, socket.closed], [-1, false, true]);
  const buffer = new Uint8Array(1);
  const calls: (() => unknown)[] = [
    () => socket.accept(),
    () => socket.read(buffer),
    () => socket.write(buffer),
    () => socket.send(buffer),
    () => socket.receive(buffer),
    () => socket.sendTo(buffer, "127.0.0.1:9"),
    () => socket.shutdown("both"),
    () => socket.localAddress,
    () => socket.remoteAddress,
    () => socket.listening,
    () => socket.error,
    () => socket.credentials,
    () => socket.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "Socket is closed");
  using datagrams = Socket.bind("unix:");
  datagrams.close();
  assertThrows(() => datagrams.receiveFrom(buffer), ClosedError, "Socket is closed");
});

test("I01 Socket.from takes what share() returned, and nothing else", () => {
  using socket = Socket.bind("127.0.0.1:0");
  const shared = socket.share();
  const same = Socket.from(structuredClone(shared));
  assertEquals([same.raw, same.type, same.localAddress], [
    socket.raw,
    "dgram",
    socket.localAddress,
  ]);
  for (const bad of [undefined, null, 3, {}, { ...shared, kind: "FD" }]) {
    assertThrows(() => Socket.from(bad as never), TypeError, "Socket.from takes");
  }
  for (const type of [undefined, null, "raw"]) {
    assertThrows(() => Socket.from({ ...shared, type } as never), TypeError, "Socket.from: type");
  }
  same.close();
  assertEquals(socket.closed, true);
});

test("I01 a listener is shared: another thread accepts, and closing there closes here", async () => {
  await using thread = begin();
  using listener = Socket.listen("127.0.0.1:0");
  assertEquals(await thread.call("type", listener.share()), "stream");
  assertEquals(await thread.call("accept", listener.share()), null);
  using client = Socket.connect(listener.localAddress, { blocking: true });
  assert(readable(listener, 1000));
  assertEquals(await thread.call("accept", listener.share()), client.localAddress);
  await thread.call("close", listener.share());
  assertThrows(() => listener.accept(), ClosedError);
});

test("C08 two threads send on one socket: every byte arrives", async () => {
  await using thread = begin();
  using pair = connection("unix:");
  const theirs = thread.call("sendOften", pair.client.share(), 1, 5000);
  let [mine, sum, count] = [0, 0, 0];
  while (count < 10_000) {
    if (mine < 5000) mine += pair.client.send(Uint8Array.of(2)) ?? 0;
    const buffer = new Uint8Array(4096);
    const length = pair.server.read(buffer) ?? 0;
    for (const byte of buffer.subarray(0, length)) sum += byte;
    count += length;
    if (length === 0) await turn(); // the call to the other thread is on its way
  }
  assertEquals([await theirs, count, sum], [5000, 10_000, 15_000]);
});

test("I02 closed during a blocking accept: it ends with a connection, then the number is free", async () => {
  await using thread = begin();
  const listener = Socket.listen("127.0.0.1:0", { blocking: true });
  const { raw, localAddress } = listener;
  const accepting = thread.call("accept", listener.share());
  await asleepOn(raw);
  listener.close();
  assertEquals([listener.raw, isOpen(raw)], [-1, true]);
  assertThrows(() => listener.accept(), ClosedError);
  using client = Socket.connect(localAddress, { blocking: true });
  assertEquals(await accepting, client.localAddress);
  assert(!isOpen(raw));
});

test("I02 closed during a blocking read: it ends with bytes, then the number is free", async () => {
  await using thread = begin();
  using pair = socketPair({ blocking: true });
  const socket = Socket.adopt(duplicateNumber(pair.left.raw), { blocking: true });
  const { raw } = socket;
  const reading = thread.call("read", socket.share());
  await asleepOn(raw);
  socket.close();
  assertEquals([socket.raw, isOpen(raw)], [-1, true]);
  pair.right.write(new Uint8Array(5));
  assertEquals(await reading, 5);
  assert(!isOpen(raw));
});

// Under a loop.

test("I19 a Loop accepts, connects, reads and writes sockets", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using client = Socket.connect(listener.localAddress);
  const texts: string[] = [];
  const answer = async (): Promise<void> => {
    await loop.readable(listener);
    using server = listener.accept()!;
    await loop.readable(server);
    texts.push(receivedText(server));
    server.write(encode("pong"));
  };
  const ask = async (): Promise<void> => {
    await loop.writable(client);
    assertEquals(client.error, null);
    client.write(encode("ping"));
    await loop.readable(client);
    texts.push(receivedText(client));
  };
  const work = Promise.all([answer(), ask()]);
  await loop.run();
  await work;
  assertEquals(texts, ["ping", "pong"]);
});

test.if(
  hasCommand("python3"),
  "there is no python3",
  "I19 a Loop and a program in python3: one thousand datagrams of their own length",
  async () => {
    using loop = Loop.create();
    using server = Socket.bind("127.0.0.1:0");
    const { localAddress } = server;
    assert(localAddress.family === "inet");
    const program = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
for n in range(1000):
    s.send(bytes(n))
    assert s.recv(8) == str(n).encode()
print("done", flush=True)`;
    await using peer = await start("python3", ["-c", program, String(localAddress.port)]);
    const buffer = new Uint8Array(2048);
    let count = 0;
    const watch = loop.watch(server, { readable: true }, () => {
      for (let datagram = server.receiveFrom(buffer); datagram !== null;) {
        assertEquals(datagram.length, count++);
        server.sendTo(encode(String(datagram.length)), datagram.address!);
        datagram = server.receiveFrom(buffer);
      }
      if (count === 1000) watch.cancel();
    });
    await loop.run();
    assertEquals(await peer.line(), "done");
  },
);

// Allocating nothing.

const SETUP = `import { Socket } from "${root}handles/socket.ts";
  import { socketPair } from "${root}handles/pipe.ts";
  const pair = socketPair();
  const left = Socket.adopt(pair.left.raw), right = Socket.adopt(pair.right.raw);
  const bytes = new Uint8Array(new ArrayBuffer(8)), options = { more: false, oob: false };`;

const HOT: Readonly<Record<string, string>> = {
  "write and read": `left.write(bytes); right.read(bytes);`,
  "read when there is nothing": `right.read(bytes);`,
  "send and receive": `left.send(bytes); right.receive(bytes);`,
  "send with options": `left.send(bytes, options); right.read(bytes);`,
};

for (const [name, call] of Object.entries(HOT)) {
  test(`I18 Socket allocates nothing: ${name}`, () =>
    assertNoAllocation({ setup: SETUP, call, calls: 50_000 }));
}

test("I18 Socket allocates nothing: accept when nobody waits", () =>
  assertNoAllocation({
    setup: `import { Socket } from "${root}handles/socket.ts";
      const listener = Socket.listen("127.0.0.1:0");`,
    call: `listener.accept();`,
    calls: 50_000,
  }));

test("I19 sockets beside other handles in one loop end with it", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("unix:");
  using counter = EventFD.create();
  using ends = pipe();
  const seen: string[] = [];
  loop.watch(counter, { readable: true, mode: "once" }, () => seen.push("counter"));
  loop.watch(ends.reader, { readable: true, mode: "once" }, () => seen.push("pipe"));
  loop.watch(listener, { readable: true }, () => {
    using server = listener.accept();
    seen.push(server === null ? "nobody" : "connection");
    loop.stop();
  });
  using client = Socket.connect(listener.localAddress);
  counter.signal();
  ends.writer.write(new Uint8Array(1));
  await loop.run();
  assertEquals([seen.sort(), client.error], [["connection", "counter", "pipe"], null]);
});
