/**
 * What importing the library costs: whole processes, an empty script and one that imports it, in turn.
 * The aim is 5 ms on Bun and 8 ms on Deno.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const ROUNDS = 25;
const isBun = process.versions.bun !== undefined;
const AIM_MS = isBun ? 5 : 8;

const folder = mkdtempSync(join(tmpdir(), "fdloop-import-"));
const library = new URL("../mod.ts", import.meta.url).href;
const empty = join(folder, "empty.ts");
const importing = join(folder, "importing.ts");
writeFileSync(empty, "export {};\n");
writeFileSync(importing, `import ${JSON.stringify(library)};\n`);
const options = isBun ? ["run"] : ["run", "--no-check", "--allow-ffi"];

/** The whole life of a process, in milliseconds. */
function run(script: string): number {
  const begin = performance.now();
  const { status } = spawnSync(process.execPath, [...options, script], { stdio: "ignore" });
  if (status !== 0) throw new Error(`${script} ended with ${status}`);
  return performance.now() - begin;
}

try {
  run(empty);
  run(importing); // what is compiled once is in the runtime's cache from here on
  const costs = Array.from({ length: ROUNDS }, () => -run(empty) + run(importing));
  costs.sort((a, b) => a - b);
  const [least, median, most] = [costs[0]!, costs[ROUNDS >> 1]!, costs[ROUNDS - 1]!];
  const figures = [least, median, most].map((cost) => cost.toFixed(1)).join(" / ");
  console.log(`import of mod.ts over an empty script: ${figures} ms (min / median / max)`);
  if (median > AIM_MS) console.log(`above the aim of ${AIM_MS} ms`);
} finally {
  rmSync(folder, { recursive: true });
}
