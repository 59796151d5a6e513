import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { fileStatus } from "../handles/file_io.ts";
import { MappedRegion } from "../handles/mapped_region.ts";
import { MemFD } from "../handles/mem_fd.ts";
import type { HugePageSize } from "../handles/memory_options.ts";
import { pageSize } from "../handles/own_mappings.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import type { MemFDWorker } from "./mem_fd_worker.ts";
import { kernelAtLeast, root, spawnScript, test, waitUntil, worker } from "./support.ts";

const PAGE = pageSize();

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The bytes of memory at an offset, by the call for far offsets. */
function bytesAt(memory: MemFD, offset: number | bigint, length: number): number[] {
  const buffer = new Uint8Array(length);
  return [...buffer.subarray(0, memory.pread(buffer, BigInt(offset)))];
}

/** Opens the file of memory once more, with an offset of its own, as another process would. */
function openAgain(memory: MemFD, mode: number = posix.O_RDWR): MemFD {
  const path = utf8(`/proc/self/fd/${memory.raw}\0`);
  return MemFD.adopt(libc.open(path, (mode | posix.O_CLOEXEC) >>> 0, 0));
}

/** Everything that no method takes for a buffer. */
const NO_BUFFERS: readonly unknown[] = [undefined, null, 1, "text", [1], {}, new ArrayBuffer(1)];

/** Everything that no method takes for an offset or a size. */
const NO_NUMBERS: readonly unknown[] = [undefined, null, "0", [0], {}, true];
const OUT_OF_RANGE: readonly (number | bigint)[] = [
  -1,
  NaN,
  1.5,
  Infinity,
  2 ** 53,
  2 ** 64,
  -1n,
  2n ** 63n,
  2n ** 64n,
];

test("I13 MemFD.create: empty, closed on exec, not sealable, and gone when closed", () => {
  const memory = MemFD.create("first");
  assertEquals([memory.size, memory.name, memory.seals], [0, "first", ["seal"]]);
  assertEquals([memory.valid, String(memory)], [true, "[object MemFD]"]);
  assert(memory instanceof Descriptor);
  const number = memory.raw;
  assertEquals(libc.fcntl(number, posix.F_GETFD, 0), posix.FD_CLOEXEC);
  memory.close();
  memory.close();
  assertEquals([memory.raw, memory.closed, memory.name], [-1, true, "first"]);
  assertEquals(libc.fcntl(number, posix.F_GETFD, 0), -1);
});

test("I13 MemFD.create: inherit leaves the descriptor open across exec", () => {
  using memory = MemFD.create("inherited", { inherit: true });
  assertEquals(libc.fcntl(memory.raw, posix.F_GETFD, 0), 0);
});

test("I13 a name has up to 249 bytes, in whatever characters, and is what /proc shows", () => {
  const names = [
    "",
    " ",
    "/not/a/path",
    "two\nlines (deleted)",
    "a".repeat(249),
    "€".repeat(83),
    "𐀀".repeat(62),
  ];
  for (const name of names) {
    using memory = MemFD.create(name);
    using again = openAgain(memory);
    assertEquals([memory.name, again.name], [name, name]);
  }
});

test("I13 a name that is too long, or has a NUL, or is no string, is refused before the call", () => {
  const long = ["a".repeat(250), "€".repeat(84), "𐀀".repeat(63), "a".repeat(1e6), "é".repeat(125)];
  for (const name of long) {
    assertThrows(() => MemFD.create(name), RangeError, "at most 249 bytes");
  }
  for (const name of ["\0", "a\0", "\0a", "a\0b"]) {
    assertThrows(() => MemFD.create(name), RangeError, "no NUL");
  }
  for (const name of [undefined, null, 1, 1n, {}, [], Symbol("name"), utf8("name")]) {
    assertThrows(() => MemFD.create(name as never), TypeError, "MemFD.create: the name");
  }
});

test("I13 options of another type are refused", () => {
  for (const options of [null, 1, "sealing", true]) {
    assertThrows(() => MemFD.create("a", options as never), TypeError, "MemFD.create: options");
  }
  for (const key of ["sealing", "exec", "inherit"]) {
    for (const value of [null, 0, 1, "true"]) {
      assertThrows(() => MemFD.create("a", { [key]: value }), TypeError, `MemFD.create: ${key}`);
    }
  }
  for (const hugePages of [null, 0, 2, "2 MB", "2mb", "4MB", ""]) {
    assertThrows(() => MemFD.create("a", { hugePages: hugePages as never }), TypeError, '"2MB"');
  }
});

test("I13 a MemFD is not made by its constructor", () => {
  const construct = MemFD as unknown as new (...args: unknown[]) => MemFD;
  assertThrows(() => new construct(), TypeError, "factories of MemFD");
  assertThrows(() => new construct(Symbol("owned"), 1, "a"), TypeError, "factories of MemFD");
});

test("I13 read and write move the one offset; a descriptor opened again has its own", () => {
  using memory = MemFD.create("offset");
  assertEquals([memory.write(utf8("hello ")), memory.write(utf8("world"))], [6, 5]);
  const buffer = new Uint8Array(16);
  assertEquals(memory.read(buffer), 0, "the offset is at the end");
  using again = openAgain(memory);
  assertEquals([again.read(buffer.subarray(0, 4)), again.read(buffer.subarray(4))], [4, 7]);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, 11)), "hello world");
  again.write(utf8("!"));
  assertEquals(memory.read(buffer), 1);
});

test("I13 pread and pwrite leave the offset where it is", () => {
  using memory = MemFD.create("positions");
  assertEquals(memory.pwrite(utf8("abcdef"), 2), 6);
  assertEquals(memory.write(utf8("xy")), 2);
  const buffer = new Uint8Array(16);
  assertEquals(memory.pread(buffer, 1), 7);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, 7)), "yabcdef");
  assertEquals([memory.pread(buffer, 8), memory.pread(buffer, 2 ** 50)], [0, 0]);
});

test("I13 every kind of view, its own part only, and none of length 0", () => {
  using memory = MemFD.create("views");
  const source = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(memory.pwrite(new Uint16Array(source.buffer, 2, 2), 0), 4);
  assertEquals(memory.pwrite(new DataView(source.buffer, 7), 4), 1);
  assertEquals(bytesAt(memory, 0, 8), [3, 4, 5, 6, 8]);
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
  assertEquals(memory.pread(shared, 1), 3);
  assertEquals([...new Uint8Array(shared.buffer)], [0, 0, 4, 5, 6, 0, 0, 0]);
  for (const empty of [new Uint8Array(0), new DataView(new ArrayBuffer(0)), detached()]) {
    assertEquals([memory.pread(empty, 0), memory.pwrite(empty, 0)], [0, 0]);
    assertEquals([memory.read(empty), memory.write(empty)], [0, 0]);
  }
  assertEquals(memory.size, 5);
});

function detached(): Uint8Array {
  const view = new Uint8Array(8);
  view.buffer.transfer();
  return view;
}

test("I13 offsets on both sides of 4 GiB and of 2^53 name the byte they say", () => {
  using memory = MemFD.create("far");
  const offsets = [
    0,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 2,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 40,
    2 ** 53 - 1,
  ];
  const far = [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n];
  [...offsets, ...far].forEach((offset, index) => {
    assertEquals(memory.pwrite(new Uint8Array([index + 1]), offset), 1, `${offset}`);
  });
  [...offsets, ...far].forEach((offset, index) => {
    assertEquals(bytesAt(memory, offset, 1), [index + 1], `${offset}`);
    const buffer = new Uint8Array(1);
    assertEquals([memory.pread(buffer, offset), buffer[0]], [1, index + 1], `${offset}`);
  });
  assertEquals(memory.size, 2n ** 62n + 1n);
});

test("I13 near and far offsets stay right in a loop that the compilers have optimised", () => {
  using memory = MemFD.create("hot");
  const near = new Uint8Array([1]);
  const far = new Uint8Array([2]);
  memory.pwrite(near, 7);
  memory.pwrite(far, 2 ** 32 + 7);
  const buffer = new Uint8Array(1);
  for (let round = 0; round < 20_000; round++) {
    const high = round % 3 === 0;
    buffer[0] = 0;
    memory.pread(buffer, high ? 2 ** 32 + 7 : 7);
    if (buffer[0] !== (high ? 2 : 1)) throw new Error(`round ${round}: ${buffer[0]}`);
  }
});

test("I13 size is a number while that is exact, and a bigint beyond", () => {
  using memory = MemFD.create("sizes");
  for (const size of [0, 1, 4096, 2 ** 32, 2 ** 53 - 1]) {
    memory.truncate(size);
    assertEquals(memory.size, size);
  }
  for (const size of [2n ** 53n, 2n ** 63n - 1n]) {
    memory.truncate(size);
    assertEquals(memory.size, size);
  }
  memory.truncate(5n);
  assertEquals(memory.size, 5);
});

test("I13 truncate: what is cut off is gone, and what is added is zero", () => {
  using memory = MemFD.create("cut");
  memory.write(utf8("hello"));
  memory.truncate(2);
  memory.truncate(4);
  assertEquals(bytesAt(memory, 0, 8), [104, 101, 0, 0]);
});

test("I13 arguments of another type or out of range are refused before the call", () => {
  using memory = MemFD.create("strict");
  const buffer = new Uint8Array(1);
  for (const bad of NO_BUFFERS as never[]) {
    assertThrows(() => memory.read(bad), TypeError, "MemFD.read: the buffer");
    assertThrows(() => memory.write(bad), TypeError, "MemFD.write: the buffer");
    assertThrows(() => memory.pread(bad, 0), TypeError, "MemFD.pread: the buffer");
    assertThrows(() => memory.pwrite(bad, 0), TypeError, "MemFD.pwrite: the buffer");
  }
  for (const bad of NO_NUMBERS as never[]) {
    assertThrows(() => memory.pread(buffer, bad), TypeError, "MemFD.pread: the offset");
    assertThrows(() => memory.pwrite(buffer, bad), TypeError, "MemFD.pwrite: the offset");
    assertThrows(() => memory.truncate(bad), TypeError, "MemFD.truncate: the size");
  }
  for (const bad of OUT_OF_RANGE) {
    assertThrows(() => memory.pread(buffer, bad), RangeError, "MemFD.pread: the offset");
    assertThrows(() => memory.pwrite(buffer, bad), RangeError, "MemFD.pwrite: the offset");
    assertThrows(() => memory.truncate(bad), RangeError, "MemFD.truncate: the size");
  }
  assertEquals(memory.size, 0);
});

test("I16 an offset that no file can reach is the kernel's EINVAL, with call and descriptor", () => {
  using memory = MemFD.create("end of the world");
  const last = 2n ** 63n - 1n;
  const error = assertThrows(() => memory.pwrite(new Uint8Array(1), last), SyscallError, "EINVAL");
  assertEquals([error.syscall, error.fd], ["pwrite", memory.raw]);
  assertThrows(() => memory.pread(new Uint8Array(1), last), SyscallError, "pread(2)");
  assertEquals(memory.pwrite(new Uint8Array(1), last - 1n), 1);
  assertEquals(memory.size, last);
});

test("I13 every method of a closed MemFD throws ClosedError", () => {
  const memory = MemFD.create("closed", { sealing: true });
  memory.close();
  const buffer = new Uint8Array(1);
  const calls: (() => unknown)[] = [
    () => memory.read(buffer),
    () => memory.write(buffer),
    () => memory.pread(buffer, 0),
    () => memory.pread(buffer, 2n ** 40n),
    () => memory.pwrite(buffer, 0),
    () => memory.truncate(0),
    () => memory.size,
    () => memory.seals,
    () => memory.seal("write"),
    () => memory.share(),
    () => MappedRegion.map(memory),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "MemFD is closed");
});

test("I01 a shared MemFD is one: the same bytes and name on the worker, closed there and here", async () => {
  await using thread = worker<MemFDWorker>(new URL("./mem_fd_worker.ts", import.meta.url));
  const memory = MemFD.create("lent");
  memory.write(utf8("here"));
  assertEquals(await thread.call("append", memory.share(), "there"), ["lent", 4]);
  assertEquals(new TextDecoder().decode(Uint8Array.from(bytesAt(memory, 0, 16))), "herethere");
  assertThrows(() => MemFD.from({ ...memory.share(), kind: "FD" }), TypeError, "a shared FD");
  assertThrows(() => FD.from(memory.share()), TypeError, "a shared MemFD");
  await thread.call("close", memory.share());
  assertEquals(memory.raw, -1);
});

test("I02 closed while a worker is at pread: it ends with ClosedError, and reads no stranger", async () => {
  await using thread = worker<MemFDWorker>(new URL("./mem_fd_worker.ts", import.meta.url));
  const memory = MemFD.create("contested");
  const number = memory.raw;
  memory.write(new Uint8Array(64).fill(1));
  const rounds = new Int32Array(new SharedArrayBuffer(4));
  const stray = thread.call("preadUntilClosed", memory.share(), rounds.buffer);
  await waitUntil(() => Atomics.load(rounds, 0) > 1000, 10_000, "the worker at its reads");
  memory.close();
  // The number is free when the worker's last read has ended: whoever gets it is not to be read.
  const strangers: MemFD[] = [];
  const end = performance.now() + 10_000;
  try {
    while (strangers.at(-1)?.raw !== number && performance.now() < end) {
      const stranger = MemFD.create("stranger");
      stranger.write(new Uint8Array(64).fill(2));
      if (stranger.raw <= number) strangers.push(stranger);
      else stranger.close(); // the worker still holds the number
    }
    assertEquals(strangers.at(-1)?.raw, number, "a stranger got the number");
    assertEquals(await stray, 0);
  } finally {
    for (const stranger of strangers) stranger.close();
  }
});

test("I13 adopt takes memory of any origin, and nothing else", () => {
  using memory = MemFD.create("origin", { sealing: true });
  memory.write(utf8("abc"));
  const adopted = openAgain(memory, posix.O_RDONLY);
  const number = adopted.raw;
  assertEquals([adopted.name, adopted.size, adopted.seals], ["origin", 3, []]);
  const error = assertThrows(() => adopted.write(utf8("d")), SyscallError, "EBADF");
  assertEquals(error.fd, number);
  assertThrows(() => adopted.seal("grow"), SyscallError, "not open for writing");
  adopted.close();
  assertThrows(() => MemFD.adopt(number), SyscallError, "EBADF");

  const other = openSync("/dev/null", "r");
  assertThrows(() => MemFD.adopt(other), TypeError, "must be a memfd");
  assertThrows(() => MemFD.duplicate(other), TypeError, "must be a memfd");
  closeSync(other);
  for (const take of [MemFD.adopt, MemFD.duplicate]) {
    assertThrows(() => take(other), SyscallError, "EBADF");
    for (const bad of [-1, 0.5, NaN, 2 ** 31]) {
      assertThrows(() => take(bad), RangeError, `MemFD.${take.name}: the number`);
    }
    for (const bad of [undefined, null, "3", 3n, memory]) {
      assertThrows(() => take(bad as never), TypeError, `MemFD.${take.name}: the number`);
    }
  }
});

test("I13 duplicate leaves the number its owner's, and shares the offset", () => {
  using memory = MemFD.create("twice", { inherit: true });
  using again = MemFD.duplicate(memory.raw);
  assertEquals(libc.fcntl(again.raw, posix.F_GETFD, 0), posix.FD_CLOEXEC);
  memory.write(utf8("ab"));
  again.write(utf8("cd"));
  memory.close();
  assertEquals([again.name, bytesAt(again, 0, 8)], ["twice", [97, 98, 99, 100]]);
});

test("I13 another process sees the bytes through /proc", () => {
  using memory = MemFD.create("proc");
  memory.write(utf8("seen"));
  assertEquals(readFileSync(`/proc/self/fd/${memory.raw}`, "utf8"), "seen");
});

test("I13 seals: all or none of one call, in order, and none for nothing", () => {
  using memory = MemFD.create("sealed", { sealing: true });
  assertEquals(memory.seals, []);
  memory.seal("grow", "shrink");
  memory.seal("shrink");
  assertEquals(memory.seals, ["shrink", "grow"]);
  assertThrows(() => memory.seal(), TypeError, "MemFD.seal");
  for (const bad of [undefined, null, "", "Write", 8, {}, ["write"]]) {
    assertThrows(() => memory.seal("write", bad as never), TypeError, '"future-write"');
  }
  assertEquals(memory.seals, ["shrink", "grow"]);
});

test("I16 a sealed operation is EPERM, and the error names the seals", () => {
  using memory = MemFD.create("sealed", { sealing: true });
  memory.truncate(4096);
  memory.seal("shrink", "grow", "write");
  const calls: [syscall: string, call: () => unknown][] = [
    ["write", () => memory.write(new Uint8Array(1))],
    ["pwrite", () => memory.pwrite(new Uint8Array(1), 0)],
    ["ftruncate", () => memory.truncate(0)],
    ["ftruncate", () => memory.truncate(8192)],
    ["mmap", () => MappedRegion.map(memory)],
  ];
  for (const [syscall, call] of calls) {
    const error = assertThrows(call, SyscallError, "sealed");
    assertEquals([error.code, error.syscall, error.fd], ["EPERM", syscall, memory.raw]);
    if (syscall !== "mmap") assert(error.message.includes('("shrink", "grow", "write")'));
  }
});

test("I16 sealing what may not be sealed says how it could have been", () => {
  using memory = MemFD.create("plain");
  assertThrows(() => memory.seal("write"), SyscallError, "{ sealing: true }");
  using mapped = MemFD.create("mapped", { sealing: true });
  mapped.truncate(4096);
  using region = MappedRegion.map(mapped);
  assertThrows(() => mapped.seal("write"), SyscallError, '"future-write"');
  region.unmap();
  mapped.seal("write");
});

test("I13 truncate never takes a page away that this process maps, through any handle or thread", async () => {
  await using thread = worker<MemFDWorker>(new URL("./mem_fd_worker.ts", import.meta.url));
  using memory = MemFD.create("mapped");
  memory.truncate(5 * PAGE);
  using again = openAgain(memory);
  using other = MemFD.create("other");
  other.truncate(5 * PAGE);

  using region = MappedRegion.map(memory, { offset: PAGE, length: PAGE + 1 });
  memory.truncate(4 * PAGE);
  memory.truncate(2 * PAGE + 1);
  assertEquals(memory.size, 2 * PAGE + 1, "the region's last page is there, if only in part");
  for (const handle of [memory, again]) {
    assertThrows(() => handle.truncate(2 * PAGE), RangeError, "unmap() it first");
    assertThrows(() => handle.truncate(0n), RangeError, "SIGBUS");
  }
  assertEquals(memory.size, 2 * PAGE + 1);
  other.truncate(0);
  memory.truncate(2 ** 30);
  region.unmap();
  again.truncate(PAGE);
  assertEquals(memory.size, PAGE);

  await thread.call("hold", again.share());
  assertThrows(() => memory.truncate(0), RangeError, "unmap() it first");
  await thread.call("letGo");
  memory.truncate(0);
});

test("I16 without a descriptor left, what is mapped is not guessed: truncate fails with EMFILE", async () => {
  const { stdout, stderr } = await spawnScript(`
    import { EventFD, MappedRegion, MemFD } from "@fdloop/fdloop";
    import { execFileSync } from "node:child_process";
    import process from "node:process";
    using memory = MemFD.create("mapped");
    memory.truncate(8192);
    using region = MappedRegion.map(memory);
    execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=256"]);
    const held = [];
    const codeOf = (call) => { try { return call() ?? "none"; } catch (error) { return error.code; } };
    while (codeOf(() => held.push(EventFD.create())) !== "EMFILE");
    const full = codeOf(() => memory.truncate(0));
    for (const one of held) one.close();
    console.log(full, memory.size);`);
  assertEquals([stdout, stderr], ["EMFILE 8192\n", ""]);
});

test.if(kernelAtLeast(6, 3), "MFD_EXEC is Linux 6.3", "I14 exec: on, off and sealed", () => {
  using executable = MemFD.create("exec", { exec: true, sealing: true });
  using data = MemFD.create("data", { exec: false });
  const modes = [executable, data].map((memory) => fileStatus(memory).mode & 0o777);
  assertEquals(modes, [0o777, 0o666]);
  assertEquals([executable.seals, data.seals], [[], ["exec"]]);
  data.truncate(10);
  data.seal("shrink");
  assertEquals(data.seals, ["shrink", "exec"], "exec: false allows sealing");
  executable.seal("exec");
  assertEquals(executable.seals, ["shrink", "grow", "write", "future-write", "exec"]);
});

test("I14 exec and the newer seals on an older kernel: UnsupportedError with the version", async () => {
  // The calls get a flag that no kernel knows, which is what the real one is to an old kernel.
  const result = await spawnScript(`
    import { linux } from "${root}ffi/const_linux.ts";
    import { libc } from "${root}ffi/libc.ts";
    import { MemFD } from "${root}handles/mem_fd.ts";
    using memory = MemFD.create("old", { sealing: true });
    const { memfd_create, fcntl } = libc; // bound by the first call of each
    const newer = linux.MFD_EXEC | linux.MFD_NOEXEC_SEAL;
    libc.memfd_create = (name, flags) =>
      memfd_create(name, (flags & newer) === 0 ? flags : flags | 0x8000);
    libc.fcntl = (fd, command, bits) =>
      fcntl(fd, command, command === linux.F_ADD_SEALS && bits > 0xf ? bits | 0x8000 : bits);
    const told = (call) => { try { call(); return "nothing"; } catch (error) { return String(error); } };
    console.log(JSON.stringify([
      told(() => MemFD.create("new", { exec: true })),
      told(() => MemFD.create("new", { exec: false })),
      told(() => memory.seal("shrink", "exec")),
      told(() => memory.seal("future-write")),
      told(() => memory.seal("shrink")),
    ]));
  `);
  assertEquals(result.stderr, "");
  const lacks = (what: string, since: string): string =>
    `UnsupportedError: ${what} is not available here: it requires Linux ${since}`;
  assertEquals(JSON.parse(result.stdout), [
    lacks("the option exec of MemFD.create", "6.3"),
    lacks("the option exec of MemFD.create", "6.3"),
    lacks('the seal "exec"', "6.3"),
    lacks('the seal "future-write"', "5.1"),
    "nothing",
  ]);
});

const SIZES: Readonly<Record<string, HugePageSize>> = {
  "hugepages-64kB": "64KB",
  "hugepages-2048kB": "2MB",
  "hugepages-32768kB": "32MB",
  "hugepages-1048576kB": "1GB",
};

/** The sizes of huge pages that this machine has. */
function hugePageSizes(): HugePageSize[] {
  try {
    return readdirSync("/sys/kernel/mm/hugepages").flatMap((name) => SIZES[name] ?? []);
  } catch {
    return [];
  }
}

const here = hugePageSizes();

test.if(
  here.length > 0,
  "this kernel has no huge pages",
  "I14 huge pages: made in each size of this machine, ENODEV in every other",
  () => {
    for (const hugePages of [true, ...here]) {
      using memory = MemFD.create("huge", { hugePages, sealing: true });
      assertEquals([memory.size, memory.seals, memory.name], [0, [], "huge"]);
      assertThrows(() => memory.write(new Uint8Array(8)), SyscallError, "EINVAL");
      assertThrows(() => memory.truncate(4097), SyscallError, "EINVAL");
    }
    const elsewhere =
      (["64KB", "512KB", "1MB", "8MB", "16MB", "256MB", "512MB", "2GB", "16GB"] as const)
        .filter((size) => !here.includes(size));
    for (const hugePages of elsewhere) {
      assertThrows(
        () => MemFD.create("huge", { hugePages }),
        SyscallError,
        "/sys/kernel/mm/hugepages",
      );
    }
  },
);

const buffers = `const buffer = new Uint8Array(new ArrayBuffer(64));`;
const heap = `import { MemFD } from "${root}handles/mem_fd.ts";
  ${buffers}
  const memory = MemFD.create("heap");
  memory.pwrite(buffer, 0);`;

for (
  const call of [
    "memory.pread(buffer, 0);",
    "memory.pwrite(buffer, 0);",
    "memory.pread(buffer, call & 1023);",
    "memory.read(buffer);",
  ]
) {
  test(`I18 no allocation: ${call}`, () => assertNoAllocation({ setup: heap, call }));
}

test("I13 the flags of huge pages are those of memfd_create(2), unsigned", () => {
  MemFD.create("first").close();
  const calls: number[] = [];
  const { memfd_create } = libc; // bound by the call before
  libc.memfd_create = (name, flags) => {
    calls.push(flags);
    return memfd_create(name, linux.MFD_CLOEXEC);
  };
  try {
    for (const hugePages of ["2MB", "1GB", "16GB"] as const) {
      MemFD.create("flags", { hugePages, sealing: true }).close();
    }
  } finally {
    libc.memfd_create = memfd_create;
  }
  assertEquals(calls, [0x54000007, 0x78000007, 0x88000007]);
});
