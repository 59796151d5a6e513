import { assert, assertEquals, assertRejects } from "@std/assert";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Loop } from "../loop/loop.ts";
import { deadline, test } from "./support.ts";

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

test("X04 streams carry bytes both ways and end with the peer", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const left = loop.streams(pair.left);
  const right = loop.streams(pair.right);
  const echo = right.readable.pipeTo(right.writable);
  const writer = left.writable.getWriter();
  const answer = new Response(left.readable).text();
  await writer.write(encode("hello, "));
  await writer.write(encode("world"));
  await writer.close();
  assertEquals(await deadline(5000, answer, "the answer"), "hello, world");
  await Promise.all([echo, left.closed, right.closed]);
});

test("X04 back-pressure: a writer waits for the reader, and memory is bounded by the kernel's", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const left = loop.streams(pair.left);
  const right = loop.streams(pair.right);
  const writer = left.writable.getWriter();
  const block = new Uint8Array(64 * 1024);
  const total = 16 * 1024 * 1024;
  let written = 0;
  const writing = (async () => {
    for (; written < total; written += block.byteLength) await writer.write(block);
    await writer.close();
  })();
  await new Promise((resolve) => loop.setTimer(20, () => resolve(undefined)));
  assert(written < 2 * 1024 * 1024, `${written} bytes went ahead of a reader that reads nothing`);
  let read = 0;
  for await (const chunk of right.readable) read += chunk.byteLength;
  await writing;
  assertEquals(read, total);
  await right.writable.close();
  await Promise.all([left.closed, right.closed]);
});

test("X04 a reader may bring its own buffer", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const { readable } = loop.streams(pair.left);
  pair.right.write(encode("abcdef"));
  const reader = readable.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(4));
  assertEquals(new TextDecoder().decode(first.value), "abcd");
  const second = await reader.read(new Uint8Array(4));
  assertEquals(new TextDecoder().decode(second.value), "ef");
  await reader.cancel();
  loop.unregisterConn(pair.left);
});

test("X04 pipes: the reading end ends with its writer, the writing end with its reader", async () => {
  using loop = Loop.create({ attached: true });
  using ends = pipe();
  const source = loop.streams(ends.reader);
  const sink = loop.streams(ends.writer);
  const text = new Response(source.readable).text();
  const writer = sink.writable.getWriter();
  await writer.write(encode("through a pipe"));
  await writer.close();
  await deadline(5000, sink.closed, "the writing end");
  ends.writer.close();
  assertEquals(await deadline(5000, text, "the text"), "through a pipe");
  await deadline(5000, source.closed, "the reading end");
});

test("X04 a peer that breaks off errors both directions", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const { writable, closed } = loop.streams(pair.left);
  const writer = writable.getWriter();
  pair.right.close();
  await assertRejects(async () => {
    for (;;) await writer.write(new Uint8Array(1024));
  }, Error);
  await assertRejects(() => deadline(5000, closed, "the end"), Error, "EPIPE");
});

test("X04 a write that waits when the connection ends is rejected: the kernel has not taken it", async () => {
  for (const breaks of ["peer", "handle"] as const) {
    using loop = Loop.create({ attached: true });
    using pair = socketPair();
    const { writable, closed } = loop.streams(pair.left);
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    const written = writer.write(new Uint8Array(10_000_000));
    using _break = loop.setTimer(5, () => (breaks === "peer" ? pair.right : pair.left).close());
    await deadline(5000, assertRejects(() => written, Error), "the write");
    await closed.catch(() => {});
  }
});

test("X04 a peer that ends in the middle of an element errors the reader, and nobody else", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const { readable, closed } = loop.streams(pair.left);
  const element = readable.getReader({ mode: "byob" }).read(new Uint16Array(4));
  pair.right.write(new Uint8Array(1));
  using _end = loop.setTimer(5, () => pair.right.close());
  await deadline(5000, assertRejects(() => element, TypeError), "the reader");
  await deadline(5000, closed, "the end of both");
});

test("X04 closed settles when the reader has cancelled and the writer has closed, in either order", async () => {
  for (const first of ["cancel", "close"] as const) {
    using loop = Loop.create({ attached: true });
    using pair = socketPair();
    const { readable, writable, closed } = loop.streams(pair.left);
    pair.right.write(encode("nobody reads it"));
    if (first === "cancel") await readable.cancel();
    await writable.close();
    if (first === "close") await readable.cancel();
    await deadline(5000, closed, `closed after ${first}`);
    assertEquals(loop.metrics().connections, 0);
  }
});

test("X04 cancelling what is only read ends it", async () => {
  using loop = Loop.create({ attached: true });
  using ends = pipe();
  const { readable, closed } = loop.streams(ends.reader);
  await readable.cancel();
  await deadline(5000, closed, "closed");
});

test("X04 what cannot be written ends the connection, as an abort does", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const { writable, closed } = loop.streams(pair.left);
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  await assertRejects(() => writer.write("text" as never), TypeError, "typed array");
  await deadline(5000, closed, "closed");
});
