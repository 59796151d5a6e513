/**
 * Accepting connections in a Loop.
 *
 * @module
 */

import { SyscallError } from "../ffi/syscall_error.ts";
import { isOutOfDescriptors, isOverload } from "../handles/accept_errors.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { drainListener } from "../handles/drain.ts";
import { Reserve } from "../handles/reserve.ts";
import { Socket } from "../handles/socket.ts";
import { turnAway } from "../handles/turn_away.ts";
import { integer, oneOf, options as checkOptions, shown } from "../handles/validate.ts";
import type { Core, Unfinished } from "./core.ts";
import { EDGE, READABLE } from "./poller.ts";
import type { Source } from "./source.ts";
import type { LoopTimer } from "./timers.ts";

/** How many are accepted before the other watches of the loop have their turn. */
const MAX_PER_TURN = 64;
const MOST_PER_TURN = 1_000_000;

/**
 * How long to wait, in ms, before accept4(2) is tried again when there was no descriptor: twice as
 * long each time. An attempt costs some µs, so that even the shortest wait takes no visible CPU time.
 */
const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 64;

/** When a timer is set that is to be cancelled at once. */
const FAR_MS = 3_600_000;

const INTEREST = READABLE | EDGE;

/** What a program does with the connections of a listener. It is called on the loop's thread, inside a turn. */
export interface AcceptHandlers {
  /** A connection has come. The socket belongs to the receiver, who closes it. */
  onAccept(socket: Socket): void;
  /**
   * Something is wrong. EMFILE, ENFILE, ENOBUFS and ENOMEM are told once, when they begin: the acceptor
   * goes on by itself. After any other error it is over. Without this handler the former are not told,
   * and the latter end `run()`.
   */
  onError?(error: Error): void;
}

/** How connections are accepted. */
export interface AcceptorOptions {
  /** How many in one turn of the loop, before other watches have theirs. Default: 64. */
  maxPerTurn?: number;
  /**
   * What becomes of connections for which there is no descriptor: `"wait"` leaves them in the backlog
   * until there is one, `"refuse"` accepts them with a descriptor that is kept for that and ends them
   * at once, so that their clients can go elsewhere. Default: `"wait"`.
   */
  overload?: "wait" | "refuse";
}

/**
 * Accepts the connections of a listener: `accept4(2)`, until none waits. Made by `Loop.accept`.
 *
 * A connection that was broken while it waited is skipped. When there is no descriptor left the
 * acceptor rests: it tries again when something else that the loop watches is closed, and after a
 * while that doubles up to 64 ms.
 *
 * @example
 * ```ts
 * import { Loop, Socket } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * const acceptor = loop.accept(Socket.listen("127.0.0.1:0"), {
 *   onAccept: (socket) => {
 *     socket.close();
 *     loop.stop();
 *   },
 * });
 * using served = Socket.connect(acceptor.listener.localAddress);
 * await loop.run();
 * using queued = Socket.connect(acceptor.listener.localAddress, { blocking: true });
 * assertEquals(acceptor.drain(), 1);
 * assertEquals([served, queued].map((client) => client.read(new Uint8Array(8))), [0, 0]);
 * ```
 */
export class Acceptor implements Disposable {
  readonly #core: Core;
  readonly #listener: Socket;
  readonly #handlers: AcceptHandlers;
  readonly #maxPerTurn: number;
  readonly #refuses: boolean;
  readonly #reserve: Reserve;
  readonly #source: Source;
  readonly #timer: LoopTimer;
  readonly #next: Unfinished = { resume: () => this.#resume() };
  readonly #fed = (): void => this.#continueLater();
  #wait = FIRST_WAIT_MS;
  #accepted = 0;
  #refused = 0;
  #active = true;
  #paused = false;
  /** Whether there is too little of something, as the program was told. */
  #overloaded = false;
  #waitsForTurn = false;

  /** Acceptors are made by `Loop.accept`. */
  constructor(core: Core, listener: Socket, handlers: AcceptHandlers, options: AcceptorOptions) {
    const what = "Loop.accept";
    checkListener(listener, what);
    this.#handlers = checkHandlers(handlers, what);
    const { maxPerTurn = MAX_PER_TURN, overload = "wait" } = checkOptions(
      options,
      `${what}: options`,
    );
    this.#maxPerTurn = integer(maxPerTurn, `${what}: maxPerTurn`, 1, MOST_PER_TURN);
    this.#refuses = oneOf(overload, ["wait", "refuse"], `${what}: overload`) === "refuse";
    this.#core = core;
    this.#listener = listener;
    // The loop's alarm is made with its first timer. When it is needed there is no descriptor for it.
    this.#timer = core.timers.create(() => this.#tryAgain(), FAR_MS, 0);
    this.#timer.cancel();
    this.#source = core.registry.watch(listener, INTEREST, () => this.#acceptSome(), what);
    this.#source.dropped = () => {
      this.#end();
      this.#reserve.spend();
    };
    this.#reserve = new Reserve();
  }

  /** The listener: its owner's, until `drain` closes it. */
  get listener(): Socket {
    return this.#listener;
  }

  /** How many connections were accepted and given to the program. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many connections were accepted and ended at once, because there was no descriptor for them. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether it accepts. It stops when the listener is closed, too. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether it rests because there is no descriptor left, or too little memory. */
  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Stops the listener for good and closes it: no new client gets in, and each that waited in the
   * backlog is accepted and reads the end of the stream (FIN) instead of an error (RST). Answers how
   * many they were; 0 when the listener is closed already.
   *
   * It works on the socket, not on the descriptor: copies of it, in other processes too, are deaf
   * from here on. Where one of them is to go on, call `close()`.
   *
   * @throws {ClosedError} when a copy closes the listener at this moment
   */
  drain(): number {
    this.#stop();
    const count = this.#listener.closed ? 0 : drainListener(this.#listener, this.#reserve);
    this.#reserve.spend();
    return count;
  }

  /** Stops to accept. The listener stays open and its owner's; its clients wait in its backlog. */
  close(): void {
    this.#stop();
    this.#reserve.spend();
  }

  /** {@link Acceptor.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #resume(): void {
    this.#waitsForTurn = false;
    if (this.#active) this.#acceptSome();
  }

  #acceptSome(): void {
    for (let count = 0; count < this.#maxPerTurn; count++) {
      let socket: Socket | null;
      try {
        socket = this.#listener.accept();
      } catch (error) {
        return this.#failed(error as Error);
      }
      if (this.#paused) this.#goOn();
      if (socket === null) return;
      this.#overloaded = false;
      this.#accepted++;
      try {
        this.#handlers.onAccept(socket);
      } catch (error) {
        this.#core.caught(error);
      }
      if (!this.#active) return;
    }
    this.#continueLater();
  }

  #continueLater(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    this.#core.continueLater(this.#next);
  }

  #failed(error: Error): void {
    const code = error instanceof SyscallError ? error.errno : 0;
    if (!isOverload(code)) {
      this.close();
      // Closed by a copy on another thread: as when it is closed here, nothing went wrong.
      if (!(error instanceof ClosedError)) this.#tell(error);
      return;
    }
    if (!this.#overloaded) {
      this.#overloaded = true;
      if (this.#handlers.onError !== undefined) this.#tell(error);
      if (!this.#active) return;
    }
    if (this.#refuses && isOutOfDescriptors(code)) this.#refuseSome();
    else this.#rest();
  }

  #tell(error: Error): void {
    const { onError } = this.#handlers;
    if (onError === undefined) this.#core.caught(error);
    else this.#core.call(() => onError.call(this.#handlers, error));
  }

  /** Ends connections that nobody can be given. */
  #refuseSome(): void {
    const held = this.#reserve.fill();
    const count = held ? turnAway(this.#listener, this.#maxPerTurn, this.#reserve) : 0;
    this.#refused += count;
    // Another thread may have been faster, to the descriptor or to the connection.
    if (!this.#reserve.fill() || count === 0) return this.#rest();
    if (this.#paused) this.#goOn();
    if (count === this.#maxPerTurn) this.#continueLater();
  }

  /** Stops to ask for reports, which would come in every turn and change nothing. */
  #rest(): void {
    if (!this.#paused) {
      this.#paused = true;
      this.#wait = FIRST_WAIT_MS;
      this.#core.starving.add(this.#fed);
      this.#core.registry.arm(this.#source, 0);
    }
    if (!this.#timer.active) this.#timer.reset(this.#wait);
  }

  #tryAgain(): void {
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    this.#acceptSome();
  }

  /** Asks for reports again; what waits already is reported by that. */
  #goOn(): void {
    this.#paused = false;
    this.#timer.cancel();
    this.#core.starving.delete(this.#fed);
    this.#core.registry.arm(this.#source, INTEREST);
    this.#reserve.fill();
  }

  #stop(): void {
    if (!this.#active) return;
    this.#end();
    this.#core.registry.cancel(this.#source);
  }

  /** What is over when the listener or the loop is closed, too. */
  #end(): void {
    this.#active = false;
    this.#paused = false;
    this.#timer.cancel();
    this.#core.starving.delete(this.#fed);
  }
}

function checkListener(listener: unknown, what: string): void {
  if (!(listener instanceof Socket)) {
    throw new TypeError(`${what}: the listener must be a Socket, got ${shown(listener)}`);
  }
  if (!listener.listening) {
    throw new TypeError(`${what}: fd ${listener.raw} does not listen: Socket.listen makes one`);
  }
}

function checkHandlers(handlers: AcceptHandlers, what: string): AcceptHandlers {
  const { onAccept, onError } = checkOptions(handlers, `${what}: the handlers`);
  if (typeof onAccept !== "function") {
    throw new TypeError(`${what}: onAccept must be a function, got ${shown(onAccept)}`);
  }
  if (onError !== undefined && typeof onError !== "function") {
    throw new TypeError(`${what}: onError must be a function, got ${shown(onError)}`);
  }
  return handlers;
}
