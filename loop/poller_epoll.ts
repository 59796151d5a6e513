/**
 * The poller of Linux: one epoll set, an eventfd in it that wakes it, and a timerfd for its alarm.
 *
 * Kernel: Linux 2.6.27; a fraction of a millisecond is waited exactly since Linux 5.11.
 *
 * @module
 */

import { Epoll, type SharedEpoll } from "../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import { TimerFD } from "../handles/timer_fd.ts";
import { inKernel } from "./kernel_target.ts";
import {
  ALARM_SLOT,
  CLOSED_SLOT,
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

/** The most reports that one wait takes: what does not fit is reported by the next one. */
const BATCH = 1024;

/** User data is slot + generation · 2³²: an exact number, so that no registration makes a bigint. */
const SLOTS = 2 ** 32;

const INTEREST_BITS: readonly (readonly [bit: number, mask: number])[] = [
  [READABLE, EPOLL.IN],
  [WRITABLE, EPOLL.OUT],
  [PRIORITY, EPOLL.PRI],
  [PEER_CLOSED, EPOLL.RDHUP],
  [EDGE, EPOLL.ET],
  [ONCE, EPOLL.ONESHOT],
];

/** epoll masks by interest: computed once, so that no registration computes one. */
const MASKS: readonly number[] = Array.from({ length: 256 }, (_, interest) => {
  let mask = 0;
  for (const [bit, word] of INTEREST_BITS) if ((interest & bit) !== 0) mask |= word;
  return mask >>> 0;
});

/** The epoll set of one loop. */
export class EpollPoller implements Poller {
  readonly #set: Epoll;
  readonly #bell: EventFD;
  /** Made for the first alarm: a loop without timers has none. */
  #clock: TimerFD | null = null;
  /** Made for the first shared target: what only one thread can close needs none. */
  #closings: EventFD | null = null;
  readonly #events: EpollEvents = new EpollEvents(BATCH);

  /**
   * Opens the set and the eventfd in it.
   *
   * @throws {UnsupportedError} on an operating system without epoll
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   */
  constructor() {
    this.#set = Epoll.create();
    try {
      this.#bell = EventFD.create();
    } catch (error) {
      this.#set.close();
      throw error;
    }
    // An edge for each ring: the counter is never read, and 2⁶⁴ rings do not happen.
    this.#set.add(this.#bell, EPOLL.IN | EPOLL.ET, WAKE_SLOT);
  }

  get raw(): number {
    return this.#set.raw;
  }

  share(): SharedEpoll {
    return this.#set.share();
  }

  shareBell(): SharedEventFD {
    return this.#bell.share();
  }

  closingBell(): number {
    if (this.#closings === null) {
      const bell = EventFD.create();
      try {
        this.#set.add(bell, EPOLL.IN | EPOLL.ET, CLOSED_SLOT); // An edge for each ring, as above.
      } catch (error) {
        bell.close();
        throw error;
      }
      this.#closings = bell;
    }
    return this.#closings.raw;
  }

  add(target: Target, interest: number, slot: number, generation: number): void {
    this.#set.add(inKernel(target), MASKS[interest]!, generation * SLOTS + slot);
  }

  modify(target: Target, interest: number, slot: number, generation: number): void {
    this.#set.modify(inKernel(target), MASKS[interest]!, generation * SLOTS + slot);
  }

  delete(target: Target): void {
    this.#set.delete(inKernel(target));
  }

  wait(milliseconds: number): number {
    return this.#set.wait(this.#events, milliseconds < 0 ? null : milliseconds);
  }

  slot(index: number): number {
    return this.#events.dataLow(index);
  }

  generation(index: number): number {
    return this.#events.dataHigh(index);
  }

  readiness(index: number): number {
    const mask = this.#events.mask(index);
    return ((mask & EPOLL.IN) !== 0 ? READABLE : 0) |
      ((mask & EPOLL.OUT) !== 0 ? WRITABLE : 0) |
      ((mask & EPOLL.PRI) !== 0 ? PRIORITY : 0) |
      ((mask & EPOLL.RDHUP) !== 0 ? PEER_CLOSED : 0) |
      ((mask & EPOLL.HUP) !== 0 ? HANGUP : 0) |
      ((mask & EPOLL.ERR) !== 0 ? ERROR : 0);
  }

  wake(): void {
    this.#bell.signal();
  }

  now(): number {
    return performance.now();
  }

  alarm(milliseconds: number): void {
    if (this.#clock === null) {
      this.#clock = TimerFD.create();
      // An edge for each expiry: it is never read.
      this.#set.add(this.#clock, EPOLL.IN | EPOLL.ET, ALARM_SLOT);
    }
    // 0 would disarm it.
    this.#clock.arm(Math.max(milliseconds, 1e-6));
  }

  close(): void {
    this.#set.close();
    this.#bell.close();
    this.#clock?.close();
    this.#closings?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
