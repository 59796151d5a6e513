/**
 * Promises that wait for a wake-up, in the order in which they came.
 *
 * @module
 */

/** The longest time that setTimeout takes; what is longer is waited for in pieces. */
const LONGEST = 0x7fff_ffff;

/** How one sleeper is ended. */
interface Sleeper {
  resolve(): void;
  reject(reason: unknown): void;
}

/** Who sleeps. */
export class Sleepers {
  readonly #waiting: Set<Sleeper> = new Set();

  /** How many sleep. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Sleeps until it is woken, until a time of performance.now() has come, or until the signal, with
   * whose reason it is rejected. Who was woken returns, whatever else has happened since: a wake-up
   * must not be lost.
   */
  async sleep(end: number, signal: AbortSignal | undefined): Promise<void> {
    let one: Sleeper;
    // Not Promise.withResolvers, which Node has had since 22 only.
    const woken = new Promise<void>((resolve, reject) => {
      one = { resolve, reject };
      this.#waiting.add(one);
    });
    const onAbort = (): void => {
      if (this.#waiting.delete(one)) one.reject(signal!.reason);
    };
    let timer: unknown;
    if (end !== Infinity) {
      const milliseconds = Math.max(0, Math.ceil(end - performance.now()));
      timer = setTimeout(() => this.#wake(one), Math.min(milliseconds, LONGEST));
    }
    signal?.addEventListener("abort", onAbort);
    try {
      await woken;
    } finally {
      clearTimeout(timer as number);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Wakes the one that has slept longest. */
  wakeOne(): void {
    for (const one of this.#waiting) return this.#wake(one);
  }

  /** Rejects all. */
  end(reason: unknown): void {
    for (const one of this.#waiting) {
      this.#waiting.delete(one);
      one.reject(reason);
    }
  }

  #wake(one: Sleeper): void {
    if (this.#waiting.delete(one)) one.resolve();
  }
}
