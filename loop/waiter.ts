/**
 * The thread that blocks in the kernel for an attached loop. It takes nothing from the poller: it only
 * says that there is something, and waits until the loop has taken it.
 *
 * @module
 */

import { Cell } from "../handles/cell.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Doorbell } from "../handles/doorbell.ts";
import { Epoll, type SharedEpoll } from "../handles/epoll.ts";
import { blockUntilReadable } from "../handles/poll.ts";
import { GO, REPORTED, STOPPED } from "./waiter_words.ts";

/** What the loop starts this thread with. */
export interface WaiterOrders {
  /** The loop's poller. */
  readonly set: SharedEpoll;
  /** See `waiter_words.ts`. */
  readonly words: SharedArrayBuffer;
}

interface Threads {
  readonly workerData: WaiterOrders;
}

function serve({ set, words: memory }: WaiterOrders): void {
  const words = new Int32Array(memory);
  const poller = Epoll.from(set);
  // What ends a wait when the set is closed; it does so only while it is kept open for it.
  const doorbell = new Doorbell(new Cell(set.doorbell));
  for (let last = 0;;) {
    Atomics.wait(words, GO, last);
    last = Atomics.load(words, GO);
    // Looked at after GO: stopping sets it before it counts, so that one of the two is always seen.
    if (Atomics.load(words, STOPPED) !== 0 || !doorbell.enter()) return;
    try {
      blockUntilReadable(poller);
    } catch (error) {
      if (error instanceof ClosedError) return;
      throw error;
    } finally {
      doorbell.leave();
    }
    Atomics.store(words, REPORTED, last);
    Atomics.notify(words, REPORTED);
  }
}

const host = globalThis as { process?: { getBuiltinModule(name: string): unknown } };
const threads = host.process?.getBuiltinModule("node:worker_threads") as Threads | undefined;
if (threads?.workerData?.words instanceof SharedArrayBuffer) serve(threads.workerData);
