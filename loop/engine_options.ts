/**
 * How an Engine is made, and what it is checked for.
 *
 * @module
 */

import { getAffinity } from "../handles/affinity.ts";
import { spreadCPUs } from "../handles/cpu_topology.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { Socket } from "../handles/socket.ts";
import type { AddressLike } from "../handles/socket_address.ts";
import { integer, oneOf, options as checkOptions, shown } from "../handles/validate.ts";
import type { AcceptorOptions } from "./acceptor.ts";
import type { ConnOptions } from "./conn_options.ts";
import type { ConnTimeoutOptions } from "./conn_timeouts.ts";
import type { ConnLuggage } from "./engine_handler.ts";
import type { EngineWorkerError } from "./engine_errors.ts";
import { MOST_WORKERS } from "./fd_claims.ts";
import { Counters } from "./metrics.ts";
import { PollerPolicy } from "./poller_policy.ts";
import type { BindPortOptions } from "./port_group.ts";

/** The highest number of a CPU that setAffinity takes. */
const MOST_CPU = 65_535;

/** How an {@linkcode Engine} is made. */
export interface EngineOptions {
  /**
   * The module whose exports serve the connections, in each worker: see {@linkcode EngineHandler}. A
   * URL, such as `new URL("./handler.ts", import.meta.url)`, or its text.
   */
  handler: URL | string;
  /**
   * Where to listen: TCP, such as `"0.0.0.0:80"`; port 0 lets the kernel choose one for all workers.
   * Without it nothing is accepted, and connections come by `adoptConn`. Default: none.
   */
  address?: AddressLike;
  /**
   * Listeners to go on with instead of an address, of another process (`Engine.listeners`) or of a
   * service manager: TCP, made with `reusePort`, all at one address. They are the engine's from `listen()`
   * on. Default: none.
   */
  listeners?: readonly Socket[];
  /**
   * How many threads. With `listeners` there must be one for each. Default: as many as there are of
   * those, or CPUs for this process.
   */
  workers?: number;
  /**
   * Whether each worker is bound to a CPU: `"spread"` chooses them, over the NUMA nodes and cores of
   * this machine; an array says which, worker n to element n. `WorkerLoop.cpuId` tells what became of
   * it. Default: `"none"`.
   */
  affinity?: "none" | "spread" | readonly number[];
  /** The listeners' options. `noDelay` is true and `backlog` 4096 unless they say otherwise. */
  listen?: Omit<BindPortOptions, "signal" | "loop">;
  /** How connections are accepted. */
  accept?: AcceptorOptions;
  /** The limits of each connection. */
  conn?: Omit<ConnOptions, "carry">;
  /**
   * Makes the policy that chooses the poller of a worker, once for each. It decides before the worker
   * begins, and, with the counters of those before, whenever another one takes its place. Default: the
   * poller of this system.
   */
  poller?(worker: number): PollerPolicy;
  /**
   * What becomes of the engine when a worker has ended although nobody told it to: `"restart"` begins
   * another one in its place, after a pause when the one before has not lived for a second; `"stop"`
   * shuts the engine down. Default: `"restart"`.
   */
  policy?: "restart" | "stop";
  /** Told of each worker that has died. Default: `process.emitWarning`, which prints it. */
  onWorkerError?(error: EngineWorkerError): void;
  /** A worker has sent a value by `EngineWorker.post`. */
  onMessage?(value: unknown, worker: number): void;
}

/** How an Engine stops to accept. */
export interface PauseOptions {
  /** Whether clients that wait in a backlog read the end of the stream. Default: true. */
  drain?: boolean;
}

/** How an Engine is shut down. */
export interface ShutdownOptions {
  /** How long the connections that are open may take; 0 ends them at once. Default: 10 s. */
  deadline?: Duration;
}

/** How a connection is handed over. */
export interface AdoptOptions extends ConnLuggage {
  /** Which worker is to have it, as for `Engine.workerLoop`. Default: the one with the fewest. */
  worker?: number;
}

/** The options as the workers get them: nothing in it is bound to a thread. */
export interface WorkerSettings {
  readonly handler: string;
  readonly count: number;
  readonly accept: AcceptorOptions;
  readonly conn: ConnOptions;
}

/** The options, checked. */
export interface EnginePlan {
  readonly settings: WorkerSettings;
  /** The CPU of each worker, null for none. */
  readonly cpus: readonly (number | null)[];
  /** What chooses the poller of each worker, null for the one of this system. */
  readonly pollers: readonly (PollerPolicy | null)[];
  readonly address: AddressLike | null;
  readonly listeners: readonly Socket[] | null;
  readonly listen: BindPortOptions;
  readonly restarts: boolean;
  readonly onWorkerError: ((error: EngineWorkerError) => void) | null;
  readonly onMessage: ((value: unknown, worker: number) => void) | null;
}

/**
 * Checks the options of an engine.
 *
 * @throws {TypeError} when one is not what it should be
 * @throws {RangeError} when a number is out of range
 * @throws {UnsupportedError} when a policy finds no poller on this system
 */
export function checkEngineOptions(options: EngineOptions): EnginePlan {
  const what = "Engine.create";
  const {
    handler,
    address = null,
    listeners = null,
    workers = listeners?.length ?? getAffinity().length,
    affinity = "none",
    poller,
    listen = {},
    accept = {},
    conn = {},
    policy = "restart",
    onWorkerError,
    onMessage,
  } = checkOptions(options, `${what}: options`);
  const module = moduleURL(handler, `${what}: handler`);
  const count = integer(workers, `${what}: workers`, 1, MOST_WORKERS);
  return {
    cpus: cpusOf(affinity, count, `${what}: affinity`),
    pollers: policiesOf(poller, count, `${what}: poller`),
    settings: {
      handler: module,
      count,
      accept: { ...checkOptions(accept, `${what}: accept`) },
      conn: portable(conn, `${what}: conn`),
    },
    address,
    listeners: listeners === null
      ? null
      : inherited(listeners, address, count, `${what}: listeners`),
    listen: { noDelay: true, ...checkOptions(listen, `${what}: listen`) },
    restarts: oneOf(policy, ["restart", "stop"], `${what}: policy`) === "restart",
    onWorkerError: callback(onWorkerError, `${what}: onWorkerError`),
    onMessage: callback(onMessage, `${what}: onMessage`),
  };
}

/** The policy of each worker, which has decided once, so that what is wrong with it shows here. */
function policiesOf(
  make: EngineOptions["poller"],
  count: number,
  what: string,
): (PollerPolicy | null)[] {
  const policyOf = callback(make, what);
  return Array.from({ length: count }, (_, worker) => {
    if (policyOf === null) return null;
    const policy = policyOf(worker);
    if (!(policy instanceof PollerPolicy)) {
      throw new TypeError(`${what}() must return a PollerPolicy, got ${shown(policy)}`);
    }
    policy.decide(new Counters().snapshot(0));
    return policy;
  });
}

/**
 * Checks the name of a module that a worker is to load.
 *
 * @throws {TypeError} when it is none that would mean the same there as here
 */
export function moduleURL(module: unknown, what: string): string {
  if (module instanceof URL) return module.href;
  const example = `Put them into a module that exports onData(conn, bytes), and name it: ` +
    `handler: new URL("./handler.ts", import.meta.url)`;
  if (typeof module === "function" || (typeof module === "object" && module !== null)) {
    throw new TypeError(
      `${what} must be the URL of a module, got ${
        shown(module)
      }: functions cannot cross to another thread. ${example}`,
    );
  }
  if (typeof module !== "string") {
    throw new TypeError(`${what} must be the URL of a module, got ${shown(module)}. ${example}`);
  }
  if (module.startsWith("/")) return new URL(module, "file:").href;
  if (URL.canParse(module)) return module;
  throw new TypeError(
    `${what} must be a whole URL, got ${
      shown(module)
    }: a worker would look for it beside itself. ` +
      `Say where it is: new URL(${JSON.stringify(module.slice(0, 40))}, import.meta.url)`,
  );
}

/**
 * The options of connections as plain values: a Temporal.Duration cannot cross to another thread. The
 * bytes that one of them carries are its own, and not among the options.
 */
export function portable(conn: ConnOptions, what: string): Omit<ConnOptions, "carry"> {
  const { maxBacklog, timeouts } = checkOptions(conn, what);
  const limits: ConnTimeoutOptions = {};
  for (const kind of ["header", "read", "write", "idle"] as const) {
    const limit: Duration | undefined = checkOptions(timeouts ?? {}, `${what}.timeouts`)[kind];
    if (limit !== undefined) limits[kind] = toMilliseconds(limit, `${what}.timeouts.${kind}`);
  }
  return {
    ...(maxBacklog === undefined
      ? {}
      : { maxBacklog: integer(maxBacklog, `${what}.maxBacklog`, 1, Number.MAX_SAFE_INTEGER) }),
    ...(timeouts === undefined ? {} : { timeouts: limits }),
  };
}

function inherited(listeners: unknown, address: unknown, count: number, what: string): Socket[] {
  const isList = Array.isArray(listeners) && listeners.every((one) => one instanceof Socket);
  if (!isList) throw new TypeError(`${what} must be an array of Sockets, got ${shown(listeners)}`);
  if (address !== null) throw new TypeError(`${what} have an address: leave the option out`);
  if (listeners.length !== count) {
    throw new RangeError(`${what}: ${listeners.length} for ${count} workers: give one to each`);
  }
  return [...listeners];
}

function callback<F>(value: F | undefined, what: string): F | null {
  if (value === undefined) return null;
  if (typeof value === "function") return value;
  throw new TypeError(`${what} must be a function, got ${shown(value)}`);
}

function cpusOf(affinity: unknown, count: number, what: string): (number | null)[] {
  if (!Array.isArray(affinity)) {
    const word = oneOf(affinity, ["none", "spread"], what);
    return word === "none" ? Array<null>(count).fill(null) : spreadCPUs(count);
  }
  if (affinity.length !== count) {
    throw new RangeError(`${what} must have a CPU for each of ${count} workers`);
  }
  return affinity.map((cpu) => integer(cpu, `${what}: a CPU`, 0, MOST_CPU));
}
