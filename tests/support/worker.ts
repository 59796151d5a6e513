/**
 * Workers whose methods a test calls: `serve` in the worker's module, `worker` in the test.
 *
 * They are threads of node:worker_threads, which both runtimes end with an event that says so.
 *
 * @module
 */

import process from "node:process";
import { parentPort, Worker as Thread } from "node:worker_threads";
import { deadline } from "./time.ts";

/** What a worker's module offers. */
export type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A worker of the tests. */
export interface TestWorker<M extends Methods> extends AsyncDisposable {
  /** Resolves when the module has called `serve`. */
  readonly ready: Promise<void>;
  /** Calls a method there. Errors arrive with their name, message and fields, not their class. */
  call<K extends keyof M & string>(
    method: K,
    ...args: Parameters<M[K]>
  ): Promise<Awaited<ReturnType<M[K]>>>;
  /**
   * Asks the worker to end and waits for it. One that is blocked in a call cannot answer: after ten
   * seconds, or `withinMs`, it is terminated, and that is an error. With `force` it is terminated
   * without asking; Deno then keeps the thread and its descriptors until the call that blocks it
   * returns.
   */
  terminate(options?: { readonly force?: boolean; readonly withinMs?: number }): Promise<void>;
}

const READY_MS = 30_000;
const END_MS = 10_000;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: Readonly<Record<string, unknown>>;
}

/** Answers the calls of the test that started this worker. Call it last in the worker's module. */
export function serve(methods: Methods): void {
  if (parentPort === null) throw new Error("serve() belongs into the module of a worker");
  const port = parentPort;
  port.on("message", async (message: Request | "end") => {
    if (message === "end") process.exit(0); // ends this thread only
    const { id, method, args } = message;
    try {
      const call = methods[method] as ((...args: unknown[]) => unknown) | undefined;
      if (call === undefined) throw new TypeError(`the worker has no method ${method}`);
      port.postMessage({ id, value: await call(...args) } satisfies Reply);
    } catch (error) {
      port.postMessage({ id, error: describeError(error) } satisfies Reply);
    }
  });
  port.postMessage("ready");
}

function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  return { ...error, name, message, stack };
}

function rebuildError(fields: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error(String(fields.message)), fields);
}

/** Starts a worker: `worker<Methods>(new URL("./x_worker.ts", import.meta.url))`. */
export function worker<M extends Methods>(module: URL): TestWorker<M> {
  const name = module.pathname.split("/").at(-1)!;
  const thread = new Thread(module);
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  let lastId = 0;

  const failAll = (error: Error): void => {
    ready.reject(error);
    for (const call of pending.values()) call.reject(error);
    pending.clear();
  };
  ready.promise.catch(() => {}); // whoever awaits `ready` still sees the error
  thread.on("error", (error: Error) => failAll(error));
  thread.on("exit", () => {
    failAll(new Error(`the worker ${name} has ended`));
    gone.resolve();
  });
  thread.on("message", (message: Reply | "ready") => {
    if (message === "ready") return ready.resolve();
    const call = pending.get(message.id);
    pending.delete(message.id);
    if (message.error) call?.reject(rebuildError(message.error));
    else call?.resolve(message.value);
  });

  const self: TestWorker<M> = {
    ready: deadline(READY_MS, ready.promise, `the worker ${name}`),
    async call(method, ...args) {
      await self.ready;
      const call = Promise.withResolvers<unknown>();
      pending.set(++lastId, call);
      thread.postMessage({ id: lastId, method, args } satisfies Request);
      return await call.promise as never; // its type is the module's, which only the caller knows
    },
    async terminate({ force = false, withinMs = END_MS } = {}) {
      try {
        if (force) return;
        thread.postMessage("end");
        await deadline(withinMs, gone.promise, `the end of the worker ${name}, asked for`);
      } finally {
        await thread.terminate();
      }
    },
    [Symbol.asyncDispose]: () => self.terminate(),
  };
  self.ready.catch(() => {});
  return self;
}
