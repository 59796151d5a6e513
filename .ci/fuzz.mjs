// npm run fuzz -- [--steps N] [--seed N] [--bun] [--deno]: EventPoll against the kernel's epoll.

import process from "node:process";
import { parseArgs } from "node:util";
import { ending, run, runtimes } from "./runtimes.mjs";

const USAGE = `node .ci/fuzz.mjs [--steps N] [--seed N] [--bun] [--deno]

  --steps N      how many steps are compared on each runtime (default 10,000,000)
  --seed N       the first program's seed (default: of the clock); it is printed
  --bun, --deno  only that runtime
A difference is printed in its shortest form: keep it in REGRESSIONS of tests/event_poll_fuzz_test.ts.`;

// A slow and busy machine makes 20,000 steps a second.
const LEAST_RATE = 20_000;

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "10000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    bun: { type: "boolean" },
    deno: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});
const [steps, seed] = [options.steps, options.seed].map((text) => Number(text.replaceAll("_", "")));
if (options.help || !Number.isSafeInteger(steps) || !Number.isSafeInteger(seed)) {
  console.log(USAGE);
  process.exit(options.help ? 0 : 2);
}

let failed = false;
for (const { name, start } of runtimes()) {
  const isAsked = options.bun || options.deno ? options[name.split(" ")[0]] : true;
  if (!isAsked) continue;
  const [command, ...args] = start();
  const timeoutMs = 60_000 + steps / LEAST_RATE * 1000;
  console.log(`\n=== ${name}: seed ${seed}, ${steps} steps ===`);
  const main = "tests/event_poll_fuzz/main.ts";
  const end = await run(command, [...args, main, String(steps), String(seed)], { timeoutMs });
  if (end.ok) continue;
  failed = true;
  console.error(`${name}: ${ending(end, timeoutMs)}`);
}
process.exitCode = failed ? 1 : 0;
