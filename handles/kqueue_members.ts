/**
 * Which handles a kqueue has events of, so that these are taken out when a handle is closed.
 *
 * A kernel does it by itself when a number is closed. libkqueue does not, and the number's next owner
 * would be taken for the one before.
 *
 * @module
 */

import {
  acquire,
  type Descriptor,
  type InterestSet,
  joinSet,
  leaveSet,
  release,
} from "./descriptor.ts";
import type { ChangeList } from "./kqueue_changes.ts";
import { EV, type KqueueFilter } from "./kqueue_words.ts";

/** The filters of one handle that were added through one copy of a queue. */
type Filters = Set<KqueueFilter>;

/** The handles of one copy of a queue; what other copies added is not here. */
export class KqueueMembers implements InterestSet {
  /** The queue's number, also when the queue is closed and its own `raw` says so. */
  readonly raw: number;
  readonly #queue: Descriptor;
  readonly #changes: () => ChangeList;
  readonly #filters: Map<Descriptor, Filters> = new Map();

  /** Starts empty. `changes` makes a list to be worked off at once. */
  constructor(queue: Descriptor, changes: () => ChangeList) {
    this.raw = queue.raw;
    this.#queue = queue;
    this.#changes = changes;
  }

  /**
   * Notes that an event is about to be added, so that closing the handle removes it. Answers whether
   * it was not noted before.
   */
  join(descriptor: Descriptor, filter: KqueueFilter): boolean {
    const filters = this.#filters.get(descriptor);
    if (filters?.has(filter)) return false;
    if (filters !== undefined) filters.add(filter);
    else {
      joinSet(descriptor, this);
      this.#filters.set(descriptor, new Set([filter]));
    }
    return true;
  }

  /** Notes that an event is gone. */
  leave(descriptor: Descriptor, filter: KqueueFilter): void {
    const filters = this.#filters.get(descriptor);
    if (!filters?.delete(filter) || filters.size > 0) return;
    this.#filters.delete(descriptor);
    leaveSet(descriptor, this);
  }

  /** Takes out a handle that is about to be closed: {@link InterestSet.forget}. */
  forget(descriptor: Descriptor, fd: number): void {
    const filters = this.#filters.get(descriptor);
    this.#filters.delete(descriptor);
    leaveSet(descriptor, this);
    let queue: number;
    try {
      queue = acquire(this.#queue);
    } catch {
      return; // The queue was closed by another thread, and with it went all that was in it.
    }
    const changes = this.#changes();
    for (const filter of filters ?? []) changes.add(filter, fd, EV.DELETE, 0, 0);
    changes.apply(queue); // ENOENT, for what was reported once and is out by itself
    release(this.#queue);
  }

  /** Lets go of everything, when the queue is closed. */
  clear(): void {
    for (const descriptor of this.#filters.keys()) leaveSet(descriptor, this);
    this.#filters.clear();
  }
}
