/**
 * The loop of one worker of an Engine, from the engine's thread.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Descriptor, OWNED } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { bytes as checkBytes, options as checkOptions } from "../handles/validate.ts";
import { UnknownFDError } from "./conn_errors.ts";
import type { ConnOptions } from "./conn_options.ts";
import type { Crew } from "./engine_crew.ts";
import { EngineWorkerError } from "./engine_errors.ts";
import type { WorkerMetrics } from "./engine_metrics.ts";
import { moduleURL, portable } from "./engine_options.ts";
import { KIND, type Kind, type Registration, toBytes } from "./engine_wire.ts";
import type { Target } from "./poller.ts";
import { targetNumber } from "./registry.ts";

const EEXIST = errnoNumber("EEXIST");

/**
 * One worker of an Engine, as the thread of the engine sees it: `engine.workerLoop(n)`.
 *
 * The calls go to the worker through shared memory, in their order, and what they answer comes back:
 * so each is a promise. It rejects with an {@linkcode EngineWorkerError} when the worker dies first.
 *
 * @example
 * ```ts
 * import { Engine, socketPair } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const source = `export function onData(conn, bytes) { conn.write(bytes) }`;
 * const handler = `data:text/javascript;base64,${btoa(source)}`;
 * await using engine = Engine.create({ handler, workers: 2 });
 * await engine.listen();
 * using pair = socketPair();
 * const worker = engine.workerLoop(1);
 * await worker.registerConn(pair.left, handler);
 * await worker.write(pair.left, new TextEncoder().encode("hello"));
 * const buffer = new Uint8Array(16);
 * assertEquals(pair.right.read(buffer), 5);
 * await worker.unregisterConn(pair.left);
 * ```
 */
export class WorkerLoop {
  readonly #crew: Crew;
  readonly #index: number;

  /** Made by `Engine.workerLoop`. */
  constructor(key: symbol, crew: Crew, index: number) {
    if (key !== OWNED) {
      throw new TypeError("new WorkerLoop() is not possible: call Engine.workerLoop()");
    }
    this.#crew = crew;
    this.#index = index;
  }

  /** The number of the worker, from 0. */
  get index(): number {
    return this.#index;
  }

  /** Whether it runs. It does not while another one is begun in the place of one that has died. */
  get running(): boolean {
    return this.#crew.ready.includes(this.#crew.thread(this.#index));
  }

  /** The CPU that its thread was bound to when it began, −1 when it is not bound to one. */
  get cpuId(): number {
    return this.#crew.thread(this.#index).cpu;
  }

  /** A moment's counters of it, which add up. */
  metrics(): WorkerMetrics {
    return this.#crew.metrics().workers[this.#index]!;
  }

  /**
   * Lets the worker receive and send for a descriptor, which stays the caller's: do not close it before
   * it is unregistered, or its `onClose` was called. It must be non-blocking.
   *
   * Its number is what the worker knows: a handle that is closed here is not missed there.
   *
   * @param module whose exports are called, in the worker: an {@linkcode EngineHandler}. `onStart`,
   *   `onMessage` and `onShutdown` are the engine's own handler's alone
   * @throws {TypeError} when an argument is not what it should be, or when the descriptor blocks
   * @throws {SyscallError} EEXIST, when a worker of this engine has it already; EPERM, when it cannot
   *   be watched
   * @throws {EngineWorkerError} when the worker dies first
   */
  async registerConn(
    target: Target,
    module: URL | string,
    options: ConnOptions = {},
  ): Promise<void> {
    const what = "WorkerLoop.registerConn";
    const fd = targetNumber(target, what);
    const { carry } = checkOptions(options, `${what}: options`);
    const carried = carry === undefined ? {} : { carry: checkBytes(carry, `${what}: carry`) };
    const registration: Registration = {
      module: moduleURL(module, `${what}: the module`),
      options: { ...portable(options, `${what}: options`), ...carried },
    };
    const body = toBytes(registration, what);
    await orderClaimed(this.#crew, this.#index, KIND.REGISTER, fd, body, what);
  }

  /**
   * Takes a connection out of the worker's loop. Resolves when its `onClose(null)` was called there.
   *
   * @throws {UnknownFDError} when the worker does not have it
   * @throws {EngineWorkerError} when the worker dies first
   */
  async unregisterConn(target: Target): Promise<void> {
    await this.#order(KIND.UNREGISTER, this.#known(target, "WorkerLoop.unregisterConn"));
  }

  /**
   * Sends bytes on a connection of the worker. They are copied at the call, and calls are carried out
   * in their order, all of one or none. Answers, when the worker has done it, what `Connection.write`
   * has: whether the kernel took all of them.
   *
   * @throws {TypeError} when it is no typed array or DataView
   * @throws {UnknownFDError} when the worker does not have the descriptor, or not any more
   * @throws {QueueFullError} when more than its cap would have to wait; when the worker does not keep
   *   up and 64 MiB wait for it. Nothing was taken
   * @throws {EngineWorkerError} when the worker dies first
   */
  async write(target: Target, data: ArrayBufferView): Promise<boolean> {
    const what = "WorkerLoop.write";
    const body = checkBytes(data, `${what}: the data`);
    return await this.#order(KIND.WRITE, this.#known(target, what), body) === 1;
  }

  #order(kind: Kind, fd: number, body?: Uint8Array): Promise<number> {
    return this.#crew.thread(this.#index).order(kind, fd, body);
  }

  #known(target: Target, what: string): number {
    const fd = targetNumber(target, what);
    if (this.#crew.claims.holder(fd) !== this.#index) throw new UnknownFDError(fd);
    return fd;
  }
}

/**
 * Claims a descriptor for a worker, and gives an order about it. From when it was given, the claim is
 * not the caller's to give up: what is refused is claimed by nobody when the promise rejects.
 *
 * @throws {SyscallError} EEXIST, when a worker has the descriptor already
 */
function orderClaimed(
  crew: Crew,
  worker: number,
  kind: Kind,
  fd: number,
  body: Uint8Array,
  what: string,
): Promise<number> {
  const { claims } = crew;
  if (!claims.claim(fd, worker, "borrowed")) {
    throw new SyscallError(
      "epoll_ctl",
      EEXIST,
      fd,
      `${what}: worker ${claims.holder(fd)} has it already: unregister it there first`,
    );
  }
  try {
    return crew.thread(worker).order(kind, fd, body);
  } catch (error) {
    claims.release(fd, worker);
    throw error;
  }
}

/** Gives a connection to a worker: what `Engine.adoptConn` says. */
export async function giveConn(
  crew: Crew,
  worker: number,
  target: Target,
  luggage: Uint8Array,
  what: string,
): Promise<void> {
  const number = targetNumber(target, what);
  const thread = crew.thread(worker);
  if (!thread.over && !crew.ready.includes(thread)) {
    throw new EngineWorkerError(worker, "has not begun yet: it still loads its handler");
  }
  if (!(target instanceof Descriptor)) {
    await orderClaimed(crew, worker, KIND.ADOPT, number, luggage, what);
    return;
  }
  const duplicate = FD.duplicate(number);
  try {
    await orderClaimed(crew, worker, KIND.ADOPT, duplicate.raw, luggage, what);
  } catch (error) {
    duplicate.close();
    throw error;
  }
  target.close();
}
