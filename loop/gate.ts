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
    this.#waiting.add(one);
    try {
      await unlessAborted(one.promise, signal);
    } finally {
      this.#waiting.delete(one);
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

/**
 * Waits for something. Rejects with the signal's reason when that comes first; how the other one ends is
 * nobody's business then.
 */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
