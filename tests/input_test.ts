import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { Input } from "../loop/input.ts";
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
