/**
 * The lines of the misuse table for engines. One engine with one worker serves all calls on worker
 * loops; an Engine itself is swept before it listens, because each that does begins a thread.
 *
 * @module
 */

import type { Descriptor } from "../../handles/descriptor.ts";
import { socketPair } from "../../handles/pipe.ts";
import { Engine } from "../../loop/engine.ts";
import { EngineClosedError, EngineWorkerError } from "../../loop/engine_errors.ts";
import type { Scope } from "./scope.ts";
import type { Stage, Subject } from "./subjects.ts";

const handler = new URL("../engine_handler.ts", import.meta.url);

let staged: Engine;

async function stageEngine(): Promise<Stage> {
  staged = Engine.create({ handler, workers: 1 });
  await staged.listen();
  return {
    strike() {
      const { deaths, total } = staged.metrics();
      const wrong = deaths === 0 ? [] : [`${deaths} workers have died`];
      if (total.adopted > 0) wrong.push(`${total.adopted} connections were adopted`);
      return wrong;
    },
  };
}

function left(scope: Scope): Descriptor {
  return scope.keep(socketPair()).left;
}

function error(made: new (...args: never[]) => Error, args: readonly unknown[]): Subject {
  return {
    make: () => Reflect.construct(made, args) as Error,
    blunt: ["new"],
    valid: { new: () => [...args] },
  };
}

/** The table, by the names of mod.ts. */
export const ENGINE_SUBJECTS: Readonly<Record<string, Subject>> = {
  EngineWorkerError: error(EngineWorkerError, [1, "has died", new Error("why")]),
  EngineClosedError: error(EngineClosedError, ["Engine.metrics", false]),
  defineHandler: { valid: { defineHandler: () => [{ onData() {} }] } },
  Engine: {
    make: () => Engine.create({ handler, workers: 1 }),
    close: (engine) => void (engine as Engine).shutdown({ deadline: 0 }),
    drive: (engine) => void (engine as Engine).shutdown({ deadline: 0 }),
    // They need the workers, which this one never gets.
    refused: [
      "new",
      "workerLoop",
      "metrics",
      "pauseAccept",
      "resumeAccept",
      "post",
      "adoptConn",
      "listeners",
      "startTransplant",
      "moveConns",
    ],
    omitted: ["listen"], // it begins a thread; what it is given is checked in tests/engine_test.ts
    valid: {
      new: () => [Symbol("owned"), {}],
      "static create": () => [{
        handler,
        address: "127.0.0.1:0",
        workers: 1,
        affinity: "none",
        listen: { backlog: 16 },
        accept: { maxPerTurn: 8 },
        conn: { maxBacklog: 1000, timeouts: { idle: 1000 } },
        policy: "stop",
        onWorkerError() {},
        onMessage() {},
      }],
      workerLoop: () => [0],
      pauseAccept: () => [{ drain: false }],
      post: () => [0, "value"],
      adoptConn: (scope) => [left(scope), { carry: new Uint8Array(1), worker: 0 }],
      startTransplant: () => [Engine.create({ handler, workers: 1 })],
      moveConns: () => [0, 1, 5],
      shutdown: () => [{ deadline: 1 }],
    },
  },
  WorkerLoop: {
    stage: stageEngine,
    make: () => staged.workerLoop(0),
    // The descriptors are closed right after each call: what answers later may say so.
    refused: ["new", "registerConn", "unregisterConn", "write"],
    valid: {
      new: () => [Symbol("owned"), {}, 0],
      registerConn: (scope) => [left(scope), handler, { maxBacklog: 1000 }],
      unregisterConn: (scope) => [left(scope)],
      write: (scope) => [left(scope), new Uint8Array(8)],
    },
  },
};
