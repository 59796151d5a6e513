// bytecodealliance/rustix, tests/termios and tests/pty: what they observe.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { backend } from "../../ffi/platform.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Console } from "../../handles/console.ts";
import { pipe } from "../../handles/pipe.ts";
import { openMaster, openSlave, slavePath, terminalPath } from "../../handles/pty.ts";
import { encode, Session, stty, take } from "../console_fixture.ts";
import { libc } from "../../ffi/libc.ts";
import { test } from "../support.ts";

test("rustix: openpty_basic, and openpty_get_peer: text, and ^D that is seen", () => {
  for (const byPeer of [false, true]) {
    const master = openMaster();
    const slave = openSlave(master, byPeer);
    assertEquals(terminalPath(slave), slavePath(master));
    libc.write(master, encode("Hello, world!\n\x04"), 15);
    const buffer = new Uint8Array(64);
    assertEquals(libc.read(slave, buffer, 64), 14);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, 14)), "Hello, world!\n");
    assertEquals(libc.read(slave, buffer, 64), 0); // ^D alone
    let echoed = 0; // ^D is not; the kernel hands on the text and the line's end separately
    while (echoed < 15) echoed += libc.read(master, buffer.subarray(echoed), 64 - echoed);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, echoed)), "Hello, world!\r\n");
    libc.close(slave);
    libc.close(master);
  }
});

test("rustix: termios modes: changed and restored exactly", () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  for (const change of ["setRaw", "disableEcho"] as const) {
    pty.slave[change]();
    assert(stty(pty.slave, "--save") !== begin);
    pty.slave.reset();
    assertEquals(stty(pty.slave, "--save"), begin);
  }
});

test("rustix: special codes: VINTR is 3 and VEOF is 4", () => {
  using pty = Console.openPty();
  const all = stty(pty.slave, "-a");
  assert(all.includes("intr = ^C;") && all.includes("eof = ^D;"), all);
});

test("rustix: speeds survive raw mode and a reset", () => {
  using pty = Console.openPty();
  stty(pty.slave, "115200");
  using later = Console.fromFd(pty.slave.raw);
  later.setRaw();
  assertEquals(stty(pty.slave, "speed"), "115200");
  later.reset();
  assertEquals(stty(pty.slave, "speed"), "115200");
});

test("rustix: winsize: all four numbers", () => {
  using pty = Console.openPty();
  const size = { columns: 28, rows: 154, widthPixels: 10, heightPixels: 20 };
  pty.slave.resize(size);
  assertEquals(pty.slave.size(), size);
});

test("rustix: what is no terminal says ENOTTY to everything", () => {
  using ends = pipe();
  const error = assertThrows(() => Console.fromFd(ends.reader.raw), SyscallError);
  assertEquals(error.code, "ENOTTY");
});

test("rustix: drain: what was written has gone out, and stays to be read", () => {
  const drain = backend.bind("tcdrain", ["i32", "i32"]) as unknown as (fd: number) => number;
  using pty = Console.openPty();
  pty.slave.write(encode("out"));
  assertEquals([drain(pty.slave.raw), take(pty.master)], [0, "out"]);
});

test("rustix: pgrp and sid of a program on a terminal are its own", async () => {
  await using session = new Session(["sh", "-c", "ps -o pgid=,sid=,tpgid= -p $$; read x"]);
  const { pid } = session.child;
  const ids = (await session.until("\r\n")).trim().split(/\s+/).map(Number);
  assertEquals(ids, [pid, pid, pid]);
  session.type("\n");
});
