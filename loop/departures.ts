/**
 * How the connections of a worker leave it, when the engine wants them elsewhere: each at a boundary of
 * its protocol, between two turns of the loop.
 *
 * The engine says how many more may be on their way, so that not all are nobody's to serve when the
 * other side is slow to take them.
 *
 * @module
 */

import type { Connection } from "./connection.ts";
import type { Core } from "./core.ts";
import type { Departure, WorkerConns } from "./worker_conns.ts";

/** Which connections are to leave, and how many still may. */
export class Departures {
  readonly #conns: WorkerConns;
  readonly #offer: (departure: Departure, move: number) => void;
  /** The move that goes on, 0 for none. */
  #move = 0;
  #more = 0;

  /** Starts without a move. Each connection that leaves is given to `offer`, as the engine's. */
  constructor(conns: WorkerConns, offer: (departure: Departure, move: number) => void) {
    this.#conns = conns;
    this.#offer = offer;
  }

  /** Lets so many more leave, from now on. */
  allow(core: Core, move: number, more: number): void {
    if (this.#move !== move) {
      this.#move = move;
      this.#more = 0;
      const { reached } = this.#conns;
      for (const conn of this.#conns.atBoundary()) reached.add(conn);
      core.reached = (conn) => void reached.add(conn);
    }
    this.#more += more;
  }

  /** Lets those leave that are at a boundary now: how many, and at most so many. */
  now(move: number, most: number): number {
    let count = 0;
    for (const conn of this.#conns.atBoundary()) {
      if (count === most) break;
      if (this.#leave(conn, move)) count++;
    }
    return count;
  }

  /** Lets none leave any more. */
  stop(core: Core): void {
    core.reached = null;
    this.#conns.reached.clear();
    this.#move = this.#more = 0;
  }

  /** Lets those leave that have come to where they can. Called between two turns. */
  depart(): void {
    const { reached } = this.#conns;
    if (reached.size === 0) return;
    for (const conn of reached) {
      if (this.#more === 0) return;
      // Whoever must stay now reports again: when it has sent all, or is at its next boundary.
      reached.delete(conn);
      if (this.#leave(conn, this.#move)) this.#more--;
    }
  }

  #leave(conn: Connection, move: number): boolean {
    const departure = this.#conns.leave(conn);
    if (departure !== null) this.#offer(departure, move);
    return departure !== null;
  }
}
