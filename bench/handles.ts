/**
 * What every hot call costs: the bare call through FFI, the method of a handle of one thread, and of
 * a handle that is shared between threads, each against the same work in C (handles.c).
 *
 *     node .ci/bench.mjs handles          both runtimes
 *     bun bench/handles.ts [word]         the cases whose name has the word
 *     deno run -A bench/handles.ts [word]
 *
 * The times are CPU time of the calling thread. Each turn runs a round of all four contestants, and
 * a ratio is taken within a turn: median (least–most) over the turns.
 */

import process from "node:process";
import { backend } from "../ffi/platform.ts";
import { cases } from "./_cases.ts";
import { differences, median, ratios, spread } from "./_statistics.ts";
import { measure, prepare, type Times, withTwin } from "./_twin.ts";

/** How many turns: with four rounds of 3 ms each, a case takes a second and a half. */
const TURNS = 101;

/** What a method of a handle of one thread may cost over C, by runtime. */
const AIM: Readonly<Record<string, number>> = { bun: 1.05, deno: 1.08 };

const COLUMNS = [24, 9, 19, 19, 19, 8, 8] as const;

function row(...cells: string[]): string {
  return cells.map((cell, column) =>
    column === 0 ? cell.padEnd(COLUMNS[0]) : cell.padStart(COLUMNS[column]!)
  ).join(" ");
}

function report(name: string, [c, bare, own, shared]: readonly Times[]): string {
  return row(
    name,
    median(c!).toFixed(0),
    spread(ratios(bare!, c!)),
    spread(ratios(own!, c!)),
    spread(ratios(shared!, c!)),
    median(differences(own!, bare!)).toFixed(1),
    median(differences(shared!, own!)).toFixed(1),
  );
}

async function main(word: string): Promise<void> {
  const aim = AIM[backend.runtime]!;
  const misses: string[] = [];
  console.log(`${backend.runtime} ${backend.version}, ${TURNS} turns, aim: handle/C <= ${aim}\n`);
  console.log(row("", "C ns", "bare/C", "handle/C", "shared/C", "+handle", "+shared"));
  await withTwin("handles", async (twin) => {
    using all = cases();
    const chosen = all.list.filter(({ name }) => name.includes(word));
    // All before the first is measured: in a program, too, the calls share code that the JITs have
    // seen in use by several kinds of handles.
    const calls: number[] = [];
    for (const { twin: inC, rounds } of chosen) calls.push(await prepare(twin, inC, rounds));
    for (const [index, { name, twin: inC, rounds }] of chosen.entries()) {
      const times = await measure(twin, inC, rounds, calls[index]!, TURNS);
      console.log(report(name, times));
      const reached = median(ratios(times[2]!, times[0]!));
      if (reached > aim) misses.push(`${name}: ${reached.toFixed(3)}`);
    }
  });
  console.log("\n+handle: ns of a method over the bare call; +shared: what sharing adds to that");
  for (const miss of misses) console.log(`misses the aim of ${aim}: ${miss}`);
  if (misses.length === 0) console.log(`every handle reaches the aim of ${aim}`);
}

await main(process.argv[2] ?? "");
