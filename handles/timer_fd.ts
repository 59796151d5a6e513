/**
 * A timer that is waited for by reading a descriptor.
 *
 * Kernel: timerfd is Linux 2.6.25; TFD_TIMER_CANCEL_ON_SET 3.0; the alarm clocks 3.11; the clock
 * "boottime" 3.15.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Cell } from "./cell.ts";
import { ClockChangedError } from "./clock_changed_error.ts";
import { Counter, counterBytes } from "./counter.ts";
import {
  acquire,
  Descriptor,
  OWNED,
  release,
  sharedCell,
  type SharedDescriptor,
} from "./descriptor.ts";
import { type Duration, readTimespec, settled, writeTimespec } from "./duration.ts";
import type { Reader, Timer } from "./interfaces.ts";
import { control, readInto } from "./io.ts";
import { CLOCKS, type TimerClock, timerClock } from "./timer_clock.ts";
import { flag, options as checkOptions } from "./validate.ts";
import {
  INTERVAL,
  isZero,
  itimerspec,
  setting,
  type TimerSetting,
  VALUE,
} from "./timer_setting.ts";
import { type AwaitOptions, everyTaken } from "./waiting.ts";

const ECANCELED = errnoNumber("ECANCELED");
const EOPNOTSUPP = errnoNumber("EOPNOTSUPP");
const EPERM = errnoNumber("EPERM");

const NO_ALARM =
  "An alarm clock needs the capability CAP_WAKE_ALARM, and hardware that wakes the " +
  'machine: get them, or use the clock "boottime" or "realtime"';

/** What a {@linkcode TimerFD} is made with. */
export interface TimerFDOptions {
  /** The clock that it runs by. Default: `"monotonic"`. */
  clock?: TimerClock;
  /** Whether calls that would have to wait block the thread instead of answering. Default: false. */
  blocking?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** How {@linkcode TimerFD.armAt} arms. */
export interface ArmAtOptions {
  /**
   * Whether setting the clock ends the wait with a {@linkcode ClockChangedError}:
   * `TFD_TIMER_CANCEL_ON_SET`. Only for the realtime clocks. Default: false.
   */
  cancelOnSet?: boolean;
}

/** A {@linkcode TimerFD} in a form that `postMessage` can carry. */
export interface SharedTimerFD extends SharedDescriptor {
  /** What {@linkcode TimerFD.clock} is there as here. */
  readonly clock: TimerClock;
}

const NO_OPTIONS: ArmAtOptions = {};

/**
 * A timer in the kernel that counts how often it has expired: `timerfd_create(2)`.
 *
 * Durations are milliseconds as a `number`, fractions allowed, or nanoseconds as a `bigint`; it
 * never expires early. It is readable for a poller while there are expirations to take.
 *
 * Platforms: Linux 2.6.25, "boottime" 3.15. See timerfd_create(2).
 *
 * @example
 * ```ts
 * import { TimerFD } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * using timer = TimerFD.create({ blocking: true });
 * const start = timer.now();
 * timer.arm(2.5, 5); // after 2.5 ms, then every 5 ms
 * let count = 0n;
 * while (count < 3n) count += timer.expirations() ?? 0n;
 * assert(timer.now() - start >= 12_500_000n);
 * ```
 */
export class TimerFD extends Descriptor implements Timer, Reader {
  readonly #clock: TimerClock;
  readonly #counter = new Counter();
  readonly #next = itimerspec();
  readonly #previous = itimerspec();
  readonly #current = itimerspec();

  private constructor(key: symbol, owned: number | Cell, clock: TimerClock) {
    super(key, owned);
    this.#clock = clock;
  }

  /** Always `"TimerFD"`. */
  get [Symbol.toStringTag](): string {
    return "TimerFD";
  }

  /** The clock that it runs by. */
  get clock(): TimerClock {
    return this.#clock;
  }

  /**
   * Makes a timer that is disarmed: `timerfd_create(2)`, non-blocking and closed on exec unless
   * asked otherwise.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {SyscallError} EPERM, for an alarm clock without the capability CAP_WAKE_ALARM; EMFILE
   *   or ENFILE, when there is no descriptor left; ENOMEM
   * @throws {UnsupportedError} on a system other than Linux
   *
   * @example
   * ```ts
   * import { TimerFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using timer = TimerFD.create({ clock: "boottime" });
   * assertEquals(timer.getTime(), { remaining: 0n, interval: 0n });
   * ```
   */
  static create(options: TimerFDOptions = {}): TimerFD {
    const what = "TimerFD.create";
    const { clock = "monotonic", blocking = false, inherit = false } = checkOptions(
      options,
      `${what}: options`,
    );
    const { timer } = CLOCKS[timerClock(clock, `${what}: clock`)];
    const flags = (flag(blocking, `${what}: blocking`) ? 0 : linux.TFD_NONBLOCK) |
      (flag(inherit, `${what}: inherit`) ? 0 : linux.TFD_CLOEXEC);
    const number = libc.timerfd_create(timer, flags >>> 0);
    if (number === -1) throw failure("timerfd_create", errno(), -1);
    return new TimerFD(OWNED, number, clock);
  }

  /**
   * Makes a handle of what {@link TimerFD.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `TimerFD`
   */
  static from(shared: SharedTimerFD): TimerFD {
    const cell = sharedCell(shared, "TimerFD");
    return new TimerFD(OWNED, cell, timerClock(shared.clock, "TimerFD.from: clock"));
  }

  /**
   * Starts the timer anew, so long from now: `timerfd_settime(2)`. Expirations that nobody took are
   * forgotten. Setting the clock moves nothing. Nothing is allocated for numbers.
   *
   * @param initial until the first expiration; 0 disarms, whatever the interval is
   * @param interval between expirations after the first; 0, the default, is one expiration only
   * @throws {TypeError} when either is no length of time
   * @throws {RangeError} when either is negative, not finite or longer than 292 years
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EPERM, for an alarm clock without the capability CAP_WAKE_ALARM
   */
  arm(initial: Duration, interval: Duration = 0): void {
    this.#write(initial, "TimerFD.arm: initial", interval, "TimerFD.arm: interval");
    this.#set(0);
  }

  /**
   * Starts the timer anew, for a point in time on its own clock, as {@link TimerFD.now} tells it:
   * `timerfd_settime(2)` with `TFD_TIMER_ABSTIME`.
   *
   * A point in the past expires at once, and so does 0: it is armed as 1 ns, since the kernel takes
   * 0 for "disarm". A realtime timer follows its clock when that is set.
   *
   * @param deadline time since the clock's beginning: `Date.now() + 500` for a realtime clock,
   *   `timer.now() + 500_000_000n` for any
   * @param interval between expirations after the first; 0, the default, is one expiration only
   * @throws {TypeError} when either is no length of time; when `cancelOnSet` is asked of a clock
   *   that nobody can set
   * @throws {RangeError} when either is negative, not finite or longer than 292 years
   * @throws {ClosedError} when the handle is closed
   * @throws {ClockChangedError} when both this and the last call have `cancelOnSet` and the clock
   *   was set between them; the timer is armed anew all the same
   * @throws {SyscallError} EPERM, for an alarm clock without the capability CAP_WAKE_ALARM
   *
   * @example
   * ```ts
   * import { TimerFD } from "@fdloop/fdloop";
   * import { assert, assertEquals } from "@std/assert";
   *
   * using timer = TimerFD.create({ clock: "realtime", blocking: true });
   * const deadline = Date.now() + 20;
   * timer.armAt(deadline, 0, { cancelOnSet: true });
   * assertEquals(timer.expirations(), 1n);
   * assert(Date.now() >= deadline);
   * ```
   */
  armAt(deadline: Duration, interval: Duration = 0, options: ArmAtOptions = NO_OPTIONS): void {
    const { cancelOnSet = false } = checkOptions(options, "TimerFD.armAt: options");
    const cancel = flag(cancelOnSet, "TimerFD.armAt: cancelOnSet");
    if (cancel && !CLOCKS[this.#clock].settable) {
      throw new TypeError(
        `TimerFD.armAt: cancelOnSet needs a timer with a realtime clock, this one has the clock ` +
          `"${this.#clock}", which nobody can set: leave it out`,
      );
    }
    const next = this.#next;
    this.#write(deadline, "TimerFD.armAt: deadline", interval, "TimerFD.armAt: interval");
    if (isZero(next, VALUE)) next[VALUE + 2] = 1;
    this.#set(linux.TFD_TIMER_ABSTIME | (cancel ? linux.TFD_TIMER_CANCEL_ON_SET : 0));
  }

  /**
   * Stops the timer: `timerfd_settime(2)`. Expirations that nobody took are forgotten.
   *
   * @throws {ClosedError} when the handle is closed
   */
  disarm(): void {
    this.#next.fill(0);
    this.#set(0);
  }

  /**
   * What the last {@link TimerFD.arm}, {@link TimerFD.armAt} or {@link TimerFD.disarm} of this
   * handle replaced, as it was at that moment: the old value of `timerfd_settime(2)`. All 0 before
   * the first, and after a {@linkcode ClockChangedError}, with which the kernel does not report it.
   *
   * @example
   * ```ts
   * import { TimerFD } from "@fdloop/fdloop";
   * import { assert, assertEquals } from "@std/assert";
   *
   * using timer = TimerFD.create();
   * timer.arm(60_000, 1_000);
   * timer.disarm();
   * assert(timer.previous.remaining > 59_000_000_000n);
   * assertEquals(timer.previous.interval, 1_000_000_000n);
   * ```
   */
  get previous(): TimerSetting {
    return setting(this.#previous);
  }

  /**
   * Tells how long it is until the next expiration: `timerfd_gettime(2)`. It is a length of time
   * for {@link TimerFD.armAt} too, and 0 when the timer is disarmed or has expired for good.
   *
   * @throws {ClosedError} when the handle is closed
   */
  getTime(): TimerSetting {
    const current = this.#current;
    control("timerfd_gettime", this, (fd) => libc.timerfd_gettime(fd, current));
    return setting(current);
  }

  /**
   * Tells the time on the timer's own clock, in nanoseconds: `clock_gettime(2)`.
   *
   * @throws {ClosedError} when the handle is closed
   */
  now(): bigint {
    const current = this.#current;
    const { time } = CLOCKS[this.#clock];
    control("clock_gettime", this, () => libc.clock_gettime(time, current));
    return readTimespec(current, 0);
  }

  /**
   * Takes the number of expirations since the timer was armed or they were last taken: `read(2)`.
   * Answers null when there was none; with `blocking`, waits for one.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {ClockChangedError} when it was armed with `cancelOnSet` and the clock was set
   */
  expirations(): bigint | null {
    const { bytes, whole } = this.#counter;
    return this.#read(bytes) === null ? null : whole[0]!;
  }

  /**
   * Does what {@link TimerFD.expirations} does and writes the number into the first 8 bytes of a
   * buffer, in the byte order of the machine: nothing is allocated when the buffer is a Uint8Array.
   * Answers null, and leaves the buffer as it is, when there was none.
   *
   * @param buffer at least 8 bytes
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {RangeError} when it is shorter
   * @throws {ClosedError} when the handle is closed
   * @throws {ClockChangedError} when it was armed with `cancelOnSet` and the clock was set
   */
  expirationsInto(buffer: ArrayBufferView): true | null {
    return this.#read(counterBytes(buffer, "TimerFD.expirationsInto: the buffer")) === null
      ? null
      : true;
  }

  /**
   * Takes the number of expirations as raw bytes, for code that takes any {@linkcode Reader}:
   * `read(2)`. Answers 8, the number of bytes, whatever the length of the buffer; null when there
   * was none.
   *
   * @param buffer at least 8 bytes
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {RangeError} when it is shorter
   * @throws {ClosedError} when the handle is closed
   * @throws {ClockChangedError} when it was armed with `cancelOnSet` and the clock was set
   */
  read(buffer: ArrayBufferView): number | null {
    return this.#read(counterBytes(buffer, "TimerFD.read: the buffer"));
  }

  /**
   * Every number of expirations as it comes, for `for await (const times of timer.ticks())`; it ends
   * when the timer is closed.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {ClockChangedError} when it was armed with `cancelOnSet` and the clock was set
   *
   * @example
   * ```ts
   * import { TimerFD } from "@fdloop/fdloop";
   * import { assert } from "@std/assert";
   *
   * using timer = TimerFD.create();
   * timer.arm(1, 1);
   * let sum = 0n;
   * for await (const times of timer) {
   *   sum += times;
   *   if (sum >= 3n) break;
   * }
   * assert(sum >= 3n);
   * ```
   */
  ticks(options: AwaitOptions = {}): AsyncGenerator<bigint, void, undefined> {
    return everyTaken(this, () => this.expirations(), options, "TimerFD.ticks");
  }

  /** Every number of expirations as it comes: {@link TimerFD.ticks} without options. */
  [Symbol.asyncIterator](): AsyncGenerator<bigint, void, undefined> {
    return this.ticks();
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, for {@link TimerFD.from}
   * there: {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedTimerFD {
    return { ...super.share(), clock: this.#clock };
  }

  #write(value: Duration, valueName: string, interval: Duration, intervalName: string): void {
    const first = settled(value, valueName);
    const later = settled(interval, intervalName);
    writeTimespec(this.#next, VALUE, first, valueName);
    writeTimespec(this.#next, INTERVAL, later, intervalName);
  }

  #set(flags: number): void {
    const fd = acquire(this);
    if (libc.timerfd_settime(fd, flags, this.#next, this.#previous) === -1) {
      const code = errno();
      release(this);
      // The kernel writes the old value only on success.
      if (code === ECANCELED) this.#previous.fill(0);
      throw failure("timerfd_settime", code, fd);
    }
    release(this);
  }

  #read(view: ArrayBufferView): number | null {
    try {
      for (;;) {
        const count = readInto(this, view);
        // 0 is no end here: the clock was set back after the timer had expired, and it has not.
        if (count !== 0) return count;
      }
    } catch (error) {
      if (!(error instanceof SyscallError) || error.errno !== ECANCELED) throw error;
      throw new ClockChangedError(error.syscall, error.fd);
    }
  }
}

/** Makes the error of a call, with a remedy where there is one. */
function failure(syscall: string, code: number, fd: number): SyscallError {
  if (code === ECANCELED) return new ClockChangedError(syscall, fd);
  const noAlarm = code === EPERM || code === EOPNOTSUPP;
  return new SyscallError(syscall, code, fd, noAlarm ? NO_ALARM : "");
}
