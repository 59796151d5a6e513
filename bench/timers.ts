/**
 * A million timers: what setting, setting anew, stopping and firing each of them costs in a loop, in
 * the runtime's own `setTimeout` and in C (timers.c), and what each holds in memory.
 *
 *     node .ci/bench.mjs timers          both runtimes
 *     bun bench/timers.ts [how many]
 *     deno run -A --v8-flags=--expose-gc bench/timers.ts [how many]
 *
 * The times are CPU time of the calling thread, in ns for one timer. The contestants take turns, and a
 * ratio is taken within a turn: median (least–most) over the turns.
 */

import process from "node:process";
import { backend } from "../ffi/platform.ts";
import { Loop } from "../loop/loop.ts";
import type { LoopTimer } from "../loop/timers.ts";
import { heapBytes } from "./_heap.ts";
import { median, ratios, spread } from "./_statistics.ts";
import { threadTime, withTwin } from "./_twin.ts";

/** As many as fit into five minutes: Deno's `setTimeout` takes half a minute for each. */
const TURNS = 3;

const PHASES = ["set", "reset", "cancel", "fire"] as const;

type Phase = typeof PHASES[number];

/** A million timers of one kind. */
interface Contestant {
  /** Sets all of them. */
  set(delays: Uint32Array): void;
  /** Sets all of them anew. */
  reset(delays: Uint32Array): void;
  /** Stops all of them. */
  cancel(): void;
  /** Waits until all have fired. */
  fire(): Promise<void>;
}

class LoopTimers implements Contestant, Disposable {
  readonly #loop = Loop.create();
  readonly #timers: LoopTimer[] = [];
  #fired = 0;

  set(delays: Uint32Array): void {
    const onFire = (): void => void this.#fired++;
    for (let index = 0; index < delays.length; index++) {
      this.#timers[index] = this.#loop.setTimer(delays[index]!, onFire);
    }
  }

  reset(delays: Uint32Array): void {
    for (let index = 0; index < delays.length; index++) this.#timers[index]!.reset(delays[index]!);
  }

  cancel(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.length = 0;
  }

  async fire(): Promise<void> {
    this.#fired = 0;
    await this.#loop.run();
    if (this.#fired !== this.#timers.length) throw new Error(`only ${this.#fired} timers fired`);
    this.#timers.length = 0;
  }

  [Symbol.dispose](): void {
    this.#loop.close();
  }
}

class HostTimers implements Contestant {
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #left = 0;
  #done = Promise.withResolvers<void>();

  set(delays: Uint32Array): void {
    const onFire = (): void => {
      if (--this.#left === 0) this.#done.resolve();
    };
    this.#left = delays.length;
    this.#done = Promise.withResolvers();
    for (let index = 0; index < delays.length; index++) {
      this.#timers[index] = setTimeout(onFire, delays[index]!);
    }
  }

  reset(delays: Uint32Array): void {
    this.cancel();
    this.set(delays);
  }

  cancel(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.length = 0;
  }

  async fire(): Promise<void> {
    await this.#done.promise;
    this.#timers.length = 0;
  }
}

/** Delays in milliseconds, the same in each run. */
function randoms(count: number, from: number, range: number): Uint32Array {
  let seed = 1;
  return Uint32Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return from + (seed >>> 8) % range;
  });
}

/** CPU time of each phase, in ns for one timer. */
async function round(timers: Contestant, count: number): Promise<Record<Phase, number>> {
  const [far, other] = [randoms(count, 10_000, 50_000), randoms(count, 10_000, 40_000)];
  const soon = randoms(count, 1, 10);
  let last = 0;
  const lap = (): number => {
    const before = last;
    last = threadTime();
    return (last - before) / count;
  };
  lap();
  timers.set(far);
  const set = lap();
  timers.reset(other);
  const reset = lap();
  timers.cancel();
  const cancel = lap();
  timers.set(soon);
  // All are due before the first can fire, so that nothing of it is waiting.
  for (const begin = performance.now(); performance.now() - begin < 15;);
  lap();
  await timers.fire();
  return { set, reset, cancel, fire: lap() };
}

/** What each timer of a kind holds: on the heap, and all that the process has more. */
function memory(timers: Contestant, count: number): string {
  const [heap, rss] = [heapBytes(), process.memoryUsage.rss()];
  timers.set(randoms(count, 100_000, 1000));
  const [heapMore, rssMore] = [heapBytes() - heap, process.memoryUsage.rss() - rss];
  timers.cancel();
  return `${(heapMore / count).toFixed(0)} bytes of heap, ${(rssMore / count).toFixed(0)} in all`;
}

async function main(count: number): Promise<void> {
  using inLoop = new LoopTimers();
  const inHost = new HostTimers();
  console.log(`${backend.runtime} ${backend.version}, ${count} timers, ${TURNS} turns\n`);
  const held = [memory(inLoop, count), memory(inHost, count)];
  const times = PHASES.map(() => ({ c: [], loop: [], host: [] } as Record<string, number[]>));
  await withTwin("timers", async (twin) => {
    for (const timers of [inLoop, inHost]) await round(timers, count / 10); // for the JITs
    for (let turn = 0; turn < TURNS; turn++) {
      const loop = await round(inLoop, count);
      const host = await round(inHost, count);
      for (const [index, phase] of PHASES.entries()) {
        if (phase === "fire") await twin.run("soon", count);
        const { nanoseconds } = await twin.run(phase, count);
        times[index]!.c!.push(nanoseconds / count);
        times[index]!.loop!.push(loop[phase]);
        times[index]!.host!.push(host[phase]);
      }
    }
  });
  const row = (...cells: string[]): void =>
    console.log(cells.map((cell, column) => cell.padStart(column === 0 ? 8 : 20)).join(" "));
  row("ns", "C", "loop", "setTimeout", "loop/C", "loop/setTimeout");
  for (const [index, phase] of PHASES.entries()) {
    const { c, loop, host } = times[index]!;
    const middles = [c!, loop!, host!].map((each) => median(each).toFixed(0));
    row(phase, ...middles, spread(ratios(loop!, c!)), spread(ratios(loop!, host!)));
  }
  console.log(`\na timer of the loop: ${held[0]}; of setTimeout: ${held[1]}`);
}

await main(Number(process.argv[2] ?? 1_000_000));
