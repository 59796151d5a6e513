/**
 * A worker of an Engine, on the engine's thread: the thread itself, what is sent to it, and what comes
 * back.
 *
 * @module
 */

import { bellFrom } from "./bell.ts";
import { EngineWorkerError } from "./engine_errors.ts";
import { METRICS_BYTES, readSnapshot, type Snapshot } from "./engine_metrics.ts";
import {
  BACK,
  checkRoom,
  errorOf,
  header,
  KIND,
  type Kind,
  NOTHING,
  opened,
} from "./engine_wire.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import { mailboxMemory, MailboxReader, MailboxWriter } from "./mailbox.ts";
import { LoopWaker } from "./waker.ts";
import { threadProcess, type WorkerGreeting, type WorkerOrders } from "./worker_orders.ts";

/** How much each of the two mailboxes holds. */
const MAILBOX_BYTES = 256 * 1024;

/** How many records are taken before the engine's thread does something else. */
const MOST_RECORDS = 64;

/** What the engine gives a worker; its own mailboxes are made here. */
export type WorkerStart = Omit<WorkerOrders, "inbox" | "outbox" | "metrics">;

/** Who is told what a worker says. */
export interface WorkerListener {
  /** It has sent a value: the bytes of it. */
  onValue(bytes: Uint8Array, worker: WorkerThread): void;
  /** Its thread is over. Null when it was told to end. */
  onGone(error: EngineWorkerError | null, worker: WorkerThread): void;
  /** It has refused to take over a connection. */
  onRefused(fd: number, worker: WorkerThread): void;
  /** A connection has left it, for a move: the engine's from here on. */
  onOffer(fd: number, luggage: Uint8Array, move: number, worker: WorkerThread): void;
}

/** The part of a thread of `node:worker_threads`, which both runtimes have, that is needed here. */
interface Thread {
  on(event: "message", listener: (message: WorkerGreeting) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "exit", listener: (code: number) => void): void;
  terminate(): Promise<unknown>;
}

interface ThreadModule {
  Worker: new (module: URL, options: { workerData: WorkerOrders; name: string }) => Thread;
}

interface Order extends PromiseWithResolvers<number> {
  readonly kind: Kind;
  readonly fd: number;
}

/** One thread. It is not started again: another one takes its place. */
export class WorkerThread {
  /** The number of the worker. */
  readonly index: number;
  /** When it began, as performance.now() has it. */
  readonly begun: number = performance.now();
  /** The CPU that it has said it is bound to, −1 for none. */
  cpu = -1;
  readonly #listener: WorkerListener;
  readonly #inbox: MailboxWriter;
  readonly #outbox: MailboxReader;
  readonly #metrics: SharedArrayBuffer;
  readonly #orders: Map<number, Order> = new Map();
  /** Null when the runtime did not start it. */
  readonly #thread: Thread | null;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  #waker: LoopWaker | null = null;
  #closeBell: () => void = () => {};
  #lastOrder = 0;
  /** What it threw, where it has said so. */
  #error: Error | null = null;
  /** Whether it has said that it ends as it was told to. */
  #ended = false;
  #over = false;

  /** Starts the thread. */
  constructor(start: WorkerStart, listener: WorkerListener) {
    const inbox = mailboxMemory(MAILBOX_BYTES);
    const outbox = mailboxMemory(MAILBOX_BYTES);
    this.#metrics = new SharedArrayBuffer(METRICS_BYTES);
    this.index = start.index;
    this.#listener = listener;
    this.#inbox = new MailboxWriter(inbox);
    this.#outbox = new MailboxReader(outbox);
    const orders = { ...start, inbox, outbox, metrics: this.#metrics };
    try {
      this.#thread = startThread(orders);
    } catch (error) {
      // It has died before it had begun: all that were to wait for it are told so.
      this.#error = error as Error;
      this.#thread = null;
      queueMicrotask(() => this.#exited(1));
      return;
    }
    this.#thread.on("message", (message) => {
      // What comes after the greeting was posted by the handler, for nobody.
      if (this.#waker !== null) return;
      const { waker } = message;
      this.#waker = LoopWaker.from(waker);
      this.#closeBell = () => bellFrom(waker.bell).close();
      this.#wake();
    });
    this.#thread.on("error", (error) => void (this.#error ??= error));
    this.#thread.on("exit", (code) => this.#exited(code));
  }

  /** Whether its thread is over. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves when its thread is over, and everything that it had was taken care of. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** What it has published last. */
  get snapshot(): Snapshot {
    return readSnapshot(this.#metrics);
  }

  /**
   * Gives an order: what it answers. Rejects with what it refuses it for, or when it dies. When this
   * throws, the order was not given.
   */
  order(
    kind: Kind,
    fd: number = -1,
    body: Uint8Array = NOTHING,
    extra: number = 0,
  ): Promise<number> {
    if (this.#over) throw new EngineWorkerError(this.index, "has ended", this.#error ?? undefined);
    // What it has sent itself must not be refused to come back.
    if (body.byteLength > 0 && extra !== BACK) {
      checkRoom(this.#inbox.pending, body.byteLength, `worker ${this.index}`);
    }
    const order: Order = { ...Promise.withResolvers<number>(), kind, fd };
    const id = ++this.#lastOrder;
    this.#orders.set(id, order);
    this.#inbox.send(header(kind, id, fd, extra), body);
    this.#wake();
    return order.promise;
  }

  /** Sends a value of the program, as bytes. */
  post(bytes: Uint8Array): void {
    checkRoom(this.#inbox.pending, bytes.byteLength, `worker ${this.index}`);
    this.#inbox.send(header(KIND.VALUE), bytes);
    this.#wake();
  }

  /** Takes what has come from it, or a part of that. Answers whether there may be more. */
  take(): boolean {
    let count = 0;
    for (; count < MOST_RECORDS; count++) {
      const record = this.#outbox.next();
      if (record === null) break;
      const { kind, id, fd, extra, body } = opened(record);
      if (kind === KIND.DONE) this.#forget(id)?.resolve(extra);
      else if (kind === KIND.REFUSED) this.#refused(id, errorOf(body));
      else if (kind === KIND.OFFER) this.#listener.onOffer(fd, body, extra, this);
      else if (kind === KIND.VALUE) this.#listener.onValue(body, this);
      else if (kind === KIND.FAILED) this.#error = errorOf(body);
      else if (kind === KIND.ENDED) this.#ended = true;
    }
    const isMore = count === MOST_RECORDS;
    if (this.#over) return isMore;
    const before = this.#inbox.pending;
    if (before > 0) this.#inbox.flush();
    if (this.#outbox.takeWish() || this.#inbox.pending < before) this.#wake();
    return isMore;
  }

  /**
   * Answers the orders to take over connections that it was given before it died: it has taken them over,
   * and they ended with it, without those that are said.
   */
  settleAdoptions(untaken: ReadonlySet<number>): void {
    for (const [id, { kind, fd }] of this.#orders) {
      if (kind === KIND.ADOPT && !untaken.has(fd)) this.#forget(id)?.resolve(0);
    }
  }

  /**
   * Ends the thread wherever it is. One that is blocked in the kernel is woken first: its runtime
   * cannot end it there.
   */
  async terminate(): Promise<void> {
    this.#wake();
    await this.#thread?.terminate();
    await this.gone;
  }

  /**
   * Waits for it no longer: it is blocked in a call to the kernel that nothing here can end. What it has
   * open stays so, because the call may yet return, and go on with it.
   */
  abandon(): EngineWorkerError {
    const error = new EngineWorkerError(this.index, "is blocked in a call and cannot be ended");
    // It may still find them in its mailbox then, and nobody else must have them.
    this.settleAdoptions(new Set());
    this.#end(error);
    return error;
  }

  #wake(): void {
    try {
      this.#waker?.wake();
    } catch (error) {
      // It ends: the thread says so soon.
      if (!(error instanceof LoopClosedError)) throw error;
    }
  }

  #refused(id: number, error: Error): void {
    const order = this.#forget(id);
    if (order === undefined) return;
    if (order.kind === KIND.ADOPT) this.#listener.onRefused(order.fd, this);
    order.reject(error);
  }

  #forget(id: number): Order | undefined {
    const order = this.#orders.get(id);
    this.#orders.delete(id);
    return order;
  }

  #exited(code: number): void {
    // What it has said last is still there.
    while (this.take());
    this.#over = true;
    this.#closeBell();
    const error = this.#ended
      ? null
      : new EngineWorkerError(this.index, endOf(code), this.#error ?? undefined);
    this.#listener.onGone(error, this);
    this.#end(error ?? new EngineWorkerError(this.index, "has ended"));
  }

  /** Lets nobody wait for it any more. */
  #end(error: EngineWorkerError): void {
    this.#over = true;
    for (const { reject } of this.#orders.values()) reject(error);
    this.#orders.clear();
    this.#gone.resolve();
  }
}

function endOf(code: number): string {
  return code === 0 || code === 1 ? "has died" : `has died with exit code ${code}`;
}

function startThread(workerData: WorkerOrders): Thread {
  const { Worker } = threadProcess().getBuiltinModule("node:worker_threads") as ThreadModule;
  return new Worker(new URL("./engine_worker.ts", import.meta.url), {
    workerData,
    name: `fdloop worker ${workerData.index}`,
  });
}
