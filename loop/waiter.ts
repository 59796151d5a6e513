/**
 * The thread that blocks in the kernel for an attached loop. It only says that there is something, and
 * waits until the loop has taken it.
 *
 * @module
 */

import { sentryFrom, type SharedSentry } from "./sentry.ts";
import { GO, REPORTED, STOPPED } from "./waiter_words.ts";

/** What the loop starts this thread with. */
export interface WaiterOrders {
  /** The loop's poller. */
  readonly set: SharedSentry;
  /** See `waiter_words.ts`. */
  readonly words: SharedArrayBuffer;
}

interface Threads {
  readonly workerData: WaiterOrders;
}

function serve({ set, words: memory }: WaiterOrders): void {
  const words = new Int32Array(memory);
  const sentry = sentryFrom(set);
  for (let last = 0;;) {
    Atomics.wait(words, GO, last);
    last = Atomics.load(words, GO);
    // Looked at after GO: stopping sets it before it counts, so that one of the two is always seen.
    if (Atomics.load(words, STOPPED) !== 0 || !sentry.block()) return;
    Atomics.store(words, REPORTED, last);
    Atomics.notify(words, REPORTED);
  }
}

const host = globalThis as { process?: { getBuiltinModule(name: string): unknown } };
const threads = host.process?.getBuiltinModule("node:worker_threads") as Threads | undefined;
if (threads?.workerData?.words instanceof SharedArrayBuffer) serve(threads.workerData);
