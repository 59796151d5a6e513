/**
 * The poller without a kernel: sources in memory, and a clock that moves when it is told to.
 *
 * @module
 */

import { Descriptor } from "../handles/descriptor.ts";
import type { SharedEpoll } from "../handles/epoll.ts";
import type { SharedEventFD } from "../handles/event_fd.ts";
import { EntryFlags, EventMask } from "./event_mask.ts";
import { EventPoll, type PollEvent } from "./event_poll.ts";
import {
  ALARM_SLOT,
  EDGE,
  ERROR,
  HANGUP,
  ONCE,
  PEER_CLOSED,
  type Poller,
  PRIORITY,
  READABLE,
  type Target,
  WAKE_SLOT,
  WRITABLE,
} from "./poller.ts";
import type { FileIdentifier } from "./event_settings.ts";
import { waitable } from "./waitable.ts";

/** The most reports that one wait takes: what does not fit is reported by the next one. */
const BATCH = 1024;

/** Data is slot + generation · 2³², an exact number. */
const SLOTS = 2 ** 32;

const WORDS: readonly (readonly [bit: number, word: number])[] = [
  [READABLE, EventMask.IN],
  [WRITABLE, EventMask.OUT],
  [PRIORITY, EventMask.PRI],
  [PEER_CLOSED, EventMask.RDHUP],
  [HANGUP, EventMask.HUP],
  [ERROR, EventMask.ERR],
];

/**
 * An EventPoll in the shape of a poller. It cannot block: where nothing is ready, its clock jumps to
 * the alarm, or stands still until it is moved.
 */
export class MemoryPoller implements Poller {
  readonly #poll: EventPoll = new EventPoll();
  readonly #isManual: boolean;
  #events: PollEvent[] = [];
  #now = 0;
  #alarm = Infinity;
  #woken = false;
  /** Settles when something has come, while somebody waits for that. */
  #arrival: PromiseWithResolvers<void> | null = null;

  /** Starts empty, at 0. */
  constructor(isManual: boolean) {
    this.#isManual = isManual;
    this.#poll.register({
      exclusive: false,
      notify: () => {
        this.#arrived();
        return true;
      },
      released: () => {},
    });
  }

  get raw(): number {
    return -1;
  }

  share(): SharedEpoll {
    throw unshared();
  }

  shareBell(): SharedEventFD {
    throw unshared();
  }

  closingBell(): number {
    throw unshared();
  }

  add(target: Target, interest: number, slot: number, generation: number): void {
    const id = inMemory(target);
    this.#poll.addEntry(id, flagsOf(interest), maskOf(interest), generation * SLOTS + slot);
  }

  modify(target: Target, interest: number, slot: number, generation: number): void {
    const id = inMemory(target);
    this.#poll.updateEntry(id, flagsOf(interest), maskOf(interest), generation * SLOTS + slot);
  }

  delete(target: Target): void {
    this.#poll.removeEntry(inMemory(target));
  }

  wait(milliseconds: number): number {
    const events = this.#events = this.#poll.readEvents(BATCH);
    if (events.length === 0 && !this.#woken && milliseconds !== 0 && !this.#isManual) {
      const end = milliseconds < 0 ? Infinity : this.#now + milliseconds;
      const next = Math.max(this.#now, Math.min(end, this.#alarm));
      if (next !== Infinity) this.#now = next;
    }
    if (this.#woken) events.push({ mask: 0, data: WAKE_SLOT });
    this.#woken = false;
    if (this.#alarm <= this.#now) {
      this.#alarm = Infinity;
      events.push({ mask: 0, data: ALARM_SLOT });
    }
    return events.length;
  }

  arrival(): Promise<void> | null {
    const isDue = this.#alarm <= (this.#isManual ? this.#now : Number.MAX_VALUE);
    if (this.#poll.closed || this.#woken || isDue || this.#poll.readiness(EventMask.IN) !== 0) {
      return null;
    }
    return (this.#arrival ??= Promise.withResolvers()).promise;
  }

  slot(index: number): number {
    return Number(this.#events[index]!.data) % SLOTS;
  }

  generation(index: number): number {
    return Math.floor(Number(this.#events[index]!.data) / SLOTS);
  }

  readiness(index: number): number {
    const { mask } = this.#events[index]!;
    let bits = 0;
    for (const [bit, word] of WORDS) if ((mask & word) !== 0) bits |= bit;
    return bits;
  }

  wake(): void {
    this.#woken = true;
    this.#arrived();
  }

  now(): number {
    return this.#now;
  }

  /** Moves the clock on, and ends a rest when the alarm is due. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    if (this.#alarm <= this.#now) this.#arrived();
  }

  alarm(milliseconds: number): void {
    this.#alarm = this.#now + milliseconds;
    this.#arrived();
  }

  close(): void {
    this.#poll.release();
    this.#arrived();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #arrived(): void {
    this.#arrival?.resolve();
    this.#arrival = null;
  }
}

function flagsOf(interest: number): number {
  return ((interest & EDGE) !== 0 ? EntryFlags.EdgeTriggered : 0) |
    ((interest & ONCE) !== 0 ? EntryFlags.OneShot : 0);
}

function maskOf(interest: number): number {
  let mask = 0;
  for (const [bit, word] of WORDS) if ((interest & bit) !== 0) mask |= word;
  return mask;
}

/**
 * What the poll knows of a target.
 *
 * @throws {TypeError} when that is nothing
 */
function inMemory(target: Target): FileIdentifier {
  if (typeof target !== "number" && !(target instanceof Descriptor)) {
    return { file: waitable(target, "Loop: the target") };
  }
  throw new TypeError(
    "Loop: a loop on a VirtualPoller has no kernel to watch descriptors with: give it sources in " +
      "memory, such as those of memoryPipe() and memorySocketPair()",
  );
}

/** Why such a loop cannot be reached from other threads. */
export function unshared(): TypeError {
  return new TypeError(
    "Loop: a loop on a VirtualPoller lives on one thread: it cannot be attached, nor woken from another",
  );
}
