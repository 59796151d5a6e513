// gVisor, test/syscalls/linux/memfd.cc: what it observes.

import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { pageSize } from "../../handles/own_mappings.ts";
import { kernelAtLeast, root, startScript, test } from "../support.ts";

const PAGE = pageSize();

function sized(size = 0): MemFD {
  const memory = MemFD.create("some-memfd", { sealing: true });
  memory.truncate(size);
  return memory;
}

function open(memory: MemFD, mode: number): MemFD {
  const path = new TextEncoder().encode(`/proc/self/fd/${memory.raw}\0`);
  return MemFD.adopt(libc.open(path, (mode | posix.O_CLOEXEC) >>> 0, 0));
}

const randomPage = (): Uint8Array => crypto.getRandomValues(new Uint8Array(PAGE));

function pageOf(memory: MemFD): Uint8Array {
  const buffer = new Uint8Array(PAGE);
  assertEquals(memory.pread(buffer, 0), PAGE);
  return buffer;
}

const forbidden = (call: () => unknown): void => void assertThrows(call, SyscallError, "EPERM");

test("gvisor: Memfd Name", () => {
  using memory = sized();
  assertEquals(fs.readlinkSync(`/proc/self/fd/${memory.raw}`), "/memfd:some-memfd (deleted)");
});

test("gvisor: Memfd WriteRead", () => {
  using memory = sized();
  const page = randomPage();
  assertEquals(memory.write(page), PAGE);
  assertEquals(pageOf(memory), page);
});

test("gvisor: Memfd Mmap and DuplicateFDsShareContent", () => {
  using memory = sized(PAGE);
  using first = MappedRegion.map(memory);
  using again = MemFD.duplicate(memory.raw);
  const page = randomPage();
  first.copyIn(page);
  assertEquals([pageOf(memory), pageOf(again)], [page, page]);
  using second = MappedRegion.map(again);
  assertEquals(second.bytes, page);
});

test("gvisor: Memfd SealingDisabledByDefault", () => {
  using memory = MemFD.create("some-memfd");
  assertEquals(memory.seals, ["seal"]);
  forbidden(() => memory.seal("write"));
});

test("gvisor: Memfd SealsGetSet, seals accumulate", () => {
  using memory = sized();
  memory.seal("write");
  memory.seal("grow", "shrink");
  memory.seal("write");
  assertEquals(memory.seals, ["shrink", "grow", "write"]);
  memory.seal("seal");
  assertEquals(memory.seals, ["seal", "shrink", "grow", "write"]);
});

test("gvisor: Memfd SealGrowWithTruncate, smaller is allowed and the way back is not", () => {
  using memory = sized(PAGE);
  memory.seal("grow");
  forbidden(() => memory.truncate(2 * PAGE));
  memory.truncate(PAGE);
  memory.truncate(PAGE / 2);
  forbidden(() => memory.truncate(PAGE));
});

test("gvisor: Memfd SealGrowWithWrite", () => {
  using memory = sized();
  const page = randomPage();
  memory.write(page);
  memory.seal("grow");
  forbidden(() => memory.write(page));
  assertEquals(memory.write(new Uint8Array(0)), 0);
  assertEquals(memory.pwrite(page, 0), PAGE);
  forbidden(() => memory.pwrite(page, PAGE));
});

test("gvisor: Memfd SealGrowPartialWriteTruncated, the page with the end is filled", () => {
  using memory = sized(PAGE);
  memory.seal("grow");
  assertEquals(memory.pwrite(randomPage(), PAGE * 3 / 4), PAGE / 4);
});

test("gvisor: Memfd SealGrowPartialWriteTruncatedSamePage, nothing is written", () => {
  using memory = sized(PAGE * 3 / 4);
  memory.seal("grow");
  const half = randomPage().subarray(0, PAGE / 2);
  forbidden(() => memory.pwrite(half, PAGE / 2));
  assertEquals(memory.pwrite(half.subarray(0, PAGE / 4), PAGE / 2), PAGE / 4);
});

test("gvisor: Memfd SealShrink", () => {
  using memory = sized(PAGE);
  memory.seal("shrink");
  forbidden(() => memory.truncate(PAGE / 2));
  memory.truncate(PAGE);
  memory.truncate(PAGE * 2);
  forbidden(() => memory.truncate(PAGE));
});

test("gvisor: Memfd SealWriteWithWrite, a write of no bytes is allowed", () => {
  using memory = sized();
  const page = randomPage();
  memory.write(page);
  memory.seal("write");
  forbidden(() => memory.write(page.subarray(0, 1)));
  forbidden(() => memory.pwrite(page.subarray(0, 1), 0));
  forbidden(() => memory.pwrite(page.subarray(0, PAGE / 2), PAGE / 2));
  forbidden(() => memory.pwrite(page, PAGE / 2));
  assertEquals(memory.write(new Uint8Array(0)), 0);
});

test("gvisor: Memfd SealWriteWithMmap, private mappings only, or readable ones since Linux 6.13", () => {
  using memory = sized(PAGE);
  memory.seal("write");
  forbidden(() => MappedRegion.map(memory));
  if (kernelAtLeast(6, 13)) MappedRegion.map(memory, { access: "read" }).unmap();
  else forbidden(() => MappedRegion.map(memory, { access: "read" }));
  MappedRegion.map(memory, { shared: false }).unmap();
});

test("gvisor: Memfd SealWriteWithOutstandingWritableMapping, any shared one forbids it", () => {
  using memory = sized(PAGE);
  for (const access of ["read", "write"] as const) {
    using region = MappedRegion.map(memory, { access });
    assertThrows(() => memory.seal("write"), SyscallError, "EBUSY");
    assertEquals(region.valid, true);
  }
  using draft = MappedRegion.map(memory, { shared: false });
  memory.seal("write");
  assertEquals([memory.seals, draft.valid], [["write"], true]);
});

test("gvisor: Memfd NoPartialSealApplicationWhenWriteSealRejected", () => {
  using memory = sized(PAGE);
  using region = MappedRegion.map(memory);
  assertThrows(() => memory.seal("write", "grow"), SyscallError, "EBUSY");
  assertEquals([memory.seals, region.valid], [[], true]);
});

test("gvisor: Memfd SealsAreInodeLevelProperties", () => {
  using first = sized();
  using second = MemFD.duplicate(first.raw);
  first.seal("write");
  assertEquals(second.seals, ["write"]);
  using third = MemFD.duplicate(second.raw);
  third.seal("grow");
  for (const each of [first, second, third]) {
    forbidden(() => each.write(randomPage()));
    forbidden(() => each.truncate(PAGE));
  }
});

const shm = fs.existsSync("/dev/shm") && fs.statfsSync("/dev/shm").type === 0x01021994;

test.if(shm, "/dev/shm is no tmpfs", "gvisor: Memfd TmpfsFilesHaveSealSeal", () => {
  const path = `/dev/shm/fdloop-${libc.getpid()}`;
  const number = fs.openSync(path, "wx+");
  try {
    using file = MemFD.duplicate(number);
    assertEquals([file.seals, file.name], [["seal"], path]);
  } finally {
    fs.closeSync(number);
    fs.unlinkSync(path);
  }
});

test("gvisor: Memfd CanOpenFromProcfs, with an offset of its own", () => {
  using memory = sized();
  const page = randomPage();
  memory.write(page);
  using again = open(memory, posix.O_RDWR);
  assertEquals(pageOf(again), page);
  assertEquals([again.read(new Uint8Array(8)), memory.read(new Uint8Array(8))], [8, 0]);
});

test("gvisor: Memfd OtherProcessCanOpenFromProcfs", async () => {
  using memory = sized();
  memory.write(new Uint8Array([1, 2, 3]));
  await using other = startScript(`
    import { closeSync, openSync } from "node:fs";
    import { MemFD } from "${root}handles/mem_fd.ts";
    const number = openSync("/proc/${libc.getpid()}/fd/${memory.raw}", "r+");
    using memory = MemFD.duplicate(number);
    closeSync(number);
    const buffer = new Uint8Array(3);
    memory.read(buffer);
    memory.pwrite(new Uint8Array([4]), 3);
    console.log([...buffer].join());`);
  assertEquals(await other.line(), "1,2,3");
  assertEquals((await other.result).code, 0);
  assertEquals(memory.size, 4);
});

test("gvisor: Memfd MemfdMustBeWritableToModifySeals", () => {
  using memory = sized();
  memory.seal("write");
  using again = open(memory, posix.O_RDONLY);
  forbidden(() => again.seal("grow"));
  assertEquals(libc.fcntl(again.raw, linux.F_GET_SEALS, 0), linux.F_SEAL_WRITE);
});

test("gvisor: Memfd MultipleWritableAndNonWritableRefsToSameFileRegion", () => {
  using memory = sized(PAGE);
  using draft = MappedRegion.map(memory, { access: "read", shared: false });
  using region = MappedRegion.map(memory);
  draft.unmap();
  assertThrows(() => memory.seal("write"), SyscallError, "EBUSY");
  region.unmap();
  memory.seal("write");
});
