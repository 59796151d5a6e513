import fs from "node:fs";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { supports } from "../ffi/supports.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { EventFD } from "../handles/event_fd.ts";
import { socketPair } from "../handles/pipe.ts";
import { Socket } from "../handles/socket.ts";
import type { InetAddress } from "../handles/socket_address.ts";
import { Engine } from "../loop/engine.ts";
import { EngineWorkerError } from "../loop/engine_errors.ts";
import type { LoopMetrics } from "../loop/metrics.ts";
import { type PollerDecision, PollerPolicy } from "../loop/poller_policy.ts";
import { encode } from "./conn_fixture.ts";
import {
  ask,
  type Bench,
  bench,
  clientOf,
  connect,
  handler,
  listenersAt,
} from "./engine_fixture.ts";
import { type Command, DIE } from "./engine_handler.ts";
import { deadline, root, spawnScript, tempDir, test, waitUntil } from "./support.ts";

const buffer = new Uint8Array(new ArrayBuffer(1024));

/** Waits until a worker is there again. */
function alive({ engine }: Bench, worker: number): Promise<void> {
  return waitUntil(() => engine.workerLoop(worker).running, 10_000, "the next worker");
}

const WAYS: [die: Extract<Command, { die: string }>["die"], says: string][] = [
  ["throw", "told to"],
  ["reject", "told to, nobody waits"],
  ["exit", "exit code 7"],
  ["stop", "stopped the loop"],
];

for (const [die, says] of WAYS) {
  test(`C20 a worker that dies (${die}): its clients read the end, the others go on, another takes its place`, async () => {
    await using running = await bench();
    const { engine, address } = running;
    using mine = clientOf(address, 1);
    using others = clientOf(address, 0);
    running.say(1, { die });
    const error = await running.death();
    assert(error instanceof EngineWorkerError);
    assertEquals(error.worker, 1);
    assertStringIncludes(error.message, says);
    assertEquals(listenersAt(address), 1, "its listener is gone");
    assertEquals(mine.read(buffer), 0);
    assertEquals(ask(others, "still there"), "still there");
    assertEquals(engine.post(1, "nobody"), false);
    assertEquals(engine.workerLoop(1).running, false);
    await alive(running, 1);
    await waitUntil(() => listenersAt(address) === 2, 5000, "its listener");
    using again = clientOf(address, 1);
    assertEquals(ask(again, "again"), "again");
    assertEquals(ask(others, "still there"), "still there");
    assertEquals([engine.metrics().deaths, running.errors.length], [1, 1]);
  });
}

test("C20 every promise for a worker that dies is rejected, and nothing of it stays open", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(0);
  using pair = socketPair();
  await worker.registerConn(pair.left, handler);
  running.say(0, { die: "throw" });
  const calls = [
    worker.write(pair.left, new Uint8Array(8)),
    worker.unregisterConn(pair.left),
    running.engine.adoptConn(pair.right, { worker: 0 }),
  ];
  for (const call of calls) await assertRejects(() => call, EngineWorkerError);
  assertEquals([pair.left.valid, pair.right.valid], [true, true]);
  await alive(running, 0);
  // What was somebody else's is theirs again, for any worker to have.
  await running.engine.workerLoop(1).registerConn(pair.left, handler);
  pair.right.write(encode("hello"));
  await waitUntil(() => pair.right.read(buffer) === 5, 5000, "the echo");
});

test("C24 clients that wait in the backlog of a worker that dies read the end, and no error", async () => {
  await using running = await bench();
  const { engine, address } = running;
  using gate = EventFD.create({ blocking: true, semaphore: true });
  for (const worker of [0, 1]) {
    running.say(worker, { hold: gate.raw });
    assertEquals((await running.next())[1], "held");
  }
  const clients = Array.from({ length: 40 }, () => connect(address));
  running.say(0, { die: "throw" });
  gate.signal(2);
  await running.death();
  await waitUntil(() => engine.metrics().workers[1]!.open > 0, 5000, "the other worker's clients");
  const met = (): number => {
    const { workers } = engine.metrics();
    return workers[0]!.refused + workers[1]!.accepts;
  };
  await waitUntil(() => met() >= clients.length, 5000, "every client's lot");
  const { workers } = engine.metrics();
  assertEquals(workers[0]!.refused + workers[1]!.accepts, clients.length);
  assert(workers[0]!.refused > 0, "with 40 clients, each has some");
  await waitUntil(() => engine.metrics().total.open === workers[1]!.accepts, 5000, "all of them");
  let [ended, open] = [0, 0];
  for (const client of clients) {
    using end = Socket.duplicate(client.raw); // does not block
    if (end.read(buffer) === 0) ended++;
    else open++;
    client.close();
  }
  assertEquals([ended, open], [workers[0]!.refused, workers[1]!.accepts]);
});

test("C20 while paused, a worker that takes the place of another does not listen", async () => {
  await using running = await bench();
  const { engine, address } = running;
  await engine.pauseAccept();
  running.say(0, { die: "throw" });
  await running.death();
  await alive(running, 0);
  assertEquals(listenersAt(address), 0);
  await engine.resumeAccept();
  assertEquals(listenersAt(address), 2);
});

test("C20 a worker that dies at once again and again is begun after longer and longer pauses", async () => {
  await using running = await bench({ workers: 1 });
  const times: number[] = [];
  for (let death = 0; death < 3; death++) {
    const begun = performance.now();
    running.say(0, { die: "throw" });
    await running.death();
    await alive(running, 0);
    times.push(performance.now() - begun);
  }
  assert(times.every((time, index) => time >= 99 * 2 ** (index + 1)), `${times}`);
});

test("C20 under the policy stop a death ends the engine, and closed tells whose", async () => {
  await using running = await bench({ policy: "stop" });
  const { engine, address } = running;
  using client = clientOf(address, 1);
  client.write(encode(DIE));
  const error = await assertRejects(() => engine.closed, EngineWorkerError, "asked for");
  assertEquals(error.worker, 1);
  assertEquals(await deadline(5000, engine.shutdown(), "the end"), 0);
  assertEquals(listenersAt(address), 0);
});

test("C32 a worker that is stuck in its handler is ended by force, and what it had is closed", async () => {
  const { stdout, stderr, code } = await spawnScript(`
    import fs from "node:fs";
    import { bench, ask, clientOf, listenersAt } from "./engine_fixture.ts";
    const running = await bench();
    const { engine, address } = running;
    const client = clientOf(address, 0);
    while (engine.metrics().total.open > 1) await new Promise((go) => setTimeout(go, 1));
    running.say(0, { die: "spin" });
    const begun = performance.now();
    const cut = await engine.shutdown({ deadline: 10 });
    console.log(cut, client.read(new Uint8Array(8)), listenersAt(address), engine.metrics().total.open);
    console.log(performance.now() - begun < 10_000);
    client.close();
  `.replaceAll("./engine_fixture.ts", new URL("./engine_fixture.ts", import.meta.url).href));
  assertEquals([stdout, stderr, code], ["0 0 0 0\ntrue\n", "", 0]);
});

test("C32 a worker that is blocked in the kernel does not hold up the end of the others", async () => {
  const { stdout, stderr, code } = await spawnScript(`
    import process from "node:process";
    import { EventFD } from "${new URL("../handles/event_fd.ts", import.meta.url).href}";
    import { bench } from "${new URL("./engine_fixture.ts", import.meta.url).href}";
    const running = await bench();
    const gate = EventFD.create({ blocking: true });
    running.say(0, { hold: gate.raw });
    await running.next();
    console.log(await running.engine.shutdown({ deadline: 0 }), running.errors.length);
    gate.signal();
    setTimeout(() => process.exit(0), 50);
  `);
  assertEquals([stderr, code], ["", 0]);
  // Whether the thread can be ended there is the runtime's business.
  assert(/^0 [01]\n$/.test(stdout), stdout);
});

test("C20 a thread that the runtime does not start: listen rejects, and nothing stays open", async () => {
  const { stdout, stderr, code } = await spawnScript(`
    import fs from "node:fs";
    import process from "node:process";
    import { Engine } from "@fdloop/fdloop";
    const open = () => fs.readdirSync("/proc/self/fd").length;
    // Deno opens two sockets for signals with the first listener, or some time after a first worker.
    const nobody = () => {};
    process.on("SIGUSR2", nobody);
    process.off("SIGUSR2", nobody);
    const { getBuiltinModule } = process;
    const threads = getBuiltinModule.call(process, "node:worker_threads");
    let begun = 0;
    const Worker = class extends threads.Worker {
      constructor(...orders) {
        if (++begun === 2) throw new Error("no thread is left");
        super(...orders);
      }
    };
    const warm = Engine.create({ workers: 2, handler: "./engine_handler.ts" });
    await warm.listen();
    await warm.shutdown();
    let before = -1;
    for (let same = 0; same < 20; await new Promise((resolve) => setTimeout(resolve, 5))) {
      same = open() === before ? same + 1 : 0;
      before = open();
    }
    process.getBuiltinModule = (name) =>
      name === "node:worker_threads" ? { ...threads, Worker } : getBuiltinModule.call(process, name);
    const engine = Engine.create({ workers: 2, handler: "./engine_handler.ts" });
    try {
      await engine.listen();
    } catch (error) {
      console.log(error.name, error.worker, error.cause?.message);
    }
    await engine.shutdown();
    for (let look = 0; look < 1000 && open() !== before; look++) { // runtimes close some late
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log(open() - before);
  `.replaceAll("./engine_handler.ts", new URL("./engine_handler.ts", import.meta.url).href));
  assertEquals([stdout, stderr, code], ["EngineWorkerError 1 no thread is left\n0\n", "", 0]);
});

test("C20 without onWorkerError a death is a warning of the process", async () => {
  const { stdout, stderr, code } = await spawnScript(`
    import process from "node:process";
    import { bench } from "${new URL("./engine_fixture.ts", import.meta.url).href}";
    process.on("warning", (warning) => console.log(warning.name, warning.worker));
    const running = await bench({ onWorkerError: undefined });
    running.say(1, { die: "throw" });
    while (running.engine.metrics().deaths === 0) await new Promise((go) => setTimeout(go, 5));
    await running.engine.shutdown();
  `);
  assertEquals([stdout, code], ["EngineWorkerError 1\n", 0]);
  assertStringIncludes(stderr, "told to");
});

/** A policy that tells when it is asked, and fails when it is told to. */
class WatchedPolicy extends PollerPolicy {
  readonly turns: number[] = [];
  fails = false;

  override decide(metrics: LoopMetrics): PollerDecision {
    this.turns.push(metrics.turns);
    if (this.fails) throw new Error("no idea");
    return super.decide(metrics);
  }
}

/** A handler of its own, as text. */
function handlerOf(source: string): string {
  return `data:text/javascript;base64,${btoa(`export function onData() {}\n${source}`)}`;
}

test("I02 what a handler posts past the engine, as in any other worker, is for nobody", async () => {
  const source = `export function onMessage(value, loop, worker) {
    for (const odd of [null, "hello", {}, { waker: 1 }]) postMessage(odd);
    worker.post(value);
  }`;
  await using running = await bench({ handler: handlerOf(source) });
  for (let round = 0; round < 5; round++) {
    running.engine.post(0, round);
    assertEquals(await running.next(), [0, round]);
  }
});

test("I02 workers that never stop to talk do not keep the engine's thread from its timers", async () => {
  // It says so when nobody stops it for ten seconds: without its turns, this thread would come to that.
  const source = `let stopped = false;
  export function onMessage(value, loop, worker) {
    if (value === "stop") return void (stopped = true);
    const end = performance.now() + 10_000;
    const timer = loop.setInterval(1, () => {
      for (let count = 0; count < 50; count++) worker.post(count);
      if (!stopped && performance.now() < end) return;
      timer.cancel();
      worker.post(stopped ? "stopped" : "nobody has stopped it");
    });
  }`;
  const said = Promise.withResolvers<unknown>();
  const onMessage = (value: unknown): void => {
    for (const end = performance.now() + 0.05; performance.now() < end;);
    if (typeof value === "string") said.resolve(value);
  };
  await using engine = Engine.create({ handler: handlerOf(source), workers: 1, onMessage });
  await engine.listen();
  engine.post(0, "talk");
  setTimeout(() => engine.post(0, "stop"), 20);
  assertEquals(await said.promise, "stopped");
});

test("C20 a worker that dies while others still begin is replaced, and nobody's clients wait for ever", async () => {
  const source = `export async function onStart(loop, worker) {
    if (worker.index === 0) return;
    const dead = Promise.withResolvers();
    globalThis.go = dead.resolve;
    worker.post("slow");
    await dead.promise;
  }
  export function onMessage(value) {
    if (value === "die") throw new Error("early");
    globalThis.go();
  }`;
  const errors: EngineWorkerError[] = [];
  const engine = Engine.create({
    handler: handlerOf(source),
    address: "127.0.0.1:0",
    workers: 2,
    onMessage: () =>
      void waitUntil(() => engine.workerLoop(0).running, 5000, "the first").then(kill),
    onWorkerError(error) {
      errors.push(error);
      engine.post(1, "go on");
    },
  });
  const kill = (): boolean => engine.post(0, "die");
  await using _end = engine;
  await engine.listen();
  assertEquals(errors.map(({ worker }) => worker), [0]);
  await waitUntil(() => engine.workerLoop(0).running, 10_000, "the next worker");
  const address = engine.addr as InetAddress;
  await waitUntil(() => listenersAt(address) === 2, 5000, "its listener");
  using both = socketPair();
  await engine.adoptConn(both.left, { worker: 0 });
});

test("C20 what is asked of a worker that still loads its handler is done by that handler, or refused", async () => {
  const told = `export function onStart(loop, worker) { worker.post([NAME, "start"]) }
  export function onMessage(value, loop, worker) {
    if (value === "die") throw new Error("told to");
    worker.post([NAME, value]);
  }`;
  using dir = tempDir();
  const gate = `${dir.path}/gate`;
  fs.writeFileSync(gate, "open");
  const slow = `
    import fs from "node:fs";
    while (!fs.existsSync(${
    JSON.stringify(gate)
  })) await new Promise((resolve) => setTimeout(resolve, 1));`;
  const own = handlerOf(`const NAME = "own"; ${slow} ${told}`);
  const other = handlerOf(`const NAME = "other"; ${told}`);
  await using running = await bench({ handler: own, workers: 1 });
  const { engine } = running;
  fs.rmSync(gate); // the next thread stays in its handler's module until it is there again
  engine.post(0, "die");
  await running.death();
  await waitUntil(() => engine.post(0, "hello"), 5000, "the next thread");
  using pair = socketPair();
  using refused = socketPair();
  const adopted = engine.adoptConn(refused.left, { worker: 0 });
  await assertRejects(() => adopted, EngineWorkerError, "not begun");
  assertEquals(refused.left.valid, true);
  fs.writeFileSync(gate, "open");
  await engine.workerLoop(0).registerConn(pair.left, other);
  for (const said of ["start", "start", "hello"]) {
    assertEquals(await running.next(), [0, ["own", said]]);
  }
  await alive(running, 0);
  await engine.workerLoop(0).unregisterConn(pair.left);
});

test("C25 a resume without descriptors leaves no listener that nobody serves", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import { leaveRoom, limitDescriptors } from "${root}tests/descriptor_limit.ts";
    import { bench, listenersAt } from "${root}tests/engine_fixture.ts";
    const { engine, address } = await bench();
    let refused = false;
    for (const room of [1, 2, 3, 4]) {
      await engine.pauseAccept();
      leaveRoom(room);
      await engine.resumeAccept().catch(({ code }) => refused ||= code === "EMFILE");
      limitDescriptors(500);
      const listeners = await engine.listeners();
      for (const listener of listeners) listener.close();
      console.log(listenersAt(address) - listeners.length);
    }
    console.log(refused);
    await engine.resumeAccept();
    console.log(listenersAt(address));
    await engine.shutdown();`);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertEquals(stdout, "0\n0\n0\n0\ntrue\n2\n");
});

test("C31 the policy of a worker is asked before it begins, and again for the next in its place", async () => {
  const policies = [new WatchedPolicy(), new WatchedPolicy()];
  await using running = await bench({ poller: (worker) => policies[worker]! });
  assertEquals(policies.map(({ turns }) => turns), [[0], [0]]);
  using _client = clientOf(running.address, 1);
  running.say(1, { die: "throw" });
  await running.death();
  await alive(running, 1);
  assertEquals([policies[0]!.turns.length, policies[1]!.turns.length], [1, 2]);
  assert(policies[1]!.turns[1]! > 0, "with the counters of the one before");
});

test("C31 a policy that fails for a worker's successor ends the engine, with the reason", async () => {
  const policy = new WatchedPolicy();
  await using running = await bench({ workers: 1, poller: () => policy });
  const closed = assertRejects(() => running.engine.closed, EngineWorkerError, "no idea");
  policy.fails = true;
  running.say(0, { die: "throw" });
  await deadline(10_000, closed, "the end of the engine");
});

test("C31 a worker waits in the poller that was chosen, or the engine is not made", async () => {
  const candidates = [{ poller: "kqueue", supported: () => supports("kqueue") }] as const;
  const options = { workers: 1, poller: () => new PollerPolicy({ candidates }) };
  if (!supports("kqueue")) {
    assertThrows(() => Engine.create({ handler, ...options }), UnsupportedError, "kqueue");
    return;
  }
  await using running = await bench(options);
  using client = connect(running.address);
  assertEquals(ask(client, "through kevent(2)"), "through kevent(2)");
});
