// npm run demo: the demo on Bun, then on Deno.

import process from "node:process";
import { ending, run, runtimes } from "./runtimes.mjs";

const TIMEOUT_MS = 30_000; // the demo takes under five seconds

let failed = false;
for (const { name, start } of runtimes()) {
  const [command, ...args] = start();
  console.log(`\n=== ${name} examples/demo.ts ===`);
  const end = await run(command, [...args, "examples/demo.ts"], { timeoutMs: TIMEOUT_MS });
  if (end.ok) continue;
  failed = true;
  console.error(`${name}: the demo failed: ${ending(end, TIMEOUT_MS)}`);
}
process.exitCode = failed ? 1 : 0;
