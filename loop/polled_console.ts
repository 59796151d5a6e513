/**
 * A console whose reads and writes wait in a Loop: one body, whatever kernel the Loop waits in.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import type { Console } from "../handles/console.ts";
import { stateOf } from "../handles/console_base.ts";
import { OWNED } from "../handles/descriptor.ts";
import { plain } from "../handles/io.ts";
import {
  abortSignal,
  bytes as checkBytes,
  memory,
  options as checkOptions,
  shown,
} from "../handles/validate.ts";
import type { Core } from "./core.ts";
import { Gate, Line } from "./gate.ts";
import type { WaitOptions } from "./options.ts";
import { EDGE, ERROR, HANGUP, PEER_CLOSED, READABLE, WRITABLE } from "./poller.ts";
import type { Source } from "./source.ts";

const EIO = errnoNumber("EIO");

/** Both directions, once, by edges: whoever wants something tries, and waits for a change. */
const INTEREST = READABLE | WRITABLE | PEER_CLOSED | EDGE;

const WAKES_READERS = READABLE | PEER_CLOSED | HANGUP | ERROR;
const WAKES_WRITERS = WRITABLE | HANGUP | ERROR;

/**
 * How much one console may move without waiting for anything before the loop has a turn: without it, a
 * program that writes faster than it is read would keep everybody else from theirs.
 */
const TURN_BUDGET = 64 * 1024;

/** How much a stream reads at once: no pty gives more than 4 KiB. */
const CHUNK = 4096;

/**
 * What it means for a master that no program has the slave open: `"wait"` for one to open it again, or
 * that it is over, `"eof"`.
 */
export type Hangup = "wait" | "eof";

/** How a console is added to a poller. */
export interface AddConsoleOptions {
  /** What a hang-up means for a master. Default: `"wait"`. */
  hangup?: Hangup;
}

/** What a console needs of whoever it was added to. */
export interface ConsoleHome {
  /** Takes a console out. */
  closeConsole(console: PolledConsole): void;
}

/** Stops to watch a console: for its poller. `mod.ts` does not export it. */
export let detach: (console: PolledConsole) => void;

/**
 * A console of which a read waits until there is something and a write until everything is written.
 * {@link EpollConsole} and {@link KqueueConsole} are this; only the kernel that they wait in differs.
 *
 * EAGAIN is always waited for. So is, with the policy `"wait"`, the EIO that a master gives while no
 * program has the slave open: the next program may open it, and its output is read as if nothing had
 * been. A hang-up that lasts costs nothing. With `"eof"` it is the end, and a write that waits fails with
 * EIO. Of a terminal, a read of nothing is an end for either policy: ^D, or a master that is gone.
 *
 * What was sent before an end is always read before the end.
 *
 * @example
 * ```ts
 * import { Console, Epoller, Loop, PolledConsole } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using loop = Loop.create({ attached: true });
 * await using child = Console.spawn(["sh", "-c", "echo hello"]);
 * using poller = Epoller.create({ loop });
 * await using screen = poller.add(child.console, { hangup: "eof" });
 * assert(screen instanceof PolledConsole);
 * assertEquals(await new Response(screen.readable).text(), "hello\r\n");
 * ```
 */
export abstract class PolledConsole implements AsyncDisposable {
  /** The console itself, for everything but reading and writing. */
  readonly console: Console;
  /** What a hang-up means. */
  readonly hangup: Hangup;
  readonly #core: Core;
  readonly #home: ConsoleHome;
  readonly #source: Source;
  readonly #readers: Gate = new Gate();
  readonly #writers: Gate = new Gate();
  readonly #settled: Gate = new Gate();
  readonly #reads: Line = new Line();
  readonly #writes: Line = new Line();
  #inFlight = 0;
  #spent = 0;
  #waitsForTurn = false;
  #hungUp = false;
  #shut = false;
  #detached = false;
  /** Why the loop has stopped to watch by itself. */
  #dropped: unknown = null;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<ArrayBufferView> | null = null;

  /** Consoles are added by `Epoller.add` and `Kqueuer.add`. */
  constructor(key: symbol, core: Core, home: ConsoleHome, console: Console, hangup: Hangup) {
    if (key !== OWNED) {
      const { name } = new.target;
      throw new TypeError(`new ${name}() is not possible: call the add() of a poller`);
    }
    this.console = console;
    this.hangup = hangup;
    this.#core = core;
    this.#home = home;
    stateOf(console).hold(console);
    try {
      const report = (readiness: number): void => this.#report(readiness);
      this.#source = core.registry.watch(console, INTEREST, report, `${home.constructor.name}.add`);
    } catch (error) {
      stateOf(console).letGo(console);
      throw error;
    }
    this.#source.dropped = (reason) => this.#drop(reason);
  }

  static {
    detach = (console) => console.#detach();
  }

  /** Whether it was shut down, or its console or its loop were closed. */
  get closed(): boolean {
    return this.#shut || this.#dropped !== null;
  }

  /**
   * Reads into a buffer: `read(2)`, and waits while there is nothing. Answers the number of bytes, and 0
   * at the end: of a terminal, of a master with the policy `"eof"`, and after `shutdown`, when what was
   * there has been read.
   *
   * Several reads get what comes in their order. Settles inside the loop's `run()`.
   *
   * @param buffer at least a byte, and nobody else's until the promise settles
   * @throws {TypeError} when an argument is not what it should be
   * @throws {ClosedError} when the console is closed, before or while it waits
   * @throws {LoopClosedError} when the loop is closed, before or while it waits
   * @throws {SyscallError} EIO, when a program in the background may not read from its terminal
   */
  async read(buffer: ArrayBufferView, options: WaitOptions = {}): Promise<number> {
    const what = `${this[Symbol.toStringTag]}.read`;
    const view = memory(buffer, `${what}: the buffer`);
    const signal = signalOf(options, what);
    if (view.byteLength === 0) return 0;
    this.#inFlight++;
    try {
      return await this.#reads.run(() => this.#readSome(view, signal), signal);
    } finally {
      this.#settle();
    }
  }

  /**
   * Writes all of a buffer: `write(2)`, as often as it takes, and waits while there is no room. What
   * several writes are given is written in their order and never mixed.
   *
   * When the signal ends it, or an error, some of the bytes may have been written.
   *
   * @param data nobody else's until the promise settles
   * @throws {TypeError} when an argument is not what it should be
   * @throws {ClosedError} when it was shut down or the console closed, before or while it waits
   * @throws {LoopClosedError} when the loop is closed, before or while it waits
   * @throws {SyscallError} EIO, when the terminal was hung up, or with `"eof"` the master
   */
  async write(data: ArrayBufferView, options: WaitOptions = {}): Promise<void> {
    const what = `${this[Symbol.toStringTag]}.write`;
    // One that lies about its length would never have been written.
    const bytes = plain(checkBytes(data, `${what}: the data`));
    const signal = signalOf(options, what);
    this.#inFlight++;
    try {
      await this.#writes.run(() => this.#writeAll(bytes, signal), signal);
    } finally {
      this.#settle();
    }
  }

  /** What it reads, as a byte stream that ends where `read` answers 0. Cancelling it stops to read. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= this.#makeReadable();
  }

  /**
   * What it writes, as a stream whose writes wait for room. Closing it tells the programs nothing, since
   * a terminal cannot be told: write ^D for that. Aborting it ends the write that waits.
   */
  get writable(): WritableStream<ArrayBufferView> {
    return this.#writable ??= new WritableStream({
      // The controller has a signal that not all declarations of it know: it is a WaitOptions.
      write: (data, controller) => this.write(data, controller as WaitOptions),
    });
  }

  /**
   * Ends reading and writing: a write that waits fails with {@link ClosedError}, and a read gives what is
   * there and then 0. The promise is fulfilled when every call that was waiting has returned, and the
   * console may be closed.
   *
   * @param close called once, at once, to take the console out of its poller. Default: `closeConsole`
   * @throws {TypeError} when `close` is no function
   */
  async shutdown(
    close: (console: this) => void = (console) => this.#home.closeConsole(console),
  ): Promise<void> {
    if (typeof close !== "function") {
      throw new TypeError(
        `${this[Symbol.toStringTag]}.shutdown: close must be a function, got ${shown(close)}`,
      );
    }
    if (!this.#shut) {
      this.#shut = true;
      this.#openAll();
      close(this);
    }
    while (this.#inFlight > 0) await this.#settled.wait(undefined);
  }

  /** Shuts down, waits for the calls that are inside, and closes the console. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
    this.console.close();
  }

  /** The kind of console, for messages. */
  abstract readonly [Symbol.toStringTag]: string;

  async #readSome(view: ArrayBufferView, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      this.#checkDropped();
      if (this.#isOverBudget()) {
        await this.#turn(this.#readers, signal);
        continue;
      }
      const count = this.#take(view);
      if (count !== null && count > 0) {
        this.#hungUp = false;
        this.#spent += count;
        return count;
      }
      if (this.#shut) return 0;
      if (count === 0 && !this.console.master) return 0;
      if (count === 0 && this.hangup === "eof") {
        this.#hungUp = true; // it was forgotten by the reads of what had been there
        this.#writers.open();
        return 0;
      }
      this.#spent = 0;
      await this.#readers.wait(signal);
    }
  }

  /** Reads what is there. A console that was taken out may block again, and this must not. */
  #take(view: ArrayBufferView): number | null {
    if (!this.#detached) return this.console.read(view);
    const state = stateOf(this.console);
    state.hold(this.console);
    try {
      return this.console.read(view);
    } finally {
      state.letGo(this.console);
    }
  }

  async #writeAll(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      signal?.throwIfAborted();
      this.#checkDropped();
      if (this.#shut) throw new ClosedError(this[Symbol.toStringTag]);
      if (this.#hungUp && this.hangup === "eof") {
        throw new SyscallError("write", EIO, this.console.raw, "No program has the terminal open");
      }
      if (this.#isOverBudget()) {
        await this.#turn(this.#writers, signal);
        continue;
      }
      const count = this.#tryWrite(bytes.subarray(done));
      if (count !== null) {
        done += count;
        this.#spent += count;
      } else {
        this.#spent = 0;
        await this.#writers.wait(signal);
      }
    }
  }

  /** Writes what is taken at once. Linux takes more from a master without a slave, others say EIO. */
  #tryWrite(bytes: Uint8Array): number | null {
    try {
      return this.console.write(bytes);
    } catch (error) {
      const mayComeBack = this.hangup === "wait" && this.console.master;
      if (mayComeBack && error instanceof SyscallError && error.errno === EIO) return null;
      throw error;
    }
  }

  #isOverBudget(): boolean {
    return this.#spent >= TURN_BUDGET && !this.#shut;
  }

  /** Waits for the loop's next turn. */
  async #turn(gate: Gate, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#waitsForTurn) {
      this.#waitsForTurn = true;
      this.#core.continueLater({
        resume: () => {
          this.#waitsForTurn = false;
          this.#spent = 0;
          this.#openAll();
        },
      });
    }
    await gate.wait(signal);
  }

  #report(readiness: number): void {
    if ((readiness & HANGUP) !== 0) this.#hungUp = true;
    if ((readiness & WAKES_READERS) !== 0) this.#readers.open();
    if ((readiness & WAKES_WRITERS) !== 0) this.#writers.open();
  }

  #openAll(): void {
    this.#readers.open();
    this.#writers.open();
  }

  #checkDropped(): void {
    if (this.#dropped !== null) throw this.#dropped;
  }

  /** The handle was closed, or the loop. */
  #drop(reason: unknown): void {
    this.#dropped = reason;
    this.#home.closeConsole(this);
  }

  #detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    this.#shut = true;
    this.#openAll();
    try {
      this.#core.registry.cancel(this.#source);
    } finally {
      stateOf(this.console).letGo(this.console);
    }
  }

  #settle(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#settled.open();
  }

  #makeReadable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const cancelled = new AbortController();
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const chunk = new Uint8Array(new ArrayBuffer(CHUNK));
        const count = await this.read(chunk, { signal: cancelled.signal });
        if (count > 0) return controller.enqueue(chunk.subarray(0, count));
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel: (reason) => cancelled.abort(reason),
    });
  }
}

function signalOf(options: WaitOptions, what: string): AbortSignal | undefined {
  return abortSignal(checkOptions(options, `${what}: options`).signal, `${what}: signal`);
}
