import { assertEquals } from "@std/assert";
import { cString } from "../ffi/c_string.ts";
import { test } from "./support.ts";

test("a string in UTF-8, and the zero that ends it", () => {
  assertEquals(cString(""), new Uint8Array([0]));
  assertEquals(cString("aä€"), new Uint8Array([97, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0]));
  assertEquals(cString("x").byteOffset, 0);
});
