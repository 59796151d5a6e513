import { assert, assertEquals, assertGreater } from "@std/assert";
import { EngineWorkerError } from "../../loop/engine_errors.ts";
import { Loop } from "../../loop/loop.ts";
import type { Bench } from "../engine_fixture.ts";
import { assertAddsUp, Client, movable, told, untilOpen } from "../transplant_fixture.ts";
import { deadline, test, waitUntil } from "../support.ts";

/** Clients that ask without a pause, and how many of them have been cut off. */
function clientsOf(loop: Loop, { address }: Bench, count: number): Client[] {
  return Array.from({ length: count }, (_, index) => new Client(loop, address, index, 2));
}

/** The clients that go on were answered right; the others were cut off, not answered wrong. */
async function settled(clients: Client[]): Promise<number> {
  let cut = 0;
  for (const client of clients) {
    const error = await client.finish().then(() => null, (caught: Error) => caught);
    if (error === null) continue;
    assert(/closed|ECONNRESET|EPIPE/.test(error.message), String(error));
    cut++;
  }
  for (const client of clients) client[Symbol.dispose]();
  return cut;
}

test("C30 a worker there that dies when it is given a connection: that one ends with it, no other does", async () => {
  await using first = await movable({ workers: 1 });
  await using second = await movable({ workers: 1 });
  using loop = Loop.create({ attached: true });
  const clients = clientsOf(loop, first, 8);
  await untilOpen(first, 8);
  await told(second, 0, { dieAt: "onAdopt" });
  first.engine.startTransplant(second.engine);
  assert(await second.death() instanceof EngineWorkerError);
  // The next one lives, and takes what stays.
  await waitUntil(
    () => second.engine.metrics().total.open > 0 && first.engine.metrics().total.open === 0,
    20_000,
    "the move of the others",
  );
  const moved = await first.engine.stopTransplant();
  assertAddsUp(first.engine, second.engine);
  const { open, closes } = second.engine.metrics().total;
  assertEquals(open + closes, second.engine.metrics().total.adopted);
  assertEquals(moved, second.engine.metrics().total.adopted);
  assertEquals(await settled(clients), closes);
  assertGreater(8, closes);
  await untilOpen(second, 0);
});

test("C30 a worker there that dies over and over, in the middle of moves: every connection is served or ended", async () => {
  await using first = await movable();
  await using second = await movable();
  using loop = Loop.create({ attached: true });
  const clients = clientsOf(loop, first, 12);
  await untilOpen(first, 12);
  first.engine.startTransplant(second.engine);
  for (let death = 0; death < 3; death++) {
    const worker = death % 2;
    await waitUntil(() => second.engine.workerLoop(worker).running, 10_000, "the worker");
    second.engine.post(worker, { die: true });
    await second.death();
    assertAddsUp(first.engine, second.engine);
  }
  await first.engine.stopTransplant();
  await settled(clients);
  for (const one of [first, second]) await untilOpen(one, 0);
  const [from, to] = [first, second].map(({ engine }) => engine.metrics().total);
  assertEquals(from!.moved, from!.adopted + to!.adopted);
  assertEquals(from!.errors, 0);
});

test("C30 a worker here that dies, in onMove and in the middle of moves: what it had ends with it", async () => {
  await using first = await movable({ workers: 2 });
  await using second = await movable({ workers: 1 });
  using loop = Loop.create({ attached: true });
  const clients = clientsOf(loop, first, 10);
  await untilOpen(first, 10);
  await told(first, 1, { dieAt: "onMove" });
  const before = first.engine.workerLoop(1).metrics().open;
  first.engine.startTransplant(second.engine);
  if (before > 0) await first.death();
  await waitUntil(() => first.engine.metrics().total.open === 0, 20_000, "the moves");
  // The next worker in its place lets its connections go, too.
  await waitUntil(() => first.engine.workerLoop(1).running, 10_000, "the next worker");
  const later = clientsOf(loop, first, 10);
  await untilOpen(second, 20 - before);
  first.engine.post(0, { die: true });
  await first.death();
  assertEquals(await settled(clients), before);
  assertEquals(await settled(later), 0);
  await untilOpen(second, 0);
  assertEquals(await first.engine.stopTransplant(), second.engine.metrics().total.adopted);
  assertAddsUp(first.engine, second.engine);
});

test("C30 C32 the engine there is shut down in the middle: the rest stays, and no more moves", async () => {
  await using first = await movable();
  using loop = Loop.create({ attached: true });
  const clients = clientsOf(loop, first, 12);
  {
    await using second = await movable();
    await untilOpen(first, 12);
    first.engine.startTransplant(second.engine);
    await waitUntil(() => second.engine.metrics().total.adopted > 0, 5000, "a move");
    await second.engine.shutdown({ deadline: 0 });
    const { adopted, open, closes } = second.engine.metrics().total;
    assertEquals([adopted, open], [closes, 0]);
    const moved = await first.engine.stopTransplant();
    assertEquals([moved, await settled(clients)], [adopted, adopted]);
  }
  await untilOpen(first, 0);
  const after = clientsOf(loop, first, 3);
  assertEquals(await settled(after), 0);
});

test("C30 C32 the engine here is shut down in the middle: what is on its way arrives or ends", async () => {
  await using second = await movable();
  using loop = Loop.create({ attached: true });
  for (const deadlineMs of [0, 5000]) {
    const first = await movable();
    const clients = clientsOf(loop, first, 12);
    await untilOpen(first, 12);
    const before = second.engine.metrics().total.adopted;
    first.engine.startTransplant(second.engine);
    if (deadlineMs > 0) {
      await waitUntil(() => second.engine.metrics().total.adopted > before, 5000, "a move");
    }
    const ending = first.engine.shutdown({ deadline: deadlineMs });
    const cut = await settled(clients);
    await deadline(10_000, ending, "the end");
    await untilOpen(second, 0);
    const moved = second.engine.metrics().total.adopted - before;
    assert(moved <= 12 - cut, `${moved} moved, and ${cut} were cut off`);
    if (deadlineMs > 0) assertEquals(cut, 0);
    assertEquals(first.engine.metrics().total.open, 0);
  }
});
