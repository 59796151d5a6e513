import { assert, assertEquals, assertThrows } from "@std/assert";
import { MOST_CLAIMS, SignalLedger } from "../handles/signal_ledger.ts";
import type { SignalLedgerWorker } from "./signal_ledger_worker.ts";
import { test, worker } from "./support.ts";

const HIGH = 1n << 63n;
const noPage = (): bigint => 0n;

test("I09 SignalLedger: claims in their order, each with its page", () => {
  const ledger = new SignalLedger();
  assertEquals(ledger.claims(), []);
  const first = ledger.addClaim(0, () => HIGH | 1n)!;
  const second = ledger.addClaim(7, () => 2n)!;
  assert(first.id < second.id);
  assertEquals(first, { id: first.id, fd: 0, page: HIGH | 1n, bits: 0n });
  ledger.changeClaim(second.id, HIGH | 5n);
  assertEquals(ledger.claims(), [first, { ...second, bits: HIGH | 5n }]);
});

test("I09 SignalLedger: a page that was left is used again, a lost one is not, an id never", () => {
  const ledger = new SignalLedger();
  const one = ledger.addClaim(3, () => 11n)!;
  ledger.changeClaim(one.id, 4n);
  ledger.removeClaim(one.id, true);
  assertEquals(ledger.claims(), []);
  const two = ledger.addClaim(4, () => assertNever())!;
  assertEquals([two.page, two.bits], [11n, 0n]);
  ledger.removeClaim(two.id, false);
  const three = ledger.addClaim(5, () => 12n)!;
  assertEquals(three.page, 12n);
  assert(one.id < two.id && two.id < three.id);
  assertThrows(() => ledger.changeClaim(two.id, 1n), RangeError, "no claim");
});

function assertNever(): never {
  throw new Error("a second page was made");
}

test("I09 SignalLedger: a claim whose page cannot be made is none", () => {
  const ledger = new SignalLedger();
  assertThrows(() => ledger.addClaim(3, assertNever), Error, "a second page");
  assertEquals(ledger.claims(), []);
});

test("I09 SignalLedger: there is room for 128 claims", () => {
  const ledger = new SignalLedger();
  const ids = Array.from({ length: MOST_CLAIMS }, () => ledger.addClaim(1, noPage)!.id);
  assertEquals([new Set(ids).size, ledger.addClaim(1, noPage)], [128, null]);
  ledger.removeClaim(ids[64]!, true);
  const last = ledger.addClaim(2, noPage)!;
  assertEquals(ledger.claims().at(-1), last); // the newest is the last, wherever it lies
});

test("I09 SignalLedger: what threads had to unblock is taken signal by signal", () => {
  const ledger = new SignalLedger();
  assertEquals(ledger.takeUnblocked(HIGH | 7n), []);
  assert(ledger.addUnblocked({ thread: 5, start: 9, bits: HIGH | 3n }));
  assert(ledger.addUnblocked({ thread: 6, start: 8, bits: 4n }));
  assertEquals(ledger.takeUnblocked(8n), []);
  assertEquals(ledger.takeUnblocked(1n), [{ thread: 5, start: 9, bits: 1n }]);
  assertEquals(ledger.takeUnblocked(HIGH | 7n), [
    { thread: 5, start: 9, bits: HIGH | 2n },
    { thread: 6, start: 8, bits: 4n },
  ]);
  assertEquals(ledger.takeUnblocked(HIGH | 7n), []);
  for (let thread = 1; thread <= 64; thread++) {
    assert(ledger.addUnblocked({ thread, start: 1, bits: 1n }));
  }
  assert(!ledger.addUnblocked({ thread: 65, start: 1, bits: 1n }));
});

test("I09 SignalLedger: parked descriptors are taken once, 0 too, and more than fit are left", () => {
  const ledger = new SignalLedger();
  assertEquals(ledger.takeParked(), []);
  for (const fd of [0, 5, 3]) ledger.park(fd);
  assertEquals([ledger.takeParked(), ledger.takeParked()], [[0, 5, 3], []]);
  for (let fd = 0; fd < 100; fd++) ledger.park(fd);
  assertEquals(ledger.takeParked().length, 64);
});

test("I09 SignalLedger: the dispositions of 64 signals lie side by side", () => {
  const ledger = new SignalLedger();
  for (let signal = 1; signal <= 64; signal++) ledger.action(signal).fill(signal);
  for (let signal = 1; signal <= 64; signal++) {
    assert(ledger.action(signal).every((byte) => byte === signal));
  }
  assertEquals([ledger.claims(), ledger.takeParked()], [[], []]);
});

test("I09 SignalLedger: its memory is told from other memory", () => {
  const { memory } = new SignalLedger();
  assert(SignalLedger.isMemory(memory));
  const same = new SignalLedger(memory);
  same.addClaim(3, noPage);
  assertEquals(new SignalLedger(memory).claims(), same.claims());
  const blank = new SharedArrayBuffer(memory.byteLength);
  for (const other of [blank, new SharedArrayBuffer(64), new ArrayBuffer(64), null, {}, 7]) {
    assert(!SignalLedger.isMemory(other));
  }
});

const start = () =>
  worker<SignalLedgerWorker>(new URL("./signal_ledger_worker.ts", import.meta.url));

test("I09 SignalLedger.locked: one thread at a time, and an error opens it again", async () => {
  await using one = start();
  await using two = start();
  const ledger = new SignalLedger();
  assertThrows(() => ledger.locked(() => assertNever()), Error, "a second page");
  const counter = new SharedArrayBuffer(4);
  const counting = [one, two].map((thread) => thread.call("count", ledger.memory, counter, 2000));
  for (let time = 0; time < 2000; time++) {
    ledger.locked(() => new Int32Array(counter)[0]! += 1);
  }
  await Promise.all(counting);
  assertEquals(new Int32Array(counter)[0], 6000);
});

test("I09 SignalLedger.locked: a lock whose owner has died is taken over", async () => {
  const thread = start();
  const ledger = new SignalLedger();
  await thread.call("lockForEver", ledger.memory);
  await thread.terminate();
  assertEquals(ledger.locked(() => "inside"), "inside");
  assertEquals(ledger.locked(() => "again"), "again");
});
