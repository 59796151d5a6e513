/**
 * What another thread rings to wake a poller.
 *
 * @module
 */

import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import type { FD } from "../handles/fd.ts";
import { applyTo, changesFor, Kqueue, type SharedKqueue } from "../handles/kqueue.ts";
import type { ChangeList } from "../handles/kqueue_changes.ts";
import { EV, NOTE } from "../handles/kqueue_words.ts";

/** What a {@link SharedBell} is made into. */
export interface Bell {
  /** Whether the poller was closed. */
  readonly closed: boolean;
  /** Ends the poller's wait in progress, or the next one. Throws `ClosedError`. */
  signal(): unknown;
  /** Closes it for the poller, too, whose thread is dead. */
  close(): void;
}

/** A bell in the form that `postMessage` carries. */
export type SharedBell = SharedEventFD | SharedKqueue;

/** Where rings are read to: what they say is that there was one. */
const rings = new Uint8Array(new ArrayBuffer(4096));

/** Takes all rings out of a bell that is a pipe: they are one, however many there were. */
export function takeRings(reader: FD): void {
  while ((reader.read(rings) ?? 0) > 0);
}

/** The number by which a poller's queue knows the event that wakes it. */
export const BELL_IDENT = 0;

/** The bell of a kqueue: an event of its own in the queue. */
class KqueueBell implements Bell {
  readonly #queue: Kqueue;
  readonly #ring: ChangeList;

  constructor(queue: Kqueue) {
    this.#queue = queue;
    this.#ring = changesFor(queue);
  }

  get closed(): boolean {
    return this.#queue.closed;
  }

  signal(): void {
    ring(this.#queue, this.#ring);
  }

  close(): void {
    this.#queue.close();
  }
}

/** Triggers the event that wakes a queue. */
export function ring(queue: Kqueue, changes: ChangeList): void {
  changes.clear();
  changes.add("USER", BELL_IDENT, 0, NOTE.TRIGGER, 0);
  applyTo(queue, changes);
}

/** Puts the event that wakes it into a queue. */
export function hangBell(queue: Kqueue): void {
  queue.control([{ filter: "USER", ident: BELL_IDENT, flags: EV.ADD | EV.CLEAR }]);
}

/**
 * Takes hold of a bell on another thread.
 *
 * @throws {TypeError} when it is none
 */
export function bellFrom(shared: SharedBell): Bell {
  return isKqueue(shared) ? new KqueueBell(Kqueue.from(shared)) : EventFD.from(shared);
}

function isKqueue(shared: SharedBell): shared is SharedKqueue {
  return shared?.kind === "Kqueue";
}
