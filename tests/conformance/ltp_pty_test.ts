// linux-test-project/ltp, testcases/kernel/pty/pty01: what it observes.

import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Console } from "../../handles/console.ts";
import { encode, reopen, take, takeAll } from "../console_fixture.ts";
import { test } from "../support.ts";

const TEXT = "Linux Test Project\n";

test("ltp: pty01 text to the slave comes as it is, from it with one CR more", () => {
  using pty = Console.openPty();
  pty.master.write(encode(TEXT));
  assertEquals(take(pty.slave), TEXT);
  const wanted = TEXT.replace("\n", "\r\n");
  assertEquals(takeAll(pty.master, wanted.length), wanted); // its echo
  pty.slave.write(encode(TEXT));
  assertEquals(takeAll(pty.master), wanted);
});

test("ltp: pty01 the slave by its name, many times, and not after the master has gone", () => {
  const pty = Console.openPty();
  const path = pty.slave.path!;
  const more = Array.from({ length: 10 }, () => reopen(path));
  pty.master.write(encode(TEXT));
  assertEquals(take(more[9]!), TEXT);
  pty.master.close();
  assertEquals(more.map((slave) => take(slave)), Array(10).fill(""));
  for (const slave of more) slave.close();
  pty.slave.close();
  assertThrows(() => reopen(path), Error); // the runtime's own ENOENT
});

test("ltp: pty01 a master that nobody has opened yet reads nothing, and does not end", () => {
  using pty = Console.openPty();
  assertEquals([take(pty.master), take(pty.master)], [null, null]);
  pty.master.close();
  const error = assertThrows(() => pty.slave.write(encode("x")), SyscallError);
  assertEquals(error.code, "EIO");
});
