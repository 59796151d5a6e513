/**
 * Where calls wait until something has changed, or for their turn.
 *
 * @module
 */

/** Calls that wait, and then look again for themselves whether they can go on. */
export class Gate {
  readonly #waiting: Set<PromiseWithResolvers<void>> = new Set();

  /** How many calls wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Waits until it is opened. Rejects with the signal's reason when that comes first. */
  async wait(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const one = Promise.withResolvers<void>();
    const onAbort = (): void => one.reject(signal!.reason);
    this.#waiting.add(one);
    signal?.addEventListener("abort", onAbort);
    try {
      await one.promise;
    } finally {
      this.#waiting.delete(one);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Lets all go that wait now. */
  open(): void {
    for (const { resolve } of this.#waiting) resolve();
  }
}

/** Calls that go one after the other, in the order in which they came. */
export class Line {
  /** What is over when all calls are that have come; null when none is inside. */
  #last: Promise<void> | null = null;

  /**
   * Makes a call when all are over that came before it. Rejects with the signal's reason, and does not
   * make it, when that comes first.
   */
  async run<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    let first = before === null;
    try {
      if (before !== null) await unlessAborted(before, signal);
      first = true;
      return await call();
    } finally {
      // Who gives up his place leaves those behind him to wait for those before him.
      resolve(first ? undefined : before!);
      if (this.#last === promise) this.#last = first ? null : before;
    }
  }
}

/** Waits for what never rejects. Rejects with the signal's reason when that comes first. */
async function unlessAborted(over: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal!.reason);
  void over.then(resolve);
  signal?.addEventListener("abort", onAbort);
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
