/**
 * Who wants to know of what happens to no descriptor: signals and ends of processes.
 *
 * @module
 */

import type { Kqueue } from "../handles/kqueue.ts";
import { KqueueEvents } from "../handles/kqueue_events.ts";
import { EV, type KqueueFilter, NOTE } from "../handles/kqueue_words.ts";

/** What is called with the data of an event. It must not throw, and runs inside the poller's wait. */
export type Notice = (data: number) => void;

/** The observers of one queue, by the filter and the ident. */
export class Observers {
  readonly #queue: Kqueue;
  readonly #answers: KqueueEvents = new KqueueEvents(1);
  readonly #notices: Map<string, Set<Notice>> = new Map();

  /** Starts without any, on a queue that stays its owner's. */
  constructor(queue: Kqueue) {
    this.#queue = queue;
  }

  /**
   * Starts to observe: the event is registered for the first who asks for it.
   *
   * @throws {SyscallError} when the kernel refuses it
   */
  add(filter: "SIGNAL" | "PROC", ident: number, notice: Notice): Disposable {
    const key = keyOf(filter, ident);
    const notices = this.#notices.get(key) ?? new Set();
    // A process that is observed by two is asked for twice: it may have ended in between.
    const fflags = filter === "PROC" ? NOTE.EXIT | NOTE.EXITSTATUS : 0;
    this.#queue.control([{ filter, ident, flags: EV.ADD | EV.CLEAR, fflags }]);
    notices.add(notice);
    this.#notices.set(key, notices);
    return { [Symbol.dispose]: () => this.#remove(filter, ident, notice) };
  }

  /** Tells those who observe what an event is about; a signal is the first one's, as of a `SignalFD`. */
  notify(events: KqueueEvents, index: number): void {
    const filter = events.filter(index);
    const notices = [...this.#notices.get(keyOf(filter, events.ident(index))) ?? []];
    const told = filter === "SIGNAL" ? notices.slice(0, 1) : notices;
    for (const notice of told) notice(events.data(index));
  }

  #remove(filter: "SIGNAL" | "PROC", ident: number, notice: Notice): void {
    const key = keyOf(filter, ident);
    const notices = this.#notices.get(key);
    if (!notices?.delete(notice) || notices.size > 0) return;
    this.#notices.delete(key);
    if (this.#queue.closed) return;
    // With room for the answer: a process that has ended took its event with it.
    this.#queue.control([{ filter, ident, flags: EV.DELETE | EV.RECEIPT }], this.#answers, 0);
  }
}

function keyOf(filter: KqueueFilter, ident: number): string {
  return `${filter} ${ident}`;
}
