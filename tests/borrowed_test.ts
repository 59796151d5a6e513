import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { Borrowed } from "../handles/borrowed.ts";
import { readInto, writeFrom } from "../handles/io.ts";
import { socketPair } from "../handles/pipe.ts";
import { decode, encode } from "./conn_fixture.ts";
import { test } from "./support.ts";

/** A number above those that the runtime's own threads take and give back. */
const RESERVED = 950;

test("C02 a borrowed number makes the calls of a handle, and stays its owner's", () => {
  using pair = socketPair();
  const left = new Borrowed(pair.left.raw);
  assertEquals([left.raw, left[Symbol.toStringTag]], [pair.left.raw, "descriptor"]);
  writeFrom(left, encode("out"));
  pair.right.write(encode("in"));
  const buffer = new Uint8Array(new ArrayBuffer(8));
  assertEquals(decode(buffer.subarray(0, readInto(left, buffer)!)), "in");
  assertEquals(decode(buffer.subarray(0, readInto(pair.right, buffer)!)), "out");
});

test("C02 where the owner has closed it, the kernel says so", () => {
  using pair = socketPair();
  const left = new Borrowed(libc.fcntl(pair.left.raw, posix.F_DUPFD_CLOEXEC, RESERVED));
  libc.close(left.raw);
  assertThrows(() => readInto(left, new Uint8Array(new ArrayBuffer(1))), Error, "EBADF");
});
