import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Borrowed } from "../handles/borrowed.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { bytesFrom, sendfile, splice } from "../handles/kernel_transfer.ts";
import { MemFD } from "../handles/mem_fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { assertBytes, drain, fill, pattern } from "./conn_fixture.ts";
import { failing } from "./socket_fixture.ts";
import { test } from "./support.ts";

const at = (offset: bigint): BigInt64Array => new BigInt64Array([offset]);

function memory(length: number): MemFD {
  const file = MemFD.create("transfer");
  file.write(pattern(length));
  return file;
}

test("C29 bytesFrom: what is there, 0 beyond it, Infinity where nobody knows", () => {
  using file = memory(10);
  const there = [0, 3, 10, 11, 2n ** 62n].map((offset) => bytesFrom(file, offset));
  assertEquals(there, [10, 7, 0, 0, 0]);
  using empty = MemFD.create("empty");
  const zero = fs.openSync("/dev/zero", "r");
  const status = fs.openSync("/proc/self/status", "r");
  const unknown = [empty, new Borrowed(zero), new Borrowed(status)];
  assertEquals(unknown.map((one) => bytesFrom(one, 0)), [Infinity, Infinity, Infinity]);
  for (const number of [zero, status]) fs.closeSync(number);
  using ends = pipe();
  assertThrows(() => bytesFrom(ends.reader, 0), SyscallError, "Loop.splice");
});

test("C29 sendfile: the offset moves on, would-block is null, the end is 0", () => {
  using file = memory(100_000);
  using pair = socketPair();
  const offset = at(10n);
  assertEquals([sendfile(pair.left, file, offset, 5), offset[0]], [5, 15n]);
  assertBytes(drain(pair.right).bytes, pattern(5, 10));
  assertEquals([sendfile(pair.left, file, at(100_000n), 5), sendfile(pair.left, file, at(0n), 0)], [
    0,
    0,
  ]);
  fill(pair.left);
  assertEquals([sendfile(pair.left, file, offset, 5), offset[0]], [null, 15n]);
  pair.right.close();
  assertThrows(() => sendfile(pair.left, file, offset, 5), SyscallError, "EPIPE");
});

test("C29 sendfile: EINTR is not the caller's; what is refused is copied", () => {
  using file = memory(100_000);
  using pair = socketPair();
  const offset = at(0n);
  using calls = failing("sendfile", ["EINTR", "EINTR", "EINVAL", "ENOSYS", "EINTR", "EIO"]);
  const taken = sendfile(pair.left, file, offset, 1000);
  assertEquals([taken, offset[0], calls.calls], [1000, 1000n, 3]);
  assertEquals([sendfile(pair.left, file, offset, 99_000), offset[0]], [65536, 66536n]);
  assertThrows(() => sendfile(pair.left, file, offset, 5), SyscallError, "EIO");
  assertBytes(drain(pair.right).bytes, pattern(66_536));
  using refused = failing("sendfile", Array(4).fill("EINVAL"));
  assertEquals(sendfile(pair.left, file, at(100_000n), 5), 0);
  fill(pair.left);
  assertEquals([sendfile(pair.left, file, offset, 5), offset[0]], [null, 66536n]);
  pair.right.close();
  assertThrows(() => sendfile(pair.left, file, offset, 5), SyscallError, "EPIPE");
  assertEquals(refused.calls, 3);
});

test("C29 splice: counts, would-block, the end, EINTR", () => {
  using ends = pipe();
  using pair = socketPair();
  const { SPLICE_F_NONBLOCK } = linux;
  assertEquals(splice(pair.left, ends.writer, 100, SPLICE_F_NONBLOCK), null);
  pair.right.write(pattern(1000));
  using calls = failing("splice", ["EINTR"]);
  assertEquals(splice(pair.left, ends.writer, 600, SPLICE_F_NONBLOCK), 600);
  assertEquals(calls.calls, 2);
  assertEquals(splice(pair.left, ends.writer, 600, SPLICE_F_NONBLOCK), 400);
  assertEquals(splice(ends.reader, pair.right, 5000, SPLICE_F_NONBLOCK), 1000);
  assertBytes(drain(pair.left).bytes, pattern(1000));
  fill(ends.writer);
  assertEquals(splice(ends.reader, ends.writer, 0, SPLICE_F_NONBLOCK), 0);
  pair.right.write(pattern(10));
  assertEquals(splice(pair.left, ends.writer, 5, SPLICE_F_NONBLOCK), null); // the pipe is full
  drain(pair.left);
  drain(ends.reader);
  pair.right.close();
  assertEquals(splice(pair.left, ends.writer, 5, SPLICE_F_NONBLOCK), 0);
  assertThrows(() => splice(pair.left, pair.left, 5, 0), SyscallError, "EINVAL");
});

test("C29 a handle that is closed is in no call, and the other one is let go of", () => {
  const file = memory(10);
  using other = memory(10);
  using ends = pipe();
  const pair = socketPair();
  pair.left.share();
  file.share();
  file.close();
  assertThrows(() => sendfile(pair.left, file, at(0n), 1), ClosedError);
  assertThrows(() => splice(file, ends.writer, 1, 0), ClosedError);
  const { left } = pair;
  pair[Symbol.dispose]();
  assertThrows(() => sendfile(left, other, at(0n), 1), ClosedError);
  assertThrows(() => splice(ends.reader, left, 1, 0), ClosedError);
});
