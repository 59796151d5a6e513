/**
 * The seeded generator of programs. Like the world in memory, it needs nothing but JavaScript.
 *
 * @module
 */

import { EntryFlags, EventMask } from "../../loop/event_mask.ts";
import { COUNTERS, DATA, MODES, OPS, type Program, SIZES, SLOTS, type Step } from "./program.ts";

/** A generator with a seed, of numbers below `limit`. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `limit` − 1: mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  }

  /** One of several. */
  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** True once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
}

const WORDS = Object.values(EventMask);
const { IN, OUT, RDHUP } = EventMask;

/** Which steps come how often. */
const WEIGHTS: readonly (readonly [op: number, weight: number])[] = [
  [OPS.pipe, 3],
  [OPS.counter, 3],
  [OPS.pair, 3],
  [OPS.poll, 6],
  [OPS.close, 5],
  [OPS.dup, 6],
  [OPS.write, 17],
  [OPS.read, 14],
  [OPS.fill, 3],
  [OPS.drain, 5],
  [OPS.shutdown, 2],
  [OPS.add, 24],
  [OPS.modify, 12],
  [OPS.remove, 3],
  [OPS.wait, 32],
];
const WHEEL: readonly number[] = WEIGHTS.flatMap(([op, weight]) => Array(weight).fill(op));

function mask(dice: Dice): number {
  const common = dice.of([IN, IN, OUT, IN | OUT, IN | OUT | RDHUP, 0]);
  if (!dice.once(3)) return common;
  return WORDS.reduce((all, word) => (dice.once(3) ? all | word : all), common);
}

function flags(dice: Dice): number {
  return (dice.once(2) ? EntryFlags.EdgeTriggered : 0) |
    (dice.once(4) ? EntryFlags.OneShot : 0) |
    (dice.once(8) ? EntryFlags.Exclusive : 0);
}

/** What a slot holds, as far as the generator cares. */
type Held = "nothing" | "poll" | "source";

/** Makes steps that mostly have something to do: it knows what is in each slot. */
class Generator {
  readonly #dice: Dice;
  readonly #held: Held[] = Array(SLOTS).fill("nothing");

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** The next step. */
  step(op: number = this.#dice.of(WHEEL)): Step {
    const dice = this.#dice;
    const slot = this.#slotFor(op);
    const other = (slot + 1 + dice.below(SLOTS - 1)) % SLOTS;
    this.#note(op, slot, other);
    switch (op) {
      case OPS.counter:
        return [op, slot, dice.below(COUNTERS.length), dice.below(2)];
      case OPS.write:
      case OPS.read:
        return [op, slot, dice.below(SIZES.length)];
      case OPS.shutdown:
        return [op, slot, dice.below(MODES.length)];
      case OPS.wait:
        return [op, slot, dice.of([1, 1, 2, 3, 8])];
      case OPS.remove:
        return [op, slot, this.#targetFor(slot)];
      case OPS.add:
      case OPS.modify:
        return [
          op,
          slot,
          this.#targetFor(slot),
          mask(dice),
          flags(dice),
          dice.below(DATA.length),
        ];
      case OPS.pipe:
      case OPS.pair:
      case OPS.dup:
        return [op, slot, other];
      default:
        return [op, slot];
    }
  }

  /** A slot with what the step is for; now and then any slot, for the refusals. */
  #slotFor(op: number): number {
    const isOnPoll = op >= OPS.add;
    const makes = op <= OPS.poll;
    const wanted: Held = makes ? "nothing" : isOnPoll ? "poll" : "source";
    const slot = this.#dice.below(SLOTS);
    // Making something where something is closes it: not so often that nothing ever happens.
    if (this.#dice.once(makes ? 3 : 30) || op === OPS.close || op === OPS.dup) return slot;
    for (let tried = 0; tried < SLOTS; tried++) {
      const one = (slot + tried) % SLOTS;
      if (this.#held[one] === wanted) return one;
    }
    return slot;
  }

  /** What is to be waited for: anything there is, polls too, and at times the poll itself. */
  #targetFor(poll: number): number {
    const slot = this.#dice.below(SLOTS);
    if (this.#dice.once(30)) return slot;
    for (let tried = 0; tried < SLOTS; tried++) {
      const one = (slot + tried) % SLOTS;
      if (one !== poll && this.#held[one] !== "nothing") return one;
    }
    return slot;
  }

  #note(op: number, slot: number, other: number): void {
    if (op === OPS.pipe || op === OPS.pair) this.#held[slot] = this.#held[other] = "source";
    else if (op === OPS.counter) this.#held[slot] = "source";
    else if (op === OPS.poll) this.#held[slot] = "poll";
    else if (op === OPS.close) this.#held[slot] = "nothing";
    else if (op === OPS.dup && this.#held[slot] !== "nothing") {
      this.#held[other] = this.#held[slot]!;
    }
  }
}

/** Makes a program; those of neighbouring seeds have different lengths. */
export function generate(seed: number, length: number = 30 + (seed % 8) * 20): Program {
  const dice = new Dice(seed);
  const generator = new Generator(dice);
  const first = [OPS.poll, OPS.poll, dice.of([OPS.pipe, OPS.pair, OPS.counter, OPS.poll])];
  return Array.from({ length }, (_, index) => generator.step(first[index]));
}
