/**
 * A kqueue as the ported suites use it: one change at a time, and what it reports as plain values.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { kqueueHere } from "../ffi/kqueue.ts";
import { errnoName } from "../ffi/errno.ts";
import { Kqueue } from "../handles/kqueue.ts";
import type { KqueueChange } from "../handles/kqueue_changes.ts";
import { type KqueueEvent, KqueueEvents } from "../handles/kqueue_events.ts";
import { EV, type KqueueFilter } from "../handles/kqueue_words.ts";

/** Whether the queue is libkqueue's: what it does differently is expected, case by case. */
export const emulated: boolean = kqueueHere() === "libkqueue";

/** The fields of a change that a case needs beyond filter, ident and flags. */
export type Extra = Pick<KqueueChange, "fflags" | "data" | "udata">;

/** A wait that ends with an event ends at once; this is how long one may take. */
const LATE_MS = 10_000;

/** A queue, closed at the end of its scope. */
export class TestQueue implements Disposable {
  readonly queue: Kqueue = Kqueue.create();
  readonly #events: KqueueEvents = new KqueueEvents(64);

  /** Makes one change; its name in errno.h when it was refused, "" when it was made. */
  change(
    filter: KqueueFilter,
    ident: KqueueChange["ident"],
    flags: number,
    extra: Extra = {},
  ): string {
    const list = [{ filter, ident, flags: flags | EV.RECEIPT, ...extra }];
    assertEquals(this.queue.control(list, this.#events, 0), 1);
    assertEquals(this.#events.flags(0) & EV.ERROR, EV.ERROR);
    const code = this.#events.data(0);
    return code === 0 ? "" : errnoName(code);
  }

  /** Adds or changes one event, which must succeed. */
  add(
    filter: KqueueFilter,
    ident: KqueueChange["ident"],
    flags: number = 0,
    extra: Extra = {},
  ): void {
    assertEquals(this.change(filter, ident, EV.ADD | flags, extra), "", `adding ${filter}`);
  }

  /** What is reported without waiting. */
  now(): KqueueEvent[] {
    this.queue.control(null, this.#events, 0);
    return [...this.#events];
  }

  /** What is reported once something is. */
  next(): KqueueEvent[] {
    this.queue.control(null, this.#events, LATE_MS);
    return [...this.#events];
  }

  /** The one event that is reported. */
  one(): KqueueEvent {
    const found = this.next();
    assertEquals(found.length, 1, `${found.length} events instead of one`);
    return found[0]!;
  }

  [Symbol.dispose](): void {
    this.queue.close();
  }
}
