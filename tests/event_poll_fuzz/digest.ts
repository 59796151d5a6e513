/**
 * Programs of the differential test without the kernel: one number that stands for all results. Where
 * it is the same as where they were compared with the kernel, they agree with the kernel, too.
 *
 * This file and what it imports run wherever JavaScript does; it leaves the answer in `fdloopDigest`.
 *
 * @module
 */

import { generate } from "./generator.ts";
import { MemoryWorld } from "./memory_world.ts";

/** Runs the programs of some seeds, and mixes their results: FNV-1a. */
export function digest(seed: number, programs: number): string {
  let hash = 0x811c9dc5;
  for (let number = seed; number < seed + programs; number++) {
    // No `using`: a browser need not have Symbol.dispose.
    const world = new MemoryWorld();
    for (const step of generate(number)) {
      for (const letter of world.apply(step)) {
        hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
      }
    }
    world.clear();
  }
  return hash.toString(16);
}

/** The seeds: the first of those that `tests/event_poll_fuzz_test.ts` compares with the kernel. */
export const DIGEST_SEED = 1;
export const DIGEST_PROGRAMS = 1000;

(globalThis as { fdloopDigest?: () => string }).fdloopDigest = () =>
  digest(DIGEST_SEED, DIGEST_PROGRAMS);
