/**
 * One loop waits for everything at once: a child process and its exit status, a periodic timer, the
 * signals that the child sends, a counter that another thread kicks, and shared memory that another
 * program answers through.
 *
 *     bun examples/demo.ts
 *     deno run --allow-ffi --allow-run --allow-read --allow-env examples/demo.ts
 */

import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { Worker } from "node:worker_threads";
import {
  EventFD,
  type Feature,
  Loop,
  MappedRegion,
  MemFD,
  PidFD,
  SignalFD,
  supports,
  TimerFD,
} from "@fdloop/fdloop";

const started = performance.now();
const say = (who: string, what: string): void =>
  console.log(
    `${(performance.now() - started).toFixed(0).padStart(5)} ms  ${who.padEnd(9)} ${what}`,
  );

/** Raises two signals at this program, and leaves with a status of its own. */
const CHILD = `sleep 0.2; kill -USR1 $PPID; sleep 0.2; kill -USR2 $PPID; sleep 0.2; exit 7`;

/** Maps our memory in a different program, and answers there in capitals. */
const ANSWER_IN_PYTHON = `
import mmap, os, sys
memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)
question = memory[8:memory.find(b"\\0", 8)]
memory[2048:2048 + len(question)] = question.upper()
memory[0:8] = len(question).to_bytes(8, "little")
`;

/** The same where there is no python3: another JavaScript runtime, through pread and pwrite. */
const ANSWER_IN_JAVASCRIPT = `
import { openSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { Worker } from "node:worker_threads";
const file = openSync(process.argv[process.argv.length - 1], "r+");
const text = Buffer.alloc(2040);
readSync(file, text, 0, text.length, 8);
const question = text.subarray(0, text.indexOf(0)).toString();
writeSync(file, question.toUpperCase(), 2048);
writeSync(file, new Uint8Array(new BigUint64Array([BigInt(question.length)]).buffer), 0, 8, 0);
`;

function introduce(): void {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  const runtime = bun === undefined ? `Deno ${deno}` : `Bun ${bun}`;
  const asked: Feature[] = ["epoll_pwait2", "pidfd_open", "PIDFD_GET_INFO", "MFD_NOEXEC_SEAL"];
  const found = asked.map((feature) => `${feature} ${supports(feature) ? "yes" : "no"}`);
  console.log(`fdloop on ${runtime}, ${process.platform} ${process.arch}: ${found.join(", ")}\n`);
}

/** A child of this process: when it ends, its exit status is at hand, whoever reaped it. */
function watchChild(loop: Loop, cleanUp: DisposableStack): Promise<void> {
  const child = spawn("sh", ["-c", CHILD], { stdio: "ignore" });
  const running = cleanUp.use(PidFD.open(child.pid!));
  say("pidfd", `watching child ${running.pid}`);
  return running.exited({ loop }).then((status) => {
    say("pidfd", `child ${running.pid} ended: ${JSON.stringify(status)}`);
  });
}

/** Signals as records: which one, and who sent it. */
async function watchSignals(loop: Loop, signals: SignalFD): Promise<void> {
  for (let seen = 0; seen < 2;) {
    await loop.readable(signals);
    for (let info = signals.read(); info !== null; info = signals.read()) {
      say("signalfd", `${info.name} from process ${info.pid}, user ${info.uid}`);
      seen++;
    }
  }
}

/** A timer that ticks; a late look sees several expirations at once. */
async function watchTimer(loop: Loop, cleanUp: DisposableStack): Promise<void> {
  const timer = cleanUp.use(TimerFD.create({ clock: "boottime" }));
  timer.arm(100, 100);
  for (let ticks = 0n; ticks < 5n;) {
    await loop.readable(timer);
    ticks += timer.expirations() ?? 0n;
    say("timerfd", `tick ${ticks}`);
  }
}

/** A counter that another thread kicks: the same one, handed over by `share()`. */
async function watchThread(loop: Loop, cleanUp: DisposableStack): Promise<void> {
  const counter = cleanUp.use(EventFD.create());
  const thread = new Worker(new URL("./demo_worker.ts", import.meta.url));
  thread.postMessage(counter.share());
  for (let sum = 0n; sum < 6n;) {
    await loop.readable(counter);
    sum += counter.wait() ?? 0n;
    say("eventfd", `kicked by the worker, ${sum} in all`);
  }
  thread.terminate();
}

/** python3 where there is one, then the other runtime, and in the end this one once more. */
function otherProgram(path: string): [command: string, args: string[]] {
  const exists = (command: string): boolean => spawnSync(command, ["--version"]).status === 0;
  if (exists("python3")) return ["python3", ["-c", ANSWER_IN_PYTHON, path]];
  const [here, there] = "bun" in process.versions ? ["bun", "deno"] : ["deno", "bun"];
  const runtime = exists(there) ? there : here;
  return [
    runtime === here ? process.execPath : runtime,
    [runtime === "bun" ? "-e" : "eval", ANSWER_IN_JAVASCRIPT, path],
  ];
}

/** Memory that a different program maps, by the name that /proc gives it, and answers through. */
async function watchMemory(loop: Loop, cleanUp: DisposableStack): Promise<void> {
  const question = "what do you see?";
  const memory = cleanUp.use(MemFD.create("fdloop-demo", { sealing: true }));
  memory.truncate(4096);
  memory.seal("shrink", "grow"); // nobody can pull the memory from under the other
  const region = cleanUp.use(MappedRegion.map(memory));
  region.copyIn(new TextEncoder().encode(question), 8);
  const [command, args] = otherProgram(`/proc/${process.pid}/fd/${memory.raw}`);
  const other = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  using program = PidFD.open(other.pid!);
  say("memfd", `asking ${command}: "${question}"`);
  await loop.readable(program);
  const answer = new Uint8Array(question.length);
  region.copyOut(answer, 2048);
  say("memfd", `${command} answers: "${new TextDecoder().decode(answer)}"`);
}

introduce();
if (!supports("epoll")) {
  console.log(`This demo needs epoll, and ${process.platform} has none: run it on Linux.`);
  process.exit(0);
}

{
  using cleanUp = new DisposableStack();
  const loop = cleanUp.use(Loop.create());
  // Before the child: what it sends is then a record for us and no end of us.
  const signals = cleanUp.use(SignalFD.create(["SIGUSR1", "SIGUSR2"]));
  const all = Promise.all([
    watchChild(loop, cleanUp),
    watchSignals(loop, signals),
    watchTimer(loop, cleanUp),
    watchThread(loop, cleanUp),
    watchMemory(loop, cleanUp),
  ]);
  await loop.run(); // until nothing is left to wait for
  await all;
}
say("loop", "all done: every descriptor is closed, every signal's disposition restored");
