/**
 * N threads that serve one port.
 *
 * @module
 */

import { OWNED } from "../handles/descriptor.ts";
import { toMilliseconds } from "../handles/duration.ts";
import type { Socket } from "../handles/socket.ts";
import type { SocketAddress } from "../handles/socket_address.ts";
import { abortSignal, flag, integer, options as checkOptions, shown } from "../handles/validate.ts";
import { Crew } from "./engine_crew.ts";
import { EngineClosedError, type EngineWorkerError } from "./engine_errors.ts";
import type { EngineMetrics } from "./engine_metrics.ts";
import {
  type AdoptOptions,
  checkEngineOptions,
  type EngineOptions,
  type EnginePlan,
  type PauseOptions,
  type ShutdownOptions,
} from "./engine_options.ts";
import { KIND, packed, toBytes } from "./engine_wire.ts";
import type { WaitOptions } from "./options.ts";
import type { Target } from "./poller.ts";
import { bindPort, inheritPort, type PortGroup } from "./port_group.ts";
import { type DepartedConn, ToProgram, ToWorkers, Transplant } from "./transplant.ts";
import { giveConn, WorkerLoop } from "./worker_loop.ts";

/** The longest time that a timer of the runtime takes, in ms, and the most that an order can name. */
const MOST = 0x7fff_ffff;

/**
 * N threads that serve one port: each has a loop of its own, its own listener on the port
 * (`SO_REUSEPORT`), over which the kernel spreads the clients, and its own copy of the handler's
 * module, whose exports are called there ({@linkcode EngineHandler}).
 *
 * This thread only directs them, through shared memory and an eventfd: a worker that is asleep in the
 * kernel hears it, and one that is busy is not waited for. It must turn its own event loop for that,
 * as it does unless the program blocks it: do not make it a dedicated `Loop`'s.
 *
 * A worker that dies is reported, everything that it had open is closed at once, its listener first,
 * so that its share of the clients goes to the others, and every promise for it is rejected; then
 * another one takes its place (`EngineOptions.policy`). A handler that never returns is the one thing
 * that can hold up `pauseAccept` and what a worker was asked for; `shutdown` ends it by force, and
 * up to three descriptors of its loop are lost with it.
 *
 * The threads keep the process alive until `shutdown()`; a worker that has an engine must not be
 * terminated before. Under `deno compile` and `bun build --compile` the handler and the library's thread
 * have to be put into the executable, which ARCHITECTURE.md shows. Platforms: Linux.
 *
 * @example
 * ```ts
 * import { Engine, Socket } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * // In a file of its own: new URL("./echo.ts", import.meta.url)
 * const source = `export function onData(conn, bytes) { conn.write(bytes) }`;
 * const handler = `data:text/javascript;base64,${btoa(source)}`;
 *
 * await using engine = Engine.create({ handler, address: "127.0.0.1:0", workers: 2 });
 * await engine.listen();
 * using client = Socket.connect(engine.addr!, { blocking: true });
 * client.write(new TextEncoder().encode("hello"));
 * const buffer = new Uint8Array(16);
 * assertEquals(client.read(buffer), 5);
 * assertEquals(engine.metrics().total.accepts, 1);
 * ```
 */
export class Engine implements AsyncDisposable {
  readonly #plan: EnginePlan;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #cut: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Ends what `listen` waits for. */
  readonly #stop: AbortController = new AbortController();
  #crew: Crew | null = null;
  #address: SocketAddress | null = null;
  #loops: WorkerLoop[] = [];
  #begun = false;
  #ending: Promise<number> | null = null;
  #transplant: Transplant | null = null;

  private constructor(key: symbol, plan: EnginePlan) {
    if (key !== OWNED) throw new TypeError("new Engine() is not possible: call Engine.create()");
    this.#plan = plan;
    if (plan.onWorkerError !== null) this.#closed.promise.catch(() => {});
  }

  /**
   * Makes an engine. Nothing is opened, and no thread begun, before {@link Engine.listen}.
   *
   * @throws {TypeError} when an option is not what it should be: a function for the handler's URL
   * @throws {RangeError} when a number is out of range
   */
  static create(options: EngineOptions): Engine {
    return new Engine(OWNED, checkEngineOptions(options));
  }

  /** Where it listens, with the port that the kernel chose; null before, and without an address. */
  get addr(): SocketAddress | null {
    return this.#address;
  }

  /** How many workers it has. */
  get numWorkers(): number {
    return this.#plan.settings.count;
  }

  /**
   * Settles when the engine is over: resolves after {@link Engine.shutdown}, and rejects with the error
   * of the worker whose death ended it under the policy `"stop"`.
   */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /**
   * Binds the port and begins the workers: resolves when all of them have loaded the handler, and
   * accept. When this rejects, nothing is open, and no thread left.
   *
   * @throws {EngineWorkerError} when the handler cannot be loaded, or its `onStart` throws
   * @throws {SyscallError} EADDRINUSE, with who has the port where that can be known; EADDRNOTAVAIL,
   *   EACCES, EMFILE
   * @throws {Error} when it was called before
   * @throws {EngineClosedError} when the engine was shut down
   */
  async listen(options: WaitOptions = {}): Promise<void> {
    const what = "Engine.listen";
    const signal = abortSignal(checkOptions(options, `${what}: options`).signal, `${what}: signal`);
    if (this.#ending !== null) throw new EngineClosedError(what, true);
    if (this.#begun) throw new Error(`${what}: it was called before; an engine listens once`);
    signal?.throwIfAborted();
    this.#begun = true;
    const port = await this.#bind(signal);
    if (this.#ending !== null) {
      port?.close();
      throw new EngineClosedError(what, true);
    }
    this.#address = port?.address ?? null;
    const crew = this.#crew = new Crew(this.#plan, port, (error) => this.#stopFor(error));
    const { numWorkers: length } = this;
    this.#loops = Array.from({ length }, (_, index) => new WorkerLoop(OWNED, crew, index));
    try {
      await crew.start(signal);
    } catch (error) {
      await this.shutdown({ deadline: 0 });
      throw error;
    }
  }

  /**
   * The loop of a worker. A number beyond the last begins from 0 again, and a negative one counts as
   * its positive.
   *
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when it is not whole
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  workerLoop(n: number): WorkerLoop {
    const what = "Engine.workerLoop";
    const most = Number.MAX_SAFE_INTEGER;
    const place = Math.abs(integer(n, `${what}: the number`, -most, most)) % this.numWorkers;
    this.#running(what);
    return this.#loops[place]!;
  }

  /**
   * A moment's counters of all workers, without asking them. They add up, in each worker and in the
   * sum: what was accepted, adopted and registered is what was closed and what is open. A worker that
   * is busy in a turn shows what it had when that began.
   *
   * @throws {EngineClosedError} before `listen()`
   */
  metrics(): EngineMetrics {
    if (this.#crew === null) throw new EngineClosedError("Engine.metrics", this.#ending !== null);
    return this.#crew.metrics();
  }

  /**
   * Closes all listeners: resolves when nobody can connect any more. Clients that waited in a backlog
   * read the end of the stream (FIN), not an error. The connections go on, and the port stays taken.
   *
   * With `drain: false` the descriptors are closed, and that is all: for listeners that another process
   * has, too ({@link Engine.listeners}), which would be deaf there after the other way. Where nobody has
   * them, who waits there reads an error (RST).
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  async pauseAccept(options: PauseOptions = {}): Promise<void> {
    const what = "Engine.pauseAccept";
    const { drain = true } = checkOptions(options, `${what}: options`);
    const order = flag(drain, `${what}: drain`) ? KIND.PAUSE : KIND.RELEASE;
    await this.#running(what).accept(false, order);
  }

  /**
   * Opens all listeners again, at the same port. It does nothing when they are open.
   *
   * @throws {SyscallError} EMFILE, ENFILE
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  async resumeAccept(): Promise<void> {
    await this.#running("Engine.resumeAccept").accept(true);
  }

  /**
   * Duplicates of the listeners, for another process to accept from as well: `EngineOptions.listeners`
   * there. The caller closes them. None come from workers that do not listen at this moment.
   *
   * @throws {SyscallError} EMFILE, ENFILE
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  async listeners(): Promise<Socket[]> {
    return await this.#running("Engine.listeners").listeners();
  }

  /**
   * Sends a value to the `onMessage` of a worker's handler: a copy, as structuredClone makes one. Values
   * arrive in their order. Answers false while the worker is dead, when nobody would receive it.
   *
   * @param n which, as for {@link Engine.workerLoop}
   * @throws {TypeError} when it cannot be cloned
   * @throws {QueueFullError} when the worker does not keep up and 64 MiB wait for it
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  post(n: number, value: unknown): boolean {
    const what = "Engine.post";
    const { index } = this.workerLoop(n);
    const message = toBytes(value, `${what}: the value`);
    const thread = this.#running(what).thread(index);
    if (thread.over) return false;
    thread.post(message);
    return true;
  }

  /**
   * Hands a connection to a worker, as if it had accepted it: the descriptor is the engine's from when
   * this resolves, which is when `onAdopt`, or else `onOpen`, is called there. When it rejects, it is still the caller's,
   * open, and non-blocking. In between, leave it alone.
   *
   * A number is taken as it is. A handle is closed here once the worker has a duplicate of it.
   *
   * @throws {TypeError} when an argument is not what it should be, or the state cannot be cloned
   * @throws {SyscallError} ENOTSOCK, when it is no socket; EEXIST, when a worker has it; EBADF
   * @throws {EngineWorkerError} when the worker dies first, or has not begun
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  async adoptConn(target: Target, options: AdoptOptions = {}): Promise<void> {
    const what = "Engine.adoptConn";
    const { worker, ...luggage } = checkOptions(options, `${what}: options`);
    const body = packed(luggage, what);
    const crew = this.#running(what);
    const index = worker === undefined ? crew.fewest() : this.workerLoop(worker).index;
    await giveConn(crew, index, target, body, what);
  }

  /**
   * Moves the connections of this engine to the workers of another one in this process, in turn: each
   * when its handler has said that it is at a boundary (`Connection.atBoundary`) and everything is
   * sent, those that are accepted meanwhile, too. The peer sees nothing of it. The descriptor keeps its
   * number; what is not read yet, `onMove` and `onAdopt` carry over ({@linkcode EngineHandler}).
   *
   * A connection that no worker there takes comes back, as a new one, and stays until its next message.
   * Instead of an engine, a function can take them, on this thread: to send them to another process, such
   * as the next one of a hot restart (`sendFds`), of which examples/hot_restart.ts is a whole one.
   *
   * At most 64 of a worker are on their way at a time, each of them with one owner: when a worker dies
   * here before it has let one go, or there after it has taken it, that one ends with it. The move ends
   * by itself when the other engine does. Connections whose socket the handler has shared stay.
   *
   * @throws {TypeError} when it is no Engine, or this one: see {@link Engine.moveConns}
   * @throws {Error} while another transplant goes on, or one from there to here
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`, of either
   */
  startTransplant(target: Engine | ((conn: DepartedConn) => boolean | Promise<boolean>)): void {
    const what = "Engine.startTransplant";
    const isEngine = target instanceof Engine;
    if (target === this || !(isEngine || typeof target === "function")) {
      const got = target === this ? "the engine itself" : shown(target);
      throw new TypeError(`${what}: the target must be another Engine, or a function, got ${got}`);
    }
    const from = this.#living(what);
    const to = isEngine
      ? new ToWorkers(target.#living(`${what}: the target`), null)
      : new ToProgram(target);
    if (this.#transplant !== null || (isEngine && target.#transplant?.to.crew === from)) {
      throw new Error(`${what}: connections are moving already: await stopTransplant() first`);
    }
    this.#transplant = new Transplant(from, to);
    this.#transplant.start();
  }

  /**
   * Ends the transplant: resolves when no connection is on its way any more, with how many were moved;
   * 0 when there was none.
   */
  async stopTransplant(): Promise<number> {
    const transplant = this.#transplant;
    if (transplant === null) return 0;
    try {
      return await transplant.stop();
    } finally {
      if (this.#transplant === transplant) this.#transplant = null;
    }
  }

  /**
   * Moves connections from one worker of this engine to another, as {@link Engine.startTransplant} does,
   * but only those that are at a boundary now: resolves with how many were moved.
   *
   * @param from which worker, as for {@link Engine.workerLoop}
   * @param to another one
   * @param most how many at most. Default: all
   * @throws {TypeError} when an argument is no number
   * @throws {RangeError} when a number is out of range, or both are the same worker
   * @throws {EngineClosedError} before `listen()` and after `shutdown()`
   */
  async moveConns(from: number, to: number, most: number = MOST): Promise<number> {
    const what = "Engine.moveConns";
    const source = this.workerLoop(from).index;
    const goal = this.workerLoop(to).index;
    if (source === goal) throw new RangeError(`${what}: from and to are both worker ${goal}`);
    integer(most, `${what}: how many`, 0, MOST);
    const crew = this.#living(what);
    const thread = crew.ready.find(({ index }) => index === source);
    if (thread === undefined) return 0;
    return await new Transplant(crew, new ToWorkers(crew, goal)).once(thread, most);
  }

  /**
   * Ends the engine: stops to accept, tells the handlers by `onShutdown`, waits until the connections
   * are over, and ends those that are not at the deadline. Answers how many had to be ended. Then the
   * threads are gone, and every descriptor closed.
   *
   * A second call can bring the deadline nearer, and has the same answer. It never rejects for what
   * workers do.
   *
   * @throws {TypeError} when an argument is not what it should be
   * @throws {RangeError} when the deadline is negative, not finite, or longer than 292 years
   */
  async shutdown(options: ShutdownOptions = {}): Promise<number> {
    const what = "Engine.shutdown";
    const { deadline = 10_000 } = checkOptions(options, `${what}: options`);
    const milliseconds = toMilliseconds(deadline, `${what}: deadline`);
    this.#ending ??= this.#end();
    this.#stop.abort(new EngineClosedError("Engine.listen", true));
    const timer = setTimeout(() => this.#cut.resolve(), Math.min(milliseconds, MOST));
    try {
      return await this.#ending;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the engine with all its connections, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown({ deadline: 0 });
  }

  /** Takes the port. When it cannot be had, `listen` can be called again. */
  async #bind(signal: AbortSignal | undefined): Promise<PortGroup | null> {
    const { address, listen, listeners } = this.#plan;
    try {
      if (listeners !== null) return inheritPort(listeners, listen);
      if (address === null) return null;
      const stops = this.#stop.signal;
      const both = signal === undefined ? stops : AbortSignal.any([signal, stops]);
      return await bindPort(address, this.numWorkers, { ...listen, signal: both });
    } catch (error) {
      this.#begun = false;
      throw error;
    }
  }

  async #end(): Promise<number> {
    const count = await this.#crew?.finish(this.#cut.promise) ?? 0;
    this.#closed.resolve();
    return count;
  }

  #stopFor(error: EngineWorkerError): void {
    this.#closed.reject(error);
    void this.shutdown();
  }

  /** The workers, once all have begun. */
  #living(what: string): Crew {
    const crew = this.#running(what);
    if (!crew.lives) throw new EngineClosedError(what, false);
    return crew;
  }

  #running(what: string): Crew {
    if (this.#crew === null || this.#ending !== null) {
      throw new EngineClosedError(what, this.#ending !== null);
    }
    return this.#crew;
  }
}
