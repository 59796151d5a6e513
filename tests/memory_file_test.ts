// Files in memory: pipes, sockets and counters. How they wake and fill, the differential test shows.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { EventPollError } from "../loop/event_poll_error.ts";
import { MemoryCounter } from "../loop/memory_counter.ts";
import { MemoryFile } from "../loop/memory_file.ts";
import { memoryPipe, MemoryPipeReader } from "../loop/memory_pipe.ts";
import { MemorySocket, memorySocketPair } from "../loop/memory_socket.ts";
import { test } from "./support.ts";

const { IN, OUT, ERR, HUP, RDHUP } = EventMask;
const ALL = 0xffff;

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

test("memory pipe: bytes in order, through any kind of view, over the ends of pages", () => {
  using ends = memoryPipe();
  const { reader, writer } = ends;
  assertEquals(reader.read(new Uint8Array(4)), null);
  const sent = Uint8Array.from({ length: 50_000 }, (_, index) => index % 251);
  for (let at = 0; at < sent.length;) {
    at += writer.write(new DataView(sent.buffer, at, Math.min(777, sent.length - at)))!;
  }
  const got = new Uint16Array(25_000);
  assertEquals(reader.read(got), 50_000);
  assertEquals(new Uint8Array(got.buffer), sent);
  assertEquals([reader.read(new Uint8Array(1)), writer.write(bytes()), reader.read(bytes())], [
    null,
    0,
    0,
  ]);
});

test("memory pipe: full by pages, a write that fits in one is whole or not at all", () => {
  using ends = memoryPipe();
  assertEquals(ends.writer.write(new Uint8Array(65_000)), 65_000);
  assertEquals(ends.writer.write(new Uint8Array(600)), null, "536 are free in the last page");
  assertEquals(ends.writer.write(new Uint8Array(536)), 536);
  assertEquals(ends.writer.readiness(ALL) & OUT, 0);
  assertEquals(ends.reader.read(new Uint8Array(4095)), 4095);
  assertEquals(ends.writer.readiness(ALL) & OUT, 0);
  assertEquals(ends.reader.read(new Uint8Array(1)), 1);
  assertEquals(ends.writer.readiness(ALL) & OUT, OUT);
});

test("memory pipe: the end of either end", () => {
  const { reader, writer } = memoryPipe();
  writer.write(bytes(1));
  writer.close();
  assertEquals(reader.readiness(ALL) & (IN | HUP), IN | HUP);
  assertEquals([reader.read(new Uint8Array(4)), reader.read(new Uint8Array(4))], [1, 0]);
  reader.close();
  const other = memoryPipe();
  other.reader.close();
  assertEquals(other.writer.readiness(ALL) & ERR, ERR);
  const error = assertThrows(() => other.writer.write(bytes(1)), EventPollError);
  assertEquals([error.code, error.errno, error.syscall], ["EPIPE", 32, "write"]);
  other.writer.close();
});

test("memory socket: both directions, shutdown, and what a close leaves", () => {
  using pair = memorySocketPair();
  const { left, right } = pair;
  left.write(bytes(1, 2));
  right.write(bytes(3));
  const room = new Uint8Array(8);
  assertEquals([right.read(room), left.read(room), left.read(room)], [2, 1, null]);
  left.shutdown("write");
  assertEquals(right.readiness(ALL) & (IN | RDHUP | HUP), IN | RDHUP);
  assertEquals([right.read(room), right.write(bytes(1))], [0, 1]);
  assertEquals(assertThrows(() => left.write(bytes(1)), EventPollError).code, "EPIPE");
  left.close();
  assertEquals(right.readiness(ALL) & (ERR | HUP), ERR | HUP);
  const error = assertThrows(() => right.read(room), EventPollError);
  assertEquals([error.code, right.read(room)], ["ECONNRESET", 0]);
  assertThrows(() => right.shutdown("x" as "read"), TypeError);
});

test("memory counter: eventfd's limits, and a semaphore", () => {
  using counter = MemoryCounter.create({ initial: 3 });
  assertEquals([counter.wait(), counter.wait()], [3n, null]);
  assertEquals([counter.signal(2n ** 64n - 2n), counter.signal()], [true, false]);
  assertEquals(counter.readiness(ALL), IN);
  assertEquals([counter.wait(), counter.readiness(ALL)], [2n ** 64n - 2n, OUT]);
  assertEquals([counter.signal(0), counter.wait()], [true, null]);
  using semaphore = MemoryCounter.create({ initial: 2, semaphore: true });
  assertEquals([semaphore.wait(), semaphore.wait(), semaphore.wait()], [1n, 1n, null]);
  assertThrows(() => counter.signal(2n ** 64n - 1n), RangeError);
  assertThrows(() => counter.signal(-1), RangeError);
  assertThrows(() => counter.signal("1" as unknown as number), TypeError);
  assertThrows(() => MemoryCounter.create({ initial: 2n ** 64n - 1n }), RangeError);
  assertThrows(() => MemoryCounter.create({ semaphore: 1 as unknown as boolean }), TypeError);
});

test("memory files: made by their factories, closed once, and nothing after that", () => {
  const pipe = memoryPipe();
  const pair = memorySocketPair();
  const counter = MemoryCounter.create();
  const files = [pipe.reader, pipe.writer, pair.left, pair.right, counter];
  for (const file of files) {
    assert(file instanceof MemoryFile);
    const copy: MemoryFile = file.dup();
    assertEquals([copy.file === file.file, copy === (file as MemoryFile)], [true, false]);
    copy.close();
    assertEquals([file.closed, copy.closed, file.readiness(ALL) >= 0], [false, true, true]);
    file.close();
    file.close();
    assertEquals([file.closed, file.readiness(ALL)], [true, 0]);
    assertThrows(() => file.dup(), Error, `${file[Symbol.toStringTag]} is closed`);
    using poll = new EventPoll();
    assertThrows(() => poll.addEntry({ file }, 0, IN, 1), Error, "is closed");
    assertEquals(poll.size, 0);
  }
  const calls = [
    () => pipe.reader.read(bytes(1)),
    () => pipe.writer.write(bytes(1)),
    () => pair.left.read(bytes(1)),
    () => pair.left.write(bytes(1)),
    () => pair.left.shutdown("both"),
    () => counter.signal(),
    () => counter.wait(),
  ];
  for (const call of calls) assertThrows(call, Error, "is closed");
  assertThrows(() => new MemorySocket(Symbol("x"), {}), TypeError, "memorySocketPair()");
  assertThrows(() => new MemoryPipeReader(Symbol("x"), {}), TypeError, "memoryPipe()");
  assertThrows(() => new MemoryCounter(Symbol("x"), {}), TypeError, "MemoryCounter.create()");
  assertThrows(() => memoryPipe().reader.read([] as unknown as Uint8Array), TypeError, "buffer");
});
