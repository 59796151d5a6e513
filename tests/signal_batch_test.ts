import { assertEquals, assertThrows } from "@std/assert";
import { batchMemory, endRead, SignalBatch } from "../handles/signal_batch.ts";
import { test } from "./support.ts";

const WORDS = 32;

/** Fills a batch as a read would: each record is signo, code, pid, uid, value. */
function fill(batch: SignalBatch, records: readonly (readonly number[])[]): number {
  const words = new Int32Array(batchMemory(batch).buffer);
  records.forEach(([signo = 0, code = 0, ...rest], index) => {
    words[index * WORDS] = signo;
    words[index * WORDS + 2] = code;
    words.set(rest, index * WORDS + 4);
  });
  return endRead(batch, records.length * WORDS * 4);
}

test("I10 SignalBatch: what each record says, by the member it has", () => {
  const batch = new SignalBatch(4);
  assertEquals([batch.capacity, batch.count], [4, 0]);
  assertEquals(
    fill(batch, [[40, -1, 5, -6, -7], [17, 1, 8, 9, 3], [14, -2, 1, 2, 3], [29, 1, 2]]),
    4,
  );
  const each = <T>(ask: (record: number) => T): T[] => [0, 1, 2, 3].map(ask);
  assertEquals(each((record) => batch.signo(record)), [40, 17, 14, 29]);
  assertEquals(each((record) => batch.code(record)), [-1, 1, -2, 1]);
  assertEquals(each((record) => batch.pid(record)), [5, 8, 0, 0]);
  assertEquals(each((record) => batch.uid(record)), [0xffff_fffa, 9, 0, 0]);
  assertEquals(each((record) => batch.int(record)), [-7, 0, 3, 0]);
  assertEquals(each((record) => batch.status(record)), [0, 3, 0, 0]);
  assertEquals([...batch].map((info) => info.name), ["SIGRTMIN+6", "SIGCHLD", "SIGALRM", "SIGIO"]);
  for (const [record, info] of [...batch].entries()) {
    assertEquals(
      [info.pid, info.uid, info.int, info.status],
      [batch.pid(record), batch.uid(record), batch.int(record), batch.status(record)],
    );
  }
});

test("I10 SignalBatch: an info outlives the next read", () => {
  const batch = new SignalBatch(1);
  fill(batch, [[10, 0, 5]]);
  const info = batch.info(0);
  fill(batch, [[12, 0, 6]]);
  assertEquals([info.name, info.pid, batch.info(0).name], ["SIGUSR1", 5, "SIGUSR2"]);
});

test("I10 SignalBatch: markers are taken out, wherever they are", () => {
  const batch = new SignalBatch(6);
  assertEquals(fill(batch, [[0], [1], [0], [2], [3], [0]]), 3);
  assertEquals([...batch].map((info) => info.signo), [1, 2, 3]);
  assertEquals([fill(batch, [[0], [0]]), batch.count], [0, 0]);
  assertEquals(fill(batch, []), 0);
});

test("I10 SignalBatch: only records that the last read filled can be asked for", () => {
  const batch = new SignalBatch(3);
  const asks = ["signo", "code", "pid", "uid", "int", "status", "info"] as const;
  for (const ask of asks) {
    assertThrows(() => batch[ask](0), RangeError, "filled no record");
  }
  fill(batch, [[10], [12]]);
  for (const ask of asks) {
    for (const bad of [-1, 2, 0.5, NaN, 2 ** 53]) {
      assertThrows(() => batch[ask](bad), RangeError, "from 0 to 1");
    }
    for (const bad of [undefined, null, "0", 0n]) {
      assertThrows(() => batch[ask](bad as never), TypeError);
    }
  }
});

test("I10 SignalBatch: a capacity is a whole number from 1 to 65,536", () => {
  assertEquals(new SignalBatch(65536).capacity, 65536);
  for (const bad of [0, -1, 65537, 1.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(() => new SignalBatch(bad), RangeError, "the capacity");
  }
  for (const bad of [undefined, null, "8", 8n, {}]) {
    assertThrows(() => new SignalBatch(bad as never), TypeError, "the capacity");
  }
});
