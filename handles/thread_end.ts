/**
 * How a thread learns that it ends, for what has to be given back then.
 *
 * A thread that another one terminates learns nothing.
 *
 * @module
 */

/** What both runtimes tell of the end of a thread, and of the program. */
export interface Host {
  readonly process?: {
    on(event: "exit", listener: () => void): void;
    off(event: "exit", listener: () => void): void;
    getBuiltinModule(name: string): unknown;
  };
  addEventListener?(type: string, listener: (event: Event) => void): void;
  removeEventListener?(type: string, listener: (event: Event) => void): void;
}

/** This thread's own. */
export const host = globalThis as unknown as Host;

/**
 * Calls a function when the thread ends: a worker, by its "exit"; or a main thread of Deno, by "unload",
 * which is a file's that `deno test` has run. A promise that is rejected then is still heard of, and
 * fails the file. No other main thread outlives its process.
 */
export function whenThreadEnds(end: (isWorker: boolean) => void): void {
  const threads = host.process?.getBuiltinModule("node:worker_threads") as
    | { readonly isMainThread: boolean }
    | undefined;
  if (threads?.isMainThread === false) host.process?.on("exit", () => end(true));
  else host.addEventListener?.("unload", () => end(false));
}
