/**
 * Which poller a worker uses, and when it may change to another.
 *
 * A pure object: it opens nothing and moves nothing. Whoever owns the worker asks it from time to
 * time, and does what it decided.
 *
 * @module
 */

import { supports } from "../ffi/supports.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { type Duration, toMilliseconds } from "../handles/duration.ts";
import { flag, integer, oneOf, options as checkOptions, shown } from "../handles/validate.ts";
import type { LoopMetrics } from "./metrics.ts";

/** Kinds of kernel objects that wait for many descriptors at once. */
export type PollerKind = "epoll" | "kqueue";

const KINDS: readonly PollerKind[] = ["epoll", "kqueue"];

/** A poller that a {@link PollerPolicy} may choose. */
export interface PollerCandidate {
  /** Which it is. */
  readonly poller: PollerKind;
  /** Whether this system has it. Asked once; what it throws is thrown by the decision that asked. */
  readonly supported: () => boolean;
  /** Whether it is right for a worker with these counters. Left out: it is right for all. */
  readonly suits?: (metrics: LoopMetrics) => boolean;
}

/** How a {@link PollerPolicy} is made. */
export interface PollerPolicyOptions {
  /** What it chooses from, the preferred first. Default: epoll, then kqueue, for every load. */
  candidates?: readonly PollerCandidate[];
  /** How long a worker stays with a poller that it has changed to, at least. Default: 30 s. */
  cooldown?: Duration;
  /** After so many changes within the window it changes no more until `unlock()`. Default: 3. */
  maxSwitches?: number;
  /** The time in which those changes are counted. Default: 5 minutes. */
  window?: Duration;
  /** The clock, in milliseconds since any fixed moment. Default: `performance.now`. */
  now?: () => number;
}

/** What a {@link PollerPolicy} has decided. */
export interface PollerDecision {
  /** The poller that the worker is to use from now on. */
  readonly poller: PollerKind;
  /** Whether it is another than before. The first decision changes nothing. */
  readonly switched: boolean;
  /** Why, as a sentence for a log. */
  readonly reason: string;
}

/** Moving every connection is paid for by then, and a load that comes and goes is over. */
const COOLDOWN_MS = 30_000;

/** Three changes in five minutes are no adaptation: two pollers serve the load equally well. */
const MOST_SWITCHES = 3;
const WINDOW_MS = 300_000;

const DEFAULTS: readonly PollerCandidate[] = KINDS.map((poller) => ({
  poller,
  supported: () => supports(poller),
}));

/**
 * Decides which poller one worker uses: the first in the order of preference that this system has
 * (`supports`) and that suits the worker's load.
 *
 * Changing costs: every connection has to move. So after a change it stays for a cooldown; after
 * several changes within a window it is locked, until `unlock()`; and while it is frozen, which is
 * counted so that several parts of a program can freeze it at once, it does not change at all.
 *
 * An {@link Engine} asks one for each worker (`EngineOptions.poller`). Linux has epoll alone, unless
 * `FDLOOP_KQUEUE_LIB` names libkqueue: there every decision is the same, and says so.
 *
 * @example
 * ```ts
 * import { Loop, PollerPolicy } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * const policy = new PollerPolicy();
 * const { poller, reason } = policy.decide(loop.metrics());
 * assertEquals([poller, reason], ["epoll", "epoll: the only poller of this system"]);
 * ```
 */
export class PollerPolicy {
  readonly #candidates: readonly PollerCandidate[];
  readonly #cooldown: number;
  readonly #maxSwitches: number;
  readonly #window: number;
  readonly #now: () => number;
  /** The candidates that this system has, null until they were asked. */
  #present: readonly PollerCandidate[] | null = null;
  #current: PollerKind | null = null;
  #freezes = 0;
  #locked = false;
  /** When it changed, the latest last, as far back as the window reaches. */
  #switches: number[] = [];

  /**
   * Makes a policy for one worker. Nothing is asked of the system before the first decision.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {RangeError} when there is no candidate, or one twice; when a time is negative or
   *   `maxSwitches` not at least 1
   */
  constructor(options: PollerPolicyOptions = {}) {
    const what = "PollerPolicy: ";
    const {
      candidates = DEFAULTS,
      cooldown = COOLDOWN_MS,
      maxSwitches = MOST_SWITCHES,
      window = WINDOW_MS,
      now = () => performance.now(),
    } = checkOptions(options, `${what}options`);
    this.#candidates = checkCandidates(candidates, `${what}candidates`);
    this.#cooldown = toMilliseconds(cooldown, `${what}cooldown`);
    this.#maxSwitches = integer(maxSwitches, `${what}maxSwitches`, 1, Number.MAX_SAFE_INTEGER);
    this.#window = toMilliseconds(window, `${what}window`);
    this.#now = checkFunction(now, `${what}now`);
  }

  /** What was last decided, null before the first decision. */
  get current(): PollerKind | null {
    return this.#current;
  }

  /** Whether it is frozen: {@link PollerPolicy.freeze}. */
  get frozen(): boolean {
    return this.#freezes > 0;
  }

  /** Whether it has changed too often and waits for {@link PollerPolicy.unlock}. */
  get locked(): boolean {
    return this.#locked;
  }

  /**
   * Decides, for a worker with these counters.
   *
   * @param metrics what `Loop.metrics` of the worker returned
   * @throws {TypeError} when the metrics are no object, or the clock or a candidate answers something
   *   that is none of its answers
   * @throws {UnsupportedError} when this system has none of the candidates
   */
  decide(metrics: LoopMetrics): PollerDecision {
    if (typeof metrics !== "object" || metrics === null) {
      const got = shown(metrics);
      throw new TypeError(`PollerPolicy.decide: the metrics must be Loop.metrics(), got ${got}`);
    }
    const [poller, why] = this.#best(metrics);
    const current = this.#current ?? poller;
    if (poller === current) {
      this.#current = poller;
      return { poller, switched: false, reason: `${poller}: ${why}` };
    }
    const now = this.#time();
    const obstacle = this.#obstacle(now);
    if (obstacle !== null) {
      const reason = `${current} instead of ${poller}: ${obstacle}`;
      return { poller: current, switched: false, reason };
    }
    this.#current = poller;
    this.#switches = [...this.#switches.filter((at) => now - at < this.#window), now];
    this.#locked = this.#switches.length >= this.#maxSwitches;
    return { poller, switched: true, reason: `${poller} instead of ${current}: ${why}` };
  }

  /** Keeps it from changing until {@link PollerPolicy.unfreeze} was called as often as this. */
  freeze(): void {
    this.#freezes++;
  }

  /**
   * Takes one {@link PollerPolicy.freeze} back.
   *
   * @throws {Error} when it is not frozen
   */
  unfreeze(): void {
    if (this.#freezes === 0) throw new Error("PollerPolicy.unfreeze: it is not frozen");
    this.#freezes--;
  }

  /** Lets it change again after it was locked, and counts its changes from here on. */
  unlock(): void {
    this.#locked = false;
    this.#switches = [];
  }

  /** The poller that would be right, and why. */
  #best(metrics: LoopMetrics): [poller: PollerKind, why: string] {
    const present = this.#present ??= this.#candidates.filter(({ poller, supported }) =>
      flag(supported(), `PollerPolicy: what supported() of ${poller} returns`)
    );
    const [first] = present;
    if (first === undefined) {
      const names = this.#candidates.map(({ poller }) => poller).join(" or ");
      throw new UnsupportedError("an event loop", `a system with ${names}`);
    }
    if (present.length === 1) return [first.poller, "the only poller of this system"];
    const right = present.find(({ poller, suits }) =>
      suits === undefined || flag(suits(metrics), `PollerPolicy: what suits() of ${poller} returns`)
    );
    if (right !== undefined) return [right.poller, "the first that suits the load"];
    return [this.#current ?? first.poller, "none suits the load"];
  }

  /** What forbids a change, null when nothing does. */
  #obstacle(now: number): string | null {
    if (this.#freezes > 0) return `frozen ${this.#freezes} times`;
    if (this.#locked) return `locked after ${this.#switches.length} changes, until unlock()`;
    const latest = this.#switches.at(-1);
    if (latest === undefined || now - latest >= this.#cooldown) return null;
    return `cooling down for another ${Math.ceil(this.#cooldown - (now - latest))} ms`;
  }

  #time(): number {
    const now = this.#now();
    if (Number.isFinite(now)) return now;
    throw new TypeError(`PollerPolicy: now() must return milliseconds, got ${shown(now)}`);
  }
}

/** Checks the candidates and copies them, so that they do not change afterwards. */
function checkCandidates(candidates: unknown, what: string): PollerCandidate[] {
  if (!Array.isArray(candidates)) {
    throw new TypeError(`${what} must be an array, got ${shown(candidates)}`);
  }
  const copies = Array.from(candidates as PollerCandidate[], (candidate) => {
    const { poller, supported, suits } = checkOptions(candidate, `${what}: each`);
    const copy = {
      poller: oneOf(poller, KINDS, `${what}: poller`),
      supported: checkFunction(supported, `${what}: supported`),
    };
    return suits === undefined ? copy : { ...copy, suits: checkFunction(suits, `${what}: suits`) };
  });
  if (copies.length > 0 && new Set(copies.map(({ poller }) => poller)).size === copies.length) {
    return copies;
  }
  throw new RangeError(`${what} must be one at least, and each poller one of them at most`);
}

function checkFunction<Code extends (...args: never[]) => unknown>(
  value: Code,
  what: string,
): Code {
  if (typeof value === "function") return value;
  throw new TypeError(`${what} must be a function, got ${shown(value)}`);
}
