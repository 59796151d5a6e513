/**
 * What can be waited for in a loop: descriptors, times, and the next turn.
 *
 * @module
 */

import { OWNED } from "../handles/descriptor.ts";
import type { Duration } from "../handles/duration.ts";
import type { ExitStatus } from "../handles/exit_status.ts";
import type { Signals } from "../handles/sig_set.ts";
import { abortSignal, options as checkOptions, shown } from "../handles/validate.ts";
import type { Core } from "./core.ts";
import { exited } from "./exited.ts";
import { type Interest, interestBits, type Readiness } from "./interest.ts";
import type { LoopMetrics } from "./metrics.ts";
import type { WaitOptions } from "./options.ts";
import type { Target } from "./poller.ts";
import type { Side } from "./registry.ts";
import { reports } from "./reports.ts";
import { type LoopSignal, signalSource, SignalStream } from "./signals.ts";
import type { LoopTimer } from "./timers.ts";
import { Watch } from "./watch.ts";

/** The parts of a loop, for what else of this room runs on one. `mod.ts` does not export it. */
export let coreOf: (loop: LoopBase) => Core;

/**
 * The part of {@link Loop} that waits: watches, promises, timers and tasks.
 *
 * @example
 * ```ts
 * import { Loop, LoopBase } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * const order: string[] = [];
 * loop.post(() => {
 *   order.push("task");
 *   loop.setTimer(5, () => order.push("timer"));
 * });
 * await loop.run();
 * assertEquals([loop instanceof LoopBase, ...order], [true, "task", "timer"]);
 * ```
 */
export abstract class LoopBase {
  readonly #core: Core;

  static {
    coreOf = (loop) => loop.#core;
  }

  /** Loops are made by `Loop.create`. */
  protected constructor(key: symbol, core: Core) {
    if (key !== OWNED) throw new TypeError("new Loop() is not possible: call Loop.create()");
    this.#core = core;
  }

  /** Whether the loop was closed. */
  get closed(): boolean {
    return this.#core.closed;
  }

  /**
   * Calls back whenever a descriptor is ready: `epoll_ctl(EPOLL_CTL_ADD)`.
   *
   * A descriptor has one watch in a loop; `dup()` it for a second. When its handle is closed, here or
   * by a copy on another thread, the watch ends by itself; with a bare number, cancel the watch before
   * the number is closed.
   *
   * @param target a handle, or the number of a descriptor that stays its owner's
   * @param interest what to watch for
   * @param callback called with what it is ready for, on the loop's thread, inside `run()`
   * @throws {TypeError} when an argument is not what it should be, or for an edge on a descriptor
   *   that blocks
   * @throws {SyscallError} EEXIST, when it has a watch already; EPERM, when its kind cannot be
   *   watched, as files on a disk cannot, which are always ready
   * @throws {ClosedError} when the handle is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  watch(target: Target, interest: Interest, callback: (ready: Readiness) => void): Watch;
  /**
   * Watches a descriptor from an async iterator, which asks for one report at each step and ends the
   * watch when it is left. It ends by itself when the handle is closed.
   *
   * @example
   * ```ts
   * import { Loop, TimerFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using loop = Loop.create({ attached: true });
   * using timer = TimerFD.create();
   * timer.arm(1, 1);
   * let steps = 0;
   * for await (const ready of loop.watch(timer, { readable: true })) {
   *   assertEquals(ready.readable, true);
   *   timer.expirations();
   *   if (++steps === 3) break; // unregisters
   * }
   * ```
   */
  watch(
    target: Target,
    interest: Interest,
    options?: WaitOptions,
  ): AsyncIterableIterator<Readiness>;
  watch(
    target: Target,
    interest: Interest,
    then: ((ready: Readiness) => void) | WaitOptions = {},
  ): Watch | AsyncIterableIterator<Readiness> {
    const bits = interestBits(interest, "Loop.watch");
    this.#core.checkOpen();
    if (typeof then === "function") return new Watch(OWNED, this.#core, target, bits, then);
    const { signal } = checkOptions(then, "Loop.watch: the callback, or else the options");
    abortSignal(signal, "Loop.watch: signal");
    return reports(this.#core, target, bits, signal, "Loop.watch");
  }

  /**
   * Waits until a read of a descriptor would not block. Settles inside `run()`.
   *
   * @param target a handle, or the number of a descriptor that stays its owner's
   * @throws {SyscallError} EEXIST, when a watch has it; EPERM, when its kind cannot be watched
   * @throws {ClosedError} when the handle is closed, before or while it waits, on any thread
   * @throws {LoopClosedError} when the loop is closed, before or while it waits
   */
  readable(target: Target, options: WaitOptions = {}): Promise<void> {
    return this.#wait(target, "readers", options, "Loop.readable");
  }

  /**
   * Waits until a write to a descriptor would not block: {@link Loop.readable} for the other side.
   */
  writable(target: Target, options: WaitOptions = {}): Promise<void> {
    return this.#wait(target, "writers", options, "Loop.writable");
  }

  /**
   * Calls a function once, after a time: never early, and on the loop's thread.
   *
   * All timers of a loop are on one `timerfd`, which is set for the next of them; setting and stopping
   * one costs the logarithm of their number. `run()` goes on until all have fired or were cancelled.
   *
   * @param delay from now; 0 is the next turn
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when the delay is negative, not finite, or longer than 292 years
   * @throws {LoopClosedError} when the loop is closed
   */
  setTimer(delay: Duration, callback: () => void): LoopTimer {
    this.#core.checkOpen();
    return this.#core.timers.start(delay, callback, false, "Loop.setTimer");
  }

  /**
   * Calls a function every time that a period has passed, with how many have passed since it was last
   * called: 1, or more when the loop was held up. It keeps its beat: being late once makes no later
   * call late.
   *
   * @param period longer than 0
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when the period is 0, negative, not finite, or longer than 292 years
   * @throws {LoopClosedError} when the loop is closed
   */
  setInterval(period: Duration, callback: (times: number) => void): LoopTimer {
    this.#core.checkOpen();
    return this.#core.timers.start(period, callback, true, "Loop.setInterval");
  }

  /**
   * A copy of the loop's counters: counting is an addition each, and two or three looks at the clock
   * a turn, however many reports it has.
   */
  metrics(): LoopMetrics {
    return this.#core.counters.snapshot(this.#core.timers.size);
  }

  /**
   * Calls a function on the loop's thread in its next turn, after the reports of that turn.
   *
   * @throws {TypeError} when it is no function
   * @throws {LoopClosedError} when the loop is closed
   */
  post(task: () => void): void {
    if (typeof task !== "function") {
      throw new TypeError(`Loop.post: the task must be a function, got ${shown(task)}`);
    }
    this.#core.checkOpen();
    this.#core.post(task);
  }

  /**
   * Every signal that comes to the process, for `for await (const { name } of loop.signals(["SIGHUP"]))`.
   * From this call on they do not do what they would do by default; the iteration's end, or the loop's,
   * puts that back. On Linux this is a {@link SignalFD}; elsewhere the queue of the loop observes them,
   * and those that would end or stop the process are ignored meanwhile; a program that is started then
   * may begin with them ignored. Ask there on one thread only for a signal: the first thread whose
   * iteration ends puts back what the signal does. Of several iterations of one loop for the same
   * signal the first has it, and when it has ended the oldest of the others.
   *
   * @param signals a `SigSet`, or names and numbers
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when a signal does not exist or cannot be received
   * @throws {UnsupportedError} on Linux, when a signal has a handler already
   * @throws {LoopClosedError} when the loop is closed, before or during the iteration
   *
   * @example
   * ```ts
   * import { Loop } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   * import process from "node:process";
   *
   * using loop = Loop.create({ attached: true });
   * const signals = loop.signals(["SIGUSR1"]);
   * process.kill(process.pid, "SIGUSR1");
   * for await (const { name, times } of signals) {
   *   assertEquals([name, times], ["SIGUSR1", 1]);
   *   break;
   * }
   * ```
   */
  signals(signals: Signals, options: WaitOptions = {}): AsyncIterableIterator<LoopSignal> {
    const { signal } = checkOptions(options, "Loop.signals: options");
    abortSignal(signal, "Loop.signals: signal");
    this.#core.checkOpen();
    return new SignalStream(this.#core, signalSource(this.#core, signals), signal);
  }

  /**
   * Waits until a process has ended: how it did. On Linux through a {@link PidFD}, elsewhere through the
   * queue of the loop. Only of a child is it certain that the pid is still its own.
   *
   * @param pid the process, from 1
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when no process can have the pid
   * @throws {SyscallError} ESRCH, when there is no such process, or it was waited for already; EACCES,
   *   on macOS, for one that is no child and that this process may not signal
   * @throws {LoopClosedError} when the loop is closed, before or while it waits
   *
   * @example
   * ```ts
   * import { Loop } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   * import { spawn } from "node:child_process";
   *
   * using loop = Loop.create({ attached: true });
   * const { code } = await loop.exited(spawn("sh", ["-c", "exit 3"]).pid!);
   * assertEquals(code, 3);
   * ```
   */
  async exited(pid: number, options: WaitOptions = {}): Promise<ExitStatus> {
    const { signal } = checkOptions(options, "Loop.exited: options");
    abortSignal(signal, "Loop.exited: signal");
    this.#core.checkOpen();
    return await exited(this.#core, this, pid, signal);
  }

  async #wait(target: Target, side: Side, options: WaitOptions, what: string): Promise<void> {
    this.#core.checkOpen();
    const signal = abortSignal(checkOptions(options, `${what}: options`).signal, `${what}: signal`);
    await this.#core.registry.wait(target, side, signal, what);
  }
}
