import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { test } from "./support.ts";

test("I19 both ends of a pipe are non-blocking and close on exec, unless asked otherwise", () => {
  using usual = pipe();
  for (const end of [usual.reader, usual.writer]) {
    assertEquals([end.nonblock, end.cloexec], [true, true]);
  }
  using other = pipe({ blocking: true, inherit: true });
  for (const end of [other.reader, other.writer]) {
    assertEquals([end.nonblock, end.cloexec], [false, false]);
  }
});

test("I19 socket pairs: streams, datagrams, and datagrams in order", () => {
  for (const type of ["stream", "dgram", "seqpacket"] as const) {
    using pair = socketPair({ type });
    assertEquals([pair.left.nonblock, pair.right.cloexec], [true, true]);
    pair.left.write(new Uint8Array(3));
    pair.left.write(new Uint8Array(5));
    const buffer = new Uint8Array(64);
    const first = pair.right.read(buffer);
    assertEquals(first, type === "stream" ? 8 : 3);
    pair.right.write(new Uint8Array(1));
    assertEquals(pair.left.read(buffer), 1);
  }
});

test("I19 both ends are closed together, also when one is closed already", () => {
  const ends = pipe();
  ends.reader.close();
  ends[Symbol.dispose]();
  assertEquals([ends.reader.closed, ends.writer.closed], [true, true]);
  const pair = socketPair();
  pair[Symbol.dispose]();
  assertEquals([pair.left.closed, pair.right.closed], [true, true]);
});

test("X03 options that are not what they should be are refused before the call", () => {
  for (const bad of [null, 3, "blocking"]) {
    assertThrows(() => pipe(bad as never), TypeError, "pipe: options");
    assertThrows(() => socketPair(bad as never), TypeError, "socketPair: options");
  }
  assertThrows(() => pipe({ blocking: 1 } as never), TypeError, "pipe: blocking");
  assertThrows(() => pipe({ inherit: "no" } as never), TypeError, "pipe: inherit");
  assertThrows(() => socketPair({ type: "tcp" } as never), TypeError, '"stream", "dgram"');
});

test("I16 a socket pair whose other end is gone: EPIPE, and end of file", () => {
  using pair = socketPair();
  pair.right.close();
  assertEquals(pair.left.read(new Uint8Array(1)), 0);
  const error = assertThrows(() => pair.left.write(new Uint8Array(1)), SyscallError);
  assertEquals(error.code, "EPIPE");
});
