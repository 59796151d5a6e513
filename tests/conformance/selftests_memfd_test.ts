// Linux, tools/testing/selftests/memfd/memfd_test.c: what it observes.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { fileStatus } from "../../handles/file_io.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import type { Seal } from "../../handles/seals.ts";
import { canBecomeWritable, MemoryProbe } from "../memory_probe.ts";
import { kernelAtLeast, root, spawnScript, startScript, test } from "../support.ts";

const SIZE = 8192;

function sized(options = { sealing: true }): MemFD {
  const memory = MemFD.create("kern_memfd", options);
  memory.truncate(SIZE);
  return memory;
}

const refused = (memory: MemFD, ...seals: Seal[]): void =>
  void assertThrows(() => memory.seal(...seals), SyscallError, "EPERM");

test("selftests: memfd CREATE, names and flags", () => {
  assertThrows(() => MemFD.create(null as never), TypeError);
  assertThrows(() => MemFD.create("\xff".repeat(2047)), RangeError);
  MemFD.create("").close();
  for (const sealing of [false, true]) {
    for (const inherit of [false, true]) MemFD.create("", { sealing, inherit }).close();
  }
  const name = new Uint8Array(new ArrayBuffer(1));
  const unknown = [0x100, ~linux.MFD_CLOEXEC, ~linux.MFD_ALLOW_SEALING, ~0, 0x80000000];
  for (const flags of unknown) assertEquals(libc.memfd_create(name, flags >>> 0), -1);
});

test("selftests: memfd BASIC, seals are added, added again, and sealed", () => {
  using memory = sized();
  assertEquals(memory.seals, []);
  for (let twice = 0; twice < 2; twice++) {
    memory.seal("shrink", "write");
    assertEquals(memory.seals, ["shrink", "write"]);
  }
  memory.seal("grow", "seal");
  assertEquals(memory.seals, ["seal", "shrink", "grow", "write"]);
  refused(memory, "grow");
  assertEquals(libc.fcntl(memory.raw, linux.F_ADD_SEALS, 0), -1, "not even no seal");
});

test("selftests: memfd BASIC, without MFD_ALLOW_SEALING there is one seal, SEAL", () => {
  using memory = sized({ sealing: false });
  assertEquals(memory.seals, ["seal"]);
  refused(memory, "shrink", "grow", "write");
  assertEquals(libc.fcntl(memory.raw, linux.F_ADD_SEALS, 0), -1);
  assertEquals(memory.seals, ["seal"]);
});

test("selftests: memfd SEAL-SEAL, after it every seal is refused, the same one too", () => {
  using memory = sized();
  memory.seal("seal");
  for (const seal of ["seal", "shrink", "grow", "write", "future-write"] as const) {
    refused(memory, seal);
  }
  assertEquals(memory.seals, ["seal"]);
});

const ALL = ["read", "write", "punch", "map write", "map read", "shrink", "grow", "grow write"];

/** What each set of seals leaves, as the suite finds it; the rest fails with EPERM. */
const LEFT: readonly [name: string, seals: readonly Seal[], left: readonly string[]][] = [
  ["no seal", [], ALL],
  ["SEAL-WRITE", ["write"], ["read", "map read", "shrink", "grow"]],
  ["SEAL-FUTURE-WRITE", ["future-write"], ["read", "map read", "shrink", "grow"]],
  ["SEAL-SHRINK", ["shrink"], ALL.filter((call) => call !== "shrink")],
  ["SEAL-GROW", ["grow"], ALL.filter((call) => !call.startsWith("grow"))],
  [
    "SEAL-RESIZE",
    ["shrink", "grow"],
    ALL.filter((call) => call !== "shrink" && !call.startsWith("grow")),
  ],
  ["SEAL-SEAL", ["seal"], ALL],
];

for (const [name, seals, left] of LEFT) {
  test(`selftests: memfd ${name} leaves ${left.length} of ${ALL.length} operations`, () => {
    for (const call of ALL) {
      using memory = sized();
      if (seals.length > 0) memory.seal(...seals);
      const outcome = new MemoryProbe(memory, SIZE).attempt(call);
      // Memory that is sealed against writing could not be mapped shared at all before 6.13.
      const sealed = call === "map read" && seals.includes("write") && !kernelAtLeast(6, 13);
      assertEquals(outcome, left.includes(call) && !sealed ? "ok" : "EPERM", `${name}: ${call}`);
    }
  });
}

test("selftests: memfd SEAL-FUTURE-WRITE, the mapping that exists goes on writing", () => {
  using memory = sized();
  using region = MappedRegion.map(memory);
  assertEquals(canBecomeWritable(memory, SIZE), true);
  memory.seal("future-write");
  assertEquals(canBecomeWritable(memory, SIZE), false);
  region.bytes[5] = 5;
  region.copyIn(new Uint8Array([6]), 6);
  const buffer = new Uint8Array(8);
  memory.pread(buffer, 0);
  assertEquals([buffer[5], buffer[6]], [5, 6]);
  using draft = MappedRegion.map(memory, { shared: false });
  draft.bytes[5] = 50;
  assertEquals(region.bytes[5], 5);
});

test.if(
  kernelAtLeast(6, 13),
  "a write-sealed memfd cannot be mapped shared before Linux 6.13",
  "selftests: memfd SEAL-WRITE-MAP-READ-SHARED, readable, never made writable, and cut",
  () => {
    using memory = sized();
    memory.pwrite(new Uint8Array([1]), 0);
    memory.seal("write");
    assertEquals(canBecomeWritable(memory, SIZE), false);
    using region = MappedRegion.map(memory, { access: "read" });
    const buffer = new Uint8Array(1);
    region.copyOut(buffer);
    assertEquals(buffer[0], 1);
    assertEquals(libc.ftruncate(memory.raw, 0n), 0, "it is not sealed against shrinking");
  },
);

const mode = (memory: MemFD): number => fileStatus(memory).mode & 0o7777;
const path = (memory: MemFD): string => `/proc/self/fd/${memory.raw}`;
const F_WX: readonly Seal[] = ["shrink", "grow", "write", "future-write", "exec"];

test.if(kernelAtLeast(6, 3), "F_SEAL_EXEC is Linux 6.3", "selftests: memfd SEAL-EXEC", () => {
  using data = MemFD.create("exec", { sealing: true, exec: true });
  assertEquals(mode(data), 0o777);
  fs.chmodSync(path(data), 0o644);
  data.seal("exec");
  assertEquals(data.seals, ["exec"]);
  fs.chmodSync(path(data), 0o600);
  for (const bits of [0o777, 0o670, 0o605, 0o700, 0o100]) {
    assertThrows(() => fs.chmodSync(path(data), bits), Error, "");
    assertEquals(mode(data), 0o600);
  }
  assertEquals(data.write(new Uint8Array(4)), 4);

  using program = MemFD.create("exec", { sealing: true, exec: true });
  fs.chmodSync(path(program), 0o700);
  program.seal("exec");
  assertEquals(program.seals, F_WX);
  for (const bits of [0o711, 0o600]) {
    assertThrows(() => fs.chmodSync(path(program), bits), Error, "");
  }
  assertThrows(() => program.write(new Uint8Array(4)), SyscallError, "EPERM");
});

test.if(
  kernelAtLeast(6, 3),
  "MFD_NOEXEC_SEAL is Linux 6.3",
  "selftests: memfd EXEC_NO_SEAL and NOEXEC_SEAL",
  () => {
    using program = MemFD.create("exec", { exec: true });
    assertEquals([mode(program), program.seals], [0o777, ["seal"]]);
    fs.chmodSync(path(program), 0o666);
    for (const sealing of [true, false]) {
      using data = MemFD.create("noexec", { exec: false, sealing });
      assertEquals([mode(data), data.seals], [0o666, ["exec"]]);
      assertThrows(() => fs.chmodSync(path(data), 0o777), Error, "");
      assertEquals(mode(data), 0o666);
    }
    const both = (linux.MFD_EXEC | linux.MFD_NOEXEC_SEAL) >>> 0;
    assertEquals(libc.memfd_create(new Uint8Array(new ArrayBuffer(1)), both), -1);
  },
);

/** Whether a PID namespace, which has a sysctl of its own, can be made. */
function canUnshare(): boolean {
  return fs.existsSync("/proc/sys/vm/memfd_noexec") &&
    spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0;
}

/** Prints mode and seals of memory by each value of the option, in a namespace with the sysctl. */
const sysctlScript = (value: number): string => `
  import { spawnSync } from "node:child_process";
  import process from "node:process";
  import { fileStatus } from "${root}handles/file_io.ts";
  import { MemFD } from "${root}handles/mem_fd.ts";
  function nest() {
    const set = 'echo ${value} > /proc/sys/vm/memfd_noexec && exec "$@"';
    const deno = ["run", "-A", "--no-prompt", "--no-check", "--no-remote"];
    const run = process.versions.bun ? [] : deno;
    const self = [process.execPath, ...process.execArgv, ...run, process.argv[1]];
    const inside = ["--pid", "--fork", "--mount-proc", "sh", "-c", set, "sh", ...self];
    const env = { ...process.env, FDLOOP_NESTED: "1" };
    const { stdout, stderr } = spawnSync("unshare", inside, { env, encoding: "utf8" });
    process.stdout.write(stdout);
    process.stderr.write(stderr);
  }
  function outcome(exec) {
    try {
      using memory = MemFD.create("sysctl", { sealing: true, exec });
      return (fileStatus(memory).mode & 0o777).toString(8) + " " + memory.seals.join();
    } catch (error) {
      return error.code + " " + error.message.includes("pass { exec: false }");
    }
  }
  if (process.env.FDLOOP_NESTED === undefined) nest();
  else console.log([undefined, true, false].map(outcome).join("; "));`;

const BY_SYSCTL: readonly [value: number, expected: string][] = [
  [1, "666 exec; 777 ; 666 exec"],
  [2, "666 exec; EACCES true; 666 exec"],
];
const nestable = canUnshare();

for (const [value, expected] of BY_SYSCTL) {
  test.if(
    nestable,
    "needs unshare(1), the right to use it, and the sysctl vm.memfd_noexec of Linux 6.3",
    `selftests: memfd SYSCTL, vm.memfd_noexec ${value} in a PID namespace of its own`,
    async () => {
      const result = await spawnScript(sysctlScript(value));
      assertEquals(result.stdout.trimEnd(), expected, result.stderr);
    },
  );
}

test("selftests: memfd SHARE-DUP, seals belong to the memory", () => {
  using memory = sized();
  using again = MemFD.duplicate(memory.raw);
  memory.seal("write");
  again.seal("shrink");
  memory.seal("seal");
  for (const each of [memory, again]) {
    assertEquals(each.seals, ["seal", "shrink", "write"]);
    refused(each, "grow");
    refused(each, "seal");
  }
  again.close();
  refused(memory, "grow");
});

test("selftests: memfd SHARE-MMAP, a writable mapping forbids WRITE and nothing else", () => {
  using memory = sized();
  using region = MappedRegion.map(memory);
  assertThrows(() => memory.seal("write"), SyscallError, "EBUSY");
  assertEquals(memory.seals, []);
  memory.seal("shrink");
  region.unmap();
  using draft = MappedRegion.map(memory, { shared: false });
  memory.seal("write");
  assertEquals([memory.seals, draft.valid], [["shrink", "write"], true]);
});

test("selftests: memfd SHARE-OPEN, sealing needs a descriptor that is open for writing", () => {
  const open = (memory: MemFD, flags: number): MemFD => {
    const name = new TextEncoder().encode(`${path(memory)}\0`);
    return MemFD.adopt(libc.open(name, (flags | posix.O_CLOEXEC) >>> 0, 0));
  };
  const first = sized();
  const second = open(first, posix.O_RDWR);
  first.seal("write");
  second.seal("shrink");
  assertEquals(first.seals, ["shrink", "write"]);
  first.close();
  const third = open(second, posix.O_RDONLY);
  refused(third, "seal");
  second.close();
  const fourth = open(third, posix.O_RDWR);
  fourth.seal("seal");
  assertEquals([third.seals, fourth.seals], [fourth.seals, ["seal", "shrink", "write"]]);
  third.close();
  fourth.close();
});

test("selftests: memfd SHARE-FORK, what is sealed here is sealed in another process, and after it", async () => {
  using memory = sized();
  memory.seal("seal");
  await using other = startScript(`
    import { MemFD } from "${root}handles/mem_fd.ts";
    import { closeSync, openSync } from "node:fs";
    const number = openSync("/proc/${libc.getpid()}/fd/${memory.raw}", "r+");
    using memory = MemFD.duplicate(number);
    closeSync(number);
    try { memory.seal("write"); } catch (error) { console.log(error.code, memory.seals.join()); }`);
  assertEquals(await other.line(), "EPERM seal");
  assertEquals((await other.result).code, 0);
  refused(memory, "write");
  assertEquals(memory.seals, ["seal"]);
});
