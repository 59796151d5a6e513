import { assert, assertEquals } from "@std/assert";
import { Cell, MOST_SETS, NONE } from "../handles/cell.ts";
import { test, waitUntil, worker } from "./support.ts";
import type { CellWorker } from "./cell_worker.ts";

test("I01 a new cell holds its number and is open", () => {
  const cell = Cell.hold(0);
  assertEquals([cell.number, cell.closed], [0, false]);
});

test("I01 closing answers the number once, and it is −1 from then on for every copy", () => {
  const cell = Cell.hold(7);
  const copy = new Cell(cell.memory);
  assertEquals(cell.close(), 7);
  assertEquals([cell.number, copy.number, copy.closed], [NONE, NONE, true]);
  assertEquals(copy.close(), NONE);
  assertEquals(cell.leave(), 7, "the closer was the last one inside");
});

test("I02 the number is given back by the last call that leaves, not by close", () => {
  const cell = Cell.hold(9);
  assertEquals([cell.enter(), cell.enter()], [9, 9]);
  assertEquals(cell.close(), 9);
  assertEquals(cell.enter(), NONE, "nobody gets in after close");
  assertEquals([cell.leave(), cell.leave(), cell.leave()], [NONE, NONE, 9]);
});

test("I02 leaving an open cell gives nothing back", () => {
  const cell = Cell.hold(9);
  cell.enter();
  assertEquals(cell.leave(), NONE);
  assertEquals(cell.number, 9);
});

test("I01 only the memory of a cell is taken for one", () => {
  assert(Cell.isMemory(Cell.hold(3).memory));
  assert(!Cell.isMemory(new SharedArrayBuffer(128)));
  assert(!Cell.isMemory(new SharedArrayBuffer(8)));
  assert(!Cell.isMemory(new ArrayBuffer(128)));
  assert(!Cell.isMemory(undefined));
});

test("R08 a cell knows the sets that hold it, each once, and 0 is one", () => {
  const cell = Cell.hold(3);
  const sets = (): number[] => {
    const found: number[] = [];
    cell.eachSet((set) => found.push(set));
    return found;
  };
  assert(cell.attach(0) && cell.attach(5) && cell.attach(5));
  assertEquals(sets(), [0, 5]);
  cell.detach(0);
  cell.detach(77);
  assertEquals(sets(), [5]);
});

test("R08 a cell says when it can note no further set", () => {
  const cell = Cell.hold(3);
  for (let set = 0; set < MOST_SETS; set++) assert(cell.attach(set));
  assert(!cell.attach(MOST_SETS));
  cell.detach(2);
  assert(cell.attach(MOST_SETS));
});

test("R08 a bell goes with its set, and is lent out once", () => {
  const cell = Cell.hold(3);
  const entries = (): number[][] => {
    const found: number[][] = [];
    cell.eachSet((set, bell) => found.push([set, bell]));
    return found;
  };
  assert(cell.attach(5) && cell.attach(6, 0) && cell.attach(5, 70) && cell.attach(5));
  assertEquals([entries(), entries()], [[[5, 70], [6, 0]], [[5, NONE], [6, NONE]]]);
  assert(cell.attach(6, 60));
  cell.detach(6);
  assert(cell.attach(6));
  assertEquals(entries(), [[5, NONE], [6, NONE]], "a bell does not outlive its entry");
});

test("R08 a set that another thread works on is not given up before it has finished", async () => {
  await using thread = worker<CellWorker>(new URL("./cell_worker.ts", import.meta.url));
  const cell = Cell.hold(3);
  cell.attach(5, 7);
  const state = new Int32Array(new SharedArrayBuffer(4));
  const visiting = thread.call("visit", cell.memory, state.buffer as SharedArrayBuffer);
  await waitUntil(() => Atomics.load(state, 0) === 1, 5000, "the thread is inside");
  cell.detach(5);
  assertEquals(Atomics.load(state, 0), 2, "the visit was over");
  await visiting;
  cell.eachSet(() => assert(false, "an entry is left"));
});

test("I02 of four threads that enter, leave and close, exactly one is given the number", async () => {
  await using crew = new AsyncDisposableStack();
  const workers = Array.from(
    { length: 4 },
    () => crew.use(worker<CellWorker>(new URL("./cell_worker.ts", import.meta.url))),
  );
  await Promise.all(workers.map(({ ready }) => ready));
  const rounds = 500;
  const memories = Array.from({ length: rounds }, (_, number) => Cell.hold(number).memory);
  const gate = new SharedArrayBuffer(4);
  const given = await Promise.all(
    workers.map((thread) => thread.call("race", memories, gate, workers.length)),
  );
  const all = given.flat().sort((a, b) => a - b);
  assertEquals(all, Array.from({ length: rounds }, (_, number) => number));
});
