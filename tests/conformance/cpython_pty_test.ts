// python/cpython, Lib/test/test_pty.py: what it observes.

import { assertEquals } from "@std/assert";
import { Console } from "../../handles/console.ts";
import { encode, makePoller, Session, take, takeAll } from "../console_fixture.ts";
import { test, turn } from "../support.ts";

test("cpython: openpty: a size that is set before is read on the slave", () => {
  using pty = Console.openPty({ columns: 80, rows: 24 });
  const { columns, rows } = pty.master.size();
  pty.master.resize({ columns: columns + 25, rows });
  assertEquals([pty.slave.size().columns, pty.slave.size().rows], [105, 24]);
});

test("cpython: openpty: an empty master would block; then text in two pieces, with CR LF", () => {
  using pty = Console.openPty();
  assertEquals(take(pty.master), null);
  pty.slave.write(encode("I wish to buy a fish license.\n"));
  assertEquals(takeAll(pty.master), "I wish to buy a fish license.\r\n");
  pty.slave.write(encode("For my pet fish, "));
  pty.slave.write(encode("Eric.\n"));
  assertEquals(takeAll(pty.master), "For my pet fish, Eric.\r\n");
});

test("cpython: spawn_doesnt_hang: all output, and an end, however soon the program exits", async () => {
  await using session = new Session(["sh", "-c", "printf hi"]);
  assertEquals([await session.end(), await session.status()], ["hi", 0]);
});

test("cpython: fork: the child leads a session, on the terminal that it was given", async () => {
  await using session = new Session(["sh", "-c", "test $(ps -o sid= -p $$) = $$ && tty"]);
  assertEquals(await session.end(), `${session.child.console.path}\r\n`);
  assertEquals(await session.status(), 0);
});

test("cpython: _copy: both directions, each byte once, until the master's end", async () => {
  using poller = makePoller();
  using outer = Console.openPty();
  outer.slave.setRaw();
  const { master, slave } = Console.openPty();
  slave.setRaw();
  await using terminal = poller.add(outer.slave, { hangup: "eof" });
  await using inner = poller.add(master, { hangup: "eof" });
  const copying = inner.readable.pipeTo(terminal.writable);
  const typing = terminal.readable.pipeTo(inner.writable);
  outer.master.write(encode("from stdin"));
  slave.write(encode("from master"));
  await waitFor(() => take(outer.master), "from master");
  await waitFor(() => take(slave), "from stdin");
  slave.write(encode("last words"));
  slave.close();
  await copying; // the end of the master, with what came before it
  assertEquals(take(outer.master), "last words");
  outer.master.close();
  await typing; // the end of stdin
});

async function waitFor(look: () => string | null, wanted: string): Promise<void> {
  let seen = "";
  for (const end = performance.now() + 5000; seen !== wanted && performance.now() < end;) {
    seen += look() ?? "";
    await turn();
  }
  assertEquals(seen, wanted);
}
