import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import fs from "node:fs";
import { Socket } from "../handles/socket.ts";
import type { InetAddress } from "../handles/socket_address.ts";
import type { ConnectOptions } from "../handles/socket_open.ts";
import { EngineClosedError } from "../loop/engine_errors.ts";
import { Engine } from "../loop/engine.ts";
import { Loop } from "../loop/loop.ts";
import { pattern } from "./conn_fixture.ts";
import { bench, handler, listenersAt } from "./engine_fixture.ts";
import { ANSWER_BYTES, checksum } from "./transplant_handler.ts";
import { assertAddsUp, Client, movable, request, told, untilOpen } from "./transplant_fixture.ts";
import { tempDir, test, turn, waitUntil } from "./support.ts";

const buffer = new Uint8Array(new ArrayBuffer(65536));

/**
 * Reads one answer: its words. Nothing here blocks, because this thread is the engines', and what moves
 * passes through it.
 */
async function answer(client: Socket): Promise<number[]> {
  let got = 0;
  await waitUntil(
    () => {
      got += client.read(buffer.subarray(got, ANSWER_BYTES)) ?? 0;
      return got === ANSWER_BYTES;
    },
    10_000,
    "an answer",
  );
  const words = new DataView(buffer.buffer, 0, ANSWER_BYTES);
  return [0, 4, 8, 12].map((at) => words.getUint32(at));
}

/** Asks, and answers how many came before, and how often the connection has moved. */
async function ask(client: Socket, number: number): Promise<number[]> {
  const body = pattern(100, number);
  client.write(request(number, body));
  const [same, sum, served, moves] = await answer(client);
  assertEquals([same, sum], [number, checksum(body)]);
  return [served!, moves!];
}

/** A client that does not block. */
async function connect(address: InetAddress, options: ConnectOptions = {}): Promise<Socket> {
  const client = Socket.connect(address, options);
  await waitUntil(() => client.remoteAddress !== null, 5000, "the connection");
  return client;
}

test("C30 transplant: idle connections move with their state, then those that come, until it is stopped", async () => {
  await using first = await movable();
  await using second = await movable();
  using early = await connect(first.address);
  assertEquals(await ask(early, 1), [0, 0]);
  await untilOpen(first, 1);
  first.engine.startTransplant(second.engine);
  await untilOpen(second, 1);
  assertEquals(await ask(early, 2), [1, 1]);
  using late = await connect(first.address);
  await untilOpen(second, 2);
  assertEquals(await ask(late, 1), [0, 1]);
  assertEquals(await first.engine.stopTransplant(), 2);
  using after = await connect(first.address);
  assertEquals(await ask(after, 1), [0, 0]);
  assertEquals([await first.engine.stopTransplant(), first.engine.metrics().total.open], [0, 1]);
  const { accepts, moved, adopted } = first.engine.metrics().total;
  assertEquals([accepts, moved, adopted], [3, 2, 0]);
  assertEquals(second.engine.metrics().total.adopted, 2);
  assertAddsUp(first.engine, second.engine);
});

test("C30 transplant: what a handler is told, at each side, and that it is told each thing once", async () => {
  await using first = await movable({ workers: 1 });
  await using second = await movable({ workers: 1 });
  const client = await connect(first.address);
  await ask(client, 1);
  first.engine.startTransplant(second.engine);
  await untilOpen(second, 1);
  await first.engine.stopTransplant();
  assertEquals((await told(first, 0, { tell: true })).seen, ["open", "move 0"]);
  client.close();
  await untilOpen(second, 0);
  assertEquals((await told(second, 0, { tell: true })).seen, ["adopt", "close null"]);
  assertEquals((await told(first, 0, { tell: true })).seen, []);
});

test("C30 transplant: half a request is carried over, and completed at the other side", async () => {
  await using first = await movable({ workers: 1 });
  await using second = await movable({ workers: 1 });
  using client = await connect(first.address);
  const body = pattern(5000);
  const bytes = request(7, body);
  client.write(bytes.subarray(0, 3000));
  await waitUntil(() => first.engine.metrics().total.bytesIn === 3000, 5000, "the first half");
  first.engine.startTransplant(second.engine);
  await untilOpen(second, 1);
  assertEquals((await told(first, 0, { tell: true })).seen, ["open", "move 3000"]);
  client.write(bytes.subarray(3000));
  assertEquals(await answer(client), [7, checksum(body), 0, 1]);
  // And back, with nothing but a byte of the next one.
  await first.engine.stopTransplant();
  client.write(request(8, body).subarray(0, 1));
  await waitUntil(() => second.engine.metrics().total.bytesIn === 2009, 5000, "the byte");
  second.engine.startTransplant(first.engine);
  await untilOpen(first, 1);
  client.write(request(8, body).subarray(1));
  assertEquals(await answer(client), [8, checksum(body), 1, 2]);
  assertEquals(await second.engine.stopTransplant(), 1);
});

test(
  "C30 transplant: 50 times back and forth under load: no answer is lost, doubled or another's",
  async () => {
    await using first = await movable();
    await using second = await movable();
    using loop = Loop.create({ attached: true });
    const engines = [first.engine, second.engine] as const;
    const clients = Array.from({ length: 8 }, (_, index) => {
      const { address } = index % 2 === 0 ? first : second;
      return new Client(loop, address, index, 1 + index % 3);
    });
    let moved = 0;
    for (let round = 0; round < 50; round++) {
      const [from, to] = round % 2 === 0 ? engines : [engines[1], engines[0]];
      const before = to.metrics().total.adopted;
      from.startTransplant(to);
      await waitUntil(
        () => {
          assertAddsUp(...engines);
          return to.metrics().total.adopted > before;
        },
        10_000,
        `a move in round ${round}`,
      );
      moved += await from.stopTransplant();
    }
    for (const client of clients) await client.finish();
    for (const client of clients) client[Symbol.dispose]();
    for (const one of [first, second]) await untilOpen(one, 0);
    const totals = engines.map((engine) => engine.metrics().total);
    assertEquals(totals.map(({ moved }) => moved).reduce((a, b) => a + b), moved);
    assertEquals(totals.map(({ adopted }) => adopted).reduce((a, b) => a + b), moved);
    assertEquals(totals.map(({ errors }) => errors), [0, 0]);
    assertGreater(Math.max(...clients.map(({ moves }) => moves)), 5);
  },
  { timeoutMs: 60_000 },
);

test("C30 moveConns: between two workers of one engine, under load, at most so many", async () => {
  await using running = await movable();
  const { engine, address } = running;
  using loop = Loop.create({ attached: true });
  const clients = Array.from({ length: 8 }, (_, index) => new Client(loop, address, index, 2));
  await untilOpen(running, 8);
  const open = (): number[] => engine.metrics().workers.map((one) => one.open);
  for (let round = 0; round < 50; round++) {
    const most = round % 4;
    const count = await engine.moveConns(round % 2, 1 + round % 2, most);
    assert(count <= most, `${count} of ${most}`);
    assertAddsUp(engine);
  }
  for (const client of clients) await client.finish();
  await waitUntil(() => open()[0]! + open()[1]! === 8, 5000, "all");
  await engine.moveConns(0, 1);
  assertEquals(open(), [0, 8]);
  assertEquals(await engine.moveConns(1, 0, 5), 5);
  assertEquals(open(), [5, 3]);
  assertEquals(await engine.moveConns(1, 0, 0), 0);
  for (const client of clients) client[Symbol.dispose]();
  await untilOpen(running, 0);
  assertEquals(engine.metrics().total.errors, 0);
});

test("C30 refused by the worker: it comes back, and stays until its next message", async () => {
  await using first = await movable({ workers: 1 });
  await using second = await movable({ workers: 1 });
  using client = await connect(first.address);
  await ask(client, 1);
  const [fd] = (await told(first, 0, { tell: true })).fds;
  // A loop that watches the number already cannot have it as a connection.
  await told(second, 0, { watch: fd! });
  first.engine.startTransplant(second.engine);
  await waitUntil(() => first.engine.metrics().total.adopted === 1, 5000, "its coming back");
  assertEquals((await told(first, 0, { tell: true })).seen, ["move 0", "adopt"]);
  assertEquals(await ask(client, 2), [1, 1]);
  await waitUntil(() => first.engine.metrics().total.adopted === 2, 5000, "the second try");
  await told(second, 0, { watch: -1 });
  assertEquals(await first.engine.stopTransplant(), 0);
  assertAddsUp(first.engine, second.engine);
  first.engine.startTransplant(second.engine);
  assertEquals(await ask(client, 3), [2, 2]);
  await untilOpen(second, 1);
  assertEquals(await ask(client, 4), [3, 3]);
  assertEquals(await first.engine.stopTransplant(), 1);
});

test("C30 only what is at a boundary, with everything sent, leaves", async () => {
  await using first = await movable({ workers: 1, listen: { sendBuffer: 4096 } });
  await using second = await movable({ workers: 1 });
  await told(first, 0, { stay: true });
  using client = await connect(first.address, { receiveBuffer: 65536 });
  await ask(client, 1);
  first.engine.startTransplant(second.engine);
  assertEquals(await ask(client, 2), [1, 0]);
  // Answers that nobody reads: they wait, and the connection with them.
  let sent = 0;
  const many = request(0, new Uint8Array(0));
  const burst = new Uint8Array(many.byteLength * 1000);
  for (let at = 0; at < burst.byteLength; at += many.byteLength) burst.set(many, at);
  while (first.engine.metrics().total.pendingBytes < 200_000) {
    sent += client.write(burst.subarray(sent % many.byteLength)) ?? 0;
    await turn(1);
  }
  await told(first, 0, { stay: false });
  assertEquals(second.engine.metrics().total.adopted, 0);
  const whole = Math.floor(sent / many.byteLength);
  for (let number = 0; number < whole; number++) assertEquals((await answer(client))[0], 0);
  await untilOpen(second, 1);
  client.write(many.subarray(sent % many.byteLength));
  assertEquals((await answer(client)).slice(2), [whole + 2, 1]);
  await first.engine.stopTransplant();
});

test("C30 without onMove and onAdopt, a move is onClose here and onOpen there", async () => {
  using dir = tempDir();
  const source = (name: string): string => `
    let self;
    export const onStart = (loop, worker) => { self = worker };
    export const onOpen = (conn) => { self.post("${name} open"); conn.atBoundary() };
    export const onClose = (conn, error) => self.post("${name} close " + error);
    export function onData(conn, bytes) { conn.write(bytes); conn.atBoundary() }`;
  const module = (name: string): string => {
    const file = `${dir.path}/${name}.mjs`;
    fs.writeFileSync(file, source(name));
    return file;
  };
  await using first = await bench({ workers: 1, handler: module("first") });
  await using second = await bench({ workers: 1, handler: module("second") });
  using client = await connect(first.address);
  assertEquals(await first.next(), [0, "first open"]);
  first.engine.startTransplant(second.engine);
  assertEquals(await first.next(), [0, "first close null"]);
  assertEquals(await second.next(), [0, "second open"]);
  client.write(pattern(5));
  await waitUntil(() => client.read(buffer) === 5, 5000, "the echo");
  assertEquals(await first.engine.stopTransplant(), 1);
});

test("C30 adoptConn: state and carry reach onAdopt and onData", async () => {
  await using running = await movable({ workers: 1 });
  using listener = Socket.listen("127.0.0.1:0");
  using client = await connect(listener.localAddress as typeof running.address);
  const body = pattern(50);
  const options = { carry: request(4, body), state: { served: 8, moves: 2 } };
  await running.engine.adoptConn(listener.accept()!, options);
  assertEquals(await answer(client), [4, checksum(body), 8, 3]);
  const bad = { state: () => {} };
  await assertRejects(() => running.engine.adoptConn(client, bad), TypeError, "state");
  assertEquals(client.valid, true);
});

test("C30 C01 moves that make no sense are refused, and nothing of them is left", async () => {
  const never = Engine.create({ handler, workers: 1 });
  assertThrows(() => never.startTransplant(never), TypeError, "the engine itself");
  await assertRejects(() => never.moveConns(0, 1), EngineClosedError);
  assertEquals(await never.stopTransplant(), 0);
  await using running = await movable();
  const { engine } = running;
  assertThrows(() => engine.startTransplant(never), EngineClosedError, "the target");
  assertThrows(
    () => engine.startTransplant(null as unknown as Engine),
    TypeError,
    "another Engine",
  );
  await assertRejects(() => engine.moveConns(0, 2), RangeError, "both worker 0");
  await assertRejects(() => engine.moveConns(0, 1, -1), RangeError);
  await using other = await movable();
  engine.startTransplant(other.engine);
  assertThrows(() => engine.startTransplant(other.engine), Error, "moving already");
  assertThrows(() => other.engine.startTransplant(engine), Error, "moving already");
  assertEquals(await Promise.all([engine.stopTransplant(), engine.stopTransplant()]), [0, 0]);
  other.engine.startTransplant(engine);
  assertEquals(await other.engine.stopTransplant(), 0);
});

test("C30 a function takes connections: those it refuses, or throws for, come back", async () => {
  await using running = await movable({ workers: 1 });
  const { engine, address } = running;
  const kept: Socket[] = [];
  const states: unknown[] = [];
  let answer = false;
  using client = await connect(address);
  client.write(request(5, pattern(9)).subarray(0, 3));
  await waitUntil(() => engine.metrics().total.bytesIn === 3, 5000, "the beginning");
  engine.startTransplant(({ socket, carry, state }) => {
    states.push([state, (carry as Uint8Array).byteLength]);
    if (answer) kept.push(Socket.duplicate(socket.raw));
    return answer;
  });
  await waitUntil(() => engine.metrics().total.adopted === 1, 5000, "its coming back");
  answer = true;
  client.write(request(5, pattern(9)).subarray(3));
  await waitUntil(() => kept.length === 1, 5000, "its going");
  assertEquals(await engine.stopTransplant(), 1);
  // It was answered in between: it stays until its next message.
  assertEquals(states, [[{ served: 0, moves: 0 }, 3], [{ served: 1, moves: 1 }, 0]]);
  client.write(pattern(2));
  await waitUntil(() => kept[0]!.read(buffer) === 2 + 0, 5000, "the bytes at its new owner");
  await engine.adoptConn(kept[0]!, {
    carry: request(6, pattern(2)),
    state: { served: 7, moves: 1 },
  });
  await untilOpen(running, 1);
  const { moved, adopted, open } = engine.metrics().total;
  assertEquals([moved, adopted, open], [2, 2, 1]);
});

test("C30 C25 listeners that are left, not drained: their clients go on waiting, and another engine has them", async () => {
  await using first = await movable();
  const { engine, address } = first;
  const listeners = await engine.listeners();
  await engine.pauseAccept({ drain: false });
  assertEquals([listeners.length, await engine.listeners()], [2, []]);
  using early = await connect(address);
  assertEquals(listenersAt(address), 2);
  assertThrows(() => Engine.create({ handler, listeners, workers: 3 }), RangeError, "2 for 3");
  assertThrows(() => Engine.create({ handler, listeners, address }), TypeError, "leave");
  assertThrows(() => Engine.create({ handler, listeners: [5 as never] }), TypeError, "Sockets");
  await using second = await movable({ address: undefined, listeners, workers: undefined });
  assertEquals([second.engine.numWorkers, second.engine.addr], [2, address]);
  assertEquals(await ask(early, 1), [0, 0]);
  assertEquals(listeners.map(({ closed }) => closed), [true, true]);
  await second.engine.pauseAccept();
  assertEquals(listenersAt(address), 0);
  await second.engine.resumeAccept();
  // Both accept now.
  await engine.resumeAccept();
  assertEquals(listenersAt(address), 4);
});

test("C30 listeners that no engine can go on with stay their owner's", async () => {
  using alone = Socket.listen("127.0.0.1:0");
  using other = Socket.listen("127.0.0.1:0", { reusePort: true });
  using unix = Socket.listen("unix:");
  const cases: [Socket[], string][] = [
    [[alone], "EADDRINUSE"],
    [[other, alone], "must all be bound"],
    [[unix], "TCP"],
  ];
  for (const [listeners, says] of cases) {
    const engine = Engine.create({ handler, listeners });
    await assertRejects(() => engine.listen(), Error, says);
    await engine.shutdown();
  }
  for (const each of [alone, other, unix]) assertEquals(each.valid, true);
});
