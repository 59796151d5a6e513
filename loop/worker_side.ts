/**
 * A worker of an Engine, on its own thread: its loop, its listener, and the orders that come for it.
 *
 * @module
 */

import { pinnedCPU, setAffinity } from "../handles/affinity.ts";
import { Socket } from "../handles/socket.ts";
import type { SocketAddress } from "../handles/socket_address.ts";
import type { Acceptor } from "./acceptor.ts";
import type { ConnOptions } from "./conn_options.ts";
import type { Core } from "./core.ts";
import { Departures } from "./departures.ts";
import { checkHandler, type EngineHandler, type EngineWorker } from "./engine_handler.ts";
import { MetricsPublisher } from "./engine_metrics.ts";
import {
  BACK,
  checkRoom,
  errorBytes,
  fromBytes,
  header,
  KIND,
  type Letter,
  NOTHING,
  opened,
  type Registration,
  toBytes,
} from "./engine_wire.ts";
import { FdClaims } from "./fd_claims.ts";
import { defaultPoller } from "./default_poller.ts";
import { eachTurn, type Loop, loopOn } from "./loop.ts";
import { MailboxReader, MailboxWriter } from "./mailbox.ts";
import type { SharedWaker } from "./waker.ts";
import { type BoundHandler, WorkerConns } from "./worker_conns.ts";
import { threadProcess, type WorkerOrders } from "./worker_orders.ts";

const nothing = (): void => {};

/** How many orders are taken in a turn, before the connections have theirs. */
const MOST_ORDERS = 64;

/** How long the runtime waits for its turn while a worker waits for the runtime. */
const HOST_TURN_MS = 1;

/** The worker. */
export class WorkerSide implements EngineWorker {
  /** See {@linkcode EngineWorker}. */
  readonly index: number;
  readonly count: number;
  readonly address: SocketAddress | null;
  readonly loop: Loop;
  readonly #orders: WorkerOrders;
  readonly #inbox: MailboxReader;
  readonly #outbox: MailboxWriter;
  readonly #bell: Int32Array;
  readonly #claims: FdClaims;
  readonly #metrics: MetricsPublisher;
  readonly #conns: WorkerConns;
  readonly #departures: Departures;
  readonly #modules: Map<string, Promise<BoundHandler>> = new Map();
  /** The inside of the loop, from its first turn on. */
  #core: Core | null = null;
  #handler: EngineHandler | null = null;
  /** Values that came before it was loaded. */
  readonly #early: Uint8Array[] = [];
  #bound: BoundHandler | null = null;
  #acceptor: Acceptor | null = null;
  /** How many clients the listeners before this one have turned away. */
  #refused = 0;
  /** Whether it ends with its last connection. */
  #finishing = false;
  /** Whether it has nothing to do any more, and whether the thread ends without being asked. */
  #ended = false;
  #failed = false;

  /** Begins; {@linkcode WorkerSide.serve} takes orders. */
  constructor(orders: WorkerOrders) {
    this.#orders = orders;
    this.index = orders.index;
    this.count = orders.settings.count;
    this.address = orders.address;
    this.loop = loopOn(defaultPoller(orders.poller));
    this.#inbox = new MailboxReader(orders.inbox);
    this.#outbox = new MailboxWriter(orders.outbox);
    this.#bell = new Int32Array(orders.bell);
    this.#claims = new FdClaims(orders.claims);
    this.#metrics = new MetricsPublisher(orders.metrics);
    this.#conns = new WorkerConns(
      this.index,
      this.loop,
      this.#claims,
      orders.settings.conn,
      () => this.#endWhenEmpty(),
    );
    this.#departures = new Departures(this.#conns, ({ fd, luggage }, move) => {
      this.#publish();
      this.#send(header(KIND.OFFER, 0, fd, move), luggage);
    });
    eachTurn(this.loop, (core) => this.#beginTurn(core));
  }

  /** How the engine wakes the loop. */
  shareWaker(): SharedWaker {
    return this.loop.shareWaker();
  }

  /** Takes orders until the last of them has ended the worker. Whatever ends it otherwise is reported. */
  async serve(): Promise<void> {
    const host = threadProcess();
    host.on("uncaughtException", (error) => this.#fail(error));
    host.on("unhandledRejection", (error) => this.#fail(error));
    host.on("exit", () => this.#giveUp());
    try {
      await this.loop.run();
    } catch (error) {
      this.#fail(error);
    }
    if (!this.#ended) this.#fail(new Error("the handler has stopped the loop of its worker"));
    else if (!this.#failed) host.exit(0);
  }

  post(value: unknown): void {
    const bytes = toBytes(value, "EngineWorker.post: the value");
    checkRoom(this.#outbox.pending, bytes.byteLength, "EngineWorker.post");
    this.#send(header(KIND.VALUE), bytes);
  }

  countRequests(more: number = 1): void {
    this.#conns.counts.requests += more;
  }

  #beginTurn(core: Core): void {
    this.#core = core;
    let taken = 0;
    for (; taken < MOST_ORDERS; taken++) {
      const record = this.#next();
      if (record === null) break;
      this.#take(opened(record));
    }
    if (!this.#failed) this.#call(() => this.#departures.depart());
    const waited = this.#outbox.pending > 0;
    if (waited) this.#outbox.flush();
    if (this.#inbox.takeWish() || waited) this.#ring();
    this.#publish();
    if (this.loop.closed) return;
    // The last word must have been taken before the thread ends.
    const over = this.#ended && this.#outbox.pending === 0;
    // A task keeps this turn from waiting: what was taken may have stopped the loop, or have more behind it.
    if (over) this.loop.post(() => this.loop.stop());
    else if (taken > 0) this.loop.post(nothing);
  }

  #next(): Uint8Array<ArrayBuffer> | null {
    return this.#failed ? null : this.#inbox.next();
  }

  #publish(): void {
    const { counts } = this.#conns;
    counts.refused = this.#refused + (this.#acceptor?.refused ?? 0);
    if (this.#core !== null) {
      this.#metrics.publish(counts, this.#core.counters, this.#core.timers.size);
    }
  }

  /** Calls the program. What it throws ends the worker, and nothing else is begun before. */
  #call(program: () => void): void {
    try {
      program();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Does what a letter says. What is wrong with it is the answer. */
  #take(letter: Letter): void {
    const { id, kind } = letter;
    try {
      const done = this.#obey(letter);
      if (done instanceof Promise) {
        // Loading a module is the runtime's work, and the runtime has its turns between the loop's.
        const clock = this.loop.setInterval(HOST_TURN_MS, nothing);
        done.finally(() => clock.cancel()).then(
          (answer) => this.#reply(id, answer),
          (error: unknown) => kind === KIND.START ? this.#fail(error) : this.#refuse(id, error),
        );
      } else if (done !== null) {
        this.#reply(id, done);
      }
    } catch (error) {
      this.#refuse(id, error);
    }
  }

  /** Answers the answer, or null when it is given later or not at all. */
  #obey({ id, kind, fd, extra, body }: Letter): number | null | Promise<number> {
    switch (kind) {
      case KIND.START:
        return this.#start();
      case KIND.LISTEN:
        return this.#listen(fd);
      case KIND.PAUSE:
        return this.#pause();
      case KIND.RELEASE:
        return this.#release();
      case KIND.REGISTER:
        return this.#register(fd, fromBytes(body) as Registration);
      case KIND.UNREGISTER:
        this.#conns.unregister(fd, () => this.#reply(id));
        return null;
      case KIND.WRITE:
        return this.loop.write(fd, body) ? 1 : 0;
      case KIND.ADOPT: {
        const open = this.#conns.adopt(fd, body, this.#bound!, extra === BACK);
        this.#reply(id);
        this.#call(open);
        return null;
      }
      case KIND.MOVE:
        this.#departures.allow(this.#core!, extra, fd);
        return 0;
      case KIND.MOVE_NOW:
        return this.#moveNow(extra, fd);
      case KIND.STAY:
        this.#departures.stop(this.#core!);
        return 0;
      case KIND.FINISH:
        return this.#finish();
      case KIND.CLOSE:
        return this.#close();
      case KIND.VALUE:
        if (this.#handler === null) this.#early.push(body);
        else this.#message(body);
        return null;
      default:
        throw new Error(`an order that no worker knows: ${kind}`);
    }
  }

  /** Answers the CPU that the thread is bound to. */
  async #start(): Promise<number> {
    const { cpu, settings } = this.#orders;
    if (cpu !== null) bindTo(cpu);
    this.#bound = await this.#load(settings.handler);
    this.#handler = this.#bound.exports;
    const started = this.#handler.onStart?.(this.loop, this);
    for (const value of this.#early.splice(0)) this.#message(value);
    await started;
    return pinnedCPU();
  }

  #message(value: Uint8Array): void {
    this.#call(() => this.#handler?.onMessage?.(fromBytes(value), this.loop, this));
  }

  /** Loads a module once. */
  #load(module: string): Promise<BoundHandler> {
    let loading = this.#modules.get(module);
    if (loading === undefined) {
      loading = import(module).then((exports: EngineHandler) => {
        return this.#conns.bind(checkHandler(exports, `the module ${module}`));
      });
      this.#modules.set(module, loading);
    }
    return loading;
  }

  #listen(fd: number): number {
    const listener = Socket.adopt(fd);
    this.#acceptor = this.loop.accept(listener, {
      onAccept: (socket) => this.#conns.accepted(socket, this.#bound!),
      // Told once when descriptors run out; the acceptor goes on by itself.
      onError: () => void this.#conns.counts.errors++,
    }, this.#orders.settings.accept);
    return 0;
  }

  /** Closes the listener: how many clients waited there, each of which reads the end of the stream. */
  #pause(): number {
    const acceptor = this.#acceptor;
    if (acceptor === null) return 0;
    this.#acceptor = null;
    this.#claims.release(acceptor.listener.raw, this.index);
    const count = acceptor.drain();
    this.#refused += acceptor.refused + count;
    return count;
  }

  /** Closes this descriptor of the listener: its clients are somebody else's. */
  #release(): number {
    const acceptor = this.#acceptor;
    if (acceptor === null) return 0;
    this.#acceptor = null;
    this.#claims.release(acceptor.listener.raw, this.index);
    acceptor.close();
    acceptor.listener.close();
    this.#refused += acceptor.refused;
    return 0;
  }

  async #register(fd: number, { module, options }: Registration): Promise<number> {
    let handler: BoundHandler;
    try {
      handler = await this.#load(module);
    } catch (error) {
      this.#claims.release(fd, this.index);
      throw error;
    }
    this.#conns.register(fd, handler, options as ConnOptions);
    return 0;
  }

  /** Answers how many have left. */
  #moveNow(move: number, most: number): number {
    let count = 0;
    this.#call(() => count = this.#departures.now(move, most));
    return count;
  }

  #finish(): number {
    const count = this.#pause();
    this.#finishing = true;
    this.#departures.stop(this.#core!);
    this.#call(() => this.#handler?.onShutdown?.(this.loop, this));
    this.#endWhenEmpty();
    return count;
  }

  #close(): number {
    this.#pause();
    this.#finishing = true;
    this.#departures.stop(this.#core!);
    const count = this.#conns.endAll();
    this.#endWhenEmpty();
    return count;
  }

  #endWhenEmpty(): void {
    if (!this.#finishing || this.#ended || this.#conns.size > 0) return;
    this.#ended = true;
    // It is the last word: the answer to the order that led here comes before it.
    this.loop.post(() => this.#send(header(KIND.ENDED)));
  }

  #reply(id: number, answer: number = 0): void {
    this.#publish(); // who reads the answer may look at the metrics next
    this.#send(header(KIND.DONE, id, -1, answer));
  }

  #refuse(id: number, error: unknown): void {
    this.#send(header(KIND.REFUSED, id), errorBytes(error));
  }

  #send(head: Uint8Array, body: Uint8Array = NOTHING): void {
    this.#outbox.send(head, body);
    this.#ring();
  }

  /** Wakes the engine's thread. */
  #ring(): void {
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  /**
   * Closes everything while the thread ends, the listener first. The engine does the same when a thread
   * was ended by force, but only when its own thread is free to.
   */
  #giveUp(): void {
    this.#ended = this.#failed = true;
    try {
      this.#pause();
    } finally {
      this.#publish();
      this.#conns.abandon();
      this.loop.close();
    }
  }

  /** Ends the thread. Nothing of the program is called any more. */
  #fail(error: unknown): void {
    // On Deno, what called exit() goes on for a while, and a second call keeps the thread for ever.
    if (this.#failed) return;
    this.#ended = this.#failed = true;
    this.#outbox.send(header(KIND.FAILED), errorBytes(error));
    this.#ring();
    threadProcess().exit(1);
  }
}

/** Binds the thread to a CPU where that is allowed. What became of it, the kernel is asked. */
function bindTo(cpu: number): void {
  try {
    setAffinity([cpu]);
  } catch {
    // Offline by now, or forbidden: `cpuId` is −1 then.
  }
}
