/**
 * Where calls wait until something has changed.
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
