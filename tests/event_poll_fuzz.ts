/**
 * The differential test of EventPoll: what compares the steps of programs here and in the kernel.
 * `tests/event_poll_fuzz/` has the generator, and the two worlds that programs run in.
 *
 * @module
 */

import { generate } from "./event_poll_fuzz/generator.ts";
import { KernelWorld } from "./event_poll_fuzz/kernel_world.ts";
import { MemoryWorld } from "./event_poll_fuzz/memory_world.ts";
import { OPS, type Program, type Step, type World } from "./event_poll_fuzz/program.ts";

/** Where the two worlds differ. */
export interface Difference {
  readonly program: Program;
  /** Which step it was. */
  readonly at: number;
  readonly memory: string;
  readonly kernel: string;
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
    const program = generate(number);
    const difference = compare(program, make, told);
    if (difference !== null) {
      return { steps: done, difference: { ...shrink(difference, make), seed: number } };
    }
    done += program.length;
    progress?.(done);
  }
  return { steps: done, difference: null };
}
