import fs from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Epoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { recvFds, sendFds } from "../handles/send_fds.ts";
import { Socket } from "../handles/socket.ts";
import { formatAddress } from "../handles/socket_address.ts";
import { Loop } from "../loop/loop.ts";
import { start } from "./children.ts";
import { flagsOf, isOpen, readable } from "./probes.ts";
import { accepted, codeOf, connection, failing, receivedText } from "./socket_fixture.ts";
import { hasCommand, root, spawnScript, tempDir, test } from "./support.ts";

const one = (): Uint8Array => new Uint8Array(1);
const openCount = (): number => fs.readdirSync("/proc/self/fd").length;

test("C30 descriptors arrive as handles of their own, closed on exec", () => {
  using pair = socketPair();
  using ends = pipe({ inherit: true });
  assertEquals(sendFds(pair.left, [ends.reader, ends.writer.raw], Uint8Array.of(7, 8)), 2);
  ends.writer.close(); // what is on its way is open by itself
  const buffer = new Uint8Array(8);
  const received = recvFds(pair.right, buffer, 5)!;
  using stack = new DisposableStack();
  const [reader, writer] = received.descriptors.map((each) => stack.use(each));
  assert(reader instanceof FD && writer instanceof FD);
  assertEquals([received.length, buffer[0], buffer[1], buffer[2]], [2, 7, 8, 0]);
  assertEquals([received.descriptors.length, received.truncated], [2, false]);
  assertEquals([flagsOf(reader).cloexec, flagsOf(writer).cloexec], [true, true]);
  assert(reader.raw !== ends.reader.raw);
  writer.write(new Uint8Array(3));
  assertEquals(ends.reader.read(new Uint8Array(8)), 3);
});

test("C30 would-block, the end, and bytes without descriptors", () => {
  using pair = socketPair();
  assertEquals(recvFds(pair.right, one(), 1), null);
  pair.left.write(new Uint8Array(3));
  const plain = recvFds(pair.right, new Uint8Array(8), 1);
  assertEquals(plain, { length: 3, descriptors: [], truncated: false });
  pair.left.close();
  assertEquals(recvFds(pair.right, one(), 1), { length: 0, descriptors: [], truncated: false });
});

test("C30 one call receives the descriptors of one, and no bytes behind theirs", () => {
  using pair = socketPair();
  using first = EventFD.create({ initial: 1 });
  using second = EventFD.create({ initial: 2 });
  for (const counter of [first, second]) sendFds(pair.left, [counter], new Uint8Array(3));
  const values: (number | bigint)[] = [];
  // A room of 2 for messages of 3: the end of the first stands before the second.
  for (const room of [2, 9, 9]) {
    const { length, descriptors } = recvFds(pair.right, new Uint8Array(room), 9)!;
    values.push(length);
    for (const each of descriptors) {
      const value = new BigUint64Array(1);
      each.read(value);
      each.close();
      values.push(value[0]!);
    }
    if (room === 2) pair.left.write(new Uint8Array(1));
  }
  assertEquals(values, [2, 1n, 4, 2n, 1]);
});

test("C30 descriptors beyond max are closed, and it says so", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  for (const max of [0, 1, 2, 3]) {
    sendFds(pair.left, [counter, counter, counter], one());
    const before = openCount();
    const { descriptors, truncated } = recvFds(pair.right, one(), max)!;
    assertEquals([descriptors.length, truncated], [max, max < 3]);
    assertEquals(openCount(), before + max);
    for (const each of descriptors) each.close();
  }
});

test("C30 253 descriptors in one message, and no more", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  assertEquals(sendFds(pair.left, Array(253).fill(counter), one()), 1);
  const { descriptors, truncated } = recvFds(pair.right, one(), 253)!;
  assertEquals([descriptors.length, truncated], [253, false]);
  for (const each of descriptors) each.close();
  for (const descriptors of [[], Array(254).fill(counter)]) {
    const send = (): unknown => sendFds(pair.left, descriptors, one());
    assertThrows(send, RangeError, "how many descriptors there are");
  }
});

for (const length of [1, 65_536, 65_537, 150_000]) {
  test(`C30 a message of ${length} bytes arrives as it was, and so does the next`, () => {
    using pair = socketPair({ type: "seqpacket" });
    using counter = EventFD.create();
    const message = Uint8Array.from({ length }, (_, index) => index % 251);
    for (const bytes of [message, one()]) {
      assertEquals(sendFds(pair.left, [counter], bytes), bytes.length);
      const buffer = new Uint8Array(bytes.length + 1);
      const received = recvFds(pair.right, buffer, 1)!;
      received.descriptors[0]!.close();
      assertEquals([received.length, received.truncated], [bytes.length, false]);
      assert(buffer.subarray(0, -1).every((byte, index) => byte === bytes[index]));
    }
  });
}

test("C30 a message that is longer than the buffer is truncated, its descriptors are not", () => {
  using pair = socketPair({ type: "dgram" });
  using counter = EventFD.create();
  sendFds(pair.left, [counter], new Uint8Array(9));
  const { length, descriptors, truncated } = recvFds(pair.right, new Uint8Array(4), 1)!;
  assertEquals([length, descriptors.length, truncated], [4, 1, true]);
  descriptors[0]!.close();
});

test("C30 reading in another way leaves no descriptor behind", () => {
  using pair = socketPair();
  using right = Socket.duplicate(pair.right.raw);
  using counter = EventFD.create();
  const before = openCount();
  for (
    const read of [
      () => right.read(one()),
      () => right.receive(one()),
      () => pair.right.read(one()),
    ]
  ) {
    sendFds(pair.left, [counter], one());
    assertEquals([read(), openCount()], [1, before]);
  }
  sendFds(pair.left, [counter], one());
  right.receive(one(), { peek: true });
  assertEquals(openCount(), before);
});

test("C30 no room: null, and nothing was sent", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  const block = new Uint8Array(60_000);
  let sent = 0;
  for (let taken: number | null = 0; taken !== null; sent += taken ?? 0) {
    taken = sendFds(pair.left, [counter], block);
  }
  let [received, descriptors] = [0, 0];
  while (received < sent) {
    const part = recvFds(pair.right, block, 253)!;
    received += part.length;
    descriptors += part.descriptors.length;
    for (const each of part.descriptors) each.close();
  }
  assertEquals([received, descriptors], [sent, Math.ceil(sent / block.length)]);
  assertEquals(recvFds(pair.right, one(), 1), null);
});

test("C30 EINTR never reaches the user", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  using _sent = failing("sendmsg", ["EINTR", "EINTR"]);
  assertEquals(sendFds(pair.left, [counter], one()), 1);
  using _received = failing("recvmsg", ["EINTR", "EINTR"]);
  const { descriptors } = recvFds(pair.right, one(), 1)!;
  descriptors[0]!.close();
});

test("C30 what the kernel refuses reaches the caller by name", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  using inet = connection();
  const code = (through: FD | Socket | EventFD, descriptor: EventFD | number): string =>
    codeOf(() => sendFds(through, [descriptor], one()));
  assertEquals(code(pair.left, 987_654), "EBADF");
  for (const call of [() => code(inet.client, counter), () => recvFds(inet.client, one(), 1)]) {
    assertThrows(call, TypeError, "must be a Unix socket");
  }
  assertEquals(code(counter, counter), "ENOTSOCK");
  assertEquals(codeOf(() => recvFds(counter, one(), 1)), "ENOTSOCK");
  pair.right.close();
  const error = assertThrows(() => sendFds(pair.left, [counter], one()), SyscallError);
  assertEquals([error.code, error.syscall, error.fd], ["EPIPE", "sendmsg", pair.left.raw]);
});

test("X03 arguments that are none are refused before any call", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  const closed = EventFD.create();
  closed.close();
  for (const bad of [undefined, null, 3, {}]) {
    assertThrows(() => sendFds(bad as never, [counter], one()), TypeError, "sendFds: the socket");
    assertThrows(() => recvFds(bad as never, one(), 1), TypeError, "recvFds: the socket");
    assertThrows(() => sendFds(pair.left, bad as never, one()), TypeError, "the descriptors");
  }
  for (const bad of [undefined, null, "3", {}, 3n]) {
    const send = (): unknown => sendFds(pair.left, [counter, bad as never], one());
    assertThrows(send, TypeError, "sendFds: a descriptor");
  }
  for (const bad of [-1, 1.5, NaN, 2 ** 31]) {
    assertThrows(() => sendFds(pair.left, [bad], one()), RangeError, "sendFds: a descriptor");
  }
  for (const bad of [-1, 254, 1.5, NaN]) {
    assertThrows(() => recvFds(pair.left, one(), bad), RangeError, "recvFds: max");
  }
  assertThrows(() => recvFds(pair.left, one(), "1" as never), TypeError, "recvFds: max");
  for (const bad of [undefined, null, "x", new ArrayBuffer(1)]) {
    assertThrows(() => sendFds(pair.left, [counter], bad as never), TypeError, "the buffer");
    assertThrows(() => recvFds(pair.left, bad as never, 1), TypeError, "recvFds: the buffer");
  }
  const empty = new Uint8Array(0);
  assertThrows(() => sendFds(pair.left, [counter], empty), RangeError, "must have a byte");
  assertThrows(() => recvFds(pair.left, empty, 1), RangeError, "room for a byte");
  assertThrows(
    () => sendFds(pair.left, [counter, closed], one()),
    ClosedError,
    "EventFD is closed",
  );
  assertThrows(() => sendFds(closed, [counter], one()), ClosedError, "EventFD is closed");
  assertThrows(() => recvFds(closed, one(), 1), ClosedError, "EventFD is closed");
  assertEquals(recvFds(pair.right, one(), 1), null);
});

test("X03 a hole in the list is refused: it is not the descriptor 0", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  const list: EventFD[] = [];
  list[1] = counter;
  for (const holes of [new Array<number>(2), list]) {
    assertThrows(() => sendFds(pair.left, holes, one()), TypeError, "sendFds: a descriptor");
  }
  assertEquals(recvFds(pair.right, one(), 2), null);
});

test("X03 a list that closes or shares its handles while it is read sends no foreign descriptor", () => {
  using pair = socketPair();
  const counter = EventFD.create();
  const closing: EventFD[] = [counter, counter];
  Object.defineProperty(closing, 1, {
    get() {
      counter.close();
      return pair.left;
    },
  });
  assertThrows(() => sendFds(pair.left, closing, one()), ClosedError);
  assertEquals(recvFds(pair.right, one(), 2), null);

  using shared = EventFD.create();
  const sharing: EventFD[] = [shared, shared];
  Object.defineProperty(sharing, 1, {
    get() {
      shared.share();
      return shared;
    },
  });
  assertEquals(sendFds(pair.left, sharing, one()), 1);
  const number = shared.raw;
  shared.close();
  assertEquals(isOpen(number), false);
  for (const each of recvFds(pair.right, one(), 2)!.descriptors) each.close();
});

test("X03 a buffer that claims another length than it has neither leaks nor sends what is not its", () => {
  using pair = socketPair();
  using counter = EventFD.create();
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 100;
    }
  }
  sendFds(pair.left, [counter], new Uint8Array(100).fill(7));
  const short = new Liar(10);
  const first = recvFds(pair.right, short, 1)!;
  assertEquals([first.length, short[9]], [10, 7]);
  for (const each of first.descriptors) each.close();
  assertEquals(pair.right.read(new Uint8Array(200)), 90);
  assertEquals(sendFds(pair.left, [counter], new Liar(10)), 10);
  for (const each of recvFds(pair.right, new Uint8Array(200), 1)!.descriptors) each.close();
});

test("I02 a shared handle that is sent is held for the call, and given back", () => {
  using pair = socketPair();
  const counter = EventFD.create();
  const number = counter.raw;
  counter.share();
  sendFds(pair.left, [counter, counter], one());
  counter.close();
  assert(!isOpen(number));
  const { descriptors } = recvFds(pair.right, one(), 2)!;
  for (const each of descriptors) each.close();
});

test("R06 an epoll set goes over a Unix socket, whatever an old manual page says", () => {
  using pair = socketPair();
  using set = Epoll.create();
  using counter = EventFD.create({ initial: 1 });
  set.add(counter, EPOLL.IN, 42);
  sendFds(pair.left, [set], one());
  const { descriptors: [received] } = recvFds(pair.right, one(), 1)!;
  using _ = received!;
  assert(readable(received!));
  using same = Epoll.adopt(libc.fcntl(received!.raw, posix.F_DUPFD_CLOEXEC, 0));
  const events = new EpollEvents(1);
  assertEquals([same.wait(events, 0), events.dataLow(0)], [1, 42]);
});

test("C30 a pidfd that an adopted socket is set to receive is closed, not left", () => {
  using pair = socketPair();
  const SO_PASSPIDFD = 76; // asm-generic/socket.h, Linux 6.5
  const on = new Int32Array([1]);
  const result = libc.setsockopt(pair.right.raw, socket.SOL_SOCKET, SO_PASSPIDFD, on, 4);
  using counter = EventFD.create();
  const before = openCount();
  sendFds(pair.left, [counter], one());
  const { descriptors, truncated } = recvFds(pair.right, one(), 9)!;
  assertEquals([descriptors.length, truncated], [1, false]);
  assertEquals(openCount(), before + 1, `setsockopt(SO_PASSPIDFD) was ${result}`);
  descriptors[0]!.close();
});

test("C30 the limit of descriptors is met: what fits arrives, and the rest is lost and said so", async () => {
  const { stdout, stderr } = await spawnScript(`
    import { EventFD } from "${root}handles/event_fd.ts";
    import { socketPair } from "${root}handles/pipe.ts";
    import { recvFds, sendFds } from "${root}handles/send_fds.ts";
    import { leaveRoom, openNumbers } from "${root}tests/descriptor_limit.ts";
    const pair = socketPair();
    const counter = EventFD.create();
    recvFds(pair.right, new Uint8Array(1), 1); // binds what it calls
    sendFds(pair.left, Array(9).fill(counter), new Uint8Array(1));
    const before = openNumbers();
    leaveRoom(4);
    const { descriptors, truncated } = recvFds(pair.right, new Uint8Array(1), 9);
    const got = descriptors.length;
    for (const each of descriptors) each.close();
    console.log(got > 0 && got < 9, truncated, openNumbers().length - before.length);`);
  assertEquals(stdout.trim(), "true true 0", stderr);
});

const PYTHON = `
import select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
data, fds, flags, address = socket.recv_fds(s, 100, 4)
listener = socket.socket(fileno=fds[0])
print(data.decode(), len(fds), listener.getsockname()[1], flush=True)
select.select([listener], [], [])
client, address = listener.accept()
socket.send_fds(s, [b"connection"], [client.fileno()])
client.close()
listener.close()
s.recv(1)
`;

test.if(
  hasCommand("python3"),
  "there is no python3",
  "C30 a listener goes to a program in python3, and the connection that it accepts comes back",
  async () => {
    using dir = tempDir();
    using door = Socket.listen(`unix:${dir.path}/door`);
    await using python = await start("python3", ["-c", PYTHON, `${dir.path}/door`]);
    assert(readable(door, 5000));
    using channel = accepted(door);
    using listener = Socket.listen("127.0.0.1:0");
    const { localAddress } = listener;
    sendFds(channel, [listener], new TextEncoder().encode("listener"));
    listener.close();
    const port = formatAddress(localAddress).split(":")[1];
    assertEquals(await python.line(), `listener 1 ${port}`);
    using client = Socket.connect(localAddress);
    client.write(new TextEncoder().encode("through two programs"));

    using loop = Loop.create();
    const arrived = loop.readable(channel);
    await loop.run();
    await arrived;
    const buffer = new Uint8Array(100);
    const { length, descriptors: [received] } = recvFds(channel, buffer, 1)!;
    assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), "connection");
    using server = Socket.duplicate(received!.raw);
    received!.close();
    assertEquals(server.remoteAddress, client.localAddress);
    assertEquals(receivedText(server), "through two programs");
  },
);
