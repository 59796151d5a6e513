/**
 * A descriptor that signals are read from.
 *
 * Kernel: Linux 2.6.35, for the size of the pipe. Why it is a pipe: see signal_guard.ts.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { structs } from "../ffi/structs.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { Cell } from "./cell.ts";
import { ClosedError } from "./closed_error.ts";
import { Descriptor, OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
import type { Handle } from "./interfaces.ts";
import { readInto } from "./io.ts";
import { type Signals, SigSet } from "./sig_set.ts";
import { batchMemory, endRead, SignalBatch } from "./signal_batch.ts";
import { SignalGuard } from "./signal_guard.ts";
import type { SignalInfo } from "./signal_info.ts";
import { SignalLedger } from "./signal_ledger.ts";
import type { SignalPage } from "./signal_page.ts";
import { flag, options as checkOptions, shown } from "./validate.ts";
import { type AwaitOptions, everyTaken } from "./waiting.ts";

/** The most that a read leaves unread without a look at what did not fit: far less than a pipe. */
const REFILL_EVERY = 16;

/** The least that a pipe must hold, for that to be true when several copies read: 512 signals. */
const LEAST_PIPE_BYTES = 64 * 1024;

/** What a {@linkcode SignalFD} is made with. */
export interface SignalFDOptions {
  /** Whether reading blocks the thread until a signal comes, instead of answering null. Default: false. */
  blocking?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** What {@link SignalFD.share} makes for {@link SignalFD.from} on another thread. */
export interface SharedSignalFD extends SharedDescriptor {
  /** The handle's number among those of the thread that made it. */
  readonly claim: number;
  /** What has to be put back in the end, for all handles of that thread. */
  readonly guard: SharedArrayBuffer;
}

/**
 * Receives signals by reading them, as `signalfd(2)` does, in a process with many threads.
 *
 * While the handle is open its signals do nothing else, whichever thread they arrive on. They wait
 * to be read, on any thread and by any poller, with all that the kernel tells about them. Closing
 * the handle discards what was not read, and restores what each signal did before.
 *
 * A signalfd needs its signals blocked on every thread, and children inherit that. This handle
 * catches them instead and leaves all masks as they are, so children start with none of them blocked
 * or ignored. Its descriptor is a pipe's. What surprises:
 *
 * - A signal can be caught on another thread while this one goes on, and be there to read a moment
 *   after whatever its sender did next. Wait for it (`blocking`, a poller), do not look once.
 * - Signals that are sent in a row are caught in the kernel's order, but two threads that catch at
 *   the same moment can pass each other: number real-time signals when their order matters.
 * - Standard signals that are sent faster than they are caught merge into one, as always; real-time
 *   signals never do. Some 66,000 can lie unread, in the pipe and in memory behind it; what comes
 *   then is dropped.
 * - Each signal interrupts the system call that a thread may be in, as any caught signal does, and
 *   closing a handle interrupts each thread once. Calls go on (SA_RESTART), but for those that
 *   signal(7) lists as ending with EINTR; this library repeats them, native ones must too.
 * - A listener (`process.on("SIGTERM")`) that is added later takes the signal away, or hears it too:
 *   add it when the handle is closed. A signal that has one is refused, except that those of
 *   `Deno.addSignalListener` cannot be seen for SIGHUP, SIGINT, SIGTERM and SIGUSR1: they hear
 *   nothing while the handle is open.
 * - On a terminal Bun handles SIGINT and SIGTERM by itself, to put the terminal back: the main thread
 *   can have them nevertheless, a worker is refused.
 * - A worker that is terminated while it holds the last handle of a signal leaves it caught.
 *
 * Several handles of one thread can be for the same signal: the first has it, and when it is closed
 * the oldest of the others. For several threads, make one handle and {@link SignalFD.share} it:
 * whichever thread reads first has the signal, and the last copy can be closed on any of them.
 *
 * A handle uses two descriptors: its own, and the writing end of its pipe.
 *
 * Platforms: Linux on x86-64 and arm64. See signalfd(2), signal(7), sigaction(2).
 *
 * @example
 * ```ts
 * import { SignalFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 * import process from "node:process";
 *
 * using signals = SignalFD.create(["SIGTERM", "SIGUSR1"], { blocking: true });
 * process.kill(process.pid, "SIGTERM"); // would end the program
 * const info = signals.read();
 * assertEquals([info?.name, info?.pid], ["SIGTERM", process.pid]);
 * ```
 */
export class SignalFD extends Descriptor implements Handle {
  readonly #guard: SignalGuard;
  readonly #claim: number;
  #page: SignalPage | null = null;
  #unchecked = 0;
  #single: SignalBatch | null = null;

  private constructor(key: symbol, owned: number | Cell, guard: SignalGuard, claim: number) {
    super(key, owned);
    this.#guard = guard;
    this.#claim = claim;
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "SignalFD";
  }

  /**
   * Makes a descriptor for signals, and has them caught on every thread: `sigaction(2)`, `pipe2(2)`.
   * When it throws, nothing has changed.
   *
   * @param signals a {@linkcode SigSet}, or names and numbers
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when a signal does not exist, or can never be received: SIGKILL, SIGSTOP,
   *   those that a thread raises by what it does (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS,
   *   SIGABRT), and those that the C library keeps for itself; when 128 handles of this thread are
   *   open
   * @throws {UnsupportedError} when a signal has a handler already: the runtime's, a listener's, or
   *   that of a SignalFD of another thread; when memory cannot be made executable, there is no
   *   /proc, or pipes are limited to less than 64 KiB; on a system that is not Linux on x86-64 or
   *   arm64
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   *
   * @example
   * ```ts
   * import { SignalFD } from "@fdloop/fdloop";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * using signals = SignalFD.create(["SIGUSR1", "SIGRTMIN+1", 1]);
   * assertEquals([...signals.mask], ["SIGHUP", "SIGUSR1", "SIGRTMIN+1"]);
   * assertEquals(signals.read(), null); // none came
   * assertThrows(() => SignalFD.create(["SIGSEGV"]), RangeError, "cannot be received");
   * ```
   */
  static create(signals: Signals, options: SignalFDOptions = {}): SignalFD {
    const { bits } = new SigSet(checkSignals(signals, "SignalFD.create"));
    const { blocking = false, inherit = false } = checkOptions(options, "SignalFD.create: options");
    flag(blocking, "SignalFD.create: blocking");
    flag(inherit, "SignalFD.create: inherit");
    if (os !== "linux") throw new UnsupportedError("SignalFD", "Linux; elsewhere use Loop.signals");

    const guard = SignalGuard.here();
    guard.prepare(bits);
    const [reader, writer] = makePipe(blocking, inherit);
    try {
      return new SignalFD(OWNED, reader, guard, guard.claim(bits, writer));
    } catch (error) {
      libc.close(reader);
      throw error;
    }
  }

  /**
   * Makes a handle of what {@link SignalFD.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `SignalFD`
   */
  static from(shared: SharedSignalFD): SignalFD {
    const cell = sharedCell(shared, "SignalFD");
    const guard = SignalLedger.isMemory(shared.guard) ? SignalGuard.over(shared.guard) : null;
    // The claim of a handle that is closed meanwhile has ended with it.
    if (guard === null || (!cell.closed && guard.bitsOf(shared.claim) === null)) {
      throw new TypeError("SignalFD.from takes what SignalFD.share() returned, got a part of it");
    }
    return new SignalFD(OWNED, cell, guard, shared.claim);
  }

  /**
   * Reads one signal: `read(2)`. Answers null when none waits.
   *
   * @throws {ClosedError} when the handle is closed, also while a blocking read waits
   */
  read(): SignalInfo | null {
    const batch = this.#single ??= new SignalBatch(1);
    return this.readInto(batch) === null ? null : batch.info(0);
  }

  /**
   * Reads as many signals as wait and fit: one `read(2)`. Answers how many, and null when none
   * waits. It allocates nothing.
   *
   * @throws {TypeError} when it is no `SignalBatch`
   * @throws {ClosedError} when the handle is closed, also while a blocking read waits
   *
   * @example
   * ```ts
   * import { SignalBatch, SignalFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   * import process from "node:process";
   *
   * using signals = SignalFD.create(["SIGHUP", "SIGUSR1"], { blocking: true });
   * const batch = new SignalBatch(64);
   * process.kill(process.pid, "SIGUSR1");
   * process.kill(process.pid, "SIGHUP");
   * const names: string[] = [];
   * while (names.length < 2) {
   *   signals.readInto(batch);
   *   for (const info of batch) names.push(info.name);
   * }
   * assertEquals(names.sort(), ["SIGHUP", "SIGUSR1"]);
   * ```
   */
  readInto(batch: SignalBatch): number | null {
    if (!(batch instanceof SignalBatch)) {
      throw new TypeError(`SignalFD.readInto: expected a SignalBatch, got ${shown(batch)}`);
    }
    for (;;) {
      const length = readInto(this, batchMemory(batch));
      const count = endRead(batch, length ?? 0);
      if (length === null) return null;
      // The writing end is open for as long as the handle is.
      if (length === 0) throw new ClosedError("SignalFD");
      this.#unchecked += count;
      // Fewer records than were read: one was a marker, which says that others did not fit.
      if (this.#unchecked >= REFILL_EVERY || count * structs.siginfo_t.size < length) {
        this.#refill();
      }
      if (count > 0) return count;
    }
  }

  /**
   * The signals that wait now, one after the other. On a blocking handle it never ends.
   *
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { SignalFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using signals = SignalFD.create(["SIGHUP", "SIGUSR1"]);
   * assertEquals(Array.from(signals, (info) => info.name), []);
   * ```
   */
  *[Symbol.iterator](): Generator<SignalInfo, void, undefined> {
    for (let info = this.read(); info !== null; info = this.read()) yield info;
  }

  /**
   * The signals that the handle receives, as a set of its own: changing it changes nothing here.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get mask(): SigSet {
    const bits = this.#guard.bitsOf(this.#claim);
    if (bits === null) throw new ClosedError("SignalFD");
    return SigSet.fromBits(bits);
  }

  /**
   * Changes which signals the handle receives: `sigaction(2)`. New ones are caught first; those that
   * no handle receives any more do what they did before. What was caught until then can still be
   * read. When it throws, nothing has changed.
   *
   * @throws {TypeError} when it is neither a set nor a list of names and numbers
   * @throws {RangeError} when a signal does not exist, or can never be received
   * @throws {UnsupportedError} when a signal has a handler already
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { SignalFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using signals = SignalFD.create(["SIGUSR1"]);
   * signals.setMask(signals.mask.add("SIGHUP").del("SIGUSR1"));
   * assertEquals([...signals.mask], ["SIGHUP"]);
   * ```
   */
  setMask(signals: Signals): void {
    const { bits } = new SigSet(checkSignals(signals, "SignalFD.setMask"));
    if (!this.closed) this.#guard.prepare(bits);
    if (!this.#guard.change(this.#claim, bits)) throw new ClosedError("SignalFD");
  }

  /**
   * Every signal as it comes, for `for await (const info of signals.records())`; it ends when the
   * handle is closed.
   *
   * @throws {TypeError} when an option is not what it should be
   *
   * @example
   * ```ts
   * import { SignalFD } from "@fdloop/fdloop";
   * import process from "node:process";
   * import { assertEquals } from "@std/assert";
   *
   * using signals = SignalFD.create(["SIGUSR1"]);
   * process.kill(process.pid, "SIGUSR1");
   * for await (const info of signals) {
   *   assertEquals(info.name, "SIGUSR1");
   *   break;
   * }
   * ```
   */
  records(options: AwaitOptions = {}): AsyncGenerator<SignalInfo, void, undefined> {
    return everyTaken(this, () => this.read(), options, "SignalFD.records");
  }

  /** Every signal as it comes: {@link SignalFD.records} without options. */
  [Symbol.asyncIterator](): AsyncGenerator<SignalInfo, void, undefined> {
    return this.records();
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker: {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedSignalFD {
    return { ...super.share(), claim: this.#claim, guard: this.#guard.memory };
  }

  /** Ends the guard of its signals. */
  protected override closing(): void {
    this.#guard.end(this.#claim);
  }

  #refill(): void {
    this.#unchecked = 0;
    this.#page ??= this.#guard.pageOf(this.#claim);
    if (this.#page?.spilled) this.#guard.refill(this.#claim);
  }
}

/** Refuses a string, which is a list of letters to a loop. */
function checkSignals(signals: Signals, what: string): Signals {
  if (typeof signals === "object" && signals !== null) return signals;
  throw new TypeError(
    `${what}: the signals must be a SigSet or a list such as ["SIGTERM"], got ${shown(signals)}`,
  );
}

/** Makes the pipe: its writing end never blocks and is never inherited. */
function makePipe(blocking: boolean, inherit: boolean): [reader: number, writer: number] {
  const ends = new Int32Array(new ArrayBuffer(8));
  check("pipe2", libc.pipe2(ends, posix.O_NONBLOCK | posix.O_CLOEXEC));
  const [reader, writer] = ends as unknown as [number, number];
  try {
    const size = check("fcntl", libc.fcntl(writer, linux.F_GETPIPE_SZ, 0), writer);
    if (size < LEAST_PIPE_BYTES) {
      throw new UnsupportedError(
        "SignalFD",
        `a pipe of ${LEAST_PIPE_BYTES} bytes, and this user's are limited to ${size} by now ` +
          "(/proc/sys/fs/pipe-user-pages-soft)",
      );
    }
    if (blocking) check("fcntl", libc.fcntl(reader, posix.F_SETFL, posix.O_RDONLY), reader);
    if (inherit) check("fcntl", libc.fcntl(reader, posix.F_SETFD, 0), reader);
    return [reader, writer];
  } catch (error) {
    libc.close(reader);
    libc.close(writer);
    throw error;
  }
}
