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

import { disown, isAlone } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { Socket } from "../handles/socket.ts";
import { type Crew, quietly } from "./engine_crew.ts";
import type { ConnLuggage } from "./engine_handler.ts";
import { BACK, KIND, unpacked } from "./engine_wire.ts";
import type { WorkerThread } from "./worker_thread.ts";

/** How many connections of one worker are on their way at a time. */
const MOST_ON_THEIR_WAY = 64;

/** A connection that has left its engine, for a program to do with it what it wants. */
export interface DepartedConn extends ConnLuggage {
  /** It is closed when the program has taken it: by then it was sent elsewhere, or duplicated. */
  readonly socket: Socket;
}

/** Whom connections are given to. */
export interface Destination {
  /** Whose workers, null for none. */
  readonly crew: Crew | null;
  /** Whether it takes any at all. */
  readonly lives: boolean;
  /** Gives it a connection. When it answers false, that is the giver's again. */
  take(fd: number, luggage: Uint8Array): Promise<boolean>;
}

/** One worker of an engine, or all in turn. */
export class ToWorkers implements Destination {
  readonly crew: Crew;
  readonly #index: number | null;
  #turn = 0;

  /** Gives to a worker, to all in turn where it is null. */
  constructor(crew: Crew, index: number | null) {
    this.crew = crew;
    this.#index = index;
  }

  get lives(): boolean {
    return this.crew.lives;
  }

  take(fd: number, luggage: Uint8Array): Promise<boolean> {
    return give(this.crew, this.#next(), fd, luggage, 0);
  }

  #next(): WorkerThread | null {
    const { ready, lives } = this.crew;
    if (!lives || ready.length === 0) return null;
    if (this.#index === null) return ready[this.#turn++ % ready.length]!;
    return ready.find(({ index }) => index === this.#index) ?? null;
  }
}

/** A function of the program, on the engines' thread. */
export class ToProgram implements Destination {
  readonly crew = null;
  readonly lives = true;
  readonly #taker: (conn: DepartedConn) => boolean | Promise<boolean>;

  /** Gives to a function, which answers whether it has taken the connection. */
  constructor(taker: (conn: DepartedConn) => boolean | Promise<boolean>) {
    this.#taker = taker;
  }

  async take(fd: number, luggage: Uint8Array): Promise<boolean> {
    const socket = Socket.adopt(fd);
    let taken = false;
    try {
      taken = await this.#taker({ socket, ...unpacked(luggage) });
    } catch (error) {
      reportError(error); // the program's, and none of the engine's business
    }
    // What it has closed, or shared with other threads, cannot go back.
    if (!taken && isAlone(socket)) disown(socket);
    else taken = true;
    socket.close();
    return taken;
  }
}

/** A move: some of an engine's connections go elsewhere. */
export class Transplant {
  static #last = 0;

  /** Where they go. */
  readonly to: Destination;
  readonly #id: number = ++Transplant.#last;
  readonly #from: Crew;
  #moved = 0;
  #onTheirWay = 0;
  #settled: PromiseWithResolvers<void> = Promise.withResolvers();
  #goesOn = false;
  #ending: Promise<number> | null = null;

  /** Prepares a move. */
  constructor(from: Crew, to: Destination) {
    this.#from = from;
    this.to = to;
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
    if (await this.to.take(fd, luggage)) this.#moved++;
    else await this.#giveBack(fd, luggage, from);
    this.#onTheirWay--;
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
    if (!this.#goesOn) return;
    if (!this.to.lives) void this.stop(); // the others can stay where they are
    else if (!from.over) this.#allow(from, 1);
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
