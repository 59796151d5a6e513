import { assertEquals } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import type { CFunction } from "../ffi/symbols.ts";
import { padCall, padding, padSignature } from "../ffi/variadic.ts";
import { test } from "./support.ts";

test("I20 variadic: only Apple's arm64 is different, and only for functions with dots", () => {
  for (const name of ["fcntl", "open", "ioctl"]) {
    assertEquals(padding(name, "darwin", "arm64"), 6);
    assertEquals(padding(name, "darwin", "x64"), 0);
    assertEquals(padding(name, "linux", "arm64"), 0);
    assertEquals(padding(name, "freebsd", "arm64"), 0);
  }
  for (const name of ["read", "mmap", "kevent"]) assertEquals(padding(name, "darwin", "arm64"), 0);
});

test("I20 variadic: what has dots before it comes ninth, on the stack", () => {
  const padded = padSignature(["i32", "i32", "u32", "buf"], 6);
  assertEquals(padded, ["i32", "i32", "u32", "i32", "i32", "i32", "i32", "i32", "i32", "buf"]);
  assertEquals(padded.indexOf("buf"), 9);
});

test("I20 variadic: the caller does not see the padding", () => {
  let seen: unknown[] = [];
  const bound = ((...args: unknown[]) => {
    seen = args;
    return 7;
  }) as CFunction;
  const call = padCall(bound, 6) as (...args: unknown[]) => unknown;
  const memory = new Uint8Array(8);
  assertEquals(call(3, 0x5413, memory), 7);
  assertEquals(seen, [3, 0x5413, 0, 0, 0, 0, 0, 0, memory]);
  assertEquals(call(4, 0x5414, memory), 7);
  assertEquals(seen.length, 9);
});

test("I20 variadic: the three functions work here as they are bound here", () => {
  const path = new TextEncoder().encode("/dev/null\0");
  const fd = libc.open(path, (posix.O_RDONLY | posix.O_CLOEXEC) >>> 0, 0);
  try {
    assertEquals(libc.fcntl(fd, posix.F_GETFD, 0), posix.FD_CLOEXEC);
    assertEquals(libc.ioctl(fd, 0x5413, new Uint8Array(8)), -1);
  } finally {
    libc.close(fd);
  }
});
