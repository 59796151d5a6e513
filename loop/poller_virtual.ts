/**
 * The poller without a kernel: sources in memory, and a clock that moves when it is told to.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor } from "../handles/descriptor.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { flag, options as checkOptions, shown } from "../handles/validate.ts";
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

/** How a {@link VirtualPoller} is made. */
export interface VirtualPollerOptions {
  /**
   * Whether time stands still until {@link VirtualPoller.advance}. Otherwise it jumps to the next timer
   * whenever there is nothing else to do. Default: false.
   */
  manual?: boolean;
}

/** Gives a poller to the one loop that it is for. */
let claim: (poller: VirtualPoller) => void;

/**
 * Checks the poller of a new loop, which has it from then on.
 *
 * @throws {TypeError} when it is none, has a loop already, or cannot do what is asked for
 * @throws {ClosedError} when it is closed
 */
export function checkPoller(poller: VirtualPoller, isAttached: boolean): void {
  if (!(poller instanceof VirtualPoller)) {
    throw new TypeError(`Loop.create: poller must be a VirtualPoller, got ${shown(poller)}`);
  }
  if (isAttached) throw unshared();
  claim(poller);
}

/**
 * What a Loop waits on in tests of programs: no kernel, no real time, the same outcome every time.
 *
 * A loop on it takes sources in memory only, such as {@link memorySocketPair}'s, and its timers follow
 * the poller's own clock, which begins at 0. While nothing is ready the clock jumps to the next timer:
 * an hour of a program takes as long as what it does. What promises of the runtime bring, a message or
 * a stream, is waited for in real time when no timer is set.
 *
 * Platforms: all.
 *
 * @example
 * ```ts
 * import { Loop, VirtualPoller } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const poller = new VirtualPoller();
 * using loop = Loop.create({ poller });
 * const seen: number[] = [];
 * loop.setTimer(3_600_000, () => seen.push(poller.now())); // an hour
 * const clock = loop.setInterval(1_200_000, () => {
 *   seen.push(poller.now());
 *   if (seen.length === 2) clock.cancel();
 * });
 * await loop.run(); // at once
 * assertEquals(seen, [1_200_000, 2_400_000, 3_600_000]);
 * ```
 */
export class VirtualPoller implements Poller {
  readonly #poll: EventPoll = new EventPoll();
  readonly #isManual: boolean;
  #events: PollEvent[] = [];
  #now = 0;
  #alarm = Infinity;
  #woken = false;
  #claimed = false;
  /** Settles when something has come, while somebody waits for that. */
  #arrival: PromiseWithResolvers<void> | null = null;

  static {
    claim = (poller) => {
      poller.#checkOpen();
      if (poller.#claimed) {
        throw new TypeError("Loop.create: the poller belongs to another loop: make one for each");
      }
      poller.#claimed = true;
    };
  }

  /**
   * Makes a poller for one loop.
   *
   * @throws {TypeError} when an option is not what it should be
   */
  constructor(options: VirtualPollerOptions = {}) {
    const { manual = false } = checkOptions(options, "VirtualPoller: options");
    this.#isManual = flag(manual, "VirtualPoller: manual");
    this.#poll.register({
      exclusive: false,
      notify: () => {
        this.#arrived();
        return true;
      },
      released: () => {},
    });
  }

  /** Always −1: there is no kernel object. */
  get raw(): number {
    return -1;
  }

  /** Refuses: nothing of it can be shared. */
  share(): SharedEpoll {
    throw unshared();
  }

  /** Refuses: nothing of it can be shared. */
  shareBell(): SharedEventFD {
    throw unshared();
  }

  /** Starts to watch a source: see `loop/poller.ts` for this and what follows. */
  add(target: Target, interest: number, slot: number, generation: number): void {
    const id = inMemory(target);
    this.#poll.addEntry(id, flagsOf(interest), maskOf(interest), generation * SLOTS + slot);
  }

  /** Changes what is watched for. */
  modify(target: Target, interest: number, slot: number, generation: number): void {
    const id = inMemory(target);
    this.#poll.updateEntry(id, flagsOf(interest), maskOf(interest), generation * SLOTS + slot);
  }

  /** Stops to watch a source. */
  delete(target: Target): void {
    this.#poll.removeEntry(inMemory(target));
  }

  /** Takes reports; where there are none, and the clock is not manual, the time passes at once. */
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

  /** Settles when there is something to take; null when there is now. */
  arrival(): Promise<void> | null {
    const isDue = this.#alarm <= (this.#isManual ? this.#now : Number.MAX_VALUE);
    if (this.#poll.closed || this.#woken || isDue || this.#poll.readiness(EventMask.IN) !== 0) {
      return null;
    }
    return (this.#arrival ??= Promise.withResolvers()).promise;
  }

  /** The slot that report `index` belongs to. */
  slot(index: number): number {
    return Number(this.#events[index]!.data) % SLOTS;
  }

  /** The generation that report `index` was registered with. */
  generation(index: number): number {
    return Math.floor(Number(this.#events[index]!.data) / SLOTS);
  }

  /** What report `index` says. */
  readiness(index: number): number {
    const { mask } = this.#events[index]!;
    let bits = 0;
    for (const [bit, word] of WORDS) if ((mask & word) !== 0) bits |= bit;
    return bits;
  }

  /** Ends the wait in progress or the next one. */
  wake(): void {
    this.#woken = true;
    this.#arrived();
  }

  /** The poller's own time, in milliseconds from 0. */
  now(): number {
    return this.#now;
  }

  /**
   * Moves the clock on. Timers that are due by then fire in the loop's next turn, all of them late, as
   * after a pause of the whole machine; advance in steps where each is to have its own time.
   *
   * @throws {TypeError} when it is no length of time
   * @throws {RangeError} when it is negative, not finite, or longer than 292 years
   */
  advance(duration: Duration): void {
    this.#now += toMilliseconds(duration, "VirtualPoller.advance: the duration");
    if (this.#alarm <= this.#now) this.#arrived();
  }

  /** Ends a wait after a time of its own clock. */
  alarm(milliseconds: number): void {
    this.#alarm = this.#now + milliseconds;
    this.#arrived();
  }

  /** Forgets everything; the sources stay open. The loop that has it does this. */
  close(): void {
    this.#poll.release();
    this.#arrived();
  }

  /** {@link VirtualPoller.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #arrived(): void {
    this.#arrival?.resolve();
    this.#arrival = null;
  }

  #checkOpen(): void {
    if (this.#poll.closed) throw new ClosedError("VirtualPoller");
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

function unshared(): TypeError {
  return new TypeError(
    "Loop: a loop on a VirtualPoller lives on one thread: it cannot be attached, nor woken from another",
  );
}
