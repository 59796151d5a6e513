// libuv/libuv, test/test-tty.c: what it observes.

import fs from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Console } from "../../handles/console.ts";
import { FD } from "../../handles/fd.ts";
import { encode, makePoller, readText, stty, take } from "../console_fixture.ts";
import { test } from "../support.ts";

test("libuv: tty: a size above 0, raw and normal mode, restored exactly", () => {
  using pty = Console.openPty({ columns: 80, rows: 24 });
  const begin = stty(pty.slave, "--save");
  for (let round = 0; round < 3; round++) {
    pty.slave.setRaw();
    pty.slave.setRaw(); // again: the state of the start is still the one that is kept
    pty.slave.reset();
    pty.slave.reset();
    assertEquals(stty(pty.slave, "--save"), begin);
  }
  assertEquals([pty.slave.size().columns, pty.slave.size().rows], [80, 24]);
});

test("libuv: tty_raw: keys come one by one, without echo", async () => {
  using poller = makePoller();
  using pty = Console.openPty();
  pty.slave.setRaw();
  const polled = poller.add(pty.slave);
  const read = polled.read(new Uint8Array(8));
  pty.master.write(encode(" "));
  assertEquals([await read, take(pty.master)], [1, null]);
});

test("libuv: tty_large_write: 10,000 bytes in one write", async () => {
  using poller = makePoller();
  using pty = Console.openPty();
  pty.slave.setRaw();
  const slave = poller.add(pty.slave);
  const master = poller.add(pty.master);
  const text = "0123456789".repeat(1000);
  const [, got] = await Promise.all([slave.write(encode(text)), readText(master, 10_000)]);
  assertEquals(got, text);
});

test("libuv: tty_file: a file, a pipe's number that is closed, /dev/null: none is a terminal", () => {
  const number = fs.openSync("/dev/null", "r");
  using file = FD.adopt(number);
  assertEquals(assertThrows(() => Console.fromFd(file.raw), SyscallError).code, "ENOTTY");
  assertEquals(assertThrows(() => Console.fromFd(987654), SyscallError).code, "EBADF");
});

test("libuv: tty_pty: both sides are terminals, and closing either closes only that", () => {
  using pty = Console.openPty();
  using master = Console.fromFd(pty.master.raw);
  using slave = Console.fromFd(pty.slave.raw);
  assertEquals([master.master, slave.master], [true, false]);
  pty.slave.close();
  slave.write(encode("x"));
  assertEquals(take(pty.master), "x");
});
