import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SigSet } from "../handles/sig_set.ts";
import { test } from "./support.ts";

const ALL = 0xffff_ffff_ffff_ffffn;
const WRONG_TYPES = [null, undefined, 5n, true, {}, [], () => {}];

test("I08 SigSet: empty, and of a list of names and numbers", () => {
  assertEquals([new SigSet().bits, new SigSet([]).size], [0n, 0]);
  const set = new SigSet(["SIGTERM", 10, "SIGRTMIN", "SIGRTMAX", 10]);
  assertEquals(set.numbers(), [10, 15, 34, 64]);
  assertEquals([...set], ["SIGUSR1", "SIGTERM", "SIGRTMIN", "SIGRTMAX"]);
  assertEquals(set.toString(), "{SIGUSR1 SIGTERM SIGRTMIN SIGRTMAX}");
  assertEquals(Object.prototype.toString.call(set), "[object SigSet]");
  assertEquals(new SigSet(new Set<number>([1, 2])).numbers(), [1, 2]);
});

test("I08 SigSet: a signal is bit signal − 1, for all 64", () => {
  for (let signal = 1; signal <= 64; signal++) {
    const set = new SigSet().add(signal);
    assertEquals([set.bits, set.size], [1n << BigInt(signal - 1), 1]);
    for (let other = 1; other <= 64; other++) assertEquals(set.has(other), other === signal);
    assertEquals(set.del(signal).bits, 0n);
  }
});

test("I08 SigSet.bits and fromBits: there and back, bit 31 and 63 too", () => {
  for (const bits of [0n, 1n, 1n << 31n, 1n << 32n, 1n << 63n, ALL, 0x8000_0000_8000_0001n]) {
    assertEquals(SigSet.fromBits(bits).bits, bits);
  }
  assertEquals(SigSet.fromBits(ALL).size, 64);
  for (const bad of [-1n, ALL + 1n, -(1n << 70n)]) {
    assertThrows(() => SigSet.fromBits(bad), RangeError, "64 unsigned bits");
  }
  for (const bad of [0, "1", null, undefined]) {
    assertThrows(() => SigSet.fromBits(bad as never), TypeError, "must be a bigint");
  }
});

test("I08 SigSet.add and del change the set and answer it", () => {
  const set = new SigSet();
  assert(set.add("SIGHUP") === set && set.del("SIGHUP") === set);
  assertEquals(set.add(64).add(32).add(33).del(64).numbers(), [32, 33]);
  assertEquals([...set], ["signal 32", "signal 33"]);
});

test("I08 SigSet: numbers that are no signals are in no set and change none", () => {
  const set = SigSet.fromBits(ALL);
  for (const none of [0, 65, -1, 1000, -(2 ** 53), 2 ** 31, 2 ** 32 + 1]) {
    assertFalse(set.has(none));
    assertEquals(set.del(none).bits, ALL);
    assertEquals(new SigSet().add(none).bits, 0n);
  }
});

test("I08 SigSet: what is neither a name nor a whole number is refused", () => {
  for (const method of ["add", "del", "has"] as const) {
    for (const bad of WRONG_TYPES) {
      assertThrows(() => new SigSet()[method](bad as never), TypeError, "a signal is");
    }
    for (const bad of [1.5, NaN, Infinity, "SIGNONE", "", "TERM", "sigterm", "SIGRTMIN+31"]) {
      assertThrows(() => new SigSet()[method](bad as never), RangeError);
    }
  }
});

test("I08 SigSet: a list with a number that is no signal is refused", () => {
  for (const bad of [[0], [65], [-1], [10, 1.5], ["SIGNONE"]]) {
    assertThrows(() => new SigSet(bad as never), RangeError);
  }
  for (const bad of [null, 5, true, {}, "SIGTERM", [null], [{}], new Map()]) {
    if (bad instanceof Map) assertEquals(new SigSet(bad as never).bits, 0n);
    else assertThrows(() => new SigSet(bad as never), TypeError);
  }
});

test("I08 SigSet: copies and unions share nothing", () => {
  const one = new SigSet([1, 40]);
  const copy = new SigSet(one).add(2);
  const both = one.union(["SIGTERM", 64]);
  assertEquals([one.numbers(), copy.numbers()], [[1, 40], [1, 2, 40]]);
  assertEquals(both.numbers(), [1, 15, 40, 64]);
  assertEquals(one.union(copy).numbers(), [1, 2, 40]);
  assertThrows(() => one.union(7 as never), TypeError);
  assertEquals(one.bits, 0x80_0000_0001n);
});
