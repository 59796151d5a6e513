import { spawn } from "node:child_process";
import { assertEquals, assertRejects } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import { PidFD } from "../handles/pid_fd.ts";
import { TimerFD } from "../handles/timer_fd.ts";
import { Loop } from "../loop/loop.ts";
import { deadline, spawnScript, test } from "./support.ts";

test("I12 X04 PidFD.exited: the status of a child, on either driver", async () => {
  {
    using loop = Loop.create({ attached: true });
    using child = PidFD.open(spawn("sh", ["-c", "exit 7"]).pid!);
    assertEquals((await deadline(5000, child.exited({ loop }), "the child")).code, 7);
  }
  using loop = Loop.create();
  using child = PidFD.open(spawn("sh", ["-c", "exit 9"]).pid!);
  const [status] = await Promise.all([child.exited({ loop }), loop.run()]);
  assertEquals(status.code, 9);
});

test("I12 X04 PidFD.exited: AbortSignal, and a handle that is closed while it waits", async () => {
  using loop = Loop.create({ attached: true });
  const process = spawn("sleep", ["60"]);
  using child = PidFD.open(process.pid!);
  const { signal } = new AbortController();
  const soon = AbortSignal.any([signal, AbortSignal.timeout(10)]);
  await assertRejects(() => child.exited({ loop, signal: soon }), Error, "time");
  const closed = assertRejects(() => child.exited({ loop }), ClosedError);
  child.sendSignal("SIGKILL");
  child.close();
  await closed;
});

test("I12 PidFD.exited of a stranger waits, without spinning, until its parent has reaped it", async () => {
  // The shell reaps its child when it is told to.
  const parent = spawn("sh", ["-c", "sleep 60 & echo $!; read line; wait; read line"]);
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.once(
      "data",
      (text: Uint8Array) => resolve(Number(new TextDecoder().decode(text))),
    );
  });
  try {
    using loop = Loop.create({ attached: true });
    using stranger = PidFD.open(pid);
    const exited = stranger.exited({ loop });
    stranger.sendSignal("SIGKILL");
    await loop.readable(stranger).catch(() => {}); // a zombie by now, or the watch has it
    const { turns } = loop.metrics();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(loop.metrics().turns - turns < 20, true, "it spins while nothing happens");
    parent.stdin.write("go on\n");
    assertEquals((await deadline(5000, exited, "the stranger")).signal, "SIGKILL");
  } finally {
    parent.stdin.end();
    await new Promise((resolve) => parent.once("close", resolve));
  }
});

test("X04 for await over a timer and a counter ends by break, by close, and by AbortSignal", async () => {
  using loop = Loop.create({ attached: true });
  using timer = TimerFD.create();
  timer.arm(1, 1);
  let ticks = 0n;
  for await (const times of timer.ticks({ loop })) {
    ticks += times;
    if (ticks >= 5n) break;
  }
  const counter = EventFD.create({ initial: 2, semaphore: true });
  let taken = 0;
  for await (const one of counter.signals({ loop })) {
    assertEquals(one, 1n);
    if (++taken === 2) loop.post(() => counter.close());
  }
  assertEquals(taken, 2);
  timer.disarm();
  const signal = AbortSignal.timeout(10);
  await assertRejects(async () => {
    for await (const _times of timer.ticks({ loop, signal }));
  }, Error);
});

test("X04 return() and throw() end an iteration whose next step waits for what never comes", async () => {
  using loop = Loop.create({ attached: true });
  using counter = EventFD.create();
  using timer = TimerFD.create();
  for (const end of ["return", "throw"] as const) {
    for (const values of [counter.signals({ loop }), timer.ticks({ loop })]) {
      const next = values.next();
      const thrown = new Error("thrown");
      const over = end === "return" ? values.return() : values.throw(thrown);
      const outcome = over.then(() => "return", (reason: unknown) => reason);
      assertEquals((await deadline(5000, next, "the step")).done, true);
      assertEquals(await deadline(5000, outcome, end), end === "return" ? "return" : thrown);
    }
  }
});

test("X04 options of waits are checked", async () => {
  using counter = EventFD.create();
  for (const bad of [3, null, { signal: 3 }, { loop: {} }]) {
    await assertRejects(() => counter.signals(bad as never).next(), TypeError, "EventFD.signals");
  }
});

test("C33 without a loop the one that runs on this thread waits, or else Loop.shared", async () => {
  const { stdout, stderr } = await spawnScript(`
    import { EventFD, Loop, SignalFD } from "@fdloop/fdloop";
    import process from "node:process";
    using loop = Loop.create();
    using counter = EventFD.create();
    const waiting = (async () => {
      await null; // run() is in progress from here on
      for await (const count of counter) return count;
    })();
    loop.post(() => counter.signal(4));
    await loop.run();
    console.log(await waiting);
    using signals = SignalFD.create(["SIGUSR1", "SIGUSR2"]);
    process.kill(process.pid, "SIGUSR1");
    process.kill(process.pid, "SIGUSR2");
    const names = [];
    for await (const info of signals) {
      names.push(info.name);
      if (names.length === 2) break;
    }
    console.log(names.sort().join());
    Loop.shared.close();
  `);
  assertEquals([stdout, stderr], ["4n\nSIGUSR1,SIGUSR2\n", ""]);
});
