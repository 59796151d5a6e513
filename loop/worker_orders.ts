/**
 * What the thread of an engine's worker is started with, and what it answers first.
 *
 * @module
 */

import type { SocketAddress } from "../handles/socket_address.ts";
import type { WorkerSettings } from "./engine_options.ts";
import type { PollerKind } from "./poller_policy.ts";
import type { SharedWaker } from "./waker.ts";

/** What a worker is started with. */
export interface WorkerOrders {
  readonly index: number;
  readonly settings: WorkerSettings;
  /** The CPU to be bound to, null for none. */
  readonly cpu: number | null;
  /** What its loop waits in, null for the poller of this system. */
  readonly poller: PollerKind | null;
  /** Where the engine listens. */
  readonly address: SocketAddress | null;
  /** See `fd_claims.ts`. */
  readonly claims: SharedArrayBuffer;
  /** The mailbox to the worker, and the one from it. */
  readonly inbox: SharedArrayBuffer;
  readonly outbox: SharedArrayBuffer;
  /** One word, which counts what any worker has put into its outbox. The engine's thread waits for it. */
  readonly bell: SharedArrayBuffer;
  /** See `engine_metrics.ts`. */
  readonly metrics: SharedArrayBuffer;
}

/** The only thing that a worker posts: how it is woken. Everything else goes by the mailboxes. */
export interface WorkerGreeting {
  readonly waker: SharedWaker;
}

/** The part of `node:worker_threads` that is needed here. */
export interface Threads {
  readonly workerData: Partial<WorkerOrders> | null;
  readonly parentPort: { postMessage(message: WorkerGreeting): void } | null;
}

/** The part of `process` that is needed here. In a worker it is the thread's. */
export interface ThreadProcess {
  on(event: string, listener: (error: unknown) => void): void;
  exit(code: number): never;
  getBuiltinModule(name: string): unknown;
}

/** This thread's `process`, which both runtimes have. */
export function threadProcess(): ThreadProcess {
  return (globalThis as unknown as { process: ThreadProcess }).process;
}
