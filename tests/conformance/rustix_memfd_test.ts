// rustix, tests/fs/seals.rs and tests/mm/mmap.rs: what they observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import type { Seal } from "../../handles/seals.ts";
import { canBecomeWritable } from "../memory_probe.ts";
import { test } from "../support.ts";

test("rustix: seals, added one at a time, are their union, and none after SEAL", () => {
  using memory = MemFD.create("test", { sealing: true });
  const order: readonly Seal[] = ["shrink", "grow", "write", "future-write"];
  order.forEach((seal, index) => {
    memory.seal(seal);
    assertEquals(memory.seals, order.slice(0, index + 1));
  });
  memory.seal("seal");
  assertEquals(memory.seals, ["seal", ...order]);
  for (const seal of order) assertThrows(() => memory.seal(seal), SyscallError, "EPERM");
});

test("rustix: mmap, what is stored is read back from the file", () => {
  using memory = MemFD.create("mmap");
  memory.truncate(8192);
  const region = MappedRegion.map(memory);
  region.bytes.fill(98);
  region.unmap();
  const buffer = new Uint8Array(8192);
  assertEquals(memory.pread(buffer, 0), 8192);
  assert(buffer.every((byte) => byte === 98));
  using again = MappedRegion.map(memory, { access: "read" });
  again.copyOut(buffer.fill(0));
  assert(buffer.every((byte) => byte === 98));
});

test("rustix: mmap of no length is refused; the kernel says EINVAL", () => {
  using memory = MemFD.create("mmap");
  memory.truncate(4096);
  assertThrows(() => MappedRegion.map(memory, { length: 0 }), RangeError);
  const address = libc.mmap(0n, 0n, posix.PROT_READ, posix.MAP_SHARED, memory.raw, 0n);
  assertEquals(address, 2n ** 64n - 1n);
});

test("rustix: mprotect, a mapping of a writable file can be made writable", () => {
  using memory = MemFD.create("mprotect");
  memory.truncate(4096);
  assertEquals(canBecomeWritable(memory, 4096), true);
});

test("rustix: msync, each way of it", () => {
  using memory = MemFD.create("msync");
  memory.truncate(8192);
  using region = MappedRegion.map(memory);
  region.bytes.fill(1);
  region.sync();
  region.sync({ wait: false });
  region.sync({ wait: true, invalidate: true });
});
