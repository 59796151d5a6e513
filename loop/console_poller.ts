/**
 * Consoles on a Loop, under the names that containerd's console package has for its two kernels.
 *
 * @module
 */

import { UnsupportedError } from "../ffi/unsupported.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Console } from "../handles/console.ts";
import { OWNED } from "../handles/descriptor.ts";
import { pipe, type PipeEnds } from "../handles/pipe.ts";
import { abortSignal, oneOf, options as checkOptions, shown } from "../handles/validate.ts";
import { takeRings } from "./bell.ts";
import { ring, type SharedConsoleStopper, shareStopper } from "./console_stopper.ts";
import type { Core } from "./core.ts";
import { Loop } from "./loop.ts";
import { coreOf } from "./loop_base.ts";
import type { WaitOptions } from "./options.ts";
import {
  type AddConsoleOptions,
  type ConsoleHome,
  detach,
  type Hangup,
  PolledConsole,
} from "./polled_console.ts";
import { EpollPoller } from "./poller_epoll.ts";

/** The class that a poller's consoles have. */
export type PolledKind<Polled> = new (
  key: symbol,
  core: Core,
  home: ConsoleHome,
  console: Console,
  hangup: Hangup,
) => Polled;

/** How a poller of consoles is made. */
export interface ConsolePollerOptions {
  /** The loop that waits for the consoles. Default: `Loop.shared`, which lives beside the runtime's own. */
  loop?: Loop;
}

/**
 * What {@link Epoller} and {@link Kqueuer} are: consoles that are watched by a Loop, and a `wait` that
 * lasts until somebody stops it.
 *
 * It has no kernel object of its own: the Loop's waits for the consoles and for everything else.
 *
 * @example
 * ```ts
 * import { Console, ConsolePoller, Loop } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using poller = ConsolePoller.create({ loop }); // an Epoller or a Kqueuer, as the loop waits
 * using pty = Console.openPty();
 * const screen = poller.add(pty.master);
 * const buffer = new Uint8Array(64);
 * const read = screen.read(buffer).finally(() => poller.stop());
 * pty.slave.write(new TextEncoder().encode("hello"));
 * await poller.wait(); // takes the loop's turns until it is stopped
 * assertEquals(await read, 5);
 * ```
 */
export abstract class ConsolePoller<Polled extends PolledConsole>
  implements ConsoleHome, Disposable {
  /** The loop that waits. */
  readonly loop: Loop;
  readonly #kind: PolledKind<Polled>;
  readonly #consoles: Set<Polled> = new Set();
  /** What another thread writes to: made when it is first needed. */
  #bell: PipeEnds | null = null;
  #waiting = false;
  #closed = false;

  /** Pollers are made by `create`. */
  protected constructor(key: symbol, loop: Loop, kind: PolledKind<Polled>) {
    if (key !== OWNED) {
      const { name } = new.target;
      throw new TypeError(`new ${name}() is not possible: call ${name}.create()`);
    }
    this.loop = loop;
    this.#kind = kind;
  }

  /**
   * Makes the poller for the kernel that a loop waits in: an {@linkcode Epoller} or a {@linkcode Kqueuer}.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {LoopClosedError} when the loop is closed
   *
   * @example
   * ```ts
   * import { ConsolePoller, Epoller, Kqueuer, Loop } from "@fdloop/fdloop";
   * import { assert } from "@std/assert";
   *
   * using loop = Loop.create();
   * using poller = ConsolePoller.create({ loop });
   * assert(poller instanceof Epoller || poller instanceof Kqueuer);
   * ```
   */
  static create(options: ConsolePollerOptions = {}): Epoller | Kqueuer {
    const loop = loopOf(options, "ConsolePoller.create");
    return waitsByEpoll(loop) ? Epoller.create({ loop }) : Kqueuer.create({ loop });
  }

  /** How many consoles it has. */
  get size(): number {
    return this.#consoles.size;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Starts to watch a console, for reading and writing, by edges. It is made non-blocking for as long,
   * which all who share its open file see: watch it through one `Console`, or that one's copies, since
   * with two that were made apart (stdin and stdout of one terminal) the first to leave makes it block.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {SyscallError} EEXIST, when the loop watches it already
   * @throws {ClosedError} when the console or the poller is closed
   * @throws {LoopClosedError} when the loop is closed
   */
  add(console: Console, options: AddConsoleOptions = {}): Polled {
    const what = `${this[Symbol.toStringTag]}.add`;
    if (!(console instanceof Console)) {
      throw new TypeError(`${what}: the console must be a Console, got ${shown(console)}`);
    }
    const { hangup = "wait" } = checkOptions(options, `${what}: options`);
    oneOf(hangup, ["wait", "eof"], `${what}: hangup`);
    this.#checkOpen();
    const core = coreOf(this.loop);
    core.checkOpen();
    const polled = new this.#kind(OWNED, core, this, console, hangup);
    this.#consoles.add(polled);
    return polled;
  }

  /**
   * Stops to watch a console, and gives it back its `O_NONBLOCK`. Calls that wait on it end as after
   * `shutdown`; the console stays open. Doing it again does nothing.
   *
   * @throws {TypeError} when it is no console of a poller
   */
  closeConsole(console: PolledConsole): void {
    if (!(console instanceof PolledConsole)) {
      throw new TypeError(
        `${this[Symbol.toStringTag]}.closeConsole: the console must be what add() returned, ` +
          `got ${shown(console)}`,
      );
    }
    if (this.#consoles.delete(console as Polled)) detach(console);
  }

  /**
   * Waits until `stop`, `close`, another thread's stop or the signal; the loop then takes its turns, by
   * itself or, when it is a dedicated one that nobody runs, here; then `Loop.stop` ends it, too.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {Error} when somebody waits already; what a callback of the loop threw
   * @throws {ClosedError} when the poller is closed before it begins
   * @throws {LoopClosedError} when the loop is closed
   */
  async wait(options: WaitOptions = {}): Promise<void> {
    const what = `${this[Symbol.toStringTag]}.wait`;
    const signal = abortSignal(checkOptions(options, `${what}: options`).signal, `${what}: signal`);
    this.#checkOpen();
    if (this.#waiting) throw new Error(`${what}: somebody waits already; a poller has one wait`);
    this.#waiting = true;
    try {
      await this.#untilRung(signal);
      if (this.#bell !== null) takeRings(this.#bell.reader);
    } catch (error) {
      if (!(this.#closed && error instanceof ClosedError)) throw error;
    } finally {
      this.#waiting = false;
    }
  }

  /** Ends the `wait` that is in progress, or the next one. */
  stop(): void {
    if (!this.#closed) ring(this.#openBell().writer);
  }

  /**
   * Makes what ends `wait` from another thread: `postMessage` it, and {@linkcode ConsoleStopper.from} makes
   * it usable there.
   *
   * @throws {ClosedError} when the poller is closed
   */
  shareStopper(): SharedConsoleStopper {
    this.#checkOpen();
    return shareStopper(this.#openBell().writer);
  }

  /**
   * Takes out all consoles and ends `wait`. The consoles and the loop stay open. Closing again does
   * nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const console of [...this.#consoles]) this.closeConsole(console);
    // The writing end first: who stops it from another thread is to find it closed, not without a reader.
    this.#bell?.writer.close();
    this.#bell?.reader.close();
  }

  /** {@link ConsolePoller.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The kind of poller, for messages. */
  abstract readonly [Symbol.toStringTag]: string;

  #openBell(): PipeEnds {
    return this.#bell ??= pipe();
  }

  /** Waits for a ring, while the loop takes its turns or, when nobody else makes it, is made to. */
  async #untilRung(signal: AbortSignal | undefined): Promise<void> {
    const { loop } = this;
    const over = new AbortController();
    const ends = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
    const rung = loop.readable(this.#openBell().reader, { signal: ends });
    if (loop.attached || loop.running) return await rung;
    const stop = (): void => {
      if (!over.signal.aborted) loop.stop();
    };
    rung.then(stop, stop);
    try {
      await loop.run({ signal });
      if (loop.closed) await rung;
    } finally {
      over.abort();
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError(this[Symbol.toStringTag]);
  }
}

/**
 * Consoles on a Loop that waits by `epoll_wait(2)`: see {@linkcode ConsolePoller}. Each is registered with
 * `EPOLLET | EPOLLIN | EPOLLOUT | EPOLLRDHUP`.
 *
 * Platforms: Linux. See epoll(7), pty(7).
 *
 * @example
 * ```ts
 * import { Console, Epoller, Loop } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create({ attached: true });
 * using poller = Epoller.create({ loop });
 * await using child = Console.spawn(["cat"]);
 * await using screen = poller.add(child.console, { hangup: "eof" });
 * await screen.write(new TextEncoder().encode("hello\n\x04")); // ^D ends cat's input
 * assertEquals(await new Response(screen.readable).text(), "hello\r\nhello\r\n"); // echoed, and by cat
 * ```
 */
export class Epoller extends ConsolePoller<EpollConsole> {
  /**
   * Makes a poller on a loop.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {LoopClosedError} when the loop is closed
   * @throws {UnsupportedError} when the loop waits by kqueue: that is a {@linkcode Kqueuer}'s
   */
  static override create(options: ConsolePollerOptions = {}): Epoller {
    const loop = loopOf(options, "Epoller.create");
    if (waitsByEpoll(loop)) return new Epoller(OWNED, loop, EpollConsole);
    throw new UnsupportedError(
      "an Epoller",
      "a Loop that waits by epoll; for this one make a Kqueuer",
    );
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "Epoller";
  }
}

/**
 * A console on an {@linkcode Epoller}: see {@linkcode PolledConsole}.
 *
 * @example
 * ```ts
 * import { Console, EpollConsole, Epoller, Loop } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * using loop = Loop.create();
 * using poller = Epoller.create({ loop });
 * using pty = Console.openPty();
 * assert(poller.add(pty.master) instanceof EpollConsole);
 * ```
 */
export class EpollConsole extends PolledConsole {
  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "EpollConsole";
  }
}

/**
 * Consoles on a Loop that waits by `kevent(2)`: see {@linkcode ConsolePoller}. Each is registered with
 * `EVFILT_READ` and `EVFILT_WRITE`, both with `EV_CLEAR`.
 *
 * Platforms: macOS, FreeBSD. See kqueue(2).
 *
 * @example
 * ```ts
 * import { Kqueuer, Loop, UnsupportedError } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * using loop = Loop.create();
 * try {
 *   using _poller = Kqueuer.create({ loop });
 * } catch (error) {
 *   assert(error instanceof UnsupportedError); // this Loop waits by epoll
 * }
 * ```
 */
export class Kqueuer extends ConsolePoller<KqueueConsole> {
  /**
   * Makes a poller on a loop.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {LoopClosedError} when the loop is closed
   * @throws {UnsupportedError} when the loop waits by epoll: that is an {@linkcode Epoller}'s
   */
  static override create(options: ConsolePollerOptions = {}): Kqueuer {
    const loop = loopOf(options, "Kqueuer.create");
    if (!waitsByEpoll(loop)) return new Kqueuer(OWNED, loop, KqueueConsole);
    throw new UnsupportedError(
      "a Kqueuer",
      "a Loop that waits by kqueue; for this one make an Epoller",
    );
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "Kqueuer";
  }
}

/**
 * A console on a {@linkcode Kqueuer}: see {@linkcode PolledConsole}.
 *
 * @example
 * ```ts
 * import { KqueueConsole, PolledConsole } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * assert(KqueueConsole.prototype instanceof PolledConsole);
 * ```
 */
export class KqueueConsole extends PolledConsole {
  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "KqueueConsole";
  }
}

function waitsByEpoll(loop: Loop): boolean {
  return coreOf(loop).poller instanceof EpollPoller;
}

function loopOf(options: ConsolePollerOptions, what: string): Loop {
  const { loop = Loop.shared } = checkOptions(options, `${what}: options`);
  if (!(loop instanceof Loop)) {
    throw new TypeError(`${what}: loop must be a Loop, got ${shown(loop)}`);
  }
  coreOf(loop).checkOpen();
  return loop;
}
