import { assert, assertEquals } from "@std/assert";
import { Backlog } from "../loop/backlog.ts";
import { assertBytes, encode, joined, pattern, random } from "./conn_fixture.ts";
import { test } from "./support.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Two whole blocks: the first may be almost sent, and the last almost empty. */
const MORE = 2 * 64 * KIB;

/** Takes everything out, in pieces as large as they come. */
function take(backlog: Backlog): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let piece = backlog.peek(); piece !== null; piece = backlog.peek()) {
    pieces.push(piece.slice());
    backlog.shift(piece.byteLength);
  }
  return joined(pieces);
}

test("C09 an empty backlog holds nothing", () => {
  const backlog = new Backlog();
  assertEquals([backlog.size, backlog.capacity, backlog.peek()], [0, 0, null]);
  backlog.push(new Uint8Array(0));
  assertEquals([backlog.size, backlog.capacity, backlog.peek()], [0, 0, null]);
});

test("C06 bytes come out in the order in which they went in, whatever the sizes", () => {
  const sizes = [1, 1023, 1024, 1025, 65535, 65536, 65537, 3, 200_000, 1, 7];
  const all = pattern(sizes.reduce((sum, size) => sum + size, 0));
  const backlog = new Backlog();
  let at = 0;
  for (const size of sizes) backlog.push(all.subarray(at, at += size));
  assertEquals(backlog.size, all.byteLength);
  assertBytes(take(backlog), all);
  assertEquals([backlog.size, backlog.capacity], [0, 0]);
});

test("C06 it keeps copies: what is done to a buffer afterwards does not matter", () => {
  const backlog = new Backlog();
  const bytes = encode("abc");
  backlog.push(bytes);
  bytes.fill(0);
  assertBytes(take(backlog), encode("abc"));
});

test("C06 views of every kind of memory: an offset, a class of its own, shared memory", () => {
  class Odd extends Uint8Array {
    override subarray(): never {
      throw new Error("a program's own method was called");
    }
  }
  const backlog = new Backlog();
  backlog.push(pattern(100_010).subarray(10));
  backlog.push(new Odd(pattern(100_000)));
  const shared = new Uint8Array(new SharedArrayBuffer(100_000));
  shared.set(pattern(100_000));
  backlog.push(shared);
  const expected = joined([pattern(100_000, 10), pattern(100_000), pattern(100_000)]);
  assertBytes(take(backlog), expected);
});

test("C09 a few bytes hold no more than 1 KiB, so that thousands of backlogs are cheap", () => {
  const backlog = new Backlog();
  backlog.push(encode("0123456789"));
  assertEquals(backlog.capacity, KIB);
  for (let more = 0; more < 1000; more++) backlog.push(encode("0123456789"));
  assertEquals(backlog.size, 10_010);
  assert(backlog.capacity <= 4 * backlog.size, `${backlog.capacity} bytes for ${backlog.size}`);
});

test("C09 memory follows the bytes that wait, not those that were ever written", () => {
  const backlog = new Backlog();
  const chunk = pattern(10_000);
  for (let sent = 0; sent < 200 * MIB;) {
    while (backlog.size < MIB) backlog.push(chunk);
    assert(backlog.capacity <= backlog.size + MORE, `${backlog.capacity} for ${backlog.size}`);
    const { byteLength } = backlog.peek()!;
    backlog.shift(byteLength);
    sent += byteLength;
  }
});

test("C09 one large write: its memory goes block by block as it is sent", () => {
  const backlog = new Backlog();
  backlog.push(new Uint8Array(10 * MIB));
  while (backlog.size > 0) {
    assert(backlog.capacity <= backlog.size + MORE, `${backlog.capacity} for ${backlog.size}`);
    backlog.shift(Math.min(10_000, backlog.peek()!.byteLength));
  }
  assertEquals(backlog.capacity, 0);
});

test("C09 clear drops everything, and what comes after it is alone", () => {
  const backlog = new Backlog();
  backlog.push(pattern(300_000));
  backlog.shift(100);
  backlog.clear();
  assertEquals([backlog.size, backlog.capacity, backlog.peek()], [0, 0, null]);
  backlog.push(encode("next"));
  assertBytes(take(backlog), encode("next"));
});

test("C09 a block that was sent is used again, so that a backlog that stays makes no garbage", () => {
  const backlog = new Backlog();
  const seen = new Set<ArrayBuffer>();
  for (let round = 0; round < 100; round++) {
    backlog.push(new Uint8Array(64 * KIB));
    seen.add(backlog.peek()!.buffer);
    take(backlog);
  }
  assert(seen.size < 5, `${seen.size} blocks`);
});

test("C09 blocks that are used again bring nothing of their former owner", () => {
  const first = new Backlog();
  const second = new Backlog();
  first.push(new Uint8Array(200_000).fill(1));
  take(first);
  second.push(new Uint8Array(100_000).fill(2));
  first.push(new Uint8Array(100_000).fill(3));
  second.push(new Uint8Array(1).fill(4));
  assertBytes(take(second), joined([new Uint8Array(100_000).fill(2), new Uint8Array([4])]));
  assertBytes(take(first), new Uint8Array(100_000).fill(3));
});

test("C06 C09 a backlog agrees with a plain array over random steps", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const next = random(seed);
    const backlog = new Backlog();
    let [written, taken] = [0, 0];
    for (let step = 0; step < 1000; step++) {
      const size = Math.floor(next() ** 4 * 150_000);
      if (next() < 0.5) {
        backlog.push(pattern(size, written));
        written += size;
      } else {
        const piece = backlog.peek();
        if (piece === null) continue;
        const count = Math.min(size, piece.byteLength);
        assertBytes(piece, pattern(piece.byteLength, taken), `seed ${seed}, step ${step}`);
        backlog.shift(count);
        taken += count;
      }
      assertEquals(backlog.size, written - taken, `seed ${seed}, step ${step}`);
    }
  }
});

test("C29 append: one backlog behind the other, which is empty afterwards", () => {
  const one = new Backlog();
  const other = new Backlog();
  one.append(other);
  assertEquals(one.size, 0);
  one.push(pattern(100));
  other.push(pattern(200_000, 100));
  other.shift(50);
  one.append(other);
  assertEquals([one.size, other.size, other.capacity], [200_050, 0, 0]);
  assertBytes(take(one), joined([pattern(100), pattern(199_950, 150)]));
});
