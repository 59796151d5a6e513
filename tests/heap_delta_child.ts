/**
 * The part of the heap measurement that runs in the child process: see heap_delta.ts.
 *
 * @module
 */

import process from "node:process";
import type { HeapDelta } from "./heap_delta.ts";

interface HeapProbe {
  collect(): void;
  /** Bytes that only grow while nothing is collected. */
  bytes(): number;
}

interface BunJSC {
  gcAndSweep(): void;
  heapStats(): { readonly heapCapacity: number };
}

function heapProbe(): HeapProbe {
  const jsc = process.versions.bun === undefined
    ? undefined
    : process.getBuiltinModule("bun:jsc" as "process") as unknown as BunJSC;
  if (jsc !== undefined) {
    // JSC counts objects when it collects. What grows at once is the number of blocks they are in,
    // if the empty ones were swept away before.
    return { collect: () => jsc.gcAndSweep(), bytes: () => jsc.heapStats().heapCapacity };
  }
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("start this with --v8-flags=--expose-gc");
  return { collect: gc, bytes: () => process.memoryUsage().heapUsed };
}

/** Enough for the last compiler of either runtime to have seen the loop. */
const WARM_UP_ROUNDS = 10;
const ROUNDS = 4;

/** Bytes per call: the least of several rounds, since a compiler allocates in some of them. */
function bytesPerCall(probe: HeapProbe, path: (calls: number) => void, calls: number): number {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) path(Math.ceil(calls / WARM_UP_ROUNDS));
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    probe.collect();
    const before = probe.bytes();
    path(calls);
    least = Math.min(least, (probe.bytes() - before) / calls);
  }
  return least;
}

let sink: { call: number } | null = null;

function oneObjectEach(calls: number): void {
  for (let call = 0; call < calls; call++) sink = { call };
}

/** Measures a path and the control, and prints both as the last line of stdout. */
export function report(path: (calls: number) => void, calls: number): void {
  const probe = heapProbe();
  const delta: HeapDelta = {
    measured: bytesPerCall(probe, path, calls),
    control: bytesPerCall(probe, oneObjectEach, calls),
  };
  if (sink === null) throw new Error("the control did not run");
  console.log(JSON.stringify(delta));
}
