import { assert, assertEquals, assertRejects } from "@std/assert";
import { EventFD } from "../handles/event_fd.ts";
import { socketPair } from "../handles/pipe.ts";
import { AttachedDriver } from "../loop/attached.ts";
import { Core } from "../loop/core.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { EpollPoller } from "../loop/poller_epoll.ts";
import { onKqueue } from "./kqueue_fixture.ts";
import { deadline, spawnScript, test, worker } from "./support.ts";
import type { LoopWorker } from "./loop_worker.ts";

test("X05 the runtime's own timers go on while an attached loop waits, and can end the wait", async () => {
  using loop = Loop.create({ attached: true });
  using counter = EventFD.create();
  setTimeout(() => counter.signal(3), 5);
  await deadline(5000, loop.readable(counter), "the counter");
  assertEquals([counter.wait(), loop.attached], [3n, true]);
});

test("X05 host work inside a handler: fetch, timers and promises run on", async () => {
  // In a process of its own: the first fetch of a runtime opens descriptors that it keeps.
  const { stdout, stderr } = await spawnScript(`
    import { Loop, pipe } from "@fdloop/fdloop";
    using loop = Loop.create({ attached: true });
    using ends = pipe();
    const done = Promise.withResolvers();
    loop.watch(ends.reader, { readable: true, mode: "once" }, async () => {
      const response = await fetch("data:text/plain,from%20the%20host");
      await new Promise((resolve) => setTimeout(resolve, 1));
      done.resolve(await response.text());
    });
    ends.writer.write(new Uint8Array(1));
    console.log(await done.promise);
  `);
  assertEquals([stdout, stderr], ["from the host\n", ""]);
});

test("X05 every verb works without run: post, timers, connections, watches", async () => {
  using loop = Loop.create({ attached: true });
  using pair = socketPair();
  const seen: string[] = [];
  const all = Promise.withResolvers<void>();
  loop.post(() => seen.push("post"));
  loop.registerConn(pair.left, { onRecv: (bytes, conn) => void conn.write(bytes) });
  const client = loop.registerConn(pair.right, {
    onRecv: (bytes) => {
      seen.push(new TextDecoder().decode(bytes));
      loop.setTimer(1, () => all.resolve());
    },
  });
  client.write(new TextEncoder().encode("echo"));
  await deadline(5000, all.promise, "the timer");
  assertEquals(seen, ["post", "echo"]);
  await assertRejects(() => loop.run(), Error, "by itself");
  loop.unregisterConn(pair.left);
  loop.unregisterConn(pair.right);
});

test("X05 a post from outside a turn wakes the loop", async () => {
  using loop = Loop.create({ attached: true });
  using never = EventFD.create();
  using _watch = loop.watch(never, { readable: true }, () => {});
  for (let round = 0; round < 200; round++) {
    const posted = Promise.withResolvers<void>();
    loop.post(() => posted.resolve());
    await deadline(5000, posted.promise, "the posted task");
  }
});

test("C17 X05 wakes from other threads: at most one write for each sleep", async () => {
  await using thread = worker<LoopWorker>(new URL("./loop_worker.ts", import.meta.url));
  using loop = Loop.create({ attached: true });
  await thread.call("wake", loop.shareWaker(), 100_000);
  const { wakeUps, sleeps } = loop.metrics();
  assert(wakeUps <= sleeps, `${wakeUps} wake-ups for ${sleeps} sleeps`);
});

test("X05 close ends it: promises are rejected, nothing stays open, the thread ends", async () => {
  for (let round = 0; round < 5; round++) {
    const loop = Loop.create({ attached: true });
    using counter = EventFD.create();
    const waiting = assertRejects(() => loop.readable(counter), LoopClosedError);
    loop.close();
    await waiting;
  }
});

test("X05 closing it inside a callback", async () => {
  const loop = Loop.create({ attached: true });
  using counter = EventFD.create({ initial: 1 });
  const closed = Promise.withResolvers<void>();
  loop.watch(counter, { readable: true }, () => {
    loop.close();
    closed.resolve();
  });
  await deadline(5000, closed.promise, "the callback");
});

/** Runs a program that ends or does not end by itself, and answers what it printed at its end. */
async function ending(body: string): Promise<string> {
  const { stdout, stderr, code } = await spawnScript(`
    import { EventFD, Loop } from "@fdloop/fdloop";
    import process from "node:process";
    process.on("exit", () => console.log("ended"));
    const loop = Loop.create({ attached: true });
    const counter = EventFD.create();
    ${body}
  `);
  assertEquals([stderr, code], ["", 0]);
  return stdout.trim();
}

test("X05 a program ends by itself when its attached loop has nothing to wait for", async () => {
  assertEquals(await ending(""), "ended");
  assertEquals(
    await ending(`
      const watch = loop.watch(EventFD.create(), { readable: true }, () => {});
      loop.watch(counter, { readable: true, mode: "once" }, () => {
        console.log("seen");
        setTimeout(() => { watch.cancel(); counter.close(); }, 20);
      });
      setTimeout(() => { counter.signal(); }, 20);
    `),
    "seen\nended",
  );
});

test("X05 an idle loop that is unref'ed lets the program end, one that is ref'ed does not", async () => {
  const watch = `loop.watch(counter, { readable: true }, () => { counter.wait(); loop.close(); });`;
  assertEquals(await ending(`${watch} loop.unref();`), "ended");
  assertEquals(
    await ending(`
      ${watch} loop.unref(); loop.ref();
      process.on("exit", () => console.log("held", performance.now() - begin >= 100));
      const begin = performance.now();
      const timer = setTimeout(() => counter.signal(), 100);
    `),
    "ended\nheld true",
  );
});

test("X05 what a callback throws is an uncaught error of the program", async () => {
  const { stderr, code } = await spawnScript(`
    import { EventFD, Loop } from "@fdloop/fdloop";
    const loop = Loop.create({ attached: true });
    loop.watch(EventFD.create({ initial: 1 }), { readable: true, mode: "once" }, () => {
      throw new Error("from the callback");
    });
  `);
  assert(stderr.includes("from the callback"), stderr);
  assert(code !== 0);
});

test("C33 Loop.shared is one attached loop for the thread, made anew when it was closed", async () => {
  const { stdout, stderr } = await spawnScript(`
    import { EventFD, Loop } from "@fdloop/fdloop";
    const first = Loop.shared;
    console.log(first === Loop.shared, first.attached);
    const counter = EventFD.create({ initial: 2 });
    for await (const count of counter) { console.log(count); break; }
    first.close();
    console.log(Loop.shared === first, Loop.shared.closed);
  `);
  assertEquals([stdout, stderr], ["true true\n2n\nfalse false\n", ""]);
});

const NO_TIMERFD = "a loop on a kqueue has no timerfd, by which it is counted";
const ENDS = "C33 Loop.shared is closed when its thread ends, by itself or by process.exit";
test.if(!onKqueue, NO_TIMERFD, ENDS, async () => {
  // Counted by the timerfds, of which the runtimes have none.
  const { stdout, stderr } = await spawnScript(`
    import { once } from "node:events";
    import { readdirSync, readlinkSync } from "node:fs";
    import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
    import { Loop } from "@fdloop/fdloop";
    const kernel = (number) => {
      try {
        return readlinkSync("/proc/self/fd/" + number);
      } catch {
        return ""; // that of the list itself
      }
    };
    const timers = () => readdirSync("/proc/self/fd").map(kernel)
      .filter((kind) => kind.includes("timerfd")).length;
    if (isMainThread) {
      for (const way of ["returns", "process.exit"]) {
        for (let turn = 0; turn < 5; turn++) {
          const thread = new Worker(new URL(import.meta.url), { workerData: way });
          const ended = once(thread, "exit");
          const [open] = await once(thread, "message");
          await ended;
          console.log(way, open, timers());
        }
      }
    } else {
      const slept = Promise.withResolvers();
      Loop.shared.setTimer(1, slept.resolve);
      await slept.promise;
      parentPort.postMessage(timers());
      if (workerData === "process.exit") process.exit();
    }
  `);
  const lines = ["returns", "process.exit"].flatMap((way) => Array(5).fill(`${way} 1 0`));
  assertEquals([stdout.trimEnd().split("\n"), stderr], [lines, ""]);
});

test("C33 what still waits in Loop.shared when its thread ends fails neither a worker nor a file of tests", async () => {
  const leftovers = `
    import { EventFD, Loop } from "@fdloop/fdloop";
    const wait = async () => void await Loop.shared.readable(EventFD.create());
    void wait();
    void Loop.shared.readable(EventFD.create());
    Loop.shared.unref();`;
  const file = await spawnScript(
    `import { test } from "node:test";${leftovers}
    test("a moment", () => new Promise((resolve) => setTimeout(resolve, 50)));`,
    { tests: true },
  );
  assertEquals([file.code, file.signal], [0, null], file.stderr);
  const { stdout, stderr, code } = await spawnScript(`
    import { once } from "node:events";
    import process from "node:process";
    import { isMainThread, Worker, workerData } from "node:worker_threads";${leftovers}
    if (isMainThread) {
      for (const way of ["returns", "process.exit"]) {
        const thread = new Worker(new URL(import.meta.url), { workerData: way });
        console.log(way, ...(await once(thread, "exit")));
      }
    } else if (workerData === "process.exit") process.exit();
  `);
  assertEquals([stdout, stderr, code], ["returns 0\nprocess.exit 0\n", "", 0]);
});

test("X05 after 2³¹ turns an attached loop goes on", async () => {
  const core = new Core(new EpollPoller());
  const driver = new AttachedDriver(core, 2 ** 31 - 3);
  try {
    for (let turn = 0; turn < 8; turn++) {
      const fired = Promise.withResolvers<void>();
      core.timers.create(() => fired.resolve(), 1, 0);
      await deadline(5000, fired.promise, `timer ${turn}`);
    }
  } finally {
    driver.stop();
    core.close(new LoopClosedError());
  }
});
