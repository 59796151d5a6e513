// Linux Test Project, sendfile02 … 09, and gVisor's sendfile.cc: what they observe, of the call as the
// handles make it and of the connection that is built on it.

import fs from "node:fs";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { errno, libc } from "../../ffi/libc.ts";
import { errnoNumber } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Borrowed } from "../../handles/borrowed.ts";
import { sendfile } from "../../handles/kernel_transfer.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { Loop } from "../../loop/loop.ts";
import { assertBytes, drain, encode, onRecv, openFile, pattern } from "../conn_fixture.ts";
import { codeOf } from "../socket_fixture.ts";
import { tempDir, test } from "../support.ts";

const at = (offset: bigint): BigInt64Array => new BigInt64Array([offset]);

function memory(text: string): MemFD {
  const file = MemFD.create("ltp");
  file.write(encode(text));
  return file;
}

test("ltp: sendfile02, sendfile06 the given offset moves on, the file's position does not", () => {
  using file = memory("abcdefghijklmnopqrstuvwxyz");
  using pair = socketPair();
  for (
    const [begin, count, taken] of [[0, 26, 26], [2, 24, 24], [5, 100, 21], [26, 1, 0]] as const
  ) {
    const offset = at(BigInt(begin));
    assertEquals(sendfile(pair.left, file, offset, count), taken);
    assertEquals(offset[0], BigInt(begin + taken));
    assertEquals(drain(pair.right).bytes.byteLength, taken);
  }
  // Behind what was written to it, where it was before.
  assertEquals(file.read(new Uint8Array(1)), 0);
});

test("ltp: sendfile03 bad descriptors, and such as are open for the other thing", () => {
  using dir = tempDir();
  using file = memory("text");
  using pair = socketPair();
  const path = `${dir.path}/file`;
  const writeOnly = fs.openSync(path, "w");
  const readOnly = fs.openSync(path, "r");
  const calls: readonly [out: number, file: number][] = [
    [pair.left.raw, 987_654],
    [987_654, file.raw],
    [pair.left.raw, writeOnly],
    [readOnly, file.raw],
  ];
  for (const [out, from] of calls) {
    const call = () => sendfile(new Borrowed(out), new Borrowed(from), at(0n), 4);
    assertEquals(codeOf(call), "EBADF");
  }
  for (const number of [writeOnly, readOnly]) fs.closeSync(number);
});

test("ltp: sendfile04 a bad pointer cannot be given; sendfile05 offset -1", async () => {
  using file = memory("text");
  using pair = socketPair();
  // EINVAL of the kernel is tried again by pread(2), which says the same.
  assertEquals(codeOf(() => sendfile(pair.left, file, at(-1n), 4)), "EINVAL");
  using loop = Loop.create();
  const conn = loop.registerConn(pair.left, { onRecv });
  await assertRejects(() => conn.sendfile(file, { offset: -1 }), RangeError);
  await assertRejects(() => conn.sendfile(file, { offset: -1n }), RangeError);
  conn.unregister();
  await loop.run();
});

test("ltp: sendfile08 to a file, at its position; gvisor: and to one that is appended to", () => {
  using dir = tempDir();
  using file = memory("behind");
  fs.writeFileSync(`${dir.path}/file`, "first-");
  // The kernel refuses the second with EINVAL, and it is read and written instead.
  for (const mode of ["r+", "a"]) {
    using out = openFile(`${dir.path}/file`, mode);
    if (mode === "r+") out.read(new Uint8Array(6));
    assertEquals(sendfile(out, file, at(0n), 6), 6);
  }
  assertEquals(fs.readFileSync(`${dir.path}/file`, "latin1"), "first-behindbehind");
});

test("ltp: sendfile09 offsets of 3 GiB and of a terabyte are exact", async () => {
  using file = MemFD.create("large");
  using pair = socketPair();
  using loop = Loop.create();
  const conn = loop.registerConn(pair.left, { onRecv });
  for (const [index, begin] of [3 * 2 ** 30, 2 ** 32, 2 ** 32 + 1, 2n ** 40n + 7n].entries()) {
    file.pwrite(pattern(1000, index), begin);
    const offset = at(BigInt(begin));
    assertEquals(sendfile(pair.left, file, offset, 1000), 1000);
    assertEquals(offset[0], BigInt(begin) + 1000n);
    assertBytes(drain(pair.right).bytes, pattern(1000, index));
    assertEquals(await conn.sendfile(file, { offset: begin, length: 10 }), 10);
    assertBytes(drain(pair.right).bytes, pattern(10, index));
  }
  conn.unregister();
  await loop.run();
});

test("gvisor: SendFile of zero bytes, beyond the end, of more than there is, at the largest offset", () => {
  using file = memory("0123456789");
  using pair = socketPair();
  assertEquals(sendfile(pair.left, file, at(0n), 0), 0);
  assertEquals(sendfile(pair.left, file, at(11n), 5), 0);
  assertEquals(sendfile(pair.left, file, at(5n), 2 ** 31 - 1), 5);
  assertEquals(codeOf(() => sendfile(pair.left, file, at(2n ** 63n - 1n), 5)), "EINVAL");
});

test("gvisor: SendFile of what is no file: EINVAL of the kernel, ESPIPE of what is tried instead", () => {
  using pair = socketPair();
  using ends = pipe();
  ends.writer.write(encode("text"));
  const offset = at(0n);
  assertEquals(libc.sendfile(pair.left.raw, pair.right.raw, null, 4), -1);
  assertEquals(errno(), errnoNumber("EINVAL"));
  assertThrows(() => sendfile(pair.left, ends.reader, offset, 4), SyscallError, "ESPIPE");
  assertThrows(() => sendfile(ends.writer, pair.left, offset, 4), SyscallError, "ESPIPE");
});
