import fs from "node:fs";
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Console } from "../handles/console.ts";
import { EPOLL } from "../handles/epoll_events.ts";
import { Epoller, KqueueConsole, Kqueuer } from "../loop/console_poller.ts";
import { Loop } from "../loop/loop.ts";
import { coreOf } from "../loop/loop_base.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { PolledConsole } from "../loop/polled_console.ts";
import { encode, makePoller, readText } from "./console_fixture.ts";
import { deadline, test, turn } from "./support.ts";

const onEpoll = makePoller() instanceof Epoller;

test("K01 add, closeConsole, close once: the consoles and the loop stay open", async () => {
  using loop = Loop.create({ attached: true });
  using one = Console.openPty();
  using two = Console.openPty();
  const poller = makePoller(loop);
  assertStrictEquals(poller.loop, loop);
  const first = poller.add(one.master);
  const second = poller.add(two.master, { hangup: "eof" });
  assertEquals([poller.size, first.hangup, second.hangup], [2, "wait", "eof"]);
  one.slave.write(encode("hi"));
  assertEquals(await readText(first, 2), "hi");
  poller.closeConsole(first);
  assertEquals([poller.size, first.closed, one.master.valid], [1, true, true]);
  poller.close();
  poller.close();
  assertEquals([poller.size, poller.closed, second.closed], [0, true, true]);
  assertEquals([two.master.valid, loop.closed], [true, false]);
  assertThrows(() => poller.add(one.master), ClosedError, poller[Symbol.toStringTag]);
  await assertRejects(() => poller.wait(), ClosedError);
  assertThrows(() => poller.shareStopper(), ClosedError);
  poller.stop();
});

test("K01 a console that was taken out can be added again", async () => {
  using pty = Console.openPty();
  using poller = makePoller();
  for (let round = 0; round < 3; round++) {
    const polled = poller.add(pty.master);
    pty.slave.write(encode("x"));
    assertEquals(await readText(polled, 1), "x");
    poller.closeConsole(polled);
  }
});

test.if(onEpoll, "it is about epoll", "K02 EPOLLIN, EPOLLOUT and EPOLLRDHUP by edges", () => {
  using loop = Loop.create();
  using poller = makePoller(loop);
  using pty = Console.openPty();
  poller.add(pty.master);
  const info = fs.readFileSync(`/proc/self/fdinfo/${coreOf(loop).poller.raw}`, "utf8");
  const line = new RegExp(`^tfd: +${pty.master.raw} events: +([0-9a-f]+) `, "m").exec(info);
  const always = EPOLL.ERR | EPOLL.HUP;
  const wanted = (EPOLL.IN | EPOLL.OUT | EPOLL.RDHUP | EPOLL.ET | always) >>> 0;
  assertEquals(parseInt(line![1]!, 16), wanted);
});

test("K01 each class is for the loops of its kernel", () => {
  const [here, there] = onEpoll ? [Epoller, Kqueuer] : [Kqueuer, Epoller];
  using poller = here.create();
  assertStrictEquals(poller.loop, Loop.shared);
  assert(poller instanceof here);
  assertThrows(() => there.create(), UnsupportedError, here.name);
  assert(KqueueConsole.prototype instanceof PolledConsole);
});

test("K09 wait: stop ends it, in every kind of loop", async () => {
  using dedicated = Loop.create();
  using attached = Loop.create({ attached: true });
  for (const loop of [dedicated, attached]) {
    using poller = makePoller(loop);
    const wait = poller.wait();
    loop.setTimer(5, () => poller.stop());
    await wait;
    assert(!loop.running);
  }
  using running = makePoller(dedicated);
  const run = dedicated.run();
  const wait = running.wait();
  dedicated.setTimer(5, () => running.stop());
  await wait;
  await run; // nothing is left to wait for
});

test("K09 wait: a stop that comes before ends the next wait, and only that", async () => {
  using loop = Loop.create();
  using poller = makePoller(loop);
  for (let times = 0; times < 100; times++) poller.stop(); // as one
  await deadline(5000, poller.wait(), "its end");
  let ticks = 0;
  using _clock = loop.setInterval(1, () => {
    if (++ticks === 3) poller.stop();
  });
  await poller.wait();
  assert(ticks >= 3, `ended after ${ticks}`);
});

test("K09 wait: the signal, close, and a closed loop end it; two waits are a mistake", async () => {
  using loop = Loop.create({ attached: true });
  const poller = makePoller(loop);
  const stop = new AbortController();
  const aborted = poller.wait({ signal: stop.signal });
  await assertRejects(() => poller.wait(), Error, "somebody waits already");
  stop.abort(new RangeError("enough"));
  await assertRejects(() => aborted, RangeError, "enough");
  await assertRejects(() => poller.wait({ signal: stop.signal }), RangeError, "enough");
  const closed = poller.wait();
  await turn();
  poller.close();
  await deadline(5000, closed, "its end");
  using other = makePoller(loop);
  const lost = other.wait();
  lost.catch(() => {});
  await turn();
  loop.close();
  await assertRejects(() => lost, LoopClosedError);
  assertThrows(() => makePoller(loop), LoopClosedError);
});

test("K09 wait on a dedicated loop: the signal, close, and what a callback throws", async () => {
  using loop = Loop.create();
  const poller = makePoller(loop);
  using _slow = loop.setInterval(2, () => {}); // what is timed by the runtime needs its turns
  const signal = AbortSignal.timeout(20);
  await assertRejects(() => poller.wait({ signal }), DOMException);
  loop.setTimer(1, () => {
    throw new RangeError("from a callback");
  });
  await assertRejects(() => poller.wait(), RangeError, "from a callback");
  loop.setTimer(1, () => poller.close());
  await poller.wait();
  using other = makePoller(loop);
  loop.setTimer(1, () => loop.close());
  await assertRejects(() => other.wait(), LoopClosedError);
});

test("X03 K01 arguments are checked", async () => {
  using poller = makePoller();
  using pty = Console.openPty();
  const wrong: (() => unknown)[] = [
    () => Epoller.create(1 as never),
    () => Epoller.create({ loop: {} } as never),
    () => poller.add({} as never),
    () => poller.add(pty.master, 1 as never),
    () => poller.add(pty.master, { hangup: "no" } as never),
    () => poller.closeConsole({} as never),
    () => Reflect.construct(Epoller, [Symbol("owned"), Loop.shared]),
  ];
  for (const call of wrong) assertThrows(call, TypeError);
  await assertRejects(() => poller.wait(1 as never), TypeError);
  await assertRejects(() => poller.wait({ signal: 1 } as never), TypeError);
  assertEquals(poller.size, 0);
});
