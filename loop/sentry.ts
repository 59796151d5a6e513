/**
 * How another thread blocks for a poller until it has something to report.
 *
 * An epoll set is readable then, for poll(2), which takes nothing from it. A kqueue is on a real
 * kernel, but not in libkqueue; so the thread takes its events and leaves them in memory that it shares
 * with the poller, which is the same everywhere.
 *
 * @module
 */

import { kqueueSystem } from "../ffi/kqueue.ts";
import { Cell } from "../handles/cell.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Doorbell } from "../handles/doorbell.ts";
import { Epoll, type SharedEpoll } from "../handles/epoll.ts";
import { Kqueue, type SharedKqueue } from "../handles/kqueue.ts";
import { EventMemory, eventsOn, type KqueueEvents } from "../handles/kqueue_events.ts";
import { blockUntilReadable } from "../handles/poll.ts";

/** The kqueue of a poller, and where its events are left. */
export interface SharedQueue extends SharedKqueue {
  /** The events. */
  readonly batch: SharedArrayBuffer;
  /** How many there are: the thread that waits sets it, and the poller puts it back to 0. */
  readonly count: SharedArrayBuffer;
}

/** A poller in the form that the thread gets which blocks for it. */
export type SharedSentry = SharedEpoll | SharedQueue;

/** What a {@link SharedSentry} is made into. */
export interface Sentry {
  /** Blocks until there is something. Answers false once the poller is closed. */
  block(): boolean;
}

class EpollSentry implements Sentry {
  readonly #set: Epoll;
  /** What ends a wait when the set is closed; it does so only while it is kept open for it. */
  readonly #doorbell: Doorbell;

  constructor(shared: SharedEpoll) {
    this.#set = Epoll.from(shared);
    this.#doorbell = new Doorbell(new Cell(shared.doorbell));
  }

  block(): boolean {
    if (!this.#doorbell.enter()) return false;
    try {
      return untilClosed(() => blockUntilReadable(this.#set));
    } finally {
      this.#doorbell.leave();
    }
  }
}

class KqueueSentry implements Sentry {
  readonly #queue: Kqueue;
  readonly #events: KqueueEvents;
  readonly #count: Int32Array;

  constructor(shared: SharedQueue) {
    this.#queue = Kqueue.from(shared);
    this.#events = batchOf(shared.batch);
    this.#count = new Int32Array(shared.count);
  }

  block(): boolean {
    return untilClosed(() => {
      Atomics.store(this.#count, 0, this.#queue.control(null, this.#events));
    });
  }
}

/** The events in shared memory, as either thread sees them. */
export function batchOf(batch: SharedArrayBuffer): KqueueEvents {
  return eventsOn(new EventMemory(kqueueSystem(), 0, batch));
}

/** Takes hold of a poller on the thread that is to block for it. */
export function sentryFrom(shared: SharedSentry): Sentry {
  return "batch" in shared ? new KqueueSentry(shared) : new EpollSentry(shared);
}

function untilClosed(wait: () => void): boolean {
  try {
    wait();
    return true;
  } catch (error) {
    if (error instanceof ClosedError) return false;
    throw error;
  }
}
