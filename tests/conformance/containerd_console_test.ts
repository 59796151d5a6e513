// containerd/console, console_test.go and tc_*.go: what they observe.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Console } from "../../handles/console.ts";
import { Loop } from "../../loop/loop.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { makePoller, Session, stty, takeAll } from "../console_fixture.ts";
import { deadline, test } from "../support.ts";

const SCRIPT = "for i in 0 1 2 3 4 5 6 7 8 9; do echo test; done";

test("containerd: WinSize is set and got, alike in parent and child", async () => {
  using pty = Console.openPty();
  pty.master.resize({ columns: 11, rows: 10 });
  assertEquals([pty.master.size().columns, pty.master.size().rows], [11, 10]);
  await using session = new Session(["stty", "size"], { columns: 11, rows: 10 });
  assertEquals(await session.end(), "10 11\r\n");
});

test("containerd: NewPty: ten lines of a program, and then the end", async () => {
  await using session = new Session(["sh", "-c", SCRIPT]);
  const shown = await session.end();
  assertEquals([shown, shown.length], ["test\r\n".repeat(10), 60]);
  assertEquals(await session.status(), 0);
});

test("containerd: NewPtyFromFile: without ONLCR the lines end as the program ends them", async () => {
  using pty = Console.openPty();
  using copy = Console.fromFd(pty.slave.raw);
  copy.setOnlcr(false);
  copy.write(new TextEncoder().encode("test\n"));
  assertEquals(takeAll(pty.master), "test\n");
  copy.setOnlcr(true);
  copy.write(new TextEncoder().encode("test\n"));
  assertEquals(takeAll(pty.master), "test\r\n");
  await Promise.resolve();
});

for (const kind of ["EpollConsole", "KqueueConsole"]) {
  using probe = makePoller();
  const here = probe[Symbol.toStringTag] === (kind === "EpollConsole" ? "Epoller" : "Kqueuer");
  const reason = "the loops of this process wait in the other kernel";
  test.if(here, reason, `containerd: ${kind}: copy until Shutdown(CloseConsole)`, async () => {
    using loop = Loop.create({ attached: true });
    const poller = makePoller(loop);
    const waiting = poller.wait();
    const child = Console.spawn(["sh", "-c", SCRIPT]);
    const polled = poller.add(child.console);
    assertEquals(polled[Symbol.toStringTag], kind);
    let copied = "";
    let ends = 0;
    const copying = (async () => {
      const buffer = new Uint8Array(64);
      for (;;) {
        const count = await polled.read(buffer);
        if (count === 0) break;
        copied += new TextDecoder().decode(buffer.subarray(0, count));
      }
      ends++;
    })();
    assertEquals((await child.process.exited({ loop })).code, 0);
    await polled.shutdown((console) => poller.closeConsole(console));
    await deadline(5000, copying, "the copy");
    assertEquals([copied, ends, poller.size], ["test\r\n".repeat(10), 1, 0]);
    child.console.close();
    await assertRejects(() => polled.read(new Uint8Array(8)), ClosedError);
    poller.close();
    await deadline(5000, waiting, "the wait");
    poller.close(); // closing again does nothing, where Go's says that it is closed
    await assertRejects(() => poller.wait(), ClosedError);
    await child[Symbol.asyncDispose]();
  });
}

test("containerd: SetRaw, DisableEcho, Reset: the settings of the start", () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  pty.slave.disableEcho();
  assert(stty(pty.slave, "-a").includes(" -echo "));
  pty.slave.setRaw();
  assert(stty(pty.slave, "-a").includes(" -icanon "));
  pty.slave.reset();
  assertEquals(stty(pty.slave, "--save"), begin);
});
