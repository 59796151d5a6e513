/**
 * Workers that compute, allocate and collect garbage for as long as they live.
 *
 * They are Web Workers: a worker of node:worker_threads makes Deno handle SIGUSR1 and SIGTERM.
 *
 * @module
 */

/** Workers that spin. */
export interface Spinners extends AsyncDisposable {
  readonly count: number;
  /** Starts some more, and resolves when they spin. */
  add(count: number): Promise<void>;
}

interface SpinnerScope {
  postMessage(message: string): void;
}

/** Starts workers, and resolves when they spin. */
export async function spinners(count: number): Promise<Spinners> {
  const workers: Worker[] = [];
  const start = async (): Promise<void> => {
    const worker = new Worker(new URL("./signal_spin_worker.ts", import.meta.url), {
      type: "module",
    });
    workers.push(worker);
    await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  };
  const all: Spinners = {
    get count() {
      return workers.length;
    },
    async add(more) {
      await Promise.all(Array.from({ length: more }, start));
    },
    // Nothing tells when a Web Worker has ended; its process ends with the case.
    async [Symbol.asyncDispose]() {
      for (const worker of workers) worker.terminate();
      await null;
    },
  };
  await all.add(count);
  return all;
}

/** The worker's side: never returns. */
export function spin(scope: SpinnerScope): never {
  scope.postMessage("spinning");
  const kept: object[] = [];
  for (let turn = 0;; turn++) {
    kept[turn % 5000] = { turn, text: String(turn), numbers: [turn, turn * 2] };
    if (turn % 1_000_000 === 0) kept.length = 0;
  }
}
