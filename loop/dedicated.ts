/**
 * The driver that makes a thread a loop's own: it sleeps in the kernel, and between two turns it gives
 * the runtime one.
 *
 * @module
 */

import { type Core, FOREVER } from "./core.ts";
import { hostTurn } from "./host_turn.ts";

/** Drives a loop from `run()`. */
export class DedicatedDriver {
  readonly #core: Core;
  #running = false;
  #stopped = false;
  #endless = false;
  #resting = false;

  /** Drives nothing before {@link run}. */
  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether {@link run} is in progress. */
  get running(): boolean {
    return this.#running;
  }

  /** From now on {@link run} goes on although nothing is left to wait for: another thread may wake it. */
  expectWakes(): void {
    this.#endless = true;
  }

  /** Ends {@link run} after the turn in progress. */
  stop(): void {
    this.#stopped = true;
    if (this.#resting) this.#core.poller.wake();
  }

  /** Takes turns until it is stopped or nothing is left to wait for. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    if (this.#running) throw new Error("Loop.run: the loop runs already; a loop has one thread");
    signal?.throwIfAborted();
    const onAbort = (): void => this.stop();
    signal?.addEventListener("abort", onAbort);
    this.#running = true;
    this.#stopped = false;
    try {
      for (;;) {
        await hostTurn();
        if (this.#stopped || this.#core.closed || !(this.#endless || this.#core.hasWork)) break;
        if (await this.#rest()) continue;
        this.#core.turn(FOREVER);
        this.#core.throwErrors();
      }
    } finally {
      this.#running = false;
      signal?.removeEventListener("abort", onAbort);
    }
    signal?.throwIfAborted();
  }

  /** On a poller that cannot block, waits for it without blocking: whether there was nothing to do. */
  async #rest(): Promise<boolean> {
    const core = this.#core;
    const arrival = core.isBusy ? null : core.poller.arrival?.() ?? null;
    if (arrival === null) return false;
    core.changed = () => core.poller.wake();
    this.#resting = true;
    await arrival;
    this.#resting = false;
    core.changed = () => {};
    return true;
  }
}
