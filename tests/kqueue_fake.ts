/**
 * A kqueue without a kernel: the table of calls that the handles are given, which notes what it was
 * called with, byte by byte, and answers what a test has it answer.
 *
 * @module
 */

import { type ErrnoName, errnoNumber } from "../ffi/errno.ts";
import { type KqueueName, type KqueueSystem, kqueueTables } from "../ffi/kqueue.ts";
import type { Memory } from "../ffi/symbols.ts";
import { EventFD } from "../handles/event_fd.ts";
import { createOn, type Kqueue } from "../handles/kqueue.ts";
import { DATA, EventMemory, eventsOn, FILTER_FLAGS } from "../handles/kqueue_events.ts";
import type { KqueueEvents } from "../handles/kqueue_events.ts";
import { EV } from "../handles/kqueue_words.ts";

/** One call of kevent(2), as the kernel would have seen it. */
export interface Kevent {
  readonly queue: number;
  /** The bytes of the changes. */
  readonly changes: Uint8Array;
  readonly nchanges: number;
  readonly nevents: number;
  /** Null for a wait without an end. */
  readonly timeout: readonly [seconds: number, nanoseconds: number] | null;
}

/** What one call answers: a number of events, or the name of an errno. */
export type Answer = ErrnoName | ((events: Int32Array) => number);

/** A kernel that is not there. */
export class FakeKqueue implements KqueueSystem {
  readonly name: KqueueSystem["name"];
  readonly constants: KqueueSystem["constants"];
  readonly layout: KqueueSystem["layout"];
  readonly calls: KqueueSystem["calls"];
  /** The calls of kevent(2) so far. */
  readonly made: Kevent[] = [];
  /** What the next calls answer. Then changes are accepted, and a wait without an end has an event. */
  readonly answers: Answer[] = [];
  /** Whether every wait finds an event, at once. */
  ready = false;
  #errno = 0;

  constructor(name: KqueueName) {
    const tables = kqueueTables(name);
    this.name = name;
    this.constants = tables.constants;
    this.layout = tables.layout;
    // A number of its own, which the handle closes.
    const kqueue = (): number => EventFD.create().raw;
    const kevent: KqueueSystem["calls"]["kevent"] = (
      queue,
      changes,
      nchanges,
      events,
      nevents,
      t,
    ) => this.#kevent(queue, changes, nchanges, events, nevents, t);
    this.calls = { kqueue, kevent };
  }

  readonly errno = (): number => this.#errno;

  /** Makes a queue on this kernel. */
  queue(): Kqueue {
    return createOn(this);
  }

  /** Makes a buffer for its events. */
  events(capacity: number): KqueueEvents {
    return eventsOn(new EventMemory(this, capacity));
  }

  #kevent(
    queue: number,
    changes: Memory,
    nchanges: number,
    events: Memory,
    nevents: number,
    timeout: Memory,
  ): number {
    const bytes = changes === null ? new Uint8Array() : copyOf(changes);
    const time = timeout === null ? null : new Int32Array(copyOf(timeout).buffer);
    this.made.push({
      queue,
      changes: bytes.subarray(0, nchanges * this.layout.size),
      nchanges,
      nevents,
      timeout: time === null ? null : [time[0]!, time[2]!],
    });
    const words = events === null
      ? new Int32Array()
      : new Int32Array(events.buffer, events.byteOffset, events.byteLength / 4);
    const answer = this.answers.shift() ?? ((): number => this.#accept(words, nchanges, time));
    if (typeof answer !== "string") return answer(words);
    this.#errno = errnoNumber(answer);
    return -1;
  }

  #accept(words: Int32Array, nchanges: number, time: Int32Array | null): number {
    if (nchanges > 0) return this.receipts(words, Array<number>(nchanges).fill(0));
    if (words.length === 0 || (time !== null && !this.ready)) return 0;
    words.fill(0, 0, this.layout.size / 4);
    words[FILTER_FLAGS] = this.constants.EVFILT_USER & 0xffff;
    return 1;
  }

  /** Answers changes as FreeBSD does: what was asked for stands no more in the flags. */
  receipts(words: Int32Array, codes: readonly number[]): number {
    codes.forEach((code, index) => {
      const at = index * this.layout.size / 4;
      words[at + FILTER_FLAGS] = (words[at + FILTER_FLAGS]! & 0xffff) | EV.ERROR << 16;
      words[at + DATA] = code;
      words[at + DATA + 1] = 0;
    });
    return codes.length;
  }
}

function copyOf(memory: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength).slice();
}
