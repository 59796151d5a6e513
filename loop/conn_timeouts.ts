/**
 * The limits of one connection, on one timer of its loop.
 *
 * Activity only notes the time; the timer is not moved. When it fires it looks at what was noted, and
 * either a limit has passed or it is set for the rest. So traffic costs a look at the clock, however
 * many connections there are.
 *
 * @module
 */

import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { ConnTimeoutError, type TimeoutKind } from "./conn_errors.ts";
import type { Poller } from "./poller.ts";
import type { LoopTimer, Timers } from "./timers.ts";

/** Limits of a connection, each off when it is left out. Time passes only while the loop runs. */
export interface ConnTimeoutOptions {
  /** From the registration, or from `expectHeader()`, to `headerDone()`. */
  header?: Duration;
  /** Without a byte received, while reading is not paused and the peer has not ended. */
  read?: Duration;
  /** Without a byte taken by the kernel, while bytes wait. */
  write?: Duration;
  /** Without a byte in either direction. */
  idle?: Duration;
}

const KINDS: readonly TimeoutKind[] = ["header", "read", "write", "idle"];

/** Stands for a limit that does not run now, and for one that there is not. */
const OFF = Infinity;

/** Watches one connection's limits. */
export class ConnTimeouts {
  readonly #timers: Timers;
  readonly #poller: Poller;
  readonly #passed: (error: ConnTimeoutError) => void;
  readonly #limits: Readonly<Record<TimeoutKind, number>>;
  /** Since when each limit runs. */
  readonly #since: Record<TimeoutKind, number> = { header: OFF, read: OFF, write: OFF, idle: OFF };
  #timer: LoopTimer | null = null;

  /**
   * Checks the limits; {@link start} begins them.
   *
   * @throws {TypeError} when one is no length of time
   * @throws {RangeError} when one is 0, negative, not finite, or longer than 292 years
   */
  constructor(
    timers: Timers,
    poller: Poller,
    options: ConnTimeoutOptions,
    passed: (error: ConnTimeoutError) => void,
  ) {
    this.#timers = timers;
    this.#poller = poller;
    this.#passed = passed;
    this.#limits = {
      header: limit(options, "header"),
      read: limit(options, "read"),
      write: limit(options, "write"),
      idle: limit(options, "idle"),
    };
  }

  /**
   * Begins all limits but that of writing.
   *
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left for the loop's first timer
   */
  start(): void {
    const now = this.#poller.now();
    this.#since.header = this.#since.read = this.#since.idle = now;
    this.#setTimer();
    // The limit of writing begins inside a write, which must not find out that there is no timer.
    if (this.#timer === null && this.#limits.write !== OFF) {
      this.#timer = this.#timers.create(() => this.#look(), this.#limits.write, 0);
      this.#timer.cancel();
    }
  }

  /** Ends all. */
  stop(): void {
    this.#timer?.cancel();
  }

  /** Notes that bytes have come. */
  received(): void {
    this.#since.read = this.#since.idle = this.#poller.now();
  }

  /** Ends the limit of reading, until {@link readOn}: nothing is read now. */
  readNoMore(): void {
    this.#since.read = OFF;
  }

  /** Begins the limit of reading when it does not run. */
  readOn(): void {
    if (this.#since.read === OFF) this.#begin("read");
  }

  /** Notes that bytes have gone. */
  sent(): void {
    const now = this.#poller.now();
    this.#since.idle = now;
    if (this.#since.write !== OFF) this.#since.write = now;
  }

  /** Begins the limit of writing when it does not run: bytes wait. */
  writeWaits(): void {
    if (this.#since.write === OFF) this.#begin("write");
  }

  /** Ends the limit of writing: nothing waits. */
  writeDone(): void {
    this.#since.write = OFF;
  }

  /** Begins the limit of a header, anew when it runs. */
  expectHeader(): void {
    this.#begin("header");
  }

  /** Ends the limit of a header. */
  headerDone(): void {
    this.#since.header = OFF;
  }

  #begin(kind: TimeoutKind): void {
    this.#since[kind] = this.#poller.now();
    if (this.#limits[kind] !== OFF) this.#setTimer();
  }

  #look(): void {
    const now = this.#poller.now();
    for (const kind of KINDS) {
      const limit = this.#limits[kind];
      if (now - this.#since[kind] >= limit) return this.#passed(new ConnTimeoutError(kind, limit));
    }
    this.#setTimer();
  }

  /** Sets the timer for the first limit that can pass; it stays as it is when that is none. */
  #setTimer(): void {
    let next = OFF;
    for (const kind of KINDS) next = Math.min(next, this.#since[kind] + this.#limits[kind]);
    if (next === OFF) return;
    const delay = Math.max(0, next - this.#poller.now());
    if (this.#timer === null) this.#timer = this.#timers.create(() => this.#look(), delay, 0);
    else this.#timer.reset(delay);
  }
}

function limit(options: ConnTimeoutOptions, kind: TimeoutKind): number {
  const value = options[kind];
  if (value === undefined) return OFF;
  const milliseconds = toMilliseconds(value, `Loop.registerConn: timeouts.${kind}`);
  if (milliseconds > 0) return milliseconds;
  throw new RangeError(
    `Loop.registerConn: timeouts.${kind} must be longer than 0; leave it out for no limit`,
  );
}
