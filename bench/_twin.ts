/**
 * Rounds against a C twin: in each turn every contestant runs one round, in this process and in the
 * twin's, so that all of them meet the same machine, whatever else runs on it.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { median } from "./_statistics.ts";

/** Makes so many calls, and answers a checksum that is the same for all contestants. */
export type Round = (calls: number) => number;

/** What one contestant's rounds took, in nanoseconds per call, turn by turn. */
export type Times = number[];

/** How long a round should take: long beside a clock's step, short beside a scheduler's. */
const ROUND_NS = 3_000_000;

/** How many rounds each contestant runs before they count, until the JITs have done their work. */
const WARM_UP_ROUNDS = 20;

/** Compiles bench/`name`.c, runs `body` beside the program, and ends it. */
export async function withTwin(name: string, body: (twin: Twin) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "fdloop-bench-"));
  try {
    const program = join(folder, name);
    const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
    const options = ["-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", program];
    const compiled = spawnSync("cc", [...options, source], { encoding: "utf8" });
    if (compiled.status !== 0) {
      throw new Error(`cc ${name}.c: ${compiled.error?.message ?? compiled.stderr}`);
    }
    const child = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      await body(new Twin(child));
    } finally {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The C program: for each line "case calls" it runs a round and answers "checksum nanoseconds", and what
 * else it has measured.
 */
export class Twin {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#answers = createInterface(child.stdout!)[Symbol.asyncIterator]();
  }

  /** Runs one round there. */
  async run(
    name: string,
    calls: number,
  ): Promise<{ sum: number; nanoseconds: number; more: number[] }> {
    this.#child.stdin!.write(`${name} ${calls}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the C twin ended in ${name}`);
    const [sum, nanoseconds, ...more] = value.split(" ").map(Number) as [number, number];
    return { sum, nanoseconds, more };
  }
}

/** Finds how many calls make a round, and runs the rounds until the JITs have done their work. */
export async function prepare(
  twin: Twin,
  name: string,
  rounds: readonly Round[],
): Promise<number> {
  const trial = 64;
  await twin.run(name, trial);
  const trials: number[] = [];
  for (let turn = 0; turn < 5; turn++) trials.push((await twin.run(name, trial)).nanoseconds);
  // Of 64, so that what repeats every so many calls gives every round the same checksum.
  const calls = Math.max(1, Math.round(ROUND_NS / median(trials))) * trial;
  for (const round of rounds) {
    for (let turn = 0; turn < WARM_UP_ROUNDS; turn++) round(calls);
  }
  return calls;
}

/**
 * Measures the rounds of one case and of the twin, interleaved. The first list is the twin's, the
 * others are in the order of the rounds.
 */
export async function measure(
  twin: Twin,
  name: string,
  rounds: readonly Round[],
  calls: number,
  turns: number,
): Promise<Times[]> {
  const times: Times[] = [[], ...rounds.map(() => [])];
  for (let turn = 0; turn < turns; turn++) {
    const { sum, nanoseconds } = await twin.run(name, calls);
    times[0]!.push(nanoseconds / calls);
    // Back and forth, so that a machine that gets slower or faster favours nobody.
    const order = rounds.map((_, index) => turn % 2 === 0 ? index : rounds.length - 1 - index);
    for (const index of order) times[index + 1]!.push(timed(rounds[index]!, calls, sum, name));
  }
  return times;
}

/** Runs one round as the twin does: an eighth first, for the caches, that does not count. */
function timed(round: Round, calls: number, expected: number, name: string): number {
  round(calls / 8);
  const start = threadTime();
  const sum = round(calls);
  const time = threadTime() - start;
  if (sum !== expected) throw new Error(`${name}: checksum ${sum}, the C twin has ${expected}`);
  return time / calls;
}

const timespec = new Uint32Array(new ArrayBuffer(16));

/** The CPU time of this thread in nanoseconds: what else runs on the machine is not in it. */
export function threadTime(): number {
  libc.clock_gettime(posix.CLOCK_THREAD_CPUTIME_ID, timespec);
  return timespec[0]! * 1e9 + timespec[2]!;
}
