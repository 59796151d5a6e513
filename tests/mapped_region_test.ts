import fs from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { MappedRegion } from "../handles/mapped_region.ts";
import type { MapOptions } from "../handles/mapping.ts";
import { MemFD } from "../handles/mem_fd.ts";
import { pageSize } from "../handles/own_mappings.ts";
import { pipe } from "../handles/pipe.ts";
import type { MemFDWorker } from "./mem_fd_worker.ts";
import { kernelAtLeast, runtime, tempDir, test, worker } from "./support.ts";

const PAGE = pageSize();

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Memory of three pages, each filled with its number. */
function threePages(): MemFD {
  const memory = MemFD.create("pages", { sealing: true });
  for (const page of [0, 1, 2]) memory.pwrite(new Uint8Array(PAGE).fill(page + 1), page * PAGE);
  return memory;
}

function byteAt(memory: MemFD, offset: number): number | undefined {
  const buffer = new Uint8Array(1);
  return memory.pread(buffer, offset) === 1 ? buffer[0] : undefined;
}

function copied(region: MappedRegion, offset: number, length: number): number[] {
  const target = new Uint8Array(length);
  region.copyOut(target, offset);
  return [...target];
}

/** How many mappings of memory files this process has. */
function mappings(): number {
  return fs.readFileSync("/proc/self/maps", "utf8").split("\n")
    .filter((line) => line.includes("/memfd:pages")).length;
}

test("I15 map: the whole file by default, and both sides see each other's writes", () => {
  using memory = threePages();
  using region = MappedRegion.map(memory);
  assertEquals([region.length, region.valid, String(region)], [
    3 * PAGE,
    true,
    "[object MappedRegion]",
  ]);
  assertEquals([region.bytes[0], region.bytes[PAGE], region.bytes[3 * PAGE - 1]], [1, 2, 3]);
  region.bytes[5] = 77;
  assertEquals(byteAt(memory, 5), 77);
  memory.pwrite(new Uint8Array([88]), PAGE);
  assertEquals(region.bytes[PAGE], 88);
});

test("I15 map: at an offset, with a length, of a file that does not end with a page", () => {
  using memory = threePages();
  memory.pwrite(new Uint8Array([9]), 3 * PAGE);
  using tail = MappedRegion.map(memory, { offset: 2 * PAGE });
  assertEquals([tail.length, tail.bytes.length, tail.bytes[PAGE]], [PAGE + 1, PAGE + 1, 9]);
  using middle = MappedRegion.map(memory, { offset: BigInt(PAGE), length: 10 });
  assertEquals([...middle.bytes], new Array(10).fill(2));
  using one = MappedRegion.map(memory, { length: 1 });
  assertEquals([...one.bytes], [1]);
});

test("I15 map: beyond 4 GiB", () => {
  using memory = MemFD.create("pages");
  memory.pwrite(new Uint8Array([5]), 2 ** 33);
  using region = MappedRegion.map(memory, { offset: 2 ** 33 });
  assertEquals([region.length, region.bytes[0]], [1, 5]);
});

test("I15 a region that is not shared keeps what is written to it", () => {
  using memory = threePages();
  using region = MappedRegion.map(memory, { shared: false });
  memory.pwrite(new Uint8Array([11]), 2);
  assertEquals(region.bytes[2], 11, "a page that was not written to follows the file");
  region.bytes[0] = 99;
  region.copyIn(new Uint8Array([98]), 1);
  assertEquals([byteAt(memory, 0), byteAt(memory, 1)], [1, 1]);
  assertEquals(copied(region, 0, 3), [99, 98, 11]);
});

test("I15 a region outlives its descriptor", () => {
  const memory = threePages();
  using region = MappedRegion.map(memory);
  memory.close();
  region.bytes[0] = 50;
  assertEquals(copied(region, 0, 2), [50, 1]);
});

test("I15 unmap: every view ever handed out has length 0, and the memory is given back", () => {
  using memory = threePages();
  const before = mappings();
  const region = MappedRegion.map(memory);
  const { buffer, bytes } = region;
  assert(region.buffer === buffer && region.bytes === bytes && bytes.buffer === buffer);
  const views = [
    bytes,
    bytes.subarray(100, 200),
    new Int32Array(buffer),
    new Float64Array(buffer, 64, 2),
    new BigInt64Array(buffer, 8),
    new Uint8ClampedArray(buffer),
  ];
  const view = new DataView(buffer, 10);
  assertEquals(mappings(), before + 1);
  assertEquals(region.unmap(), true);
  assertEquals(mappings(), before);
  assertEquals([buffer.byteLength, buffer.detached], [0, true]);
  for (const array of views) {
    assertEquals([array.length, array[0], array.byteOffset], [0, undefined, 0]);
  }
  bytes[0] = 1; // goes nowhere
  assertThrows(() => view.getInt8(0), TypeError);
  assertThrows(() => Atomics.load(views[2] as Int32Array, 0));
});

test("I15 unmap is idempotent; everything else throws ClosedError afterwards", () => {
  using memory = threePages();
  const region = MappedRegion.map(memory);
  assertEquals([region.unmap(), region.unmap()], [true, true]);
  region[Symbol.dispose]();
  assertEquals([region.length, region.valid], [0, false]);
  const buffer = new Uint8Array(1);
  const calls: (() => unknown)[] = [
    () => region.bytes,
    () => region.buffer,
    () => region.copyIn(buffer),
    () => region.copyOut(buffer),
    () => region.sync(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "MappedRegion is closed");
});

test("I15 unmap gives back the scratch memory of the copies too", () => {
  using memory = threePages();
  const count = (): number => fs.readFileSync("/proc/self/maps", "utf8").split("\n").length;
  const sweep = (rounds: number): void => {
    for (let round = 0; round < rounds; round++) {
      using region = MappedRegion.map(memory);
      copied(region, 0, 1);
      if (round % 4 === 0) region.bytes[0] = 1;
    }
  };
  sweep(100);
  const before = count();
  sweep(2000);
  assert(count() < before + 500, `${before} mappings before 2000 regions, ${count()} after`);
});

test("I15 a region with access read has no views and is not written to", () => {
  using memory = threePages();
  using region = MappedRegion.map(memory, { access: "read" });
  assertEquals(copied(region, PAGE - 1, 2), [1, 2]);
  memory.pwrite(new Uint8Array([7]), 0);
  assertEquals(copied(region, 0, 1), [7]);
  assertThrows(() => region.bytes, TypeError, "{ shared: false }");
  assertThrows(() => region.buffer, TypeError, 'access "read"');
  assertThrows(() => region.copyIn(new Uint8Array(1)), TypeError, 'access "write"');
  assertEquals([region.valid, region.unmap()], [true, true]);
});

test("I15 a descriptor that is open for reading is mapped for reading, or copy-on-write", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, "readonly");
  const number = fs.openSync(path, "r");
  using file = FD.duplicate(number);
  fs.closeSync(number);
  assertThrows(() => MappedRegion.map(file), SyscallError, "{ shared: false }");
  using read = MappedRegion.map(file, { access: "read" });
  assertEquals(copied(read, 0, 4), [...utf8("read")]);
  using draft = MappedRegion.map(file, { shared: false });
  draft.bytes[0] = 82;
  assertEquals(copied(draft, 0, 4), [...utf8("Read")]);
  assertEquals(fs.readFileSync(path, "utf8"), "readonly");
});

test("I15 sync: a file on a disk has what was written to its region", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, "0123456789");
  const number = fs.openSync(path, "r+");
  using file = FD.duplicate(number);
  fs.closeSync(number);
  using region = MappedRegion.map(file);
  region.copyIn(utf8("abc"), 2);
  region.sync();
  region.sync({ wait: false });
  region.sync({ invalidate: true });
  assertEquals(fs.readFileSync(path, "utf8"), "01abc56789");
  for (const options of [null, 1, { wait: 1 }, { invalidate: "yes" }]) {
    assertThrows(() => region.sync(options as never), TypeError, "MappedRegion.sync");
  }
});

test("X03 what lies beyond the file's end is not mapped", () => {
  using memory = threePages();
  const refused: [MapOptions, says: string][] = [
    [{ length: 0 }, "from 1 to"],
    [{ length: -1 }, "from 1 to"],
    [{ length: 3 * PAGE + 1 }, "from 1 to"],
    [{ offset: PAGE, length: 2 * PAGE + 1 }, "from 1 to"],
    [{ length: 1.5 }, "from 1 to"],
    [{ length: NaN }, "from 1 to"],
    [{ length: Infinity }, "from 1 to"],
    [{ offset: 3 * PAGE }, "before the end of the file"],
    [{ offset: 2n ** 62n }, "before the end of the file"],
    [{ offset: 1 }, "multiple of the page size"],
    [{ offset: BigInt(PAGE + 512) }, "multiple of the page size"],
    [{ offset: -PAGE }, "MappedRegion.map: offset"],
    [{ offset: NaN }, "MappedRegion.map: offset"],
    [{ offset: 2 ** 64 }, "MappedRegion.map: offset"],
    [{ offset: -1n }, "MappedRegion.map: offset"],
  ];
  for (const [options, says] of refused) {
    assertThrows(() => MappedRegion.map(memory, options), RangeError, says);
  }
  using empty = MemFD.create("empty");
  assertThrows(() => MappedRegion.map(empty), RangeError, "which has 0 bytes");
  empty.truncate(2n ** 62n);
  assertThrows(() => MappedRegion.map(empty), RangeError, "length must be given");
  assertThrows(() => MappedRegion.map(empty, { length: 2 ** 50 }), SyscallError, "ENOMEM");
  using part = MappedRegion.map(empty, { offset: 2n ** 61n, length: 100 });
  assertEquals(part.length, 100);
});

test("X03 map: arguments of another type are refused before the call", () => {
  using memory = threePages();
  for (const bad of [undefined, null, 3, "3", {}, memory.raw, { raw: memory.raw }]) {
    assertThrows(() => MappedRegion.map(bad as never), TypeError, "the file must be a handle");
  }
  for (const bad of [null, 1, "read"]) {
    assertThrows(() => MappedRegion.map(memory, bad as never), TypeError, "options");
  }
  const wrong: Record<string, unknown>[] = [
    { offset: "0" },
    { offset: null },
    { length: "1" },
    { length: 1n },
    { length: null },
    { access: "exec" },
    { access: 1 },
    { shared: 1 },
    { requireSeal: "shrink" },
  ];
  for (const options of wrong) {
    const key = Object.keys(options)[0]!;
    assertThrows(() => MappedRegion.map(memory, options), TypeError, `MappedRegion.map: ${key}`);
  }
  const construct = MappedRegion as unknown as new (...args: unknown[]) => MappedRegion;
  for (const args of [[], [Symbol("owned"), { address: 8n, length: 8, span: 4096n }]]) {
    assertThrows(() => new construct(...args), TypeError, "call MappedRegion.map");
  }
});

test("X03 only files and memory are mapped, and only while their handle is open", () => {
  using ends = pipe();
  using counter = EventFD.create();
  using zero = FD.adopt(libc.open(utf8("/dev/zero\0"), posix.O_RDWR, 0));
  for (const handle of [ends.reader, counter, zero]) {
    assertThrows(() => MappedRegion.map(handle), TypeError, "a regular file or memory");
  }
  const closed = threePages();
  closed.close();
  assertThrows(() => MappedRegion.map(closed), ClosedError, "MemFD is closed");
});

for (const [how, sealed] of [["by memcpy", true], ["by the kernel", false]] as const) {
  test(`I15 copyIn and copyOut ${how}: every view, every offset, no byte more`, () => {
    using memory = MemFD.create("pages", { sealing: true });
    memory.truncate(200_000);
    if (sealed) memory.seal("shrink");
    using region = MappedRegion.map(memory);
    const source = Uint8Array.from({ length: 150_000 }, (_, index) => index % 251);
    region.copyIn(source, 49_999);
    assertEquals(copied(region, 49_998, 3), [0, 0, 1]);
    const target = new Uint8Array(150_000);
    region.copyOut(target, 49_999);
    assert(target.every((byte, index) => byte === source[index]), "150,000 bytes came back");
    assertEquals(copied(region, 199_999, 1), [0]);

    region.copyIn(new Uint16Array([0x0201, 0x0403]), 199_996);
    region.copyIn(new DataView(source.buffer, 250, 3));
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 4);
    region.copyOut(shared, 199_996);
    assertEquals([...new Uint8Array(shared.buffer)], [0, 0, 1, 2, 3, 4, 0, 0]);
    assertEquals(copied(region, 0, 4), [250, 0, 1, 0]);
    for (const at of [0, 200_000]) {
      region.copyIn(new Uint8Array(0), at);
      region.copyOut(new Uint8Array(0), at);
    }
  });

  test(`X03 copyIn and copyOut ${how} refuse what does not fit or is no buffer`, () => {
    using memory = MemFD.create("pages", { sealing: true });
    memory.truncate(100);
    if (sealed) memory.seal("shrink");
    using region = MappedRegion.map(memory);
    for (const verb of ["copyIn", "copyOut"] as const) {
      const copy = (view: unknown, offset?: unknown): void =>
        region[verb](view as Uint8Array, offset as number);
      assertThrows(() => copy(new Uint8Array(101)), RangeError, "fit into the region of 100");
      for (const offset of [-1, 97, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53, 2 ** 64]) {
        assertThrows(() => copy(new Uint8Array(4), offset), RangeError, `MappedRegion.${verb}`);
      }
      for (const offset of [null, "0", 0n, {}]) {
        assertThrows(() => copy(new Uint8Array(4), offset), TypeError, `MappedRegion.${verb}`);
      }
      for (const view of [undefined, null, 4, "text", [1], {}, new ArrayBuffer(4)]) {
        assertThrows(() => copy(view), TypeError, `MappedRegion.${verb}`);
      }
      const detached = new Uint8Array(4);
      detached.buffer.transfer();
      copy(detached, 100);
    }
    assertEquals(copied(region, 0, 100), new Array(100).fill(0));
  });
}

for (const sealed of [true, false]) {
  test(`I15 copies within one region may overlap, ${sealed ? "sealed" : "by the kernel"}`, () => {
    using memory = MemFD.create("pages", { sealing: true });
    memory.write(utf8("abcdefgh"));
    if (sealed) memory.seal("shrink");
    using region = MappedRegion.map(memory);
    region.copyIn(region.bytes.subarray(0, 6), 2);
    assertEquals(copied(region, 0, 8), [...utf8("ababcdef")]);
    region.copyOut(region.bytes.subarray(0, 6), 2);
    assertEquals(copied(region, 0, 8), [...utf8("abcdefef")]);
  });
}

test("I15 copies within one region may overlap by more than goes through the kernel at once", () => {
  using memory = MemFD.create("pages");
  const whole = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
  memory.write(whole);
  using region = MappedRegion.map(memory);
  region.copyIn(region.bytes.subarray(0, 199_000), 1000);
  whole.copyWithin(1000, 0, 199_000);
  assertEquals(region.bytes.every((byte, index) => byte === whole[index]), true);
});

test("X03 requireSeal: only memory that nobody can make shorter", () => {
  using memory = threePages();
  assertThrows(() => MappedRegion.map(memory, { requireSeal: true }), TypeError, 'seal("shrink")');
  using zero = FD.adopt(libc.open(utf8("/proc/self/exe\0"), posix.O_RDONLY, 0));
  assertThrows(() => MappedRegion.map(zero, { requireSeal: true }), TypeError, "a MemFD");
  memory.seal("shrink");
  using region = MappedRegion.map(memory, { requireSeal: true });
  assertThrows(() => memory.truncate(0), SyscallError, "EPERM");
  assertEquals(libc.ftruncate(memory.raw, 0n), -1);
  assertEquals(region.bytes[0], 1);
});

test("X03 a buffer that was transferred away: unmap leaves its memory mapped, and says so", () => {
  using memory = threePages();
  const before = mappings();
  const region = MappedRegion.map(memory);
  const { bytes } = region;
  const taken = structuredClone(region.buffer, { transfer: [region.buffer] });
  assertEquals(bytes.length, 0);
  assertThrows(() => region.bytes, TypeError, "was transferred away");
  assertThrows(() => region.buffer, TypeError, "was transferred away");
  assertEquals(copied(region, PAGE, 1), [2]);
  region.copyIn(new Uint8Array([60]), 0);
  assertEquals([region.unmap(), region.unmap(), region.valid], [false, false, false]);
  assertThrows(() => region.copyOut(new Uint8Array(1)), ClosedError);
  assertEquals(mappings(), before + 1);
  const view = new Uint8Array(taken);
  assertEquals([view.length, view[0], view[2 * PAGE]], [3 * PAGE, 60, 3]);
  view[1] = 61;
  assertEquals(byteAt(memory, 1), 61, "it is still the memory itself");
});

test("X03 a buffer that the runtime is using: unmap declines on Bun, and works afterwards", async () => {
  using memory = threePages();
  using dir = tempDir();
  const region = MappedRegion.map(memory);
  const number = fs.openSync(`${dir.path}/file`, "w");
  const written = new Promise<number>((resolve, reject) => {
    fs.write(
      number,
      region.bytes,
      0,
      3 * PAGE,
      0,
      (error, count) => error ? reject(error) : resolve(count),
    );
  });
  // Deno detaches it nevertheless: there, the operation must be awaited first.
  const during = runtime === "bun" ? region.unmap() : false;
  assertEquals([during, region.valid, region.bytes.length], [false, true, 3 * PAGE]);
  assertEquals(await written, 3 * PAGE);
  fs.closeSync(number);
  assertEquals([region.unmap(), region.valid], [true, false]);
});

test("I15 Atomics work on a region's memory, between threads that have mapped it each", async () => {
  await using thread = worker<MemFDWorker>(new URL("./mem_fd_worker.ts", import.meta.url));
  using memory = MemFD.create("counter");
  memory.truncate(PAGE);
  await thread.call("hold", memory.share());
  using region = MappedRegion.map(memory);
  const words = new Int32Array(region.buffer);
  const counted = thread.call("count", 100_000);
  for (let round = 0; round < 100_000; round++) Atomics.add(words, 0, 1);
  await counted;
  assertEquals(Atomics.load(words, 0), 200_000);
  assertThrows(() => Atomics.wait(words, 0, 0, 0), TypeError);
  await thread.call("letGo");
});

test("I15 a buffer that is posted without a transfer list is a copy", () => {
  using memory = threePages();
  using region = MappedRegion.map(memory);
  const copy = structuredClone(region.buffer);
  region.bytes[0] = 70;
  assertEquals([new Uint8Array(copy)[0], region.unmap()], [1, true]);
  assertEquals(new Uint8Array(copy)[2 * PAGE], 3);
});

test("I15 a region longer than any buffer: told on Bun, and copied on both", () => {
  using memory = MemFD.create("long", { sealing: true });
  memory.truncate(5 * 2 ** 30);
  memory.seal("shrink");
  using region = MappedRegion.map(memory);
  assertEquals(region.length, 5 * 2 ** 30);
  region.copyIn(new Uint8Array([6]), 5 * 2 ** 30 - 1);
  assertEquals(copied(region, 5 * 2 ** 30 - 2, 2), [0, 6]);
  if (runtime === "bun") {
    assertThrows(() => region.bytes, RangeError, "map parts of the file");
    assertThrows(() => region.buffer, RangeError, "map parts of the file");
  } else assertEquals(region.bytes[5 * 2 ** 30 - 1], 6);
});

test("I15 copies of more than one call of read(2) could move are whole", () => {
  using memory = MemFD.create("pages", { sealing: true });
  memory.truncate(2 ** 31);
  memory.seal("shrink");
  using region = MappedRegion.map(memory);
  region.copyIn(Uint8Array.of(1));
  const { copy_out } = libc; // bound by the copy before
  const counts: bigint[] = [];
  libc.copy_out = (_to, _view, count) => void counts.push(count as bigint); // 2 GiB take their time
  try {
    region.copyIn(new Uint8Array(2 ** 31));
  } finally {
    libc.copy_out = copy_out;
  }
  assertEquals(counts, [2n ** 31n]);
});

test("X03 where a sandbox forbids the kernel's copies, they are refused; sealed memory needs none", () => {
  using memory = threePages();
  using region = MappedRegion.map(memory);
  copied(region, 0, 1);
  const { process_vm_readv } = libc; // bound by the copy before
  using plain = MemFD.create("plain");
  // A seccomp filter answers EPERM, as sealing what may not be sealed does.
  libc.process_vm_readv = () => libc.fcntl(plain.raw, linux.F_ADD_SEALS, linux.F_SEAL_WRITE);
  try {
    assertThrows(() => copied(region, 0, 1), UnsupportedError, "process_vm_readv(2)");
    memory.seal("shrink");
    using steady = MappedRegion.map(memory);
    assertEquals(copied(steady, 0, 1), [1]);
  } finally {
    libc.process_vm_readv = process_vm_readv;
  }
});

const huge = fs.existsSync("/sys/kernel/mm/hugepages");

test.if(
  huge,
  "this kernel has no huge pages",
  "I14 huge pages: mapped where there are any, ENOMEM with the place to ask for some where not",
  () => {
    using memory = MemFD.create("pages", { hugePages: true });
    memory.truncate(fileBlock(memory));
    if (Number(fs.readFileSync("/proc/sys/vm/nr_hugepages", "utf8")) === 0) {
      assertThrows(() => MappedRegion.map(memory), SyscallError, "/proc/sys/vm/nr_hugepages");
      return;
    }
    const region = MappedRegion.map(memory, { length: 5000 });
    region.bytes[4999] = 5;
    assertEquals([byteAt(memory, 4999), region.unmap()], [5, true]);
  },
);

test.if(huge, "this kernel has no huge pages", "I14 huge pages are unmapped whole", () => {
  using memory = MemFD.create("pages", { hugePages: true });
  const size = fileBlock(memory);
  memory.truncate(3 * size);
  const before = mappings();
  using pages = threePages();
  MappedRegion.map(pages).unmap();
  const { mmap } = libc; // bound by the mapping before
  // Without reserving pages it can be mapped on a machine that has none to give.
  libc.mmap = (address, length, protection, flags, fd, offset) =>
    mmap(address, length, protection, flags | posix.MAP_NORESERVE, fd, offset);
  try {
    for (const options of [{}, { length: 5000 }, { offset: size, length: size + 1 }]) {
      const region = MappedRegion.map(memory, options);
      assertEquals(mappings(), before + 1);
      assertEquals([region.unmap(), mappings()], [true, before]);
    }
    assertThrows(() => MappedRegion.map(memory, { offset: PAGE }), SyscallError, "EINVAL");
  } finally {
    libc.mmap = mmap;
  }
  memory.truncate(0);
});

/** The size of the huge pages that memory consists of. */
function fileBlock(memory: MemFD): number {
  return fs.statSync(`/proc/self/fd/${memory.raw}`).blksize;
}

test.if(
  kernelAtLeast(6, 13),
  "a write-sealed memfd cannot be mapped shared before Linux 6.13",
  "I15 memory that is sealed against writing is mapped for reading, or copy-on-write",
  () => {
    using memory = threePages();
    memory.seal("write");
    assertThrows(() => MappedRegion.map(memory), SyscallError, "sealed against writing");
    using read = MappedRegion.map(memory, { access: "read" });
    using draft = MappedRegion.map(memory, { shared: false });
    draft.bytes[0] = 5;
    assertEquals([copied(read, 0, 1), copied(draft, 0, 1)], [[1], [5]]);
  },
);
