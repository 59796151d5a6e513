// google/gvisor, test/syscalls/linux/pty.cc: what it observes on Linux.

import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { backend } from "../../ffi/platform.ts";
import { openMaster, openSlave } from "../../handles/pty.ts";
import { Console } from "../../handles/console.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { encode, Session, stty, take, takeAll } from "../console_fixture.ts";
import { readable, writable } from "../probes.ts";
import { libc } from "../../ffi/libc.ts";
import { test, waitUntil } from "../support.ts";

/** A pty whose settings stty(1) has changed: no echo, and what is asked for. */
function ptyWith(...settings: string[]): ReturnType<typeof Console.openPty> {
  const pty = Console.openPty();
  stty(pty.slave, "-echo", ...settings);
  return pty;
}

/** What the slave reads when something is typed. */
function typed(text: string, ...settings: string[]): string | null {
  using pty = ptyWith(...settings);
  pty.master.write(encode(text));
  return take(pty.slave);
}

/** What the master reads when something is shown. */
function shown(text: string, ...settings: string[]): string {
  using pty = ptyWith(...settings);
  pty.slave.write(encode(text));
  return takeAll(pty.master);
}

test("gvisor: the default settings", () => {
  using pty = Console.openPty();
  const all = stty(pty.slave, "-a");
  for (const word of ["speed 38400 baud", "intr = ^C;", "eof = ^D;", "susp = ^Z;"]) {
    assert(all.includes(word), `${word} in ${all}`);
  }
  const flags = new Set(all.split(/\s+/));
  const on = "icrnl ixon opost onlcr icanon isig iexten echo echoe echok echoctl echoke cs8 cread";
  assertEquals(on.split(" ").filter((flag) => !flags.has(flag)), []);
});

test("gvisor: settings on the master are those of the slave", () => {
  using pty = Console.openPty();
  pty.master.disableEcho();
  assert(stty(pty.slave, "-a").includes(" -echo "));
  pty.slave.setRaw();
  using again = Console.fromFd(pty.master.raw);
  again.setOnlcr(true);
  assert(stty(pty.slave, "-a").includes(" onlcr "));
});

test("gvisor: ICRNL, INLCR, IGNCR: what is typed", () => {
  assertEquals(typed("\r", "icrnl"), "\n");
  assertEquals(typed("\r\n", "-icrnl", "-inlcr", "-igncr"), "\r\n");
  assertEquals(typed("\r\n", "igncr", "-icrnl"), "\n");
  assertEquals(typed("a\n", "inlcr", "-icrnl", "-icanon", "min", "1"), "a\r");
});

test("gvisor: ONLCR, OCRNL, ONOCR, ONLRET: what is shown", () => {
  assertEquals(shown("a\n", "onlcr"), "a\r\n");
  assertEquals(shown("a\n", "-onlcr"), "a\n");
  assertEquals(shown("a\r", "ocrnl", "-onlcr"), "a\n");
  assertEquals(shown("\ra\r", "onocr", "-onlcr"), "a\r"); // none in the first column
  assertEquals(shown("a\n\r", "onlret", "onocr", "-onlcr"), "a\n");
  assertEquals(shown("a\n", "-opost"), "a\n");
});

test("gvisor: ICANON: a line at a time, ^D ends one, alone it is the end", () => {
  assertEquals(typed("abc"), null);
  assertEquals(typed("abc\n"), "abc\n");
  assertEquals(typed("\x04"), "");
  using pty = ptyWith();
  pty.master.write(encode("x\x04"));
  assertEquals([take(pty.slave), take(pty.slave)], ["x", null]);
  pty.master.write(encode("one\ntwo\n"));
  assertEquals([take(pty.slave), take(pty.slave), take(pty.slave)], ["one\n", "two\n", null]);
});

test("gvisor: VEOL ends a line, too", () => {
  using pty = ptyWith("eol", "+");
  pty.master.write(encode("a+b"));
  assertEquals([take(pty.slave), take(pty.slave)], ["a+", null]);
});

test("gvisor: a switch out of ICANON shows what no line had ended; back, it still waits", () => {
  using pty = ptyWith();
  pty.master.write(encode("no end"));
  assertEquals(take(pty.slave), null);
  stty(pty.slave, "-icanon", "min", "1");
  assertEquals(take(pty.slave), "no end");
  stty(pty.slave, "icanon");
  pty.master.write(encode("more"));
  assertEquals(take(pty.slave), null);
  pty.master.write(encode("\n"));
  assertEquals(take(pty.slave), "more\n");
});

test("gvisor: without ICANON a part is read, and the rest stays", () => {
  using pty = ptyWith("-icanon", "min", "1");
  pty.master.write(encode("abcd"));
  assertEquals([take(pty.slave, 2), take(pty.slave, 9), take(pty.slave)], ["ab", "cd", null]);
});

test("gvisor: a line is cut at 4095 bytes, its end stays; raw, nothing is cut", () => {
  using pty = ptyWith();
  pty.master.write(encode("x".repeat(5000)));
  pty.master.write(encode("\n"));
  const line = take(pty.slave)!;
  assertEquals([line.length, line.at(-1), take(pty.slave)], [4096, "\n", null]);
  using raw = ptyWith("raw");
  raw.master.write(encode("x".repeat(5000)));
  // How much one read gives depends on how far the kernel's worker has come.
  let length = 0;
  while (length < 5000) length += take(raw.slave)!.length;
  assertEquals([length, take(raw.slave)], [5000, null]);
});

test("gvisor: ECHO gives the master its input back", () => {
  using pty = Console.openPty();
  pty.master.write(encode("Hello\r\n"));
  // Reading the slave makes the kernel take in what was typed, which is when it is echoed.
  assertEquals(take(pty.slave), "Hello\n");
  assertEquals(takeAll(pty.master, 9), "Hello\r\n\r\n");
  pty.master.write(encode("\x01"));
  assertEquals([take(pty.slave), take(pty.slave)], ["\n", null]);
  assertEquals(takeAll(pty.master, 2), "^A");
});

test("gvisor: the size: 0 by 0 at first, from either side, pixels kept", () => {
  using pty = Console.openPty();
  const none = { columns: 0, rows: 0, widthPixels: 0, heightPixels: 0 };
  assertEquals([pty.master.size(), pty.slave.size()], [none, none]);
  for (const [setter, getter] of [[pty.slave, pty.master], [pty.master, pty.slave]]) {
    const size = { columns: 7, rows: 8, widthPixels: 9, heightPixels: setter!.raw };
    setter!.resize(size);
    assertEquals(getter!.size(), size);
  }
});

test("gvisor: O_NOCTTY: opening either side takes no controlling terminal", () => {
  using pty = Console.openPty();
  const tty = Number(fs.readFileSync("/proc/self/stat", "utf8").split(") ")[1]!.split(" ")[4]);
  const { rdev } = fs.statSync(pty.slave.path!);
  assert(tty !== rdev);
});

test("gvisor: TIOCGPTPEER opens the slave of that very master", () => {
  const masters = [openMaster(), openMaster()];
  const slaves = masters.map((master) => openSlave(master));
  libc.write(masters[1]!, encode("x\n"), 2);
  assertEquals(libc.read(slaves[1]!, new Uint8Array(8), 8), 2);
  for (const number of [...masters, ...slaves]) libc.close(number);
});

test("gvisor: the master closes: SIGHUP for the leader of the session", async () => {
  const session = new Session(["sh", "-c", "echo ready; exec sleep 60"]);
  await session.until("ready");
  using process = PidFD.open(session.child.pid);
  session.child.console.close();
  const { signal } = await process.exited();
  assertEquals(signal, "SIGHUP");
  await session[Symbol.asyncDispose]();
});

test("gvisor: SIGWINCH goes to the foreground only, and only for a new size", async () => {
  const script = "trap 'echo resized' WINCH; echo ready; while :; do sleep 0.05; done";
  await using session = new Session(["sh", "-c", script], { columns: 10, rows: 10 });
  await session.until("ready");
  session.child.console.resize({ columns: 10, rows: 10 });
  session.child.console.resize({ columns: 10, rows: 11 });
  await session.until("resized\r\n");
  session.type("\x03");
  assertEquals(await session.status(), "SIGINT");
  await session.end();
  assertEquals(session.shown.match(/resized/g)?.length, 1);
});

// <termios.h> of Linux.
const TCIFLUSH = 0;
const TCOFLUSH = 1;

test("gvisor: TCFLSH: what was typed or shown and not read is gone, and there is room again", async () => {
  const flush = backend.bind("tcflush", ["i32", "i32", "i32"]) as unknown as (
    fd: number,
    queue: number,
  ) => number;
  using pty = ptyWith("raw");
  pty.master.write(encode("typed"));
  assert(readable(pty.slave));
  assertEquals(flush(pty.slave.raw, TCIFLUSH), 0);
  assertEquals([take(pty.slave), readable(pty.slave)], [null, false]);
  // The kernel hands on what it can meanwhile, which makes room once more.
  const isFull = (): boolean => {
    while (pty.slave.write(new Uint8Array(4096)) !== null);
    return !writable(pty.slave);
  };
  await waitUntil(isFull, 5000, "a full terminal");
  assertEquals(flush(pty.slave.raw, TCOFLUSH), 0);
  assert(writable(pty.slave));
});
