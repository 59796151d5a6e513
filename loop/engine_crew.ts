/**
 * The workers of an Engine: how they begin, what becomes of what they leave behind, and who takes the
 * place of one that dies.
 *
 * @module
 */

import { FD } from "../handles/fd.ts";
import { Socket } from "../handles/socket.ts";
import { EngineClosedError, EngineWorkerError } from "./engine_errors.ts";
import {
  closedSnapshot,
  type EngineMetrics,
  type Snapshot,
  sumOf,
  workerMetrics,
} from "./engine_metrics.ts";
import type { EnginePlan } from "./engine_options.ts";
import { fromBytes, KIND, type Kind } from "./engine_wire.ts";
import { closeLeftover, FdClaims } from "./fd_claims.ts";
import { unlessAborted } from "./gate.ts";
import { hostTurn } from "./host_turn.ts";
import type { PortGroup } from "./port_group.ts";
import type { Transplant } from "./transplant.ts";
import { type WorkerListener, WorkerThread } from "./worker_thread.ts";

/** A worker that dies sooner than this is not begun again at once. */
const LIVED_MS = 1000;

/** Half of the first pause before that: each is twice as long as the one before. */
const HALF_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** How long a worker that was told to end its connections may take before it is ended by force. */
const FORCE_MS = 1000;

/** All workers of an engine. */
export class Crew implements WorkerListener {
  /** Which worker has which descriptor. */
  readonly claims: FdClaims = new FdClaims();
  /** The moves that go on from here, by their number. */
  readonly moves: Map<number, Transplant> = new Map();
  readonly #plan: EnginePlan;
  readonly #port: PortGroup | null;
  /** Told of a death that nobody has begun to make good. */
  readonly #fatal: (error: EngineWorkerError) => void;
  readonly #bell: Int32Array = new Int32Array(new SharedArrayBuffer(4));
  readonly #threads: WorkerThread[];
  /** What the workers that are over have counted, by their number. */
  readonly #past: Snapshot[][];
  readonly #listening: Set<WorkerThread> = new Set();
  readonly #started: Set<WorkerThread> = new Set();
  /** How often in a row each has died young. */
  readonly #young: number[];
  readonly #pauses: Set<ReturnType<typeof setTimeout>> = new Set();
  /** Whether connections are taken, whether workers are to listen, and whether all is to end. */
  #lives = false;
  #accepts = false;
  #ends = false;
  #deaths = 0;
  /** The change of listeners that comes last: each waits for the one before it. */
  #change: Promise<void> = Promise.resolve();

  /** Starts the threads; {@linkcode Crew.start} waits for them. */
  constructor(
    plan: EnginePlan,
    port: PortGroup | null,
    fatal: (error: EngineWorkerError) => void,
  ) {
    const { count } = plan.settings;
    this.#plan = plan;
    this.#port = port;
    this.#fatal = fatal;
    this.#past = Array.from({ length: count }, () => []);
    this.#young = Array<number>(count).fill(0);
    this.#threads = Array.from({ length: count }, (_, index) => this.#begin(index));
    void this.#takeLetters();
  }

  /** The worker of a number, as it is now. */
  thread(index: number): WorkerThread {
    return this.#threads[index]!;
  }

  /** Those that can be given something to do. */
  get ready(): WorkerThread[] {
    return this.#threads.filter((thread) => !thread.over && this.#started.has(thread));
  }

  /** Whether it takes connections: it has begun, and does not end. */
  get lives(): boolean {
    return this.#lives;
  }

  /** The number of the living worker with the fewest connections. */
  fewest(): number {
    const { workers } = this.metrics();
    const [least] = this.ready.toSorted((a, b) => workers[a.index]!.open - workers[b.index]!.open);
    return least?.index ?? 0;
  }

  /** Waits until all have loaded their handler, and lets them listen, unless the signal comes first. */
  start(signal?: AbortSignal): Promise<void> {
    return unlessAborted(this.#start(), signal);
  }

  /** Opens all listeners, or gives them an order that closes them. */
  accept(on: boolean, order: Kind = KIND.PAUSE): Promise<void> {
    this.#accepts = on;
    const change = this.#change.then(async () => {
      if (on && this.#ends) throw new EngineClosedError("Engine.resumeAccept", true);
      const all = this.ready.map((thread) => on ? this.#listen(thread) : this.#stop(thread, order));
      await Promise.all(all);
    });
    this.#change = change.catch(() => {});
    return change;
  }

  /** Duplicates of all listeners that are open. */
  listeners(): Promise<Socket[]> {
    const done = this.#change.then(() => this.#duplicateListeners());
    this.#change = done.then(() => {}, () => {});
    return done;
  }

  /** Ends all workers when their connections are over, or at a time: how many were cut off then. */
  async finish(cut: Promise<void>): Promise<number> {
    this.#ends = true;
    this.#accepts = false;
    // What is on its way may come back, and must find its worker.
    await Promise.race([Promise.all([...this.moves.values()].map((move) => move.stop())), cut]);
    this.#lives = false;
    for (const pause of this.#pauses) clearTimeout(pause);
    for (const thread of this.#living()) void quietly(thread.order(KIND.FINISH));
    const answers: Promise<number>[] = [];
    const lost = Promise.withResolvers<void>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    void cut.then(() => {
      for (const thread of this.#living()) answers.push(quietly(thread.order(KIND.CLOSE)));
      timer = setTimeout(() => {
        for (const thread of this.#living()) void thread.terminate();
        timer = setTimeout(() => lost.resolve(), FORCE_MS);
      }, FORCE_MS);
    });
    await Promise.race([Promise.all(this.#threads.map(({ gone }) => gone)), lost.promise]);
    clearTimeout(timer);
    for (const thread of this.#living()) this.#report(thread.abandon());
    this.#port?.close();
    this.#ring();
    return (await Promise.all(answers)).reduce((sum, count) => sum + count, 0);
  }

  /** A moment's counters. */
  metrics(): EngineMetrics {
    const workers = this.#threads.map((thread, index) =>
      sumOf([...this.#past[index]!, ...(thread.over ? [] : [thread.snapshot])])
    );
    return {
      workers: workers.map(workerMetrics),
      total: workerMetrics(sumOf(workers)),
      deaths: this.#deaths,
    };
  }

  onValue(bytes: Uint8Array, { index }: WorkerThread): void {
    const { onMessage } = this.#plan;
    if (onMessage === null) return;
    try {
      onMessage(fromBytes(bytes), index);
    } catch (error) {
      reportError(error); // the program's, and none of the engine's business
    }
  }

  onGone(error: EngineWorkerError | null, thread: WorkerThread): void {
    const { index } = thread;
    this.#past[index] = [sumOf([...this.#past[index]!, closedSnapshot(thread.snapshot)])];
    this.#listening.delete(thread);
    const borrowed = new Set<number>();
    for (const claim of this.claims.heldBy(index)) {
      this.claims.release(claim.fd, index);
      if (claim.kind === "borrowed") borrowed.add(claim.fd);
      else closeLeftover(claim);
    }
    thread.settleAdoptions(borrowed);
    if (error === null || !this.#started.has(thread)) return;
    this.#deaths++;
    this.#report(error);
    if (this.#ends) return;
    if (this.#plan.restarts) this.#restart(thread);
    else this.#fatal(error);
  }

  onRefused(fd: number, { index }: WorkerThread): void {
    this.claims.release(fd, index);
  }

  onOffer(fd: number, luggage: Uint8Array, move: number, thread: WorkerThread): void {
    const transplant = this.moves.get(move);
    // The move is over without a worker that was given up, and came back: it is closed in onGone.
    if (transplant === undefined) return;
    this.claims.release(fd, thread.index);
    transplant.offered(fd, luggage, thread);
  }

  async #start(): Promise<void> {
    try {
      await Promise.all(this.#threads.map((thread) => this.#load(thread)));
      if (!this.#ends) {
        this.#lives = true;
        await this.accept(true);
      }
    } catch (error) {
      if (!this.#ends) throw error;
    }
    if (this.#ends) throw new EngineClosedError("Engine.listen", true);
  }

  #living(): WorkerThread[] {
    return this.#threads.filter(({ over }) => !over);
  }

  #begin(index: number): WorkerThread {
    const { settings, cpus, pollers } = this.#plan;
    return new WorkerThread({
      index,
      settings,
      cpu: cpus[index]!,
      poller: pollers[index]?.current ?? null,
      address: this.#port?.address ?? null,
      claims: this.claims.memory,
      bell: this.#bell.buffer as SharedArrayBuffer,
    }, this);
  }

  async #load(thread: WorkerThread): Promise<void> {
    thread.cpu = await thread.order(KIND.START);
    this.#started.add(thread);
    for (const move of this.moves.values()) move.joined(thread);
  }

  /** Gives a worker its listener. */
  async #listen(thread: WorkerThread): Promise<void> {
    const { index } = thread;
    const port = this.#port;
    if (port === null || this.#listening.has(thread)) return;
    const opened = port.listeners[index]!;
    const listener = opened.valid ? opened : port.reopen(index);
    let fd: number;
    try {
      fd = FD.duplicate(listener.raw).raw;
      this.claims.take(fd, index, "listener");
    } finally {
      // The worker's is the only one from here on: closing it closes the listener.
      listener.close();
    }
    this.#listening.add(thread);
    try {
      await thread.order(KIND.LISTEN, fd);
    } catch (error) {
      this.#listening.delete(thread);
      // What a worker had that has died was closed by then.
      if (this.claims.holder(fd) === index) {
        this.claims.release(fd, index);
        closeLeftover({ fd, kind: "listener" });
      }
      if (!(error instanceof EngineWorkerError)) throw error;
    }
  }

  /** All listeners or none. */
  #duplicateListeners(): Socket[] {
    const released: Socket[] = [];
    try {
      for (const { index } of this.#listening) {
        for (const { fd, kind } of this.claims.heldBy(index)) {
          if (kind !== "listener") continue;
          const duplicate = FD.duplicate(fd);
          // A worker that dies gives its claim up first: then this may be anything.
          if (this.claims.holder(fd) === index) released.push(Socket.adopt(duplicate.raw));
          else duplicate.close();
        }
      }
    } catch (error) {
      for (const listener of released) listener.close();
      throw error;
    }
    return released;
  }

  async #stop(thread: WorkerThread, kind: Kind): Promise<void> {
    // One that dies meanwhile has its listener closed by that.
    await quietly(thread.order(kind));
    this.#listening.delete(thread);
  }

  /** Begins another worker in the place of one that has died. */
  #restart({ index, begun }: WorkerThread): void {
    const young = performance.now() - begun < LIVED_MS;
    this.#young[index] = young ? this.#young[index]! + 1 : 0;
    const wait = young ? Math.min(HALF_PAUSE_MS * 2 ** this.#young[index]!, LONGEST_PAUSE_MS) : 0;
    const timer = setTimeout(() => {
      this.#pauses.delete(timer);
      try {
        this.#plan.pollers[index]?.decide(this.metrics().workers[index]!);
      } catch (error) {
        this.#fatal(new EngineWorkerError(index, "cannot begin: its policy failed", error));
        return;
      }
      const thread = this.#threads[index] = this.#begin(index);
      void this.#join(thread);
    }, wait);
    this.#pauses.add(timer);
  }

  /** Lets a worker that was begun later do what the others do. */
  async #join(thread: WorkerThread): Promise<void> {
    try {
      await this.#load(thread);
      if (this.#accepts) await this.#listen(thread);
    } catch (error) {
      // It has died before it had begun, or cannot listen.
      const wrong = error instanceof EngineWorkerError
        ? error
        : new EngineWorkerError(thread.index, "cannot listen", error);
      if (this.#ends) return;
      this.#deaths++;
      this.#report(wrong);
      if (thread.over) this.#restart(thread);
    }
  }

  #report(error: EngineWorkerError): void {
    const { onWorkerError } = this.#plan;
    try {
      if (onWorkerError !== null) onWorkerError(error);
      else warn(error);
    } catch (thrown) {
      reportError(thrown);
    }
  }

  /** Takes what the workers say, until all of them are over. */
  async #takeLetters(): Promise<void> {
    for (;;) {
      const seen = Atomics.load(this.#bell, 0);
      let isMore = false;
      for (const thread of this.#threads) if (!thread.over && thread.take()) isMore = true;
      if (this.#ends && this.#threads.every(({ over }) => over)) return;
      const wait = isMore ? null : Atomics.waitAsync(this.#bell, 0, seen);
      // Workers that never stop to talk must not keep this thread from everything else.
      await (wait?.async ? wait.value : hostTurn());
    }
  }

  #ring(): void {
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }
}

/** The answer to an order, 0 when the worker dies first. */
export async function quietly(answer: Promise<number>): Promise<number> {
  try {
    return await answer;
  } catch {
    return 0;
  }
}

function warn(error: Error): void {
  const host = globalThis as unknown as { process: { emitWarning(warning: Error): void } };
  host.process.emitWarning(error);
}
