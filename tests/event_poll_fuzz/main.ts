/**
 * `npm run fuzz`: the differential test for as long as one likes, with its progress.
 *
 *     main.ts <steps> <seed>
 *
 * @module
 */

import process from "node:process";
import { fuzz, show } from "../event_poll_fuzz.ts";

const [steps, seed] = process.argv.slice(2).map(Number) as [number, number];

/** A line at most so often. */
const TOLD_MS = 2000;

const begin = performance.now();
let told = begin;
const rate = (done: number): string =>
  `${(done / ((performance.now() - begin) * 1000)).toFixed(2)} million steps/s`;
const { steps: done, difference } = fuzz({
  seed,
  steps,
  progress: (now) => {
    if (performance.now() - told < TOLD_MS) return;
    told = performance.now();
    console.log(`${now} of ${steps} steps, ${rate(now)}`);
  },
});
if (difference !== null) {
  console.log(`seed ${difference.seed}: ${show(difference)}`);
  process.exit(1);
}
console.log(`${done} steps from seed ${seed}, ${rate(done)}: no difference`);
