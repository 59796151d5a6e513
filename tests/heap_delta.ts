/**
 * Proof that a call allocates nothing: its bytes on the JavaScript heap are measured in a child
 * process whose collector does not run while it measures.
 *
 * @module
 */

import { assert } from "@std/assert";
import { root, runtime, spawnScript } from "./support.ts";

/** What is measured, as source text for the child. */
export interface HotCall {
  /** Imports and statements before the measurement: the library by its name, the rest by `${root}…`. */
  readonly setup: string;
  /** One call, as statements. `call` counts the calls from 0, for a call that must alternate. */
  readonly call: string;
  /** How many calls are measured at once, 200,000 by default. Fewer for a slow call. */
  readonly calls?: number;
}

/** What the child measured: bytes per call, of the call and of a loop that makes one small object. */
export interface HeapDelta {
  readonly measured: number;
  readonly control: number;
}

/** The smallest thing a call can leave is 8 bytes (a number that is no small integer, in V8). */
const LEAST_OBJECT = 8;

/** Below this there was no allocation in each call: the rest is the runtime's own, rarely. */
const NOTHING = 1;

/**
 * V8 with one generation that holds all that is allocated while it measures, so that its collector,
 * which would hide it, never runs. JSC needs no flag: its first collection is further away.
 */
const V8_FLAGS = "--v8-flags=--expose-gc,--min-semi-space-size=128,--max-semi-space-size=128," +
  "--no-concurrent-recompilation";

/** The compilers do not run beside the program, where they may be late on a busy machine. */
const env = { BUN_JSC_useConcurrentJIT: "0" };

/** Measures a call in a child process of the same runtime. */
export async function heapDelta({ setup, call, calls = 200_000 }: HotCall): Promise<HeapDelta> {
  const source = `import { report } from "${root}tests/heap_delta_child.ts";
    ${setup}
    report((calls: number): void => {
      for (let call = 0; call < calls; call++) {
        ${call}
      }
    }, ${calls});`;
  const permissions = runtime === "deno" ? ["-A", V8_FLAGS] : [];
  const { code, stdout, stderr } = await spawnScript(source, { permissions, env });
  assert(code === 0, `the child that measures ended with ${code}\n${stdout}\n${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as HeapDelta;
}

/** Fails when a call allocates on the JavaScript heap once it is warm, if only a number. */
export async function assertNoAllocation(hot: HotCall): Promise<void> {
  const { measured, control } = await heapDelta(hot);
  assert(control >= LEAST_OBJECT, `the measurement is blind: ${control} bytes for an object`);
  assert(measured < NOTHING, `${measured.toFixed(3)} bytes a call are allocated by: ${hot.call}`);
}
