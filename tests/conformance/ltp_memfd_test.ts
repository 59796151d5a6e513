// Linux Test Project, memfd_create and mmap: what it observes. Its sealing matrix, memfd_create01, is
// the kernel's own: selftests_memfd_test.ts.

import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { FD } from "../../handles/fd.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { pageSize } from "../../handles/own_mappings.ts";
import { tempDir, test } from "../support.ts";

const PAGE = pageSize();

test("ltp: memfd_create02 names of 248, 249 and 250 bytes", () => {
  for (const length of [248, 249]) MemFD.create("A".repeat(length)).close();
  assertThrows(() => MemFD.create("A".repeat(250)), RangeError);
});

test("ltp: memfd_create02 flags alone and together", () => {
  const flags: readonly [options: Record<string, boolean>, cloexec: number][] = [
    [{ inherit: true }, 0],
    [{ inherit: true, sealing: true }, 0],
    [{}, posix.FD_CLOEXEC],
    [{ sealing: true }, posix.FD_CLOEXEC],
  ];
  for (const [options, cloexec] of flags) {
    using memory = MemFD.create("test", options);
    assertEquals(libc.fcntl(memory.raw, posix.F_GETFD, 0), cloexec);
  }
});

test.if(
  fs.existsSync("/sys/kernel/mm/hugepages"),
  "this kernel has no huge pages",
  "ltp: memfd_create03 memory of huge pages is not written by write(2)",
  () => {
    using memory = MemFD.create("tfile", { hugePages: true });
    assertThrows(() => memory.write(new Uint8Array(3)), SyscallError, "EINVAL");
  },
);

test("ltp: mmap01, what is written beyond the end of a file, in its last page, is not in it", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, "last page");
  const number = fs.openSync(path, "r+");
  using file = FD.duplicate(number);
  fs.closeSync(number);
  using region = MappedRegion.map(file);
  // The rest of the page is there for C; a region ends where the file does.
  assertEquals(region.length, 9);
  assertThrows(() => region.copyIn(new Uint8Array(1), 9), RangeError);
  region.bytes[9] = 120;
  region.sync();
  assertEquals(fs.readFileSync(path, "latin1"), "last page");
});

test("ltp: mmap06 and mmap08, each mode of opening, and a closed file", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, "content");
  const open = (mode: number): FD =>
    FD.adopt(libc.open(new TextEncoder().encode(`${path}\0`), (mode | posix.O_CLOEXEC) >>> 0, 0));
  using writeOnly = open(posix.O_WRONLY);
  using readOnly = open(posix.O_RDONLY);
  for (const shared of [true, false]) {
    for (const access of ["read", "write"] as const) {
      const map = (): MappedRegion => MappedRegion.map(writeOnly, { shared, access });
      assertThrows(map, SyscallError, "EACCES");
    }
    MappedRegion.map(readOnly, { shared, access: "read" }).unmap();
  }
  assertThrows(() => MappedRegion.map(readOnly), SyscallError, "EACCES");
  readOnly.close();
  assertThrows(() => MappedRegion.map(readOnly), Error, "FD is closed");
});

test("ltp: mmap13 and mmap16, a part that the file does not have", () => {
  using memory = MemFD.create("short");
  memory.truncate(PAGE);
  assertThrows(() => MappedRegion.map(memory, { offset: PAGE }), RangeError);
  assertThrows(() => MappedRegion.map(memory, { length: PAGE + 1 }), RangeError);
});

test("ltp: munmap01, 02, the memory of an unmapped part, and of another region, is untouched", () => {
  using memory = MemFD.create("parts");
  memory.truncate(3 * PAGE);
  using whole = MappedRegion.map(memory);
  const middle = MappedRegion.map(memory, { offset: PAGE, length: PAGE });
  middle.bytes.fill(1);
  middle.unmap();
  assertEquals([PAGE - 1, PAGE, 2 * PAGE].map((at) => whole.bytes[at]), [0, 1, 0]);
});

test("ltp: msync01, 02, what was stored is in the file", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, new Uint8Array(8192));
  const number = fs.openSync(path, "r+");
  using file = FD.duplicate(number);
  fs.closeSync(number);
  using region = MappedRegion.map(file);
  for (const wait of [true, false]) {
    for (const invalidate of [true, false]) {
      region.bytes[100]! += 1;
      region.sync({ wait, invalidate });
      assertEquals(fs.readFileSync(path)[100], region.bytes[100]);
    }
  }
});
