import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { socketPair } from "../handles/pipe.ts";
import type { ConnHandlers } from "../loop/conn_options.ts";
import { Input } from "../loop/input.ts";
import { Loop } from "../loop/loop.ts";
import { test } from "./support.ts";

test("I18 the same length gets the same view, so that a message allocates nothing", () => {
  const input = new Input();
  const view = input.first(64);
  input.first(65);
  assertStrictEquals(input.first(64), view);
  assertEquals([view.byteLength, view.byteOffset], [64, 0]);
  assertStrictEquals(view.buffer, input.bytes.buffer);
});

test("I18 every length is right, also of those that share a place", () => {
  const input = new Input();
  for (const length of [1, 65, 129, 1, 0, 64, 65535, 65536, 65535, 1]) {
    assertEquals(input.first(length).byteLength, length);
  }
  const one = input.first(1);
  input.first(65);
  assertNotStrictEquals(input.first(1), one);
});

test("C02 a handler that transfers its bytes to somebody else takes nothing from other connections", async () => {
  using loop = Loop.create();
  using first = socketPair();
  using second = socketPair();
  const seen: string[] = [];
  const handlers = (name: string): ConnHandlers => ({
    onRecv: (bytes) => {
      const { buffer, byteOffset, byteLength } = bytes;
      const moved = structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
      seen.push(`${name} ${new Uint8Array(moved, byteOffset, byteLength)}`);
      if (seen.length === 4) loop.stop();
      else if (name === "first") second.right.write(new Uint8Array([2]));
    },
    onEnd: () => void seen.push(`${name} ended`),
  });
  loop.registerConn(first.left, handlers("first"));
  loop.registerConn(second.left, handlers("second"));
  first.right.write(new Uint8Array([1]));
  using _more = loop.setTimer(5, () => first.right.write(new Uint8Array([3])));
  await loop.run();
  assertEquals(seen, ["first 1", "second 2", "first 3", "second 2"]);
});
