/**
 * The driver that lets a loop live beside the runtime's own event loop: a thread of its own blocks in
 * the kernel, and the turns are taken here, between the runtime's.
 *
 * @module
 */

import type { Core } from "./core.ts";
import { hostTurn } from "./host_turn.ts";
import { GO, INSIDE, REPORTED, STOPPED, WORDS } from "./waiter_words.ts";
import type { WaiterOrders } from "./waiter.ts";
import { threadProcess } from "./worker_orders.ts";

/** The part of a thread of `node:worker_threads`, which both runtimes have, that is needed here. */
interface Thread {
  ref(): void;
  unref(): void;
  on(event: "exit" | "error", listener: (reason: unknown) => void): void;
}

interface Threads {
  Worker: new (module: URL, options: { workerData: WaiterOrders; name: string }) => Thread;
}

/** How long the end of a thread waits for the waiter, in milliseconds: it needs a fraction of one. */
const PATIENCE = 1000;

/** How often a turn may find work at once before the runtime has its own turn. */
const TURNS_AT_ONCE = 16;

/** Drives a loop from the runtime's event loop. */
export class AttachedDriver {
  readonly #core: Core;
  readonly #words: Int32Array = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  readonly #thread: Thread;
  #holds = true;
  #wanted = true;
  #stopped = false;
  #inTurn = false;

  /** Starts the thread. The turns are counted from `first` on, in 32 bits. */
  constructor(core: Core, first: number = 1) {
    this.#core = core;
    this.#thread = startWaiter({
      set: core.poller.share(),
      words: this.#words.buffer as SharedArrayBuffer,
    });
    this.#thread.on("error", (reason) => reportError(reason));
    core.changed = () => this.refresh();
    this.refresh();
    void this.#drive(first);
  }

  /** Whether the loop, while it has work, keeps the process alive. */
  keepAlive(on: boolean): void {
    this.#wanted = on;
    this.refresh();
  }

  /** Looks again whether there is work; tasks that were posted from outside a turn wake the waiter. */
  refresh(): void {
    if (this.#inTurn || this.#stopped) return;
    const holds = this.#wanted && this.#core.hasWork;
    if (holds !== this.#holds) {
      this.#holds = holds;
      if (holds) this.#thread.ref();
      else this.#thread.unref();
    }
    if (this.#core.isBusy) this.#core.poller.wake();
  }

  /** Ends the thread, and the driving with it. The poller is still open. */
  stop(): void {
    this.#stopped = true;
    Atomics.store(this.#words, STOPPED, 1);
    Atomics.add(this.#words, GO, 1);
    Atomics.notify(this.#words, GO);
    Atomics.notify(this.#words, REPORTED);
    this.#core.poller.wake();
    this.#thread.unref();
  }

  /** Blocks, behind {@link stop}, until the thread has left the kernel and lets go of the poller. */
  join(): void {
    Atomics.wait(this.#words, INSIDE, 1, PATIENCE);
  }

  async #drive(first: number): Promise<void> {
    const { counters, sleep } = this.#core;
    // As the words in shared memory have it: a number that they cannot hold would never be answered.
    for (let turn = first; !this.#stopped; turn = (turn + 1) | 0) {
      if (!this.#core.isBusy && sleep.fallAsleep()) {
        counters.sleeps++;
        await this.#handOver(turn);
        sleep.wakeUp();
      } else {
        await hostTurn();
      }
      if (!this.#stopped) this.#takeTurns();
    }
  }

  /** Lets the waiter block until the poller has something. */
  async #handOver(turn: number): Promise<void> {
    Atomics.store(this.#words, GO, turn);
    Atomics.notify(this.#words, GO);
    for (;;) {
      const last = Atomics.load(this.#words, REPORTED);
      if (last === turn || this.#stopped) return;
      const wait = Atomics.waitAsync(this.#words, REPORTED, last);
      if (wait.async) await wait.value;
    }
  }

  /** Takes turns until there is nothing more to do at once, or until the runtime must have its own. */
  #takeTurns(): void {
    this.#inTurn = true;
    for (let turn = 0; turn < TURNS_AT_ONCE && !this.#stopped; turn++) {
      const { events } = this.#core.counters;
      this.#core.turn(0);
      this.#reportErrors();
      if (!this.#core.isBusy && this.#core.counters.events === events) break;
    }
    this.#inTurn = false;
    if (!this.#stopped) this.refresh();
  }

  /** There is no `run()` whose promise could carry them: they are the program's uncaught errors. */
  #reportErrors(): void {
    try {
      this.#core.throwErrors();
    } catch (error) {
      reportError(error);
    }
  }
}

function startWaiter(workerData: WaiterOrders): Thread {
  const { Worker } = threadProcess().getBuiltinModule("node:worker_threads") as Threads;
  return new Worker(new URL("./waiter.ts", import.meta.url), {
    workerData,
    name: "fdloop waiter",
  });
}
