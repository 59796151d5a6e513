import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import fs from "node:fs";
import { EventFD } from "../handles/event_fd.ts";
import { Socket } from "../handles/socket.ts";
import { UnknownFDError } from "../loop/conn_errors.ts";
import { Engine } from "../loop/engine.ts";
import { EngineClosedError, EngineWorkerError } from "../loop/engine_errors.ts";
import { Loop } from "../loop/loop.ts";
import {
  ask,
  bench,
  clientOf,
  connect,
  echo,
  handler,
  listenersAt,
  type Told,
} from "./engine_fixture.ts";
import { encode } from "./conn_fixture.ts";
import { DIE, WHO } from "./engine_handler.ts";
import "./shared_loop.ts"; // where an engine waits for its port
import { deadline, test, turn, waitUntil } from "./support.ts";

const buffer = new Uint8Array(new ArrayBuffer(65536));

for (const workers of [2, 4]) {
  test(`C20 C01 ${workers} workers: each gets connections, and every byte comes back`, async () => {
    await using running = await bench({ workers });
    const { engine, address } = running;
    using loop = Loop.create({ attached: true });
    const lengths = Array.from({ length: 40 }, (_, index) => 1 + index * 9973);
    await Promise.all(lengths.map((length, index) => echo(loop, address, length, index)));
    for (let worker = 0; worker < workers; worker++) clientOf(address, worker).close();
    await waitUntil(() => engine.metrics().total.open === 0, 5000, "the end of all");
    const { total, workers: each, deaths } = engine.metrics();
    assertEquals([each.length, engine.numWorkers, deaths, total.errors], [workers, workers, 0, 0]);
    for (const one of each) assertGreater(one.accepts, 0);
    const sum = lengths.reduce((all, length) => all + length, 0);
    assertGreater(total.bytesIn, sum - 1);
    assertGreater(total.bytesOut, sum - 1);
  });
}

test("C23 port 0 gives one port to all workers, each with a listener of its own", async () => {
  await using running = await bench({ workers: 3 });
  assertEquals(listenersAt(running.address), 3);
  const told = await Promise.all([0, 1, 2].map((worker) => running.tell(worker)));
  for (const { address, count } of told) assertEquals([address, count], [running.address, 3]);
});

test("C24 C25 pause: nobody listens, who has waited reads the end, the open go on; resume: as before", async () => {
  await using running = await bench();
  const { engine, address } = running;
  using open = connect(address);
  assertEquals(ask(open, "before"), "before");
  // A worker that is held up does not accept, so that its clients wait in the backlog.
  using gate = EventFD.create({ blocking: true, semaphore: true });
  for (const worker of [0, 1]) {
    running.say(worker, { hold: gate.raw });
    assertEquals((await running.next())[1], "held");
  }
  const queued = Array.from({ length: 20 }, () => connect(address));
  const paused = engine.pauseAccept();
  await turn(1); // the orders are given
  gate.signal(2);
  await paused;
  assertEquals(listenersAt(address), 0);
  for (const client of queued) {
    assertEquals(client.read(buffer), 0);
    client.close();
  }
  assertThrows(() => connect(address), Error, "ECONNREFUSED");
  assertEquals(ask(open, "during"), "during");
  assertEquals(engine.metrics().total.refused, 20);
  await engine.resumeAccept();
  assertEquals(listenersAt(address), 2);
  using again = connect(address);
  assertEquals(ask(again, "after"), "after");
});

test("C24 C25 pause and resume 50 times, also twice at once and in any order", async () => {
  await using running = await bench();
  const { engine, address } = running;
  for (let round = 0; round < 50; round++) {
    await engine.pauseAccept();
    assertEquals(listenersAt(address), 0);
    await engine.resumeAccept();
    assertEquals(listenersAt(address), 2);
  }
  await Promise.all([
    engine.pauseAccept(),
    engine.resumeAccept(),
    engine.pauseAccept(),
    engine.pauseAccept(),
  ]);
  assertEquals(listenersAt(address), 0);
  await Promise.all([engine.resumeAccept(), engine.pauseAccept(), engine.resumeAccept()]);
  assertEquals(listenersAt(address), 2);
  using client = connect(address);
  assertEquals(ask(client, "x"), "x");
});

test("C26 a worker that is paused uses no CPU", async () => {
  await using running = await bench({ workers: 1 });
  const { engine } = running;
  await engine.pauseAccept();
  const { tid } = await running.tell(0);
  const used = (): number =>
    Number(fs.readFileSync(`/proc/self/task/${tid}/schedstat`, "utf8").split(" ")[0]);
  // The answer to the last question is a turn of its own.
  await waitUntil(
    async () => {
      const [turns, before] = [engine.metrics().total.turns, used()];
      await turn(300);
      return engine.metrics().total.turns === turns && used() - before < 3_000_000;
    },
    10_000,
    "300 ms without a turn, and without 1 % of a CPU",
  );
});

test("C28 metrics add up in every picture of a busy engine, also where a worker has died", async () => {
  await using running = await bench();
  const { engine, address } = running;
  using loop = Loop.create({ attached: true });
  using victim = clientOf(address, 1);
  let pictures = 0;
  let clients = 0;
  const done = (async () => {
    for (; clients < 200; clients++) {
      await echo(loop, address, 100, clients);
      if (clients === 100) victim.write(encode(DIE));
    }
  })().finally(() => pictures = -pictures);
  done.catch(() => {});
  const check = (): void => {
    const { total, workers } = engine.metrics();
    for (const one of [total, ...workers]) {
      assertEquals(one.accepts + one.adopted + one.registered, one.closes + one.open);
      assert(
        one.connections >= 0 && one.connections <= one.open,
        `${one.open}, ${one.connections}`,
      );
    }
    for (const name of ["accepts", "closes", "bytesIn", "turns", "requests"] as const) {
      assertEquals(workers.reduce((sum, one) => sum + one[name], 0), total[name], name);
    }
    pictures++;
  };
  for (; pictures >= 0; await turn(0)) check();
  await done.catch(() => {});
  await running.death();
  await waitUntil(() => engine.workerLoop(1).running, 5000, "the new worker");
  check();
  assertGreater(engine.metrics().deaths, 0);
});

test("C01 workerLoop counts modulo the workers, mirrors what is negative, and refuses before listen", async () => {
  const engine = Engine.create({ handler, workers: 3 });
  for (
    const call of [
      () => engine.workerLoop(0),
      () => engine.metrics(),
      () => engine.post(0, 1),
    ]
  ) assertThrows(call, EngineClosedError, "listen()");
  await assertRejects(() => engine.pauseAccept(), EngineClosedError, "listen()");
  await using running = engine;
  await running.listen();
  assertEquals(running.addr, null);
  const indexes = [0, 1, 2, 3, 7, -1, -2, -3, -4].map((n) => running.workerLoop(n).index);
  assertEquals(indexes, [0, 1, 2, 0, 1, 1, 2, 0, 1]);
  assertThrows(() => running.workerLoop(0.5), RangeError);
  await assertRejects(() => running.listen(), Error, "before");
});

test("I02 values go both ways in their order, large ones too, and only what can be cloned", async () => {
  await using running = await bench();
  const { engine } = running;
  const value = { a: [1n, null, "ü"], map: new Map([[1, new Uint8Array([1, 2])]]) };
  const told = await running.tell(1, value);
  assertEquals([told.index, told.echo], [1, value]);
  running.say(0, { drip: 5000 });
  for (let number = 0; number < 5000; number++) assertEquals(await running.next(), [0, number]);
  running.say(0, { bulk: 3_000_000 });
  const [, bulk] = await running.next();
  assertEquals([(bulk as Uint8Array).byteLength, (bulk as Uint8Array)[2_999_999]], [3_000_000, 7]);
  const large = await running.tell(0, new Uint8Array(2_000_000).fill(9));
  assertEquals((large.echo as Uint8Array)[1_999_999], 9);
  for (const bad of [() => {}, Symbol("x"), new SharedArrayBuffer(8)]) {
    assertThrows(() => engine.post(0, bad), TypeError, "cloned");
  }
});

test("I02 a worker that is sent more than it can take serves its clients in between", async () => {
  const source = `export function onData(conn, bytes) { conn.write(bytes) }
  export function onMessage(value, loop, worker) {
    if (value === "end") worker.post(value);
    for (const end = performance.now() + 0.1; performance.now() < end;);
  }`;
  const heard: unknown[] = [];
  await using running = await bench({
    handler: `data:text/javascript;base64,${btoa(source)}`,
    workers: 1,
    onMessage: (value) => heard.push(value),
  });
  using client = Socket.connect(running.address);
  const echoed = (): boolean => client.read(buffer) !== null;
  await waitUntil(() => running.engine.metrics().total.open === 1, 5000, "the client");
  for (let count = 0; count < 10_000; count++) running.engine.post(0, count);
  running.engine.post(0, "end");
  client.write(encode("!"));
  await waitUntil(echoed, 10_000, "the echo");
  assertEquals(heard, []);
  await waitUntil(() => heard.length > 0, 30_000, "the end");
});

test("C32 shutdown waits for connections, ends the rest at the deadline, and leaves nothing", async () => {
  await using running = await bench();
  const { engine, address } = running;
  using first = clientOf(address, 0);
  using second = clientOf(address, 1);
  const ending = engine.shutdown({ deadline: 10_000 });
  assertEquals([(await running.next())[1], (await running.next())[1]].length, 2);
  await waitUntil(() => listenersAt(address) === 0, 5000, "the end of the listeners");
  assertThrows(() => engine.workerLoop(0), EngineClosedError, "shut down");
  assertEquals(ask(first, "still"), "still");
  first.close();
  await waitUntil(() => engine.metrics().total.open === 1, 5000, "the end of the first");
  // The second call brings the deadline nearer.
  assertEquals(await Promise.all([ending, engine.shutdown({ deadline: 1 })]), [1, 1]);
  assertEquals(second.read(buffer), 0);
  await engine.closed;
  assertEquals([engine.metrics().total.open, await engine.shutdown()], [0, 1]);
  await assertRejects(() => engine.listen(), EngineClosedError);
});

test("C32 shutdown with nothing open is immediate, and possible before listen", async () => {
  const running = await bench();
  assertEquals(await deadline(10_000, running.engine.shutdown(), "the end"), 0);
  const never = Engine.create({ handler, workers: 1 });
  assertEquals(await never.shutdown(), 0);
  await assertRejects(() => never.listen(), EngineClosedError);
});

test("C32 shutdown while listen is in progress: listen says so, and nothing stays", async () => {
  for (const when of ["at once", "as they begin"]) {
    const engine = Engine.create({
      handler,
      address: "127.0.0.1:0",
      workers: 2,
    });
    const listening = engine.listen();
    if (when !== "at once") await waitUntil(() => engine.addr !== null, 5000, "the port");
    const over = engine.shutdown();
    await assertRejects(() => listening, EngineClosedError, "shut down");
    assertEquals(await over, 0);
  }
});

test("C32 shutdown ends a listen that waits for its port, at once", async () => {
  using other = Socket.listen("127.0.0.1:0");
  const listen = { retry: 600_000 };
  for (const options of [{}, { signal: new AbortController().signal }]) {
    const engine = Engine.create({ handler, workers: 1, address: other.localAddress, listen });
    const listening = engine.listen(options);
    await engine.shutdown();
    await assertRejects(() => listening, EngineClosedError, "shut down");
  }
});

test("C32 a resume that shutdown overtakes opens no listener again", async () => {
  await using running = await bench();
  const { engine, address } = running;
  using client = connect(address);
  assertEquals(ask(client, "hello"), "hello");
  const paused = engine.pauseAccept();
  const resumed = assertRejects(() => engine.resumeAccept(), EngineClosedError, "shut down");
  const over = engine.shutdown();
  await paused;
  await resumed;
  assertEquals([listenersAt(address), engine.metrics().total.open], [0, 1]);
  client.close();
  assertEquals(await over, 0);
});

test("C22 a port that is taken: who has it is said, nothing stays, and listen can be tried again", async () => {
  const other = Socket.listen("127.0.0.1:0");
  const address = other.localAddress;
  await using engine = Engine.create({ handler, workers: 2, address });
  await assertRejects(() => engine.listen(), Error, "EADDRINUSE");
  other.close();
  await engine.listen();
  assertEquals(engine.addr, address);
});

test("C20 listen: a handler that fails, and an abort, leave nothing", async () => {
  const module = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
  const cases: [string, string][] = [
    ["export const x = 1", "onData"],
    ["throw new RangeError('no')", "no"],
    ["export function onData() {} export function onStart() { throw new Error('not now') }", "now"],
    ["export const onData = 5", "must be a function"],
    ["import 'file:///nowhere/at/all.js'", "died"],
  ];
  for (const [text, says] of cases) {
    const engine = Engine.create({ handler: module(text), workers: 2, address: "127.0.0.1:0" });
    await assertRejects(() => engine.listen(), EngineWorkerError, says);
    await engine.closed;
  }
  const slow = module(
    "export function onData() {} export const onStart = () => new Promise(() => {})",
  );
  const engine = Engine.create({ handler: slow, workers: 2, address: "127.0.0.1:0" });
  const reason = new Error("enough");
  const controller = new AbortController();
  const listening = engine.listen({ signal: controller.signal });
  controller.abort(reason);
  assertEquals(await listening.catch((error) => error), reason);
  const aborted = Engine.create({ handler, workers: 1 });
  await assertRejects(() => aborted.listen({ signal: AbortSignal.abort(reason) }), Error, "enough");
});

test("C20 listen: listeners that the workers refuse leave nothing", async () => {
  const accept = { maxPerTurn: 0 };
  const engine = Engine.create({ handler, address: "127.0.0.1:0", workers: 2, accept });
  await assertRejects(() => engine.listen(), RangeError, "maxPerTurn");
  await engine.closed;
});

test("C30 adoptConn: a socket becomes the worker's; refused, it stays with its owner", async () => {
  await using running = await bench();
  const { engine } = running;
  using listener = Socket.listen("127.0.0.1:0");
  const address = listener.localAddress as typeof running.address;
  using client = connect(address);
  const server = listener.accept()!;
  await engine.adoptConn(server, { worker: 1 });
  assertEquals(server.closed, true);
  assertEquals(ask(client, WHO), "worker 1");
  assertEquals(engine.metrics().workers.map(({ adopted, open }) => adopted + open), [0, 2]);

  using counter = EventFD.create();
  await assertRejects(() => engine.adoptConn(counter), Error, "ENOTSOCK");
  assertEquals(counter.valid, true);
  using second = connect(address);
  const { raw } = listener.accept()!; // nobody's from here on
  await engine.adoptConn(raw);
  await assertRejects(() => engine.adoptConn(raw), Error, "EEXIST");
  assertEquals(ask(second, "mine"), "mine");
  await assertRejects(() => engine.adoptConn(NaN), RangeError);
  using third = connect(address);
  const carry = encode("read before, ");
  const adopted = engine.adoptConn(listener.accept()!, { carry });
  carry.fill(0); // it is copied at the call
  await adopted;
  assertEquals(ask(third, ""), "read before, ");
  assertEquals(ask(third, "and after"), "and after");
  assertEquals(engine.metrics().total.adopted, 3);
});

test("C28 requests and messages are counted, and what a client sees ends up in onClose", async () => {
  await using running = await bench({ workers: 1 });
  const { engine, address } = running;
  {
    using client = connect(address);
    for (let round = 0; round < 10; round++) ask(client, "x");
  }
  await waitUntil(() => engine.metrics().total.closes === 1, 5000, "the close");
  const { total } = engine.metrics();
  assertEquals([total.requests, total.messages, total.bytesIn, total.bytesOut], [10, 10, 10, 10]);
  const told: Told = await running.tell(0);
  assertEquals([told.seen, told.open], [["start", "close null"], 0]);
  await assertRejects(() => engine.workerLoop(0).unregisterConn(0), UnknownFDError);
});
