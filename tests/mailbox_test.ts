import { Worker } from "node:worker_threads";
import { assertEquals, assertThrows } from "@std/assert";
import { mailboxMemory, MailboxReader, MailboxWriter } from "../loop/mailbox.ts";
import { assertBytes, pattern, random } from "./conn_fixture.ts";
import { test } from "./support.ts";

/** Both ends of a mailbox, after so many bytes have gone through it. */
function mailbox(bytes: number, moved: number = 0): [MailboxWriter, MailboxReader] {
  const memory = mailboxMemory(bytes);
  new Int32Array(memory)[0] = moved | 0; // the head, and
  new Int32Array(memory)[16] = moved | 0; // the tail
  return [new MailboxWriter(memory), new MailboxReader(memory)];
}

/** What a reader has, after giving the writer its room as often as it asks for it. */
function all(writer: MailboxWriter, reader: MailboxReader): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (;;) {
    const record = reader.next();
    if (record !== null) records.push(record);
    else if (reader.takeWish()) writer.flush();
    else return records;
  }
}

test("mailbox: a record of every length from every place of the ring, also across its end", () => {
  for (const size of [8, 16, 32]) {
    for (let moved = 0; moved < size * 2; moved++) {
      for (let length = 0; length <= size * 3; length++) {
        const [writer, reader] = mailbox(size, moved);
        const bytes = pattern(length, moved);
        writer.send(bytes);
        const [record, ...rest] = all(writer, reader);
        assertBytes(record!, bytes, `ring ${size}, place ${moved}, length ${length}`);
        assertEquals([rest.length, writer.pending, reader.takeWish()], [0, 0, false]);
      }
    }
  }
});

test("mailbox: the counts go over 2^32 and over 2^31", () => {
  for (const edge of [2 ** 32, 2 ** 31]) {
    for (let before = 0; before < 40; before++) {
      const [writer, reader] = mailbox(32, edge - before);
      const sent = [pattern(9, before), pattern(3), pattern(40), pattern(0)];
      for (const bytes of sent) writer.send(bytes);
      const got = all(writer, reader);
      assertEquals(got.length, sent.length);
      sent.forEach((bytes, index) => assertBytes(got[index]!, bytes));
    }
  }
});

test("mailbox: parts are one record, and copied at the call", () => {
  const [writer, reader] = mailbox(8);
  const part = pattern(5);
  writer.send(part, new Uint8Array(0), part);
  part.fill(255);
  writer.send(part);
  const [first, second] = all(writer, reader);
  assertEquals([...first!], [...pattern(5), ...pattern(5)]);
  assertEquals([...second!], [255, 255, 255, 255, 255]);
});

test("mailbox: a full ring keeps the rest with the writer until the reader has made room", () => {
  const [writer, reader] = mailbox(16);
  for (let count = 0; count < 10; count++) writer.send(pattern(4, count));
  assertEquals(writer.pending, 10 * 8 - 16);
  writer.flush();
  assertEquals(writer.pending, 64, "without room nothing moves");
  assertBytes(reader.next()!, pattern(4, 0));
  assertBytes(reader.next()!, pattern(4, 1));
  assertEquals([reader.next(), reader.takeWish(), reader.takeWish()], [null, true, false]);
  writer.flush();
  assertEquals(writer.pending, 48);
  const rest = all(writer, reader);
  assertEquals(rest.length, 8);
  rest.forEach((record, index) => assertBytes(record, pattern(4, index + 2)));
});

test("mailbox: any sequence of sends, reads and flushes keeps order and bytes", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed);
    const [writer, reader] = mailbox(2 ** (3 + seed % 5), Math.floor(next() * 2 ** 32));
    let [sent, got] = [0, 0];
    const take = (): void => {
      const record = reader.next();
      if (record !== null) assertBytes(record, pattern(got * 7 % 90, got++), `seed ${seed}`);
    };
    for (let step = 0; step < 200; step++) {
      const choice = next();
      if (choice < 0.4) writer.send(pattern(sent * 7 % 90, sent++));
      else if (choice < 0.8) take();
      else writer.flush();
    }
    for (const record of all(writer, reader)) assertBytes(record, pattern(got * 7 % 90, got++));
    assertEquals(got, sent, `seed ${seed}`);
  }
});

test("mailbox: the size must be a power of two", () => {
  for (const bytes of [0, 4, 12, 2 ** 31, -8, 1.5, NaN]) {
    assertThrows(() => mailboxMemory(bytes), RangeError, "power of two");
  }
});

const ECHO = `
  import { workerData } from "node:worker_threads";
  const { MailboxReader, MailboxWriter } = await import(workerData.module);
  const { to, from, words, records } = workerData;
  const reader = new MailboxReader(to);
  const writer = new MailboxWriter(from);
  const bell = new Int32Array(words);
  const ring = () => { Atomics.add(bell, 1, 1); Atomics.notify(bell, 1); };
  for (let got = 0; got < records || writer.pending > 0;) {
    const seen = Atomics.load(bell, 0);
    const before = got;
    for (let record = reader.next(); record !== null; record = reader.next(), got++) {
      writer.send(record);
    }
    writer.flush();
    reader.takeWish();
    ring();
    if (got === before && (got < records || writer.pending > 0)) Atomics.wait(bell, 0, seen, 1000);
  }`;

/** Sends records to a thread that sends them back, through rings of so many bytes. */
async function throughThread(
  size: number,
  records: number,
  lengthOf: (n: number) => number,
): Promise<void> {
  const [to, from] = [mailboxMemory(size), mailboxMemory(size)];
  const words = new SharedArrayBuffer(8);
  const bell = new Int32Array(words);
  const module = new URL("../loop/mailbox.ts", import.meta.url).href;
  const source = `data:text/javascript,${encodeURIComponent(ECHO)}`;
  const thread = new Worker(new URL(source), {
    workerData: { module, to, from, words, records },
  });
  const gone = new Promise<unknown>((resolve) => {
    thread.on("error", resolve);
    thread.on("exit", resolve);
  });
  const writer = new MailboxWriter(to);
  const reader = new MailboxReader(from);
  for (let [sent, got] = [0, 0]; got < records;) {
    const seen = Atomics.load(bell, 1);
    for (let burst = 0; burst < 20 && sent < records && writer.pending === 0; burst++) {
      writer.send(pattern(lengthOf(sent), sent++));
    }
    writer.flush();
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
    let taken = 0;
    for (let record = reader.next(); record !== null; record = reader.next(), taken++) {
      assertBytes(record, pattern(lengthOf(got), got++), `record ${got}`);
    }
    reader.takeWish();
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
    if (taken > 0 || got === records) continue;
    const wait = Atomics.waitAsync(bell, 1, seen, 1000);
    if (wait.async) await wait.value;
  }
  assertEquals(await gone, 0);
}

test("mailbox: two threads, a small ring, records longer than it", async () => {
  await throughThread(64, 3000, (n) => n * 13 % 200);
});

test("mailbox: two threads, many short records and some of a megabyte", async () => {
  await throughThread(64 * 1024, 20_000, (n) => n % 2500 === 7 ? 1_000_000 : n % 60);
});
