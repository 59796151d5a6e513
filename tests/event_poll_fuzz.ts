/**
 * The differential test of EventPoll: a seeded generator of programs, and what compares their steps
 * here and in the kernel. `tests/event_poll_fuzz/` has the two worlds that programs run in.
 *
 * @module
 */

import { EntryFlags, EventMask } from "../loop/event_mask.ts";
import { KernelWorld } from "./event_poll_fuzz/kernel_world.ts";
import { MemoryWorld } from "./event_poll_fuzz/memory_world.ts";
import {
  COUNTERS,
  DATA,
  MODES,
  OPS,
  type Program,
  SIZES,
  SLOTS,
  type Step,
  type World,
} from "./event_poll_fuzz/program.ts";

/** Where the two worlds differ. */
export interface Difference {
  readonly program: Program;
  /** Which step it was. */
  readonly at: number;
  readonly memory: string;
  readonly kernel: string;
}

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

/** Makes a program. */
export function generate(seed: number, length: number): Program {
  const dice = new Dice(seed);
  const generator = new Generator(dice);
  const first = [OPS.poll, OPS.poll, dice.of([OPS.pipe, OPS.pair, OPS.counter, OPS.poll])];
  return Array.from({ length }, (_, index) => generator.step(first[index]));
}

/** Makes the world that is compared with the kernel. */
export type MakeWorld = () => World;

/** Told the result of every step. */
export type Told = (step: Step, result: string) => void;

/** The world of EventPoll. */
export const memoryWorld: MakeWorld = () => new MemoryWorld();

/** Runs a program in both worlds, up to the first step that differs. */
export function compare(
  program: Program,
  make: MakeWorld = memoryWorld,
  told: Told = () => {},
): Difference | null {
  using memory = make();
  using kernel = new KernelWorld();
  for (let at = 0; at < program.length; at++) {
    const step = program[at]!;
    const here = memory.apply(step);
    const there = kernel.apply(step);
    if (here !== there) return { program, at, memory: here, kernel: there };
    told(step, here);
  }
  return null;
}

/** Takes out of a program whatever the difference does not need. */
export function shrink(found: Difference, make: MakeWorld = memoryWorld): Difference {
  let best: Difference = { ...found, program: found.program.slice(0, found.at + 1) };
  const accept = (program: Program): boolean => {
    const difference = compare(program, make);
    if (difference === null) return false;
    best = { ...difference, program: program.slice(0, difference.at + 1) };
    return true;
  };
  for (let size = best.program.length >> 1; size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let from = 0; from < best.program.length;) {
      const without = [...best.program.slice(0, from), ...best.program.slice(from + size)];
      if (!accept(without)) from += size;
    }
  }
  for (let again = true; again;) {
    again = false;
    for (let index = best.program.length - 1; index >= 0; index--) {
      const { program } = best;
      if (accept([...program.slice(0, index), ...program.slice(index + 1)])) again = true;
    }
  }
  simplify(() => best.program, accept);
  return best;
}

/** Takes bits out of the masks and flags of a program, one after the other. */
function simplify(current: () => Program, accept: (program: Program) => boolean): void {
  for (let index = 0; index < current().length; index++) {
    for (const place of [3, 4]) {
      for (let bit = 1; bit < 2 ** 14; bit *= 2) {
        const one = current()[index];
        if (one === undefined || one.length < 6 || (one[place]! & bit) === 0) continue;
        accept(current().with(index, one.with(place, one[place]! & ~bit)));
      }
    }
  }
}

/** A program as a person reads it, and as a regression test takes it. */
export function show({ program, at, memory, kernel }: Difference): string {
  const names = Object.entries(OPS);
  const lines = program.map(([op, ...rest], index) =>
    `  ${JSON.stringify([op, ...rest])}, // ${index}: ${
      names.find(([, value]) => value === op)?.[0]
    } ${rest.join(" ")}`
  );
  return [`step ${at}: EventPoll ${memory}, the kernel ${kernel}`, ...lines].join("\n");
}

/** How a run is made. */
export interface FuzzOptions {
  /** The first program's seed; those after it have the numbers behind it. */
  readonly seed: number;
  /** How many steps are compared, at least. */
  readonly steps: number;
  /** What is compared with the kernel. Default: EventPoll. */
  readonly make?: MakeWorld;
  readonly told?: Told;
  /** Called after every program with the steps that were made. */
  readonly progress?: (steps: number) => void;
}

/** What a run found. */
export interface Fuzzed {
  readonly steps: number;
  /** The first difference in its shortest form, with the seed of its program. */
  readonly difference: (Difference & { readonly seed: number }) | null;
}

/** Runs programs until so many steps were compared, or until one differs. */
export function fuzz({ seed, steps, make, told, progress }: FuzzOptions): Fuzzed {
  let done = 0;
  for (let number = seed; done < steps; number++) {
    const program = generate(number, 30 + (number % 8) * 20);
    const difference = compare(program, make, told);
    if (difference !== null) {
      return { steps: done, difference: { ...shrink(difference, make), seed: number } };
    }
    done += program.length;
    progress?.(done);
  }
  return { steps: done, difference: null };
}
