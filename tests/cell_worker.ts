import { Cell, NONE } from "../handles/cell.ts";
import { serve } from "./support.ts";

const methods = {
  /** Uses and closes each cell in turn, all threads at once; answers the numbers it was given. */
  race(memories: SharedArrayBuffer[], gate: SharedArrayBuffer, threads: number): number[] {
    const arrived = new Int32Array(gate);
    const given: number[] = [];
    memories.forEach((memory, round) => {
      const cell = new Cell(memory);
      // All threads start each round together; the last one to arrive lets the others go.
      if (Atomics.add(arrived, 0, 1) + 1 === (round + 1) * threads) Atomics.notify(arrived, 0);
      for (;;) {
        const count = Atomics.load(arrived, 0);
        if (count >= (round + 1) * threads) break;
        Atomics.wait(arrived, 0, count, 10);
      }
      for (let turn = 0; turn < 20; turn++) {
        if (cell.enter() === NONE) break;
        const number = cell.leave();
        if (number !== NONE) given.push(number);
      }
      if (cell.close() === NONE) return;
      const number = cell.leave();
      if (number !== NONE) given.push(number);
    });
    return given;
  },

  /** Visits the sets of a cell: the word is 1 while it is inside, which takes a while, and then 2. */
  visit(memory: SharedArrayBuffer, word: SharedArrayBuffer): void {
    const state = new Int32Array(word);
    new Cell(memory).eachSet(() => {
      Atomics.store(state, 0, 1);
      Atomics.wait(state, 0, 1, 50);
      Atomics.store(state, 0, 2);
    });
  },
};

/** The methods, for the test. */
export type CellWorker = typeof methods;

serve(methods);
