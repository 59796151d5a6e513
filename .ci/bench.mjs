// npm run bench [name …]: every benchmark, or the named ones, on Bun and then on Deno.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { ending, root, run, runtimes } from "./runtimes.mjs";

const TIMEOUT_MS = 300_000;

const folder = join(root, "bench");
const all = existsSync(folder)
  // A file whose name begins with _ belongs to the benchmarks and is none.
  ? readdirSync(folder).filter((file) => file.endsWith(".ts") && !file.startsWith("_")).sort()
  : [];
const asked = process.argv.slice(2).map((name) => name.replace(/^bench\/|\.ts$/g, "") + ".ts");
const unknown = asked.filter((file) => !all.includes(file));
if (unknown.length > 0 || all.length === 0) {
  console.error(`no benchmark ${unknown.join(", ")}: there are ${all.join(", ") || "none"}`);
  process.exit(2);
}

let failed = false;
for (const file of asked.length > 0 ? asked : all) {
  for (const { name, start } of runtimes()) {
    const [command, ...args] = start();
    console.log(`\n=== ${name} bench/${file} ===`);
    const end = await run(command, [...args, `bench/${file}`], { timeoutMs: TIMEOUT_MS });
    if (end.ok) continue;
    failed = true;
    console.error(`${name} bench/${file}: ${ending(end, TIMEOUT_MS)}`);
  }
}
process.exitCode = failed ? 1 : 0;
