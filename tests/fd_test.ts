import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { FD } from "../handles/fd.ts";
import { MappedRegion } from "../handles/mapped_region.ts";
import { MemFD } from "../handles/mem_fd.ts";
import { pageSize } from "../handles/own_mappings.ts";
import { pipe } from "../handles/pipe.ts";
import { spawnScript, tempDir, test } from "./support.ts";

/** Opens a file that nobody owns yet: the runtimes would keep an eye on a number of their own. */
function open(path: string, flags = posix.O_RDONLY): number {
  return libc.open(new TextEncoder().encode(`${path}\0`), flags, 0);
}

const isOpen = (number: number): boolean => libc.fcntl(number, posix.F_GETFD, 0) !== -1;

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("I01 FD.adopt takes ownership: closing closes the number, once, and raw is −1", () => {
  const number = open("/dev/null");
  const fd = FD.adopt(number);
  assertEquals([fd.raw, fd.valid, fd.closed], [number, true, false]);
  fd.close();
  fd.close();
  assertEquals([fd.raw, fd.valid, fd.closed], [-1, false, true]);
  assert(!isOpen(number));
});

test("I01 closing twice does not close the number's next owner", () => {
  const fd = FD.adopt(open("/dev/null"));
  const number = fd.raw;
  fd.close();
  const next = open("/dev/null");
  assertEquals(next, number, "the kernel gives the lowest number");
  fd.close();
  fd[Symbol.dispose]();
  assert(isOpen(next));
  libc.close(next);
});

test("I01 FD.duplicate leaves the number its owner's, and is closed on its own", () => {
  const number = openSync("/dev/zero", "r");
  using copy = FD.duplicate(number);
  assertEquals(copy.cloexec, true);
  closeSync(number);
  assertEquals(copy.read(new Uint8Array(4)), 4);
  assertThrows(() => FD.duplicate(number), SyscallError, "EBADF");
  assertThrows(() => FD.duplicate(-1), RangeError, "FD.duplicate");
  assertThrows(() => FD.duplicate("3" as never), TypeError, "FD.duplicate");
});

test("I01 FD.adopt refuses what is no open descriptor", () => {
  const number = open("/dev/null");
  libc.close(number);
  const error = assertThrows(() => FD.adopt(number), SyscallError, "EBADF");
  assertEquals([error.code, error.errno, error.syscall, error.fd], ["EBADF", 9, "fcntl", number]);
  for (const bad of [-1, 1.5, NaN, 2 ** 31, Infinity]) {
    assertThrows(() => FD.adopt(bad), RangeError, "FD.adopt");
  }
  for (const bad of [undefined, null, "3", 3n, {}, [3]]) {
    assertThrows(() => FD.adopt(bad as never), TypeError, "FD.adopt");
  }
});

test("I01 a handle is not made by its constructor", () => {
  const construct = FD as unknown as new (...args: unknown[]) => FD;
  assertThrows(() => new construct(), TypeError, "factories of FD");
  assertThrows(() => new construct(Symbol("owned"), 1), TypeError, "factories of FD");
});

test("I16 reads and writes: bytes, would-block, end of file", () => {
  using ends = pipe();
  const buffer = new Uint8Array(8);
  assertEquals(ends.reader.read(buffer), null);
  assertEquals(ends.writer.write(new TextEncoder().encode("hello")), 5);
  assertEquals(ends.reader.read(buffer.subarray(0, 3)), 3);
  assertEquals(ends.reader.read(buffer.subarray(3)), 2);
  assertEquals(text(buffer.subarray(0, 5)), "hello");
  ends.writer.close();
  assertEquals(ends.reader.read(buffer), 0);
});

test("I16 a full pipe takes what fits and then would block", () => {
  using ends = pipe();
  const block = new Uint8Array(1 << 20);
  assertEquals(ends.writer.write(block), 65536);
  assertEquals(ends.writer.write(block), null);
});

test("iofd: empty buffers move nothing and fail nothing", () => {
  using ends = pipe();
  assertEquals(ends.reader.read(new Uint8Array(0)), 0);
  assertEquals(ends.writer.write(new Uint8Array(0)), 0);
});

test("X03 every kind of view is its own bytes, in place", () => {
  using ends = pipe();
  const shared = new Uint8Array(new SharedArrayBuffer(8));
  shared.set([1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(ends.writer.write(shared), 8);
  const words = new Uint16Array(6);
  assertEquals(ends.reader.read(words.subarray(1, 3)), 4);
  assertEquals([...new Uint8Array(words.buffer)], [0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0]);
  const view = new DataView(new ArrayBuffer(8), 2, 4);
  assertEquals(ends.reader.read(view), 4);
  assertEquals(view.getUint32(0), 0x05060708);
});

test("X03 a detached buffer is an empty one", () => {
  using ends = pipe();
  const buffer = new Uint8Array(8);
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  ends.writer.write(new Uint8Array(1));
  assertEquals(ends.reader.read(buffer), 0);
  assertEquals(ends.reader.read(new Uint8Array(8)), 1, "the byte is still there");
});

test("X03 what is no buffer is refused before the call", () => {
  using ends = pipe();
  for (const bad of [undefined, null, 3, "abc", new ArrayBuffer(8), [1, 2], {}]) {
    assertThrows(() => ends.reader.read(bad as never), TypeError, "FD.read: the buffer");
    assertThrows(() => ends.writer.write(bad as never), TypeError, "FD.write: the buffer");
  }
});

test("I16 errors carry the call, the code, the number and the descriptor", () => {
  using ends = pipe();
  const error = assertThrows(() => ends.reader.write(new Uint8Array(1)), SyscallError);
  assertInstanceOf(error, Error);
  assertEquals(
    [error.name, error.code, error.errno, error.syscall, error.fd],
    ["SyscallError", "EBADF", 9, "write", ends.reader.raw],
  );
  ends.reader.close();
  assertEquals(
    assertThrows(() => ends.writer.write(new Uint8Array(1)), SyscallError).code,
    "EPIPE",
  );
});

test("iofd: after close every method of FD says so", () => {
  const ends = pipe();
  ends[Symbol.dispose]();
  const { reader } = ends;
  const calls: (() => unknown)[] = [
    () => reader.read(new Uint8Array(1)),
    () => reader.write(new Uint8Array(1)),
    () => reader.pread(new Uint8Array(1), 0),
    () => reader.pwrite(new Uint8Array(1), 0),
    () => reader.size,
    () => reader.truncate(0),
    () => reader.dup(),
    () => reader.nonblock,
    () => reader.cloexec,
    () => reader.setNonblock(true),
    () => reader.setCloexec(true),
    () => reader.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "FD is closed");
});

test("I03 dup: CLOEXEC is set, the least number respected, the file the same", () => {
  using ends = pipe({ inherit: true });
  assertEquals(ends.writer.cloexec, false);
  using copy = ends.writer.dup();
  using high = ends.writer.dup(200);
  assertEquals([copy.cloexec, high.cloexec], [true, true]);
  assert(high.raw >= 200);
  ends.writer.close();
  copy.write(new TextEncoder().encode("a"));
  high.write(new TextEncoder().encode("b"));
  const buffer = new Uint8Array(4);
  assertEquals(text(buffer.subarray(0, ends.reader.read(buffer)!)), "ab");
});

test("I03 dup of odd numbers", () => {
  using ends = pipe();
  for (const bad of [-1, 0.5, NaN, 2 ** 31]) assertThrows(() => ends.reader.dup(bad), RangeError);
  assertThrows(() => ends.reader.dup("5" as never), TypeError);
  const error = assertThrows(() => ends.reader.dup(0x7fffffff), SyscallError);
  assertEquals(error.code, "EINVAL", "above the limit");
});

test("I03 O_NONBLOCK belongs to the file, FD_CLOEXEC to the descriptor", () => {
  using ends = pipe();
  using copy = ends.reader.dup();
  ends.reader.setNonblock(false);
  assertEquals([ends.reader.nonblock, copy.nonblock], [false, false]);
  ends.reader.setNonblock(true);
  assertEquals(copy.nonblock, true);
  ends.reader.setCloexec(false);
  assertEquals([ends.reader.cloexec, copy.cloexec], [false, true]);
  for (const bad of [undefined, null, 1, 0, "true"]) {
    assertThrows(() => ends.reader.setNonblock(bad as never), TypeError, "true or false");
    assertThrows(() => ends.reader.setCloexec(bad as never), TypeError, "true or false");
  }
});

test("I03 a flag that is right already costs no second fcntl", async () => {
  const result = await spawnScript(`
    import { pipe } from "@fdloop/fdloop";
    import { libc } from "${new URL("../ffi/libc.ts", import.meta.url).href}";
    using ends = pipe();
    ends.reader.setNonblock(true); ends.reader.setCloexec(true);
    const fcntl = libc.fcntl;
    const commands = [];
    libc.fcntl = (fd, command, argument) => (commands.push(command), fcntl(fd, command, argument));
    ends.reader.setNonblock(true); ends.reader.setCloexec(true);
    console.log(JSON.stringify(commands));
  `);
  assertEquals(result.stderr, "");
  assertEquals(JSON.parse(result.stdout), [posix.F_GETFL, posix.F_GETFD]);
});

test("trap 3: descriptor 0 is a valid one", async () => {
  const result = await spawnScript(`
    import { EventFD, FD } from "@fdloop/fdloop";
    FD.adopt(0).close();
    using zero = EventFD.create();
    zero.signal(5);
    console.log(zero.raw, zero.valid, zero.wait());
    zero.close();
    console.log(zero.raw, zero.valid);
  `);
  assertEquals(result.stderr, "");
  assertEquals(result.stdout, "0 true 5n\n-1 false\n");
});

test("I16 no descriptors left: EMFILE, and nothing half-made stays open", async () => {
  const result = await spawnScript(`
    import { execFileSync } from "node:child_process";
    import { pipe, SyscallError } from "@fdloop/fdloop";
    execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=256"]);
    const held = [];
    let code = "";
    try {
      for (;;) held.push(pipe());
    } catch (error) {
      code = error instanceof SyscallError ? error.code + " " + error.syscall : String(error);
    }
    held.pop()[Symbol.dispose]();
    const again = pipe();
    console.log(code, again.reader.valid);
  `);
  assertEquals(result.stdout, "EMFILE pipe2 true\n");
});

test("I01 a regular file: offset, end, and what was written", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  writeFileSync(path, "abc");
  using file = FD.adopt(open(path, posix.O_RDWR));
  const buffer = new Uint8Array(8);
  assertEquals([file.read(buffer), file.read(buffer)], [3, 0]);
  assertEquals(file.write(new TextEncoder().encode("def")), 3);
  assertEquals(readFileSync(path, "utf8"), "abcdef");
});

test("I01 a file's positions: pread and pwrite leave the offset, on both sides of 4 GiB", () => {
  using dir = tempDir();
  writeFileSync(`${dir.path}/file`, "abcdef");
  using file = FD.adopt(open(`${dir.path}/file`, posix.O_RDWR));
  const buffer = new Uint8Array(4);
  assertEquals([file.pread(buffer, 1), text(buffer)], [4, "bcde"]);
  assertEquals([file.pread(buffer, 6), file.pread(buffer, 2 ** 52), file.size], [0, 0, 6]);
  assertEquals([file.pwrite(new DataView(buffer.buffer, 1, 2), 4), file.size], [2, 6]);
  assertEquals([file.read(buffer), text(buffer)], [4, "abcd"], "the offset is still 0");
  for (const [index, offset] of [2 ** 32 - 1, 2 ** 32, 2n ** 40n].entries()) {
    assertEquals(file.pwrite(new Uint8Array([index + 1]), offset), 1);
    assertEquals([file.pread(buffer.subarray(0, 1), BigInt(offset)), buffer[0]], [1, index + 1]);
    assertEquals(file.size, Number(offset) + 1);
  }
  const empty = new Uint8Array(0);
  assertEquals([file.pread(empty, 0), file.pwrite(empty, 0)], [0, 0]);
});

test("I01 a file's size: longer with zeros, shorter, and kept where it is mapped", () => {
  using dir = tempDir();
  writeFileSync(`${dir.path}/file`, "abcdef");
  using file = FD.adopt(open(`${dir.path}/file`, posix.O_RDWR));
  file.truncate(2);
  file.truncate(4n);
  assertEquals([file.size, readFileSync(`${dir.path}/file`, "utf8")], [4, "ab\0\0"]);
  using memory = MemFD.create("mapped");
  memory.truncate(3 * pageSize());
  using region = MappedRegion.map(memory, { length: 2 * pageSize() });
  using again = FD.duplicate(memory.raw);
  again.truncate(2 * pageSize());
  assertThrows(() => again.truncate(pageSize()), RangeError, "FD.truncate: the size");
  assertEquals([again.size, region.length], [2 * pageSize(), 2 * pageSize()]);
  region.unmap();
  again.truncate(0);
  assertEquals(memory.size, 0);
});

test("I16 what is no file has no positions, and no size of its own", () => {
  using ends = pipe();
  ends.writer.write(new Uint8Array(5));
  assertEquals([ends.reader.size, ends.writer.size], [0, 0]);
  const calls: [string, string, () => unknown][] = [
    ["pread", "ESPIPE", () => ends.reader.pread(new Uint8Array(1), 0)],
    ["pwrite", "ESPIPE", () => ends.writer.pwrite(new Uint8Array(1), 0)],
    ["ftruncate", "EINVAL", () => ends.writer.truncate(0)],
  ];
  for (const [syscall, code, call] of calls) {
    const error = assertThrows(call, SyscallError);
    assertEquals([error.syscall, error.code], [syscall, code]);
  }
  using dir = tempDir();
  writeFileSync(`${dir.path}/file`, "abc");
  using readOnly = FD.adopt(open(`${dir.path}/file`));
  assertThrows(() => readOnly.truncate(0), SyscallError, "EINVAL");
  assertThrows(() => readOnly.pwrite(new Uint8Array(1), 0), SyscallError, "EBADF");
});

test("X03 positions and sizes of another type or out of range are refused before the call", () => {
  using dir = tempDir();
  writeFileSync(`${dir.path}/file`, "abc");
  using file = FD.adopt(open(`${dir.path}/file`, posix.O_RDWR));
  const buffer = new Uint8Array(1);
  for (const bad of [undefined, null, "0", {}, true] as never[]) {
    assertThrows(() => file.pread(buffer, bad), TypeError, "FD.pread: the offset");
    assertThrows(() => file.pwrite(buffer, bad), TypeError, "FD.pwrite: the offset");
    assertThrows(() => file.truncate(bad), TypeError, "FD.truncate: the size");
    assertThrows(() => file.pread(bad, 0), TypeError, "FD.pread: the buffer");
    assertThrows(() => file.pwrite(bad, 0), TypeError, "FD.pwrite: the buffer");
  }
  for (const bad of [-1, 0.5, NaN, 2 ** 53, -1n, 2n ** 63n]) {
    assertThrows(() => file.pread(buffer, bad), RangeError, "FD.pread: the offset");
    assertThrows(() => file.pwrite(buffer, bad), RangeError, "FD.pwrite: the offset");
    assertThrows(() => file.truncate(bad), RangeError, "FD.truncate: the size");
  }
  assertEquals(file.size, 3);
});
