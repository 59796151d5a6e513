import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Duration,
  type DurationLike,
  readTimespec,
  toNanoseconds,
  writeTimespec,
} from "../handles/duration.ts";
import { test } from "./support.ts";

const MOST = 2n ** 63n - 1n;
const MOST_MS = 9_223_372_036_854;

const { Temporal } = globalThis as unknown as {
  Temporal?: { Duration: { from(text: string): DurationLike } };
};

/** A length of time on its way through a struct timespec. */
function throughTimespec(duration: Duration): bigint {
  const words = new Uint32Array(new ArrayBuffer(16)).fill(0xdead_beef);
  writeTimespec(words, 0, duration, "length");
  assert(words[2]! < 1e9, `${words[2]} is no tv_nsec`);
  assertEquals(words[3], 0);
  return readTimespec(words, 0);
}

/** Both ways to nanoseconds, which must be one. */
function nanoseconds(duration: Duration): bigint {
  const converted = toNanoseconds(duration, "length");
  assertEquals(throughTimespec(duration), converted, `timespec of ${duration}`);
  return converted;
}

test("a number is milliseconds", () => {
  const cases: [number, bigint][] = [
    [0, 0n],
    [-0, 0n],
    [1, 1_000_000n],
    [999, 999_000_000n],
    [1000, 1_000_000_000n],
    [1001, 1_001_000_000n],
    [4_294_967_296_000, 4_294_967_296_000_000_000n],
    [MOST_MS, 9_223_372_036_854_000_000n],
  ];
  for (const [duration, expected] of cases) assertEquals(nanoseconds(duration), expected);
});

test("decimal fractions are what they are written as, not a nanosecond more", () => {
  const cases: [number, bigint][] = [
    [0.1, 100_000n],
    [0.3, 300_000n],
    [2.5, 2_500_000n],
    [3.9, 3_900_000n],
    [1.000001, 1_000_001n],
    [123.456789, 123_456_789n],
    [999.999999, 999_999_999n],
    [1000.000001, 1_000_000_001n],
    [86_400_000.1, 86_400_000_100_000n],
  ];
  for (const [duration, expected] of cases) assertEquals(nanoseconds(duration), expected);
});

test("what a nanosecond cannot hold is rounded up, and nothing becomes zero", () => {
  const cases: [number, bigint][] = [
    [0.0000015, 2n],
    [0.0000001, 1n],
    [1e-12, 1n],
    [Number.MIN_VALUE, 1n],
    [1.0000001, 1_000_001n],
    [999.9999999, 1_000_000_000n],
    [1999.9999999, 2_000_000_000n],
  ];
  for (const [duration, expected] of cases) assertEquals(nanoseconds(duration), expected);
});

/** The exact value of a number of milliseconds, in nanoseconds, as a fraction. */
function exactly(duration: number): { above: bigint; below: bigint } {
  let shift = 0;
  while (!Number.isInteger(duration)) {
    duration *= 2;
    shift++;
  }
  return { above: BigInt(duration) * 1_000_000n, below: 1n << BigInt(shift) };
}

/** The same numbers in every run: xorshift32. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 0) / 2 ** 32;
  }
}

test("20,000 numbers of every size: never early, never a nanosecond late", () => {
  const next = random(2026);
  const roundings = [
    (value: number) => value,
    (value: number) => Math.round(value * 1000) / 1000,
    (value: number) => Math.round(value * 1e6) / 1e6,
    (value: number) => Math.floor(value / 1000) * 1000 + 999.9999,
    (value: number) => Math.floor(value),
  ];
  for (let round = 0; round < 20_000; round++) {
    const size = 2 ** (next.next().value * 63 - 20);
    const duration = Math.min(roundings[round % roundings.length]!(size), MOST_MS);
    const { above, below } = exactly(duration);
    const converted = nanoseconds(duration);
    // A thousandth of a nanosecond is the error that binary fractions are forgiven.
    assert(converted * below * 1000n >= above * 1000n - below, `${duration} ms is early`);
    assert((converted - 1n) * below < above || converted <= 1n, `${duration} ms is late`);
    assert(converted > 0n || duration === 0, `${duration} ms disarms`);
  }
});

test("a bigint is nanoseconds", () => {
  for (const exact of [0n, 1n, 999_999_999n, 10n ** 9n, 10n ** 9n + 1n, 2n ** 53n + 1n, MOST]) {
    assertEquals(nanoseconds(exact), exact);
  }
  assertEquals(nanoseconds(4_294_967_296n * 10n ** 9n + 7n), 4_294_967_296_000_000_007n);
});

test("a Temporal.Duration is itself, to the nanosecond", () => {
  assert(Temporal !== undefined, "both runtimes have Temporal");
  const cases: [string, bigint][] = [
    ["PT0S", 0n],
    ["PT0.000000001S", 1n],
    ["PT2.5S", 2_500_000_000n],
    ["PT1H", 3_600_000_000_000n],
    ["P1D", 86_400_000_000_000n],
    ["P100DT0.000000001S", 8_640_000_000_000_001n],
    ["PT12345678.123456789S", 12_345_678_123_456_789n],
  ];
  for (const [text, expected] of cases) {
    assertEquals(nanoseconds(Temporal.Duration.from(text)), expected, text);
  }
});

test("a Temporal.Duration that is negative, too long or has no length is refused", () => {
  assert(Temporal !== undefined, "both runtimes have Temporal");
  for (const text of ["-PT1S", "-PT0.000000001S", "P1M", "P1Y", "P200000D"]) {
    const duration = Temporal.Duration.from(text);
    assertThrows(() => toNanoseconds(duration, "length"), RangeError, "", text);
    assertThrows(() => throughTimespec(duration), RangeError, "", text);
  }
});

test("what is negative, not finite or too long is a RangeError that names it", () => {
  const bad = [
    -1,
    -1e-9,
    NaN,
    Infinity,
    -Infinity,
    MOST_MS + 1,
    2 ** 63,
    -1n,
    MOST + 1n,
    2n ** 64n,
  ];
  for (const duration of bad) {
    assertThrows(() => toNanoseconds(duration, "the length"), RangeError, "the length must be");
    const words = new Uint32Array(new ArrayBuffer(16));
    assertThrows(() => writeTimespec(words, 0, duration, "the length"), RangeError, "the length");
    assertEquals([...words], [0, 0, 0, 0], "nothing was written");
  }
});

test("what is no length of time is a TypeError that names it", () => {
  const bad = [undefined, null, "5", "PT5S", true, {}, [], new Date(0), () => 5, Symbol("5")];
  for (const duration of bad as never[]) {
    assertThrows(() => toNanoseconds(duration, "the length"), TypeError, "the length must be");
    assertThrows(() => throughTimespec(duration), TypeError, "length must be");
  }
  for (const total of [() => NaN, () => "x", () => undefined]) {
    const fake = { total } as unknown as Duration;
    assertThrows(() => toNanoseconds(fake, "the length"), Error, "the length must be");
  }
});

test("writeTimespec writes only its own words", () => {
  const words = new Uint32Array(new ArrayBuffer(32)).fill(7);
  writeTimespec(words, 4, 1.5, "length");
  assertEquals([...words], [7, 7, 7, 7, 0, 0, 1_500_000, 0]);
  writeTimespec(words, 0, 2n ** 33n * 10n ** 9n + 3n, "length");
  assertEquals([...words], [0, 2, 3, 0, 0, 0, 1_500_000, 0]);
  assertEquals([readTimespec(words, 0), readTimespec(words, 4)], [
    2n ** 33n * 10n ** 9n + 3n,
    1_500_000n,
  ]);
});
