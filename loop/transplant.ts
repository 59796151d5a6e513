/**
 * Connections that move from one worker to another, of the same engine or of another one in this
 * process. The descriptor keeps its number.
 *
 * Every step is taken by the thread of the engines, which hears of the death of workers, too, so a
 * descriptor always has one owner:
 * - A worker's, while its claim says so. When it dies before its offer is heard, it is closed as
 *   everything that a worker leaves.
 * - The engine's, from when the offer is heard: the claim of the worker is given up.
 * - The other worker's, from when its claim says that it is owned. What dies before that, or refuses,
 *   leaves it to the engine, which gives it back to where it came from; what dies after that ends it,
 *   as all its connections.
 *
 * @module
 */

import { FD } from "../handles/fd.ts";
import { type Crew, quietly } from "./engine_crew.ts";
import { BACK, KIND } from "./engine_wire.ts";
import type { WorkerThread } from "./worker_thread.ts";

/** How many connections of one worker are on their way at a time. */
const MOST_ON_THEIR_WAY = 64;

/** A move: some of an engine's connections go elsewhere. */
export class Transplant {
  static #last = 0;

  /** Where they go. */
  readonly to: Crew;
  readonly #id: number = ++Transplant.#last;
  readonly #from: Crew;
  /** The worker that they go to, null for all in turn. */
  readonly #index: number | null;
  #turn = 0;
  #moved = 0;
  #onTheirWay = 0;
  #settled: PromiseWithResolvers<void> = Promise.withResolvers();
  #goesOn = false;
  #ending: Promise<number> | null = null;

  /** Prepares a move, to one worker or to all in turn. */
  constructor(from: Crew, to: Crew, index: number | null) {
    this.#from = from;
    this.to = to;
    this.#index = index;
    from.moves.set(this.#id, this);
  }

  /** Moves connections as they come to a boundary, until {@linkcode Transplant.stop}. */
  start(): void {
    this.#goesOn = true;
    for (const thread of this.#from.ready) this.joined(thread);
  }

  /** Moves those of a worker that are at a boundary now: how many. */
  async once(from: WorkerThread, most: number): Promise<number> {
    await quietly(from.order(KIND.MOVE_NOW, most, undefined, this.#id));
    return await this.#end();
  }

  /** A worker has begun that connections can come from. */
  joined(thread: WorkerThread): void {
    if (this.#goesOn) this.#allow(thread, MOST_ON_THEIR_WAY);
  }

  /** Ends the move: resolves when nothing is on its way any more, with how many were moved. */
  stop(): Promise<number> {
    return this.#ending ??= this.#stop();
  }

  /** A worker has let a connection go, which nobody has a claim to now. */
  offered(fd: number, luggage: Uint8Array, from: WorkerThread): void {
    this.#onTheirWay++;
    void this.#move(fd, luggage, from);
  }

  async #stop(): Promise<number> {
    this.#goesOn = false;
    // What a worker has offered before its answer is heard before it.
    await Promise.all(this.#from.ready.map((thread) => quietly(thread.order(KIND.STAY))));
    return await this.#end();
  }

  async #end(): Promise<number> {
    while (this.#onTheirWay > 0) await this.#settled.promise;
    this.#from.moves.delete(this.#id);
    return this.#moved;
  }

  async #move(fd: number, luggage: Uint8Array, from: WorkerThread): Promise<void> {
    if (await give(this.to, this.#next(), fd, luggage, 0)) this.#moved++;
    else await this.#giveBack(fd, luggage, from);
    this.#onTheirWay--;
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
    if (!this.#goesOn) return;
    if (!this.to.lives) void this.stop(); // the others can stay where they are
    else if (!from.over) this.#allow(from, 1);
  }

  /** Who takes the next one, null for nobody. */
  #next(): WorkerThread | null {
    const { ready, lives } = this.to;
    if (!lives || ready.length === 0) return null;
    if (this.#index === null) return ready[this.#turn++ % ready.length]!;
    return ready.find(({ index }) => index === this.#index) ?? null;
  }

  /** Gives a connection to where it came from, or to another worker there when that one has died. */
  async #giveBack(fd: number, luggage: Uint8Array, from: WorkerThread): Promise<void> {
    const others = this.#from.ready.filter((thread) => thread !== from);
    for (const thread of [from, ...others]) {
      if (!this.#from.lives) break;
      if (await give(this.#from, thread, fd, luggage, BACK)) return;
    }
    // Its engine is over, or it is broken, so that nobody could register it.
    FD.adopt(fd).close();
  }

  #allow(thread: WorkerThread, more: number): void {
    void quietly(thread.order(KIND.MOVE, more, undefined, this.#id));
  }
}

/** Gives a connection to a worker. Answers false when that does not take it: then it is nobody's. */
async function give(
  crew: Crew,
  thread: WorkerThread | null,
  fd: number,
  luggage: Uint8Array,
  extra: number,
): Promise<boolean> {
  if (thread === null || thread.over) return false;
  if (!crew.claims.claim(fd, thread.index, "borrowed")) return false;
  let answer: Promise<number>;
  try {
    answer = thread.order(KIND.ADOPT, fd, luggage, extra);
  } catch {
    crew.claims.release(fd, thread.index); // it does not keep up with what it is sent
    return false;
  }
  return await answer.then(() => true, () => false);
}
