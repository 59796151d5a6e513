/**
 * How many bytes are on the JavaScript heap.
 *
 * @module
 */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

interface BunJSC {
  gcAndSweep(): void;
  heapStats(): { readonly heapSize: number; readonly extraMemorySize: number };
}

/** Bytes on the heap, and in the array buffers that it owns, once everything else is collected. */
export const heapBytes: () => number = process.versions.bun === undefined ? v8Bytes() : jscBytes();

function jscBytes(): () => number {
  const jsc = process.getBuiltinModule("bun:jsc" as "process") as unknown as BunJSC;
  return () => {
    for (let time = 0; time < 3; time++) jsc.gcAndSweep();
    const { heapSize, extraMemorySize } = jsc.heapStats();
    return heapSize + extraMemorySize;
  };
}

function v8Bytes(): () => number {
  setFlagsFromString("--expose-gc");
  const collect = (globalThis as { gc?: () => void }).gc ?? runInNewContext("gc") as () => void;
  return () => {
    for (let time = 0; time < 3; time++) collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
}
