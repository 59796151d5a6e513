/**
 * The thread that blocks in the kernel for an attached loop. It only says that there is something, and
 * waits until the loop has taken it.
 *
 * @module
 */

import { host } from "../handles/thread_end.ts";
import { sentryFrom, type SharedSentry } from "./sentry.ts";
import { GO, INSIDE, REPORTED, STOPPED } from "./waiter_words.ts";

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
    Atomics.store(words, INSIDE, 1);
    try {
      // Looked at after GO: stopping sets it before it counts, so that one of the two is always seen.
      if (Atomics.load(words, STOPPED) !== 0 || !sentry.block()) return;
    } finally {
      Atomics.store(words, INSIDE, 0);
      Atomics.notify(words, INSIDE);
    }
    Atomics.store(words, REPORTED, last);
    Atomics.notify(words, REPORTED);
  }
}

const threads = host.process?.getBuiltinModule("node:worker_threads") as Threads | undefined;
if (threads?.workerData?.words instanceof SharedArrayBuffer) serve(threads.workerData);
