// The console suite: the same cases on whatever kernel the loops of this process wait in.

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Console } from "../handles/console.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { PolledConsole } from "../loop/polled_console.ts";
import {
  encode,
  makePoller,
  pattern,
  readText,
  reopen,
  Session,
  take,
  TOO_MUCH,
} from "./console_fixture.ts";
import { flagsOf } from "./probes.ts";
import { deadline, test, turn } from "./support.ts";

let cases = 0;

/** One case of the suite. */
function check(name: string, body: () => Promise<void>): void {
  cases++;
  test(name, body);
}

/** A pty whose bytes pass as they are, with its master on the shared loop. */
function rawPty(hangup: "wait" | "eof" = "wait"): {
  readonly polled: PolledConsole;
  readonly slave: Console;
  readonly master: Console;
} & AsyncDisposable {
  const { master, slave } = Console.openPty();
  // By the master: closing the slave would put the echo back, with bytes still on their way to it.
  master.setRaw();
  const poller = makePoller();
  const polled = poller.add(master, { hangup });
  return {
    polled,
    slave,
    master,
    async [Symbol.asyncDispose]() {
      await polled[Symbol.asyncDispose]();
      slave.close();
      poller.close();
    },
  };
}

check("K03 a read waits for bytes, a write for room", async () => {
  await using pty = rawPty();
  const read = readText(pty.polled, 5);
  await turn();
  pty.slave.write(encode("hello"));
  assertEquals(await read, "hello");
  let written = false;
  const write = pty.polled.write(pattern(TOO_MUCH)).then(() => written = true);
  await turn(5);
  assertEquals(written, false);
  const buffer = new Uint8Array(4096);
  for (let total = 0; total < TOO_MUCH;) {
    const count = pty.slave.read(buffer);
    if (count === null) await turn();
    else total += count;
  }
  assertEquals(await deadline(5000, write, "room"), true);
});

check("K03 wait: the slave closes and opens again, as often as it likes", async () => {
  await using pty = rawPty("wait");
  const path = pty.slave.path!;
  pty.slave.close();
  for (let round = 0; round < 5; round++) {
    const read = readText(pty.polled, 7);
    await turn(2);
    using again = reopen(path);
    again.setRaw();
    again.write(encode(`round ${round}`));
    assertEquals(await read, `round ${round}`);
  }
});

check("K03 wait: a write that waits goes on when the slave is there again", async () => {
  await using pty = rawPty("wait");
  const path = pty.slave.path!;
  let written = false;
  const write = pty.polled.write(pattern(TOO_MUCH)).then(() => written = true);
  await turn(2);
  pty.slave.close();
  await turn(2);
  using again = reopen(path);
  again.setRaw();
  const buffer = new Uint8Array(4096);
  // What the kernel had for the first slave went away with it.
  for (const end = performance.now() + 10_000; !written && performance.now() < end;) {
    while ((again.read(buffer) ?? 0) > 0);
    await turn();
  }
  assertEquals(await deadline(10_000, write, "the end of the write"), true);
});

check("K03 eof: without a slave a read is 0, and a write that waits fails", async () => {
  await using pty = rawPty("eof");
  const write = pty.polled.write(pattern(TOO_MUCH));
  write.catch(() => {});
  const read = pty.polled.read(new Uint8Array(8));
  await turn(2);
  pty.slave.close();
  assertEquals(await deadline(5000, read, "the end"), 0);
  const error = await assertRejects(() => deadline(5000, write, "its failure"), SyscallError);
  assertEquals([error.code, error.syscall], ["EIO", "write"]);
  assertEquals(await pty.polled.read(new Uint8Array(8)), 0);
});

check("K03 eof: who has read the end writes to nobody", async () => {
  await using pty = rawPty("eof");
  pty.slave.write(encode("last words"));
  const { path } = pty.slave;
  pty.slave.close();
  assertEquals(await readText(pty.polled, 20), "last words");
  const error = await assertRejects(() => pty.polled.write(encode("x")), SyscallError);
  assertEquals([error.code, error.syscall], ["EIO", "write"]);
  using again = reopen(path!);
  again.write(encode("back"));
  assertEquals(await readText(pty.polled, 4), "back");
  await pty.polled.write(encode("welcome"));
});

check("K04 what was sent before the end is read before the end", async () => {
  await using pty = rawPty("eof");
  const sent = pattern(3000);
  assertEquals(pty.slave.write(sent), 3000);
  pty.slave.close();
  const got = new Uint8Array(4000);
  let count = 0;
  for (let more = 1; more > 0; count += more) more = await pty.polled.read(got.subarray(count));
  assertEquals(got.subarray(0, count), sent);
  assertEquals(await pty.polled.read(got), 0);
});

check(
  "K04 after shutdown: what is there, then 0, and a closed error once the console is",
  async () => {
    await using pty = rawPty();
    pty.slave.write(encode("there"));
    await pty.polled.shutdown();
    assertEquals(await readText(pty.polled, 64), "there");
    assertEquals([await pty.polled.read(new Uint8Array(8)), pty.polled.closed], [0, true]);
    await assertRejects(() => pty.polled.write(encode("x")), ClosedError);
    pty.master.close();
    await assertRejects(() => pty.polled.read(new Uint8Array(8)), ClosedError);
  },
);

check("K05 write writes everything, and what several are given is not mixed", async () => {
  await using pty = rawPty();
  const parts = [pattern(200_000, 1), pattern(1, 2), pattern(150_000, 3)];
  const writes = Promise.all(parts.map((part) => pty.polled.write(part)));
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  const got = new Uint8Array(all.length + 1);
  for (let at = 0; at < all.length;) {
    const count = pty.slave.read(got.subarray(at));
    if (count === null) await turn();
    else at += count;
  }
  await writes;
  assertEquals(got.subarray(0, all.length), all);
  assertEquals(take(pty.slave), null);
});

check(
  "K06 shutdown frees a writer that waits for room, and a reader that waits for bytes",
  async () => {
    await using pty = rawPty();
    const write = pty.polled.write(pattern(TOO_MUCH));
    const next = pty.polled.write(encode("after it"));
    const reads = [pty.polled.read(new Uint8Array(8)), pty.polled.read(new Uint8Array(8))];
    write.catch(() => {});
    next.catch(() => {});
    await turn(2);
    await deadline(5000, pty.polled.shutdown(), "the shutdown");
    await assertRejects(() => write, ClosedError);
    await assertRejects(() => next, ClosedError);
    assertEquals(await Promise.all(reads), [0, 0]);
    assert(pty.master.valid);
  },
);

check(
  "K07 shutdown calls close at once and only once, and ends after the calls inside",
  async () => {
    await using pty = rawPty();
    const order: string[] = [];
    const read = pty.polled.read(new Uint8Array(8)).then((count) => order.push(`read ${count}`));
    await turn();
    const first = pty.polled.shutdown((polled) => {
      assertStrictEquals(polled, pty.polled);
      order.push("close");
    });
    order.push("called");
    const second = pty.polled.shutdown(() => order.push("again")).then(() => order.push("second"));
    await first;
    order.push("shut down");
    await Promise.all([read, second]);
    assertEquals(order.slice(0, 3), ["close", "called", "read 0"]);
    assertEquals(order.includes("again"), false);
    await assertRejects(() => pty.polled.shutdown(1 as never), TypeError);
  },
);

check("K07 await using: shutdown, wait for the calls inside, close", async () => {
  using poller = makePoller();
  using pty = Console.openPty();
  let read: Promise<number>;
  {
    await using polled = poller.add(pty.master);
    read = polled.read(new Uint8Array(8));
    await turn();
  }
  assertEquals([await read, pty.master.closed, poller.size], [0, true, 0]);
});

check("K11 a second add is refused, and changes nothing", async () => {
  await using pty = rawPty();
  using poller = makePoller();
  const error = assertThrows(() => poller.add(pty.master), SyscallError);
  assertEquals([error.code, poller.size], ["EEXIST", 0]);
  assertEquals(flagsOf(pty.master).nonblock, true);
  pty.slave.write(encode("still"));
  assertEquals(await readText(pty.polled, 5), "still");
});

check(
  "K11 O_NONBLOCK is given back: on failure, by closeConsole, shutdown, close and the loop",
  async () => {
    using pty = Console.openPty({ blocking: true });
    const { master } = pty;
    const isBlocking = (): boolean => !flagsOf(master).nonblock;
    using loop = Loop.create();
    {
      using poller = makePoller(loop);
      const watch = loop.watch(master, { readable: true }, () => {});
      assertEquals(assertThrows(() => poller.add(master), SyscallError).code, "EEXIST");
      assert(isBlocking());
      watch.cancel();
      const polled = poller.add(master);
      assert(!isBlocking());
      poller.closeConsole(polled);
      poller.closeConsole(polled);
      assert(isBlocking());
      await poller.add(master).shutdown();
      assert(isBlocking());
      poller.add(master);
    }
    assert(isBlocking());
    makePoller(loop).add(master);
    assert(!isBlocking());
    loop.close();
    assert(isBlocking());
  },
);

check("K11 a read of a console that blocks again waits for nothing", async () => {
  using pty = Console.openPty({ blocking: true });
  pty.slave.setRaw();
  using poller = makePoller();
  const polled = poller.add(pty.master);
  const waiting = polled.read(new Uint8Array(8));
  await turn();
  // What a read gets that blocks after all: the test fails then, and does not hang.
  const late = `while sleep 5; do printf late; done >${pty.slave.path}`;
  const rescue = spawn("sh", ["-c", late], { stdio: "ignore" });
  await polled.shutdown();
  assertEquals([await waiting, await polled.read(new Uint8Array(8))], [0, 0]);
  pty.slave.write(encode("there"));
  assertEquals([await readText(polled, 5), flagsOf(pty.master).nonblock], ["there", false]);
  assertEquals(await polled.read(new Uint8Array(8)), 0);
  process.kill(rescue.pid!, "SIGKILL");
  await once(rescue, "exit");
});

check("K11 O_NONBLOCK is given back when the console is closed within its poller", async () => {
  using pty = Console.openPty({ blocking: true });
  using poller = makePoller();
  const copy = Console.fromFd(pty.slave.raw);
  const read = poller.add(copy).read(new Uint8Array(8));
  read.catch(() => {});
  assertEquals(flagsOf(pty.slave).nonblock, true);
  copy.close();
  assertEquals([flagsOf(pty.slave).nonblock, poller.size], [false, 0]);
  await assertRejects(() => read, ClosedError);
});

check("K11 of two pollers that have a console the last gives O_NONBLOCK back", () => {
  using pty = Console.openPty({ blocking: true });
  using here = Loop.create();
  using there = Loop.create();
  const [first, second] = [makePoller(here), makePoller(there)];
  for (const poller of [first, second]) poller.add(pty.master);
  first.close();
  assertEquals(flagsOf(pty.master).nonblock, true);
  second.close();
  assertEquals(flagsOf(pty.master).nonblock, false);
  return Promise.resolve();
});

check("K08 the console is closed, or the loop, while calls wait: each is told which", async () => {
  using loop = Loop.create({ attached: true });
  using poller = makePoller(loop);
  using first = Console.openPty();
  using second = Console.openPty();
  const closed = poller.add(first.master);
  const read = closed.read(new Uint8Array(8));
  read.catch(() => {});
  const lost = poller.add(second.master).read(new Uint8Array(8));
  lost.catch(() => {});
  await turn();
  first.master.close();
  await assertRejects(() => deadline(5000, read, "the news"), ClosedError);
  assertEquals([closed.closed, poller.size], [true, 1]);
  await assertRejects(() => closed.read(new Uint8Array(8)), ClosedError);
  loop.close();
  await assertRejects(() => deadline(5000, lost, "the news"), LoopClosedError);
  assertThrows(() => poller.add(second.slave), LoopClosedError);
});

check("K03 a terminal: ^D is one end, a master that is gone the last", async () => {
  using poller = makePoller();
  using pty = Console.openPty();
  const polled = poller.add(pty.slave);
  const read = polled.read(new Uint8Array(8));
  await turn();
  pty.master.write(encode("\x04"));
  assertEquals(await deadline(5000, read, "the end"), 0);
  pty.master.write(encode("on\n"));
  assertEquals(await readText(polled, 3), "on\n");
  const last = polled.read(new Uint8Array(8));
  await turn();
  pty.master.close();
  assertEquals(await deadline(5000, last, "the end"), 0);
  const error = await assertRejects(() => polled.write(encode("x")), SyscallError);
  assertEquals(error.code, "EIO");
});

check("X03 a signal ends a read and a write that wait, and nothing else", async () => {
  await using pty = rawPty();
  const stop = new AbortController();
  const { signal } = stop;
  const calls = [
    pty.polled.read(new Uint8Array(8), { signal }),
    pty.polled.write(pattern(TOO_MUCH), { signal }),
  ];
  for (const call of calls) call.catch(() => {});
  const other = pty.polled.read(new Uint8Array(8));
  await turn();
  stop.abort(new RangeError("enough"));
  for (const call of calls) await assertRejects(() => call, RangeError, "enough");
  await assertRejects(() => pty.polled.read(new Uint8Array(8), { signal }), RangeError);
  pty.slave.write(encode("x"));
  assertEquals(await deadline(5000, other, "the other read"), 1);
});

check(
  "X03 a signal ends a write that waits behind another, and its place in the order",
  async () => {
    await using pty = rawPty();
    const stop = new AbortController();
    const { signal } = stop;
    const first = pty.polled.write(pattern(TOO_MUCH));
    const queued = pty.polled.write(encode("never"), { signal });
    const last = pty.polled.write(encode("last"));
    queued.catch(() => {});
    await turn();
    stop.abort(new RangeError("enough"));
    await assertRejects(() => deadline(5000, queued, "its end"), RangeError, "enough");
    const got = new Uint8Array(TOO_MUCH + 5);
    for (let at = 0; at < TOO_MUCH + 4;) {
      const count = pty.slave.read(got.subarray(at));
      if (count === null) await turn();
      else at += count;
    }
    await Promise.all([first, last]);
    assertEquals(new TextDecoder().decode(got.subarray(TOO_MUCH, TOO_MUCH + 4)), "last");
    assertEquals(take(pty.slave), null);
  },
);

check("K03 a read that comes later gets what comes later", async () => {
  await using pty = rawPty();
  const [one, two] = [new Uint8Array(1), new Uint8Array(1)];
  const first = pty.polled.read(one);
  await turn();
  pty.slave.write(encode("12")); // the loop does not know of it yet
  await Promise.all([first, pty.polled.read(two)]);
  assertEquals([...one, ...two], [...encode("12")]);
});

check("X03 arguments are checked before anything waits", async () => {
  await using pty = rawPty();
  const { polled } = pty;
  await assertRejects(() => polled.read("x" as never), TypeError, "read: the buffer");
  await assertRejects(() => polled.read(new Uint8Array(1), { signal: 1 } as never), TypeError);
  await assertRejects(() => polled.read(new Uint8Array(1), 1 as never), TypeError);
  await assertRejects(() => polled.write("x" as never), TypeError, "write: the data");
  await assertRejects(() => polled.write(new Uint8Array(1), null as never), TypeError);
  assertEquals(await polled.read(new Uint8Array(0)), 0);
  await polled.write(new Uint8Array(0));
  assertThrows(() => Reflect.construct(PolledConsole, [Symbol("owned")]), TypeError);
});

check("C33 a program that never stops to write leaves the loop its turns", async () => {
  using poller = makePoller();
  await using session = new Session(["yes"]);
  const polled = poller.add(session.child.console);
  let fired = false;
  const timer = Loop.shared.setTimer(1, () => fired = true);
  const buffer = new Uint8Array(4096);
  let total = 0;
  while (!fired && total < 1 << 30) total += await polled.read(buffer);
  assert(fired);
  timer.cancel();
  await polled.shutdown();
});

check("K05 streams: both directions, an end, BYOB readers", async () => {
  await using pty = rawPty("eof");
  const { readable, writable } = pty.polled;
  assertStrictEquals(pty.polled.readable, readable);
  assertStrictEquals(pty.polled.writable, writable);
  const writer = writable.getWriter();
  await writer.write(encode("to the slave"));
  assertEquals(take(pty.slave), "to the slave");
  await writer.close();
  const reader = readable.getReader({ mode: "byob" });
  const pending = reader.read(new Uint8Array(3));
  await turn();
  pty.slave.write(encode("abcdefg"));
  assertEquals(new TextDecoder().decode((await pending).value), "abc");
  reader.releaseLock();
  pty.slave.write(encode("hi"));
  pty.slave.close();
  let rest = "";
  for await (const chunk of readable) rest += new TextDecoder().decode(chunk);
  assertEquals(rest, "defghi");
});

check("K05 streams: cancelling stops to read, and leaves what comes to others", async () => {
  await using pty = rawPty();
  const reader = pty.polled.readable.getReader();
  const pending = reader.read();
  await turn();
  await reader.cancel();
  assertEquals((await deadline(5000, pending, "its end")).done, true);
  await turn();
  pty.slave.write(encode("left"));
  assertEquals(await readText(pty.polled, 4), "left");
});

check("K05 streams: aborting ends the write that waits", async () => {
  await using pty = rawPty();
  const writer = pty.polled.writable.getWriter();
  const results = [writer.write(pattern(TOO_MUCH)), writer.write(encode("never")), writer.closed];
  const settled = Promise.allSettled(results);
  await turn();
  await deadline(5000, writer.abort(new RangeError("enough")), "the abort");
  for (const result of await settled) assertEquals(result.status, "rejected");
  await assertRejects(() => results[0]!, RangeError, "enough");
});

using _about = makePoller();
console.log(`console suite: ${cases} cases on ${_about[Symbol.toStringTag]}`);
