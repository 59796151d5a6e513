// iofd (code.hybscloud.com/iofd), memfd_test.go: what it observes, and what it leaves open.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { kernelAtLeast, test } from "../support.ts";

test("iofd: MemFD create, with every kind of name", () => {
  for (const name of ["", "test", "a name with spaces", "日本語", "x".repeat(249)]) {
    using memory = MemFD.create(name);
    assert(memory.raw >= 0 && memory.valid);
    assertEquals([memory.name, memory.size], [name, 0]);
  }
});

test("iofd: MemFD write, read, truncate and size", () => {
  using memory = MemFD.create("test");
  const text = new TextEncoder().encode("hello, memfd!");
  assertEquals(memory.write(text), text.length);
  assertEquals(memory.size, text.length);
  const buffer = new Uint8Array(text.length);
  assertEquals([memory.pread(buffer, 0), buffer], [text.length, text]);
  memory.truncate(5);
  assertEquals([memory.size, memory.pread(buffer, 0)], [5, 5]);
  memory.truncate(0);
  assertEquals([memory.size, memory.pread(buffer, 0)], [0, 0]);
});

test("iofd: MemFD empty buffers give 0", () => {
  using memory = MemFD.create("test");
  const empty = new Uint8Array(0);
  assertEquals([memory.read(empty), memory.write(empty)], [0, 0]);
});

test("iofd: MemFD after close, and closed twice", () => {
  const memory = MemFD.create("test", { sealing: true });
  memory.close();
  memory.close();
  assertEquals([memory.raw, memory.valid], [-1, false]);
  const byte = new Uint8Array(1);
  const calls: (() => unknown)[] = [
    () => memory.read(byte),
    () => memory.write(byte),
    () => memory.pread(byte, 0),
    () => memory.pwrite(byte, 0),
    () => memory.truncate(1),
    () => memory.size,
    () => memory.seal("write"),
    () => memory.seals,
    () => MappedRegion.map(memory),
  ];
  for (const call of calls) assertThrows(call, ClosedError);
});

test("iofd: MemFD SealAll, every later seal is refused, FUTURE_WRITE too", () => {
  using memory = MemFD.create("test", { sealing: true });
  memory.seal("seal", "shrink", "grow", "write");
  assertThrows(() => memory.seal("future-write"), SyscallError, "EPERM");
  assertEquals(memory.seals, ["seal", "shrink", "grow", "write"]);
});

test.if(
  kernelAtLeast(5, 1),
  "F_SEAL_FUTURE_WRITE is Linux 5.1",
  "iofd: MemFD all five seals",
  () => {
    using memory = MemFD.create("test", { sealing: true });
    memory.seal("seal", "shrink", "grow", "write", "future-write");
    assertEquals(memory.seals, ["seal", "shrink", "grow", "write", "future-write"]);
  },
);

test("iofd: MappedRegion unmap twice; a view after it is empty, where Go would crash", () => {
  using memory = MemFD.create("test");
  memory.truncate(4096);
  const region = MappedRegion.map(memory);
  const { bytes } = region;
  bytes[0] = 42;
  region.unmap();
  region.unmap();
  assertEquals([bytes.length, bytes[0]], [0, undefined]);
});
