/**
 * One turn of a loop, whoever drives it: wait, give out what was reported, go on with what was left
 * of the turn before, fire what is due, run what was posted.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import { Input } from "./input.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import { Counters } from "./metrics.ts";
import type { Poller } from "./poller.ts";
import { ALARM_SLOT, CLOSED_SLOT, WAKE_SLOT } from "./poller.ts";
import { Registry } from "./registry.ts";
import type { Source } from "./source.ts";
import { Timers } from "./timers.ts";
import { SleepWord } from "./waker.ts";

/** For ever, as {@link Poller.wait} has it. */
export const FOREVER = -1;

/** Something that stopped at its budget and goes on in the next turn. */
export interface Unfinished {
  /** Does the next part. */
  resume(): void;
}

/** The news that something is over. */
export interface Ending {
  /** Tells the program. */
  tell(): void;
}

/** Something that belongs to a loop and ends with it. */
export interface Owned {
  /** Ends it. */
  end(): void;
}

/** What all parts of a loop share. */
export class Core {
  readonly poller: Poller;
  readonly registry: Registry;
  readonly timers: Timers;
  readonly counters: Counters = new Counters();
  readonly sleep: SleepWord = new SleepWord();
  readonly input: Input = new Input();
  /** Told when the loop watches something less, which may have been closed: see `Acceptor`. */
  readonly starving: Set<() => void> = new Set();
  /** What ends with the loop, besides its own parts. */
  readonly owned: Set<Owned> = new Set();
  #unfinished: Unfinished[] = [];
  #tasks: (() => void)[] = [];
  #spareUnfinished: Unfinished[] = [];
  #spareTasks: (() => void)[] = [];
  #endings: Ending[] = [];
  #errors: unknown[] = [];
  /** Reports that were given since one was timed. */
  #untimed = 0;
  #closed = false;
  #held = 0;

  /** Called at the beginning of each turn, before it is decided whether to wait: see `Worker`. */
  beginning: (() => void) | null = null;

  /** Told of connections that may have come to where they can be given away: see `Departures`. */
  reached: ((conn: Connection) => void) | null = null;

  /** Called when there is more or less to do than before: a driver may care. */
  changed: () => void = () => {};

  /** Starts without anything to do, on a poller that it owns. */
  constructor(poller: Poller) {
    const changed = (): void => this.changed();
    this.poller = poller;
    this.registry = new Registry(poller, changed, () => {
      for (const tell of this.starving) tell();
    });
    this.timers = new Timers(poller, changed);
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Throws when the loop was closed. */
  checkOpen(): void {
    if (this.#closed) throw new LoopClosedError();
  }

  /** Whether a turn would find something to do without a report. */
  get isBusy(): boolean {
    return this.#tasks.length > 0 || this.#unfinished.length > 0 || this.#endings.length > 0;
  }

  /** Whether anything is left that could ever happen. */
  get hasWork(): boolean {
    return this.isBusy || this.registry.active > 0 || this.timers.size > 0 || this.#held > 0;
  }

  /** Counts who waits for something that the registry does not know: 1 when one begins, −1 at its end. */
  hold(change: 1 | -1): void {
    this.#held += change;
    this.changed();
  }

  /** Runs a function in the next turn, after its reports. */
  post(task: () => void): void {
    this.#tasks.push(task);
    this.changed();
  }

  /** Goes on with something in the next turn, after the reports and after those that came before. */
  continueLater(unfinished: Unfinished): void {
    this.#unfinished.push(unfinished);
    this.changed();
  }

  /**
   * Tells that something is over, before anything else in the next turn. It is told without fail: when
   * the loop is closed and takes no more turns, as soon as the closing call has returned.
   */
  tellLater(ending: Ending): void {
    this.#endings.push(ending);
    if (this.#closed) queueMicrotask(() => this.#tellAfterAll());
    else this.changed();
  }

  /** Takes a turn that waits at most so long; not at all when there is something to do already. */
  turn(milliseconds: number): void {
    if (this.beginning !== null) this.call(this.beginning);
    // What this turn adds belongs to the next one: the lists are exchanged, not copied.
    const tasks = this.#tasks;
    const unfinished = this.#unfinished;
    this.#tasks = this.#spareTasks;
    this.#unfinished = this.#spareUnfinished;
    const told = this.#tellEndings();
    const limit = told || tasks.length > 0 || unfinished.length > 0 ? 0 : milliseconds;
    const count = this.#closed ? 0 : this.#wait(limit);
    const begin = this.poller.now();
    this.#give(count, begin);
    for (let index = 0; index < unfinished.length && !this.#closed; index++) {
      const part = unfinished[index]!;
      this.call(() => part.resume());
    }
    if (!this.#closed) this.timers.run((fire) => this.call(fire));
    for (let index = 0; index < tasks.length && !this.#closed; index++) this.call(tasks[index]!);
    tasks.length = unfinished.length = 0;
    this.#spareTasks = tasks;
    this.#spareUnfinished = unfinished;
    this.counters.turns++;
    this.counters.turnMicroseconds.record((this.poller.now() - begin) * 1000);
  }

  /** Calls the program's code. What it throws ends the run, but not the turn. */
  call(code: () => void): void {
    try {
      code();
    } catch (error) {
      this.caught(error);
    }
  }

  /** Notes what the program's code threw. */
  caught(error: unknown): void {
    this.#errors.push(error);
  }

  /** Throws what the program's code threw in the last turn. */
  throwErrors(): void {
    if (this.#errors.length === 0) return;
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length === 1) throw errors[0];
    throw new AggregateError(errors, `${errors.length} callbacks of one turn threw`);
  }

  /** Gives everything back; whoever waits is told why. */
  close(reason: unknown): void {
    this.#closed = true;
    this.registry.clear(reason);
    this.timers.clear();
    for (const one of [...this.owned]) one.end();
    this.#tasks = [];
    this.#unfinished = [];
    this.poller.close();
    if (this.#endings.length > 0) queueMicrotask(() => this.#tellAfterAll());
  }

  /** Gives back the poller of a thread that ends, and tells nobody: it is too late to be heard rightly. */
  leave(): void {
    this.#closed = true;
    this.poller.close();
  }

  /** Tells what is over: whether anything was. */
  #tellEndings(): boolean {
    if (this.#endings.length === 0) return false;
    const endings = this.#endings;
    this.#endings = [];
    for (const ending of endings) this.call(() => ending.tell());
    return true;
  }

  /** Tells it without a turn. What it throws then is the program's uncaught error. */
  #tellAfterAll(): void {
    this.#tellEndings();
    this.throwErrors();
  }

  #wait(limit: number): number {
    const { counters, poller, sleep } = this;
    if (limit === 0) return poller.wait(0);
    if (!sleep.fallAsleep()) return poller.wait(0);
    counters.sleeps++;
    const count = poller.wait(limit);
    sleep.wakeUp();
    counters.batchSizes.record(count);
    return count;
  }

  /** Gives out the reports of a wait that returned at `begin`. */
  #give(count: number, begin: number): void {
    const { counters, poller, registry } = this;
    // The one that is timed for all of them, or the next one after it that is for somebody.
    let timed = count > 1 ? Math.floor(Math.random() * count) : 0;
    let waited = -1;
    const before = counters.events;
    for (let index = 0; index < count && !this.#closed; index++) {
      const slot = poller.slot(index);
      const source = registry.reported(slot, poller.generation(index));
      if (source !== null) {
        if (index >= timed) {
          waited = index === 0 ? 0 : poller.now() - begin;
          timed = count;
        }
        counters.events++;
        this.#dispatch(source, poller.readiness(index));
      } else if (slot === WAKE_SLOT) {
        counters.wakeUps++;
      } else if (slot === CLOSED_SLOT) {
        this.call(() => registry.dropClosed());
      } else if (slot !== ALARM_SLOT) {
        counters.staleEvents++;
      }
    }
    this.#untimed += counters.events - before;
    if (waited < 0) return;
    counters.dispatchMicroseconds.record(waited * 1000, this.#untimed);
    this.#untimed = 0;
  }

  #dispatch(source: Source, readiness: number): void {
    const { report } = source;
    try {
      if (report === null) this.registry.settle(source, readiness);
      else report(readiness);
    } catch (error) {
      this.#errors.push(error);
    }
  }
}
