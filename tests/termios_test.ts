import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { tty, ttyStructs } from "../ffi/const_tty.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Console } from "../handles/console.ts";
import { pipe } from "../handles/pipe.ts";
import { checkSize, sizeOf, Termios } from "../handles/termios.ts";
import { test } from "./support.ts";

const flags = (termios: Termios, field: "c_lflag" | "c_oflag"): number =>
  new DataView(termios.bytes.buffer).getUint32(ttyStructs.termios[field], true);

test("K12 termios: what is written is read again, byte for byte, from both sides", () => {
  using pty = Console.openPty();
  const begin = Termios.of(pty.slave);
  assertEquals(Termios.of(pty.master).bytes, begin.bytes);
  const raw = Termios.from(begin.bytes);
  raw.makeRaw();
  assertNotEquals(raw.bytes, begin.bytes);
  raw.apply(pty.master);
  assertEquals(Termios.of(pty.slave).bytes, raw.bytes);
  begin.apply(pty.slave);
  assertEquals(Termios.of(pty.master).bytes, begin.bytes);
});

test("K12 termios: one flag at a time", () => {
  using pty = Console.openPty();
  const termios = Termios.of(pty.slave);
  const before = flags(termios, "c_lflag");
  assert((before & tty.ECHO) !== 0);
  termios.setLocal(tty.ECHO, false);
  assertEquals(flags(termios, "c_lflag"), before - tty.ECHO);
  termios.setLocal(tty.ECHO, true);
  assertEquals(flags(termios, "c_lflag"), before);
  termios.setOutput(tty.ONLCR, false);
  assertEquals(flags(termios, "c_oflag") & (tty.ONLCR | tty.OPOST), tty.OPOST);
});

test("K12 termios: what is no terminal has neither settings nor a size", () => {
  using ends = pipe();
  for (const call of [() => Termios.of(ends.reader), () => sizeOf(ends.reader)]) {
    assertEquals(assertThrows(call, SyscallError).code, "ENOTTY");
  }
});

test("X03 K12 sizes: each number on its own", () => {
  const full = { columns: 1, rows: 2, widthPixels: 3, heightPixels: 4 };
  assertEquals(checkSize(full, "here"), full);
  for (const name of ["columns", "rows", "widthPixels", "heightPixels"]) {
    for (const bad of [-1, 65536, 0.5, NaN]) {
      assertThrows(() => checkSize({ ...full, [name]: bad }, "here"), RangeError, `here: ${name}`);
    }
    assertThrows(() => checkSize({ ...full, [name]: "1" }, "here"), TypeError, `here: ${name}`);
  }
});
