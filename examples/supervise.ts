/**
 * Keeps a program running: starts it again when it ends, later each time it ends early, forwards
 * signals to it, and kills it when it does not end within a deadline.
 *
 *     bun examples/supervise.ts [--grace MS] [--delay MS] -- COMMAND [ARG …]
 *     deno run --allow-ffi --allow-run --allow-read --allow-env examples/supervise.ts -- COMMAND [ARG …]
 */

import { spawn } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";
import { type ExitStatus, Loop, PidFD, SignalFD } from "@fdloop/fdloop";

const { values, positionals: [command, ...args] } = parseArgs({
  allowPositionals: true,
  options: { grace: { type: "string" }, delay: { type: "string" } },
});
if (command === undefined) {
  console.error("usage: supervise.ts [--grace MS] [--delay MS] -- COMMAND [ARG …]");
  process.exit(2);
}

/** How long the program has to end after SIGTERM. */
const GRACE_MS = Number(values.grace ?? 5000);
/** Before the second start; doubled for each that follows an early end. */
const FIRST_DELAY_MS = Number(values.delay ?? 100);
const LONGEST_DELAY_MS = 30_000;
/** Who ran for this long has started well: the next delay is the first one again. */
const SETTLED_MS = 10_000;

const say = (what: string): void => console.log(`supervise: ${what}`);
const shown = ({ code, signal }: ExitStatus): string => signal ?? `status ${code}`;

using loop = Loop.create();
using signals = SignalFD.create(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"]);
const stop = new AbortController();
let child: PidFD | null = null;

async function runOnce(): Promise<void> {
  const { pid } = spawn(command!, args, { stdio: "inherit" });
  if (pid === undefined) throw new Error(`${command} cannot be started`);
  using running = PidFD.open(pid);
  child = running;
  say(`${command} runs as process ${pid}`);
  say(`process ${pid} ended: ${shown(await running.exited({ loop }))}`);
  child = null;
}

async function supervise(): Promise<void> {
  for (let delay = FIRST_DELAY_MS; !stop.signal.aborted;) {
    const begin = performance.now();
    await runOnce();
    if (stop.signal.aborted) return;
    if (performance.now() - begin >= SETTLED_MS) delay = FIRST_DELAY_MS;
    say(`starting again in ${delay} ms`);
    await pause(delay);
    delay = Math.min(delay * 2, LONGEST_DELAY_MS);
  }
}

/** Waits, but not beyond the end. */
function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = loop.setTimer(milliseconds, resolve);
    stop.signal.addEventListener("abort", () => {
      timer.cancel();
      resolve();
    });
  });
}

function forward(): void {
  for (let info = signals.read(); info !== null; info = signals.read()) {
    const { name } = info;
    say(`${name} from process ${info.pid}`);
    if (name === "SIGTERM" || name === "SIGINT") end();
    child?.sendSignal(info.signo);
  }
}

function end(): void {
  if (stop.signal.aborted) return;
  stop.abort();
  const late = child;
  if (late === null) return;
  const timer = loop.setTimer(GRACE_MS, () => {
    say(`process ${late.pid} did not end within ${GRACE_MS} ms: SIGKILL`);
    late.sendSignal("SIGKILL");
  });
  late.exited({ loop }).then(() => timer.cancel(), () => timer.cancel());
}

const watch = loop.watch(signals, { readable: true }, forward);
supervise().finally(() => watch.cancel());
await loop.run();
