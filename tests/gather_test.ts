import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { gather, viewsOf } from "../loop/gather.ts";
import { assertBytes, decode, encode, joined, pattern, random } from "./conn_fixture.ts";
import { test } from "./support.ts";

const PIECE = 64 * 1024;

/** The pieces that are sent: their sizes, and copies of them all together. */
function pieces(parts: readonly Uint8Array[]): { sizes: number[]; all: Uint8Array } {
  const sent: Uint8Array[] = [];
  gather(parts, (piece) => sent.push(piece.slice()) > 0);
  return { sizes: sent.map(({ byteLength }) => byteLength), all: joined(sent) };
}

test("C10 what is to be sent together is an array of buffers, of at most 1024", () => {
  const bytes = encode("abc");
  const [same, view] = viewsOf([bytes, new DataView(bytes.buffer, 1, 2)], "Who");
  assertStrictEquals(same, bytes);
  assertEquals(view, encode("bc"));
  for (const bad of [undefined, null, 3, "abc", {}, bytes]) {
    assertThrows(() => viewsOf(bad, "Who"), TypeError, "Who: the parts must be an array");
  }
  for (const bad of [undefined, null, 3, "abc", [], bytes.buffer]) {
    assertThrows(() => viewsOf([bytes, bad], "Who"), TypeError, "Who: each part");
  }
  assertEquals(viewsOf(new Array(1024).fill(bytes), "Who").length, 1024);
  assertThrows(() => viewsOf(new Array(1025).fill(bytes), "Who"), RangeError, "at most 1024");
});

test("C10 small buffers leave together, empty ones not at all", () => {
  const parts = ["HTTP/1.1 200 OK\r\n", "", "\r\n", "body"].map(encode);
  assertEquals(pieces(parts), { sizes: [23], all: encode("HTTP/1.1 200 OK\r\n\r\nbody") });
  assertEquals(pieces([]).sizes, []);
  assertEquals(pieces([new Uint8Array(0), new Uint8Array(0)]).sizes, []);
});

test("C10 a header leaves with the beginning of a large body, the rest of which is not copied", () => {
  const body = pattern(1_000_000);
  const sent: Uint8Array[] = [];
  gather([encode("header"), body, encode("trailer")], (piece) => {
    if (piece.buffer === body.buffer) sent.push(piece);
    else sent.push(piece.slice());
    return true;
  });
  assertEquals(sent.map(({ byteLength }) => byteLength), [PIECE, 1_000_000 - PIECE + 6, 7]);
  assertStrictEquals(sent[1]!.buffer, body.buffer);
  assertBytes(joined(sent), joined([encode("header"), body, encode("trailer")]));
});

test("C10 a large buffer alone is sent as it is", () => {
  const body = pattern(PIECE);
  let calls = 0;
  gather([body], (piece) => {
    assertStrictEquals(piece, body);
    return ++calls > 0;
  });
  assertEquals(calls, 1);
});

test("C10 many small buffers fill pieces", () => {
  const { sizes, all } = pieces(Array.from({ length: 3000 }, (_, index) => pattern(100, index)));
  assertEquals(sizes, [PIECE, PIECE, PIECE, PIECE, 300_000 - 4 * PIECE]);
  assertBytes(all.subarray(99_900, 100_000), pattern(100, 999));
});

test("C10 it ends when a piece was not taken", () => {
  let calls = 0;
  gather([pattern(PIECE * 3), pattern(10), pattern(PIECE)], () => ++calls < 1);
  assertEquals(calls, 1);
  calls = 0;
  gather([pattern(10), pattern(PIECE * 3)], () => ++calls < 1);
  assertEquals(calls, 1);
});

test("C10 whatever the sizes, nothing is lost, doubled or moved", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const next = random(seed);
    let at = 0;
    const parts = Array.from({ length: Math.floor(next() * 30) }, () => {
      const size = Math.floor(next() ** 5 * 200_000);
      const part = pattern(size + 3, at - 3 + 251).subarray(3);
      at += size;
      return part;
    });
    const { sizes, all } = pieces(parts);
    assertBytes(all, pattern(at), `seed ${seed}`);
    const small = sizes.filter((size) => size < PIECE).length;
    assert(small <= parts.length + 1, `seed ${seed}: ${small} small pieces of ${parts.length}`);
  }
});

test("C10 a message that is sent while another one is being sent leaves that one as it is", () => {
  const parts = (text: string): Uint8Array[] => [...text].map((letter) => encode(letter));
  const sent: string[] = [];
  gather(parts("outer"), (piece) => {
    gather(parts("inner"), (other) => sent.push(decode(other)) > 0);
    return sent.push(decode(piece)) > 0;
  });
  assertEquals(sent, ["inner", "outer"]);
});
