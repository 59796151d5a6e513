/**
 * The signals of a process as an iteration of a loop, on either kernel.
 *
 * @module
 */

import { os } from "../ffi/platform.ts";
import { signalName, signalNumber } from "../ffi/signals.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { type Signals, SigSet } from "../handles/sig_set.ts";
import { SignalFD } from "../handles/signal_fd.ts";
import { ignoreSignal } from "../handles/signal_ignore.ts";
import type { Core, Owned } from "./core.ts";
import { queueOf } from "./exited.ts";
import { LoopClosedError } from "./loop_closed_error.ts";

/** One signal, or the same one several times, as `Loop.signals` gives it. */
export interface LoopSignal {
  /** The signal's name, such as `"SIGTERM"`. */
  readonly name: string;
  /** The signal's number. */
  readonly signo: number;
  /** How often it came: always 1 on Linux; elsewhere since it was last given. */
  readonly times: number;
}

/** Where signals come from. */
export interface SignalSource {
  /** Takes what has come, null when nothing has. Throws `ClosedError`. */
  take(): LoopSignal | null;
  /** Waits until something has come. Throws `ClosedError`, or the reason of the signal. */
  wait(signal: AbortSignal | undefined): Promise<void>;
  /** Puts back what the signals do. */
  close(): void;
}

/** Opens the source of this system. */
export function signalSource(core: Core, signals: Signals): SignalSource {
  return os === "linux" ? new FdSource(core, signals) : new QueueSource(core, signals);
}

/** Linux: a descriptor. */
class FdSource implements SignalSource {
  readonly #core: Core;
  readonly #signals: SignalFD;

  constructor(core: Core, signals: Signals) {
    this.#core = core;
    this.#signals = SignalFD.create(signals);
  }

  take(): LoopSignal | null {
    const info = this.#signals.read();
    return info === null ? null : { name: info.name, signo: info.signo, times: 1 };
  }

  async wait(signal: AbortSignal | undefined): Promise<void> {
    await this.#core.registry.wait(this.#signals, "readers", signal, "Loop.signals");
  }

  close(): void {
    this.#signals.close();
  }
}

/** The BSDs: an event of the loop's queue for each signal. */
export class QueueSource implements SignalSource {
  readonly #core: Core;
  readonly #ends: (() => void)[] = [];
  /** How often each has come and was not taken yet. */
  readonly #come: Map<number, number> = new Map();
  #news: PromiseWithResolvers<void> | null = null;
  #closed = false;

  /** Begins to observe. When it throws, all is as before. */
  constructor(core: Core, signals: Signals) {
    this.#core = core;
    try {
      for (const name of new SigSet(signals)) this.#observe(signalNumber(name));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  take(): LoopSignal | null {
    if (this.#closed) throw new ClosedError("Loop.signals");
    for (const [signo, times] of this.#come) {
      this.#come.delete(signo);
      return { name: signalName(signo), signo, times };
    }
    return null;
  }

  async wait(signal: AbortSignal | undefined): Promise<void> {
    const news = this.#news ??= Promise.withResolvers();
    const onAbort = (): void => news.reject(signal!.reason);
    signal?.addEventListener("abort", onAbort);
    this.#core.hold(1);
    try {
      await news.promise;
    } finally {
      this.#news = null;
      this.#core.hold(-1);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#ends.splice(0)) end();
    this.#news?.reject(new ClosedError("Loop.signals"));
  }

  #observe(signo: number): void {
    // Observed first: what comes in between does what it would have done, and is not lost.
    const observation = queueOf(this.#core).observe("SIGNAL", signo, (times) => {
      this.#come.set(signo, (this.#come.get(signo) ?? 0) + times);
      this.#news?.resolve();
    });
    this.#ends.push(() => observation[Symbol.dispose]());
    this.#ends.unshift(ignoreSignal(signo));
  }
}

/**
 * The iteration itself. Its source is open from the beginning, so that no signal is lost before the
 * first step, and is closed by the end of the iteration, by the signal that ends it, and by the loop.
 */
export class SignalStream implements AsyncIterableIterator<LoopSignal>, Owned {
  readonly #core: Core;
  readonly #source: SignalSource;
  readonly #signal: AbortSignal | undefined;
  readonly #steps: AsyncGenerator<LoopSignal, void, undefined>;
  readonly #onAbort = (): void => this.end();
  #ended = false;

  /** Iterates over a source, which it closes. */
  constructor(core: Core, source: SignalSource, signal: AbortSignal | undefined) {
    this.#core = core;
    this.#source = source;
    this.#signal = signal;
    this.#steps = this.#run();
    core.owned.add(this);
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.end();
  }

  /** The next signal. */
  next(): Promise<IteratorResult<LoopSignal, void>> {
    return this.#steps.next();
  }

  /** Ends the iteration. */
  return(): Promise<IteratorResult<LoopSignal, void>> {
    this.end();
    return this.#steps.return();
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Closes the source. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#core.owned.delete(this);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#source.close();
  }

  async *#run(): AsyncGenerator<LoopSignal, void, undefined> {
    try {
      for (;;) {
        const come = this.#source.take();
        if (come !== null) yield come;
        else await this.#source.wait(this.#signal);
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (this.#core.closed) throw new LoopClosedError();
      if (!(error instanceof ClosedError)) throw error; // it was ended by return()
    } finally {
      this.end();
    }
  }
}
