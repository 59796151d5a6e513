/**
 * The event loop of one thread.
 *
 * @module
 */

import { pinnedCPU } from "../handles/affinity.ts";
import { OWNED } from "../handles/descriptor.ts";
import { abortSignal, flag, options as checkOptions } from "../handles/validate.ts";
import type { Socket } from "../handles/socket.ts";
import { whenThreadEnds } from "../handles/thread_end.ts";
import { setDefaultWaiter } from "../handles/waiting.ts";
import { type AcceptHandlers, Acceptor, type AcceptorOptions } from "./acceptor.ts";
import { AttachedDriver } from "./attached.ts";
import { ConnTable } from "./conn_table.ts";
import type { ConnHandlers, ConnOptions } from "./conn_options.ts";
import type { Connection } from "./connection.ts";
import { Core } from "./core.ts";
import { DedicatedDriver } from "./dedicated.ts";
import { defaultPoller } from "./default_poller.ts";
import type { SendfileOptions } from "./file_job.ts";
import { LoopBase } from "./loop_base.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import type { LoopOptions, WaitOptions } from "./options.ts";
import type { Poller, Target } from "./poller.ts";
import { takePoller } from "./poller_virtual.ts";
import { splice, type SpliceOptions } from "./splice.ts";
import { type StreamPair, streams } from "./streams.ts";
import type { SharedWaker } from "./waker.ts";

/** Makes a dedicated loop on a poller: for the worker of an engine, not for programs. */
export let loopOn: (poller: Poller) => Loop;

/** Calls a function at the beginning of each turn of a loop: for the worker of an engine, not for programs. */
export let eachTurn: (loop: Loop, visit: (core: Core) => void) => void;

/**
 * One thread's event loop: waits in `epoll_wait(2)`, or on the BSDs in `kevent(2)`, for every descriptor
 * at once and calls back.
 *
 * `await loop.run()` makes this thread the loop's own: it sleeps in the kernel, and between two
 * turns it lets the runtime run once, so that promises settle and timers that are due fire. Nothing
 * of the runtime *wakes* it, though: while nothing that the loop watches happens, a `setTimeout`, a
 * `fetch` or, on Deno, a worker's message waits for later turns: attach the loop where the runtime's
 * own work matters. Platforms: Linux, macOS, FreeBSD. See epoll(7), kqueue(2).
 *
 * Callbacks run one after the other on this thread. A report is given to the watch that it was made
 * for or to nobody: a callback may cancel any watch and close any handle, and open new ones that get
 * the same numbers, and none of them sees a report of the old ones. What a callback throws ends
 * `run()` with that error after the other reports of the turn were given; the loop can run again.
 *
 * @example
 * ```ts
 * import { Loop, TimerFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using timer = TimerFD.create();
 * timer.arm(1, 1);
 * let ticks = 0n;
 * loop.watch(timer, { readable: true }, () => {
 *   ticks += timer.expirations() ?? 0n;
 *   if (ticks >= 3n) loop.stop();
 * });
 * await loop.run();
 * assertEquals(ticks >= 3n, true);
 * ```
 */
export class Loop extends LoopBase implements Disposable {
  readonly #core: Core;
  static #sharedLoop: Loop | null = null;
  /** The loops whose `run()` is in progress on this thread. They may overlap, and end in any order. */
  static readonly #running: Loop[] = [];

  static {
    setDefaultWaiter(() => Loop.#running.findLast(({ closed }) => !closed) ?? Loop.shared);
    loopOn = (poller) => new Loop(OWNED, new Core(poller), null);
    eachTurn = (loop, visit) => {
      loop.#core.beginning = () => visit(loop.#core);
    };
  }

  readonly #dedicated: DedicatedDriver;
  /** What takes the turns of an attached loop. */
  readonly #driver: AttachedDriver | null;
  readonly #conns: ConnTable;

  private constructor(key: symbol, core: Core, driver: AttachedDriver | null) {
    super(key, core);
    this.#core = core;
    this.#driver = driver;
    this.#conns = new ConnTable(core);
    this.#dedicated = new DedicatedDriver(core);
  }

  /**
   * Makes a loop: `epoll_create1(2)` and an `eventfd(2)` to wake it by; on the BSDs `kqueue(2)`.
   *
   * @throws {TypeError} when an option is not what it should be; for a poller that had a loop before
   * @throws {UnsupportedError} on an operating system without epoll and kqueue
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   */
  static create(options: LoopOptions = {}): Loop {
    const { attached = false, poller } = checkOptions(options, "Loop.create: options");
    const isAttached = flag(attached, "Loop.create: attached");
    const core = new Core(poller === undefined ? defaultPoller() : takePoller(poller, isAttached));
    try {
      return new Loop(OWNED, core, isAttached ? new AttachedDriver(core) : null);
    } catch (error) {
      core.poller.close();
      throw error;
    }
  }

  /**
   * This thread's attached loop, made when it is first asked for. It keeps the process alive only while
   * it has something to wait for, and is closed when the thread ends, so nobody has to close it. No
   * one is told of the end of a worker by `terminate()`, nor on Deno by its own `close()`: there its
   * descriptors stay open for as long as the process, unless it was closed before.
   * Throws what {@link Loop.create} throws.
   */
  static get shared(): Loop {
    if (Loop.#sharedLoop === null || Loop.#sharedLoop.closed) {
      if (Loop.#sharedLoop === null) {
        whenThreadEnds((isWorker) => Loop.#sharedLoop!.#leave(isWorker));
      }
      Loop.#sharedLoop = Loop.create({ attached: true });
    }
    return Loop.#sharedLoop;
  }

  /** Whether it lives beside the runtime's own event loop: see `LoopOptions.attached`. */
  get attached(): boolean {
    return this.#driver !== null;
  }

  /** Whether `run()` is in progress. */
  get running(): boolean {
    return this.#dedicated.running;
  }

  /**
   * The CPU that the loop's thread is bound to, −1 while it may run on several: what the kernel says
   * at this moment (`sched_getaffinity(2)`), not what was once asked for with {@link setAffinity}. −1,
   * too, where a sandbox keeps the kernel from saying it; it never throws.
   */
  get cpuId(): number {
    return pinnedCPU();
  }

  /**
   * The bytes of a descriptor as web streams, with back-pressure both ways. Throws what
   * {@link Loop.registerConn} throws.
   *
   * @example
   * ```ts
   * import { Loop, socketPair } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using loop = Loop.create({ attached: true });
   * using pair = socketPair();
   * const left = loop.streams(pair.left);
   * const right = loop.streams(pair.right);
   * const text = new Response(right.readable).text();
   * const writer = left.writable.getWriter();
   * await writer.write(new TextEncoder().encode("through the kernel"));
   * await writer.close();
   * assertEquals(await text, "through the kernel");
   * ```
   */
  streams(target: Target, options: ConnOptions = {}): StreamPair {
    return streams((handlers) => this.registerConn(target, handlers, options));
  }

  /**
   * Takes over a descriptor's bytes: what comes is given to the handlers, what the connection is given
   * is sent, and what the kernel does not take at once waits. The descriptor stays the caller's: it is
   * never closed here, and must be non-blocking.
   *
   * A stream socket, a pipe, a terminal: a read-only one never sends, a write-only one never receives.
   *
   * @param target a handle, or the number of a descriptor that is not closed while it is registered
   * @throws {TypeError} when an argument is not what it should be, or when the descriptor blocks
   * @throws {SyscallError} EEXIST, when the loop watches it already; EPERM, when it cannot be watched
   * @throws {ClosedError} when the handle is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  registerConn(target: Target, handlers: ConnHandlers, options: ConnOptions = {}): Connection {
    this.#core.checkOpen();
    return this.#conns.register(target, handlers, options);
  }

  /**
   * Accepts the connections of a listener: `accept4(2)`, for as long as it is open and the acceptor is
   * not closed. Each comes non-blocking and closed on exec, with what it inherits of the listener's
   * options; give it to {@link Loop.registerConn}.
   *
   * @param listener what `Socket.listen` made; it stays its owner's
   * @throws {TypeError} when an argument is not what it should be, or when the listener blocks
   * @throws {RangeError} when a number is out of range
   * @throws {SyscallError} EEXIST, when the loop watches it already; EMFILE, ENFILE
   * @throws {ClosedError} when the listener is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  accept(listener: Socket, handlers: AcceptHandlers, options: AcceptorOptions = {}): Acceptor {
    this.#core.checkOpen();
    return new Acceptor(this.#core, listener, handlers, options);
  }

  /**
   * Takes a connection out of the loop; `onClose(null)` follows in the next turn.
   *
   * @throws {UnknownFDError} when there is none
   */
  unregisterConn(target: Target): void {
    this.conn(target).unregister();
  }

  /**
   * Sends bytes on a connection, found by its descriptor: see `Connection.write`.
   *
   * @throws {UnknownFDError} when the descriptor has no connection here
   * @throws {QueueFullError} when more than its cap would wait; nothing was taken
   */
  write(target: Target, data: ArrayBufferView): boolean {
    return this.conn(target).write(data);
  }

  /**
   * Sends a part of a file on a connection, found by its descriptor: see `Connection.sendfile`.
   *
   * @throws {UnknownFDError} when the descriptor has no connection here
   */
  async sendfile(target: Target, file: Target, options: SendfileOptions = {}): Promise<number> {
    return await this.conn(target).sendfile(file, options);
  }

  /**
   * Moves bytes from one descriptor to another, through a pipe in the kernel, until the first one ends:
   * `splice(2)`. They do not pass through the program. Resolves with how many were moved: then the one
   * side has ended and the other has everything, and whoever wants the end to be seen there, too, calls
   * `shutdown("write")`. The other direction is a splice of its own; there may be one each.
   *
   * It takes no more than it can give: a slow reader holds up the writer. Neither may be a connection or
   * be watched in this loop. Both stay their owners' and open. A pipe, two descriptors more, is open
   * while it lasts. An urgent byte is left out. Platforms: Linux. See splice(2).
   *
   * @param from what bytes come from: a stream socket or a pipe, non-blocking
   * @param to what they go to: another one, or the same
   * @throws {TypeError} when an argument is not what it should be, or when one of the two blocks
   * @throws {RangeError} when the length is out of range
   * @throws {SpliceError} when it ends before its end, with the bytes that are on their way
   * @throws {SyscallError} EEXIST, when the loop watches one already; EPERM, when one cannot be watched;
   *   EMFILE, ENFILE, when there is no descriptor left
   * @throws {ClosedError} when a handle is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  async splice(from: Target, to: Target, options: SpliceOptions = {}): Promise<number> {
    this.#core.checkOpen();
    return await splice(this.#core, from, to, options);
  }

  /**
   * The connection of a descriptor. Throws {@link UnknownFDError} when it has none here.
   */
  conn(target: Target): Connection {
    return this.#conns.get(target);
  }

  /**
   * Makes a waker for other threads: `postMessage` it, and `LoopWaker.from` makes it usable there. From
   * then on `run()` no longer ends by itself, because a wake may come: call `stop()`.
   *
   * @throws {TypeError} on a `VirtualPoller`
   * @throws {LoopClosedError} when the loop is closed
   */
  shareWaker(): SharedWaker {
    this.#core.checkOpen();
    const bell = this.#core.poller.shareBell();
    this.#dedicated.expectWakes();
    return {
      kind: "LoopWaker",
      words: this.#core.sleep.words.buffer as SharedArrayBuffer,
      bell,
    };
  }

  /**
   * Runs the loop until `stop()`, `close()`, the signal, or until nothing is left to wait for: no
   * watch, no pending promise of the loop, no task, and no waker in another thread's hands.
   *
   * @throws {Error} when the loop runs already; what a callback threw (an AggregateError of all, when
   *   several did in one turn)
   * @throws {LoopClosedError} when the loop is closed
   */
  async run(options: WaitOptions = {}): Promise<void> {
    this.#core.checkOpen();
    if (this.#driver !== null) {
      throw new Error(
        "Loop.run: an attached loop takes its turns by itself; await what you wait for",
      );
    }
    const signal = abortSignal(
      checkOptions(options, "Loop.run: options").signal,
      "Loop.run: signal",
    );
    Loop.#running.push(this);
    try {
      await this.#dedicated.run(signal);
    } finally {
      Loop.#running.splice(Loop.#running.lastIndexOf(this), 1);
    }
  }

  /** Lets an attached loop keep the process alive while it waits for something, as it does at first. */
  ref(): void {
    this.#driver?.keepAlive(true);
  }

  /** Lets the process end although an attached loop still waits for something. */
  unref(): void {
    this.#driver?.keepAlive(false);
  }

  /** Ends `run()` after the turn in progress. Nothing is lost: it can run again. */
  stop(): void {
    this.#dedicated.stop();
  }

  /**
   * Closes the loop: its watches are over, its promises are rejected with {@link LoopClosedError}, its
   * own descriptors are closed. The descriptors that it watched are their owners' and stay open.
   * Closing again does nothing.
   */
  close(): void {
    if (this.closed) return;
    this.#driver?.stop();
    this.#core.close(new LoopClosedError());
  }

  /** Closes the loop of a thread that ends: what the waiter still holds would never be given back. */
  #leave(isWorker: boolean): void {
    if (isWorker) this.close();
    else if (!this.closed) {
      this.#driver?.stop();
      this.#core.leave();
    }
    this.#driver?.join();
  }

  /** {@link Loop.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
