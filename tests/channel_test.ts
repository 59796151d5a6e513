// A channel turn by turn, without a loop around it: what one report makes it read, write and tell.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { Borrowed } from "../handles/borrowed.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor } from "../handles/descriptor.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { pipe, type PipeEnds, socketPair } from "../handles/pipe.ts";
import { Socket } from "../handles/socket.ts";
import { sendWith } from "../handles/socket_messages.ts";
import { ReadinessChannel, type Sink } from "../loop/channel.ts";
import { Core } from "../loop/core.ts";
import { defaultPoller } from "../loop/default_poller.ts";
import { decode, drain, encode, fill, named, reset } from "./conn_fixture.ts";
import { connection } from "./socket_fixture.ts";
import { keepsErrors, NOT_URGENT, reportsUrgent, TAKES_ERRORS } from "./kqueue_fixture.ts";
import { deadline, test } from "./support.ts";

/** What a channel told, and the channel. */
class Ear {
  readonly seen: string[] = [];
  readonly core: Core;
  readonly channel: ReadinessChannel;
  received: (bytes: Uint8Array) => void = (bytes) => void this.seen.push(decode(bytes));

  constructor(core: Core, target: Descriptor | number) {
    const io = target instanceof Descriptor ? target : new Borrowed(target);
    this.core = core;
    const sink: Sink = {
      received: (bytes) => this.received(bytes),
      ended: () => void this.seen.push("ended"),
      gone: () => void this.seen.push("gone"),
      writable: () => void this.seen.push("writable"),
      failed: (error) => void this.seen.push(`failed ${named(error)}`),
      dropped: (reason) => void this.seen.push(`dropped ${(reason as Error)?.name}`),
    };
    this.channel = new ReadinessChannel(core, target, io, sink, null, "test");
  }

  /** Takes turns until nothing happens, and answers what was told since it was last asked. */
  turns(): string[] {
    for (let quiet = 0; quiet < 3;) {
      const { events } = this.core.counters;
      const told = this.seen.length;
      this.core.turn(quiet === 0 ? 0 : 2); // TCP may take a moment to deliver
      this.core.throwErrors();
      const happened = this.core.isBusy || this.seen.length > told ||
        this.core.counters.events > events;
      quiet = happened ? 0 : quiet + 1;
    }
    return this.seen.splice(0);
  }
}

/** The turns of one loop, whose own descriptors go at the end of the scope. */
function ownCore(): Core & Disposable {
  const core = new Core(defaultPoller());
  return Object.assign(core, { [Symbol.dispose]: () => core.close(new Error("the test is over")) });
}

/** What one read brings at most, and what one connection may read in one turn. */
const WHOLE = 64 * 1024;
const BUDGET = 128 * 1024;

test("C11 TCP: a short read has emptied it, and costs no second one", () => {
  using core = ownCore();
  using pair = connection();
  const ear = new Ear(core, pair.server);
  for (let message = 0; message < 10; message++) {
    pair.client.write(encode(`message ${message}`));
    assertEquals(ear.turns(), [`message ${message}`]);
  }
  assertEquals(core.counters.wouldBlocks, 0);
});

test("C11 TCP: what fills the buffer is read on until it would block", () => {
  using core = ownCore();
  using pair = connection();
  const ear = new Ear(core, pair.server);
  const sizes: number[] = [];
  ear.received = (bytes) => void sizes.push(bytes.byteLength);
  pair.client.write(new Uint8Array(WHOLE));
  ear.turns();
  assertEquals(sizes.reduce((sum, size) => sum + size), WHOLE);
});

test("C11 a Unix socket: descriptors that are sent along end a read, and what lies behind them comes", () => {
  using core = ownCore();
  using pair = socketPair();
  using freight = EventFD.create();
  const ear = new Ear(core, pair.left);
  sendWith(pair.right, [freight.raw], encode("with descriptors"));
  pair.right.write(encode("and behind them"));
  assertEquals(ear.turns(), ["with descriptors", "and behind them"]);
});

test.if(
  reportsUrgent,
  NOT_URGENT,
  "C11 TCP: an urgent byte ends a read, and what lies behind it comes",
  () => {
    using core = ownCore();
    using pair = connection();
    const ear = new Ear(core, pair.server);
    pair.client.write(encode("before"));
    pair.client.send(encode("!"), { oob: true });
    pair.client.write(encode("behind"));
    assertEquals(ear.turns().join(""), "beforebehind");
    pair.client.write(encode("later"));
    assertEquals(ear.turns(), ["later"]);
  },
);

test("C11 a pipe in packet mode: every packet comes, however short", () => {
  using core = ownCore();
  using ends = pipe();
  const flags = libc.fcntl(ends.writer.raw, posix.F_GETFL, 0);
  const O_DIRECT = 0o40000; // of x64; of arm64 it is O_DIRECTORY, and the pipe then has no packets
  libc.fcntl(ends.writer.raw, posix.F_SETFL, flags | O_DIRECT);
  const ear = new Ear(core, ends.reader);
  for (const packet of ["a", "bc", "def"]) ends.writer.write(encode(packet));
  assertEquals(ear.turns().join(""), "abcdef");
});

test("C11 RDHUP: bytes and the end in one report are told in that order", () => {
  using core = ownCore();
  for (const open of [connection, unixPair]) {
    using pair = open();
    const ear = new Ear(core, pair.server);
    pair.client.write(encode("last words"));
    pair.client.shutdown("write");
    assertEquals(ear.turns(), ["last words", "ended"]);
    pair.server.write(encode("answer"));
    assertEquals(decode(drain(pair.client).bytes), "answer");
    ear.channel.detach();
  }
});

test("C15 R09 the budget: one connection reads at most 128 KiB in a turn, then the others have theirs", () => {
  using core = ownCore();
  using firehose = largePipe();
  using quiet = socketPair();
  const loud = new Ear(core, firehose.reader);
  const soft = new Ear(core, quiet.left);
  let bytes = 0;
  loud.received = (part) => void (bytes += part.byteLength);
  for (let turn = 1; turn <= 4; turn++) {
    quiet.right.write(encode("ping"));
    core.turn(0);
    assertEquals([bytes, soft.seen.length], [turn * BUDGET, turn]);
    assertEquals([core.isBusy, core.counters.budgetHits], [true, turn]);
  }
  core.turn(0); // in which it is found empty
  assertEquals([bytes, core.isBusy], [4 * BUDGET, false]);
});

test("C15 R09 the budget counts reads as well: single bytes are no way around it", () => {
  using core = ownCore();
  using ends = pipe();
  const ear = new Ear(core, ends.reader);
  let reads = 0;
  // Each read is answered by one byte more: without a budget this goes on for ever.
  ear.received = () => {
    reads++;
    ends.writer.write(new Uint8Array(1));
  };
  ends.writer.write(new Uint8Array(1));
  core.turn(0);
  assert(reads > 1 && reads <= 32, `${reads} reads in one turn`);
});

test("C15 what is read on in a turn anyway is not read twice", () => {
  using core = ownCore();
  using firehose = largePipe();
  const ear = new Ear(core, firehose.reader);
  let bytes = 0;
  ear.received = (part) => void (bytes += part.byteLength);
  for (let turn = 1; turn <= 3; turn++) {
    core.turn(0);
    assertEquals(bytes, turn * BUDGET);
    firehose.writer.write(new Uint8Array(1)); // an edge
  }
});

test("C11 pause: nothing comes, and nothing is lost, wherever it is called", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  ear.channel.wantReadable(false);
  pair.right.write(encode("a"));
  assertEquals(ear.turns(), []);
  pair.right.write(encode("b"));
  assertEquals(ear.turns(), []);
  ear.channel.wantReadable(true);
  assertEquals(ear.turns(), ["ab"]);
  // Inside a read that has left something behind.
  ear.received = (bytes) => {
    ear.seen.push(`${bytes.byteLength}`);
    ear.channel.wantReadable(false);
  };
  const sent = WHOLE + 10;
  pair.right.write(new Uint8Array(sent));
  assertEquals(ear.turns(), [`${WHOLE}`]);
  ear.channel.wantReadable(true);
  assertEquals(ear.turns(), ["10"]);
  ear.channel.wantReadable(true);
  assertEquals(ear.turns(), []);
});

test("C11 pause and resume at once, in any order, lose nothing and read nothing twice", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  ear.received = (bytes) => {
    ear.seen.push(decode(bytes));
    ear.channel.wantReadable(false);
    ear.channel.wantReadable(true);
  };
  for (const text of ["one", "two", "three"]) {
    pair.right.write(encode(text));
    assertEquals(ear.turns(), [text]);
    ear.channel.wantReadable(false);
    pair.right.write(encode("more"));
    ear.channel.wantReadable(true);
    assertEquals(ear.turns(), ["more"]);
    ear.channel.wantReadable(false);
    pair.right.write(encode("and"));
    core.turn(0);
    ear.channel.wantReadable(true);
    ear.channel.wantReadable(false);
    assertEquals(ear.turns(), []);
    ear.channel.wantReadable(true);
    assertEquals(ear.turns(), ["and"]);
  }
});

test("C11 pausing between two parts of a large message: the rest waits for the resume", () => {
  using core = ownCore();
  using firehose = largePipe();
  const ear = new Ear(core, firehose.reader);
  let bytes = 0;
  ear.received = (part) => void (bytes += part.byteLength);
  core.turn(0);
  ear.channel.wantReadable(false);
  core.turn(0);
  core.turn(0);
  assertEquals([bytes, core.isBusy], [BUDGET, false]);
  ear.channel.wantReadable(true);
  ear.turns();
  assertEquals(bytes, 4 * BUDGET);
});

test.if(keepsErrors, TAKES_ERRORS, "C14 what came before a reset is told before it", () => {
  using core = ownCore();
  using pair = connection();
  const ear = new Ear(core, pair.server);
  pair.client.write(encode("last words"));
  reset(pair.client);
  assertEquals(ear.turns(), ["last words", "failed ECONNRESET"]);
});

test.if(keepsErrors, TAKES_ERRORS, "C14 a reset during a pause is told at once", () => {
  using core = ownCore();
  using pair = connection();
  const ear = new Ear(core, pair.server);
  ear.channel.wantReadable(false);
  reset(pair.client);
  assertEquals(ear.turns(), ["failed ECONNRESET"]);
});

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "C14 a peer that ended, and then broke off: both are told",
  () => {
    using core = ownCore();
    using pair = connection();
    const ear = new Ear(core, pair.server);
    pair.client.shutdown("write");
    assertEquals(ear.turns(), ["ended"]);
    reset(pair.client);
    const [failed] = ear.turns();
    assert(failed === "failed EPIPE" || failed === "failed ECONNRESET", failed);
  },
);

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "C14 a peer that ended and broke off before anybody looked did not end in an orderly way",
  () => {
    using core = ownCore();
    using pair = connection();
    const ear = new Ear(core, pair.server);
    pair.client.write(encode("last words"));
    pair.client.shutdown("write");
    reset(pair.client);
    const [words, failed, ...more] = ear.turns();
    assertEquals([words, more], ["last words", []]);
    assert(failed === "failed EPIPE" || failed === "failed ECONNRESET", failed);
  },
);

test.if(
  keepsErrors,
  TAKES_ERRORS,
  "C14 a Unix peer that is closed with bytes unread: ECONNRESET, behind its own last bytes",
  () => {
    using core = ownCore();
    using pair = socketPair();
    const ear = new Ear(core, pair.left);
    pair.left.write(encode("never read"));
    pair.right.write(encode("last words"));
    pair.right.close();
    assertEquals(ear.turns(), ["last words", "failed ECONNRESET"]);
  },
);

test.if(keepsErrors, TAKES_ERRORS, "C14 a refused connection is told by its name", () => {
  using core = ownCore();
  const { localAddress } = (() => {
    using listener = Socket.listen("127.0.0.1:0");
    return { localAddress: listener.localAddress };
  })();
  using client = Socket.connect(localAddress);
  const ear = new Ear(core, client);
  assertEquals(ear.turns(), ["failed ECONNREFUSED"]);
});

test("C12 a peer that is gone altogether takes no more: told after its end", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  pair.right.write(encode("bye"));
  pair.right.close();
  assertEquals(ear.turns(), ["bye", "ended", "gone"]);
});

test("C12 a peer that ends first, and is gone later: both are told when they happen", () => {
  using core = ownCore();
  using pair = unixPair();
  const ear = new Ear(core, pair.server);
  pair.client.shutdown("write");
  assertEquals(ear.turns(), ["ended"]);
  pair.client.close();
  assertEquals(ear.turns(), ["gone"]);
});

test("C12 a peer that is gone during a pause: told at once when nothing is unread, else after it", () => {
  using core = ownCore();
  using empty = socketPair();
  const ear = new Ear(core, empty.left);
  ear.channel.wantReadable(false);
  empty.right.close();
  assertEquals(new Set(ear.turns()), new Set(["ended", "gone"]));
  using full = socketPair();
  const other = new Ear(core, full.left);
  other.channel.wantReadable(false);
  full.right.write(encode("unread"));
  full.right.close();
  assertEquals(other.turns(), []);
  other.channel.wantReadable(true);
  assertEquals(other.turns(), ["unread", "ended", "gone"]);
});

test("C14 a pipe whose reader goes: EPIPE, without a byte being written", () => {
  using core = ownCore();
  using ends = pipe();
  const ear = new Ear(core, ends.writer);
  assertEquals([ear.channel.reads, ear.channel.writes], [false, true]);
  ends.reader.close();
  assertEquals(ear.turns(), ["failed EPIPE"]);
});

test("C11 a pipe whose writer goes: its bytes, then its end", () => {
  using core = ownCore();
  using ends = pipe();
  const ear = new Ear(core, ends.reader);
  assertEquals([ear.channel.reads, ear.channel.writes], [true, false]);
  ends.writer.write(encode("bytes"));
  ends.writer.close();
  assertEquals(ear.turns(), ["bytes", "ended", "gone"]);
});

test("C06 room is told only where it was asked for, and asking when there is some tells at once", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  assertEquals(ear.turns(), []);
  ear.channel.wantWritable(true);
  assertEquals(ear.turns(), ["writable"]);
  fill(pair.left);
  assertEquals([ear.channel.write(encode("x")), ear.turns()], [0, []]);
  drain(pair.right);
  assertEquals(ear.turns(), ["writable"]);
  ear.channel.wantWritable(false);
  fill(pair.left);
  drain(pair.right);
  assertEquals(ear.turns(), []);
});

test("C06 asking for room and reading share one registration, and disturb each other in nothing", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  for (let round = 0; round < 5; round++) {
    ear.channel.wantWritable(true);
    pair.right.write(encode("x"));
    assertEquals(new Set(ear.turns()), new Set(["writable", "x"]));
    ear.channel.wantReadable(false);
    pair.right.write(encode("y"));
    ear.channel.wantWritable(false);
    ear.channel.wantWritable(true);
    assertEquals(new Set(ear.turns()), new Set(["writable"]));
    ear.channel.wantReadable(true);
    assertEquals(ear.turns().filter((one) => one !== "writable"), ["y"]);
    ear.channel.wantWritable(false);
  }
});

test("C02 a number that its owner closes behind our back: EBADF, once, and no turn is spun on it", () => {
  using core = ownCore();
  using pair = socketPair();
  using copy = FD.duplicate(pair.left.raw); // keeps the file, and so the registration
  const number = check("fcntl", libc.fcntl(pair.left.raw, posix.F_DUPFD_CLOEXEC, 900));
  const ear = new Ear(core, number);
  libc.close(number);
  pair.right.write(encode("x"));
  assertEquals(ear.turns(), ["failed EBADF"]);
  assertThrows(() => ear.channel.write(encode("y")), Error, "EBADF");
  ear.channel.wantWritable(true);
  assertEquals(ear.seen.splice(0), ["failed EBADF"]);
  ear.channel.detach();
  ear.channel.detach();
  assertEquals(ear.turns(), []);
  assert(copy.valid);
});

test("C05 detached, it tells nothing more, and the descriptor is free for the next", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  pair.right.write(encode("x"));
  ear.channel.detach();
  const next = new Ear(core, pair.left);
  assertEquals([next.turns(), ear.seen], [["x"], []]);
  // Also where the rest of a turn is pending.
  next.received = () => next.channel.detach();
  pair.right.write(new Uint8Array(2 * WHOLE));
  assertEquals(next.turns(), []);
  assertEquals(core.isBusy, false);
});

test("C05 a handle that is closed tells so, once; nothing is read afterwards", () => {
  using core = ownCore();
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  ear.received = () => pair.left.close();
  pair.right.write(new Uint8Array(2 * WHOLE));
  assertEquals(ear.turns(), ["dropped ClosedError"]);
  ear.channel.detach();
});

test("C02 what cannot be carried is refused, and nothing is left of it", async () => {
  using core = ownCore();
  using blocking = socketPair({ blocking: true });
  assertThrows(() => new Ear(core, blocking.left), TypeError, "setNonblock(true)");
  for (const type of ["dgram", "seqpacket"] as const) {
    using pair = socketPair({ type });
    assertThrows(() => new Ear(core, pair.left), TypeError, "messages");
  }
  using file = FD.adopt(libc.open(encode("/proc/self/status\0"), posix.O_NONBLOCK, 0));
  assertThrows(() => new Ear(core, file), Error, "EPERM");
  const closed = EventFD.create();
  closed.close();
  assertThrows(() => new Ear(core, closed), ClosedError);
  assertThrows(() => new Ear(core, 0x7fff_fff0), Error, "EBADF");
  assertEquals([core.registry.active, core.hasWork], [0, false]);
  using pair = socketPair();
  const ear = new Ear(core, pair.left);
  assertThrows(() => new Ear(core, pair.left), Error, "EEXIST");
  await assertRejects(() => core.registry.wait(pair.left, "readers", undefined, "x"), "EEXIST");
  pair.right.write(encode("still there"));
  assertEquals(ear.turns(), ["still there"]);
});

test("C12 the writing side ends: the peer reads it, also when it is gone already", async () => {
  using core = ownCore();
  using pair = connection();
  const ear = new Ear(core, pair.server);
  ear.channel.endWriting();
  await deadline(
    5000,
    new Promise<void>((resolve) => {
      const look = (): void => drain(pair.client).ended ? resolve() : void setTimeout(look, 1);
      look();
    }),
    "the end",
  );
  using other = connection();
  const broken = new Ear(core, other.server);
  reset(other.client);
  assertThrows(() => broken.channel.endWriting(), Error, "ECONNRESET");
  using ends = pipe();
  new Ear(core, ends.writer).channel.endWriting(); // a pipe has no such side
});

/** A pipe with four times the budget in it. */
function largePipe(): PipeEnds {
  const ends = pipe();
  check("fcntl", libc.fcntl(ends.writer.raw, linux.F_SETPIPE_SZ, 4 * BUDGET), ends.writer.raw);
  assertEquals(fill(ends.writer), 4 * BUDGET);
  return ends;
}

/** A Unix socket pair in the shape of a connection. */
function unixPair(): { client: Socket; server: Socket } & Disposable {
  using pair = socketPair();
  const client = Socket.duplicate(pair.left.raw);
  const server = Socket.duplicate(pair.right.raw);
  return {
    client,
    server,
    [Symbol.dispose]() {
      client.close();
      server.close();
    },
  };
}
