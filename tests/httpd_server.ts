/**
 * The handler of examples/httpd.ts on engines that the test directs, in a process of their own, whose
 * working directory they serve: a line of stdin is an order in JSON, and a line of stdout the answer.
 *
 * @module
 */

import fs from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import type { InetAddress } from "../handles/socket_address.ts";
import type { ConnTimeoutOptions } from "../loop/conn_timeouts.ts";
import { Engine } from "../loop/engine.ts";
import type { EngineMetrics, WorkerMetrics } from "../loop/engine_metrics.ts";
import { turn, waitUntil } from "./support/time.ts";

/** What it serves, and how. */
export interface ServerOptions {
  readonly dir: string;
  readonly timeouts?: ConnTimeoutOptions;
}

/** What it can be told. Each order is answered when it is done. */
export type ServerOrder =
  /** Moves connections to the second engine and back, so many times, each for so long. */
  | { readonly order: "move"; readonly times: number; readonly between: number }
  /** Stops to accept and starts again, so many times, and pauses in between. */
  | { readonly order: "pause"; readonly times: number; readonly between: number }
  /** Ends a worker by an error, and waits for the next one. */
  | { readonly order: "die"; readonly worker: number }
  /** Nothing but the answer. */
  | { readonly order: "tell" };

/** What it answers. */
export interface ServerAnswer {
  /** How long each pause and each resumption took, in ms. */
  readonly pauses: readonly number[];
  readonly resumptions: readonly number[];
  /** The workers that died, in words. */
  readonly deaths: readonly string[];
  /** How often the metrics were looked at, and what did not add up in them. */
  readonly looks: number;
  readonly wrong: readonly string[];
  /** How many connections each move there, and each move back, has moved. */
  readonly moves: readonly [there: number, back: number][];
  /** Of the engine that listens, and of the other one. */
  readonly metrics: readonly EngineMetrics[];
}

/** How often the metrics are looked at. */
const LOOK_MS = 5;

const { dir, timeouts } = JSON.parse(process.argv.at(-1)!) as ServerOptions;
process.chdir(dir);
const deaths: string[] = [];
const wrong: string[] = [];
let looks = 0;

const options = {
  handler: new URL("./httpd_handler.ts", import.meta.url),
  workers: 2,
  conn: timeouts === undefined ? {} : { timeouts },
  onWorkerError: (error: Error): void => void deaths.push(String(error)),
};
const engine = Engine.create({ ...options, address: "127.0.0.1:0" });
const other = Engine.create(options);
await Promise.all([engine.listen(), other.listen()]);
const { port } = engine.addr as InetAddress;

const GAUGES = ["connections", "pendingBytes", "timers", "open"];
const before = new Map<Engine, readonly WorkerMetrics[]>();

/** Looks whether a worker's numbers add up, by themselves and with those that it had before. */
function addUp(worker: WorkerMetrics, earlier: WorkerMetrics | undefined): void {
  const { accepts, adopted, registered, closes, moved, open, connections } = worker;
  if (open !== accepts + adopted + registered - closes - moved || open < connections) {
    const came = `${accepts} accepted, ${adopted} adopted`;
    wrong.push(
      `${connections} in the loop, ${open} open, ${came}, ${closes} closed, ${moved} moved`,
    );
  }
  for (const [name, value] of Object.entries(worker)) {
    if (typeof value !== "number") continue;
    const least = GAUGES.includes(name) ? 0 : earlier?.[name as "accepts"] ?? 0;
    if (!(value >= least)) wrong.push(`${name} fell from ${least} to ${value}`);
  }
}

function look(engine: Engine): EngineMetrics {
  const metrics = engine.metrics();
  looks++;
  for (const [index, worker] of metrics.workers.entries()) {
    addUp(worker, before.get(engine)?.[index]);
  }
  for (const [name, value] of Object.entries(metrics.total)) {
    if (typeof value !== "number") continue;
    const sum = metrics.workers.reduce((sum, worker) => sum + worker[name as "accepts"], 0);
    if (sum !== value) wrong.push(`${name} is ${value} in all, and ${sum} by worker`);
  }
  before.set(engine, metrics.workers);
  return metrics;
}

/** Whether the kernel has a listener at the port: state 0A of /proc/net/tcp. */
function listens(): boolean {
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return fs.readFileSync("/proc/net/tcp", "utf8").split("\n").some((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    return state === "0A" && local!.endsWith(place);
  });
}

async function pause(times: number, between: number): Promise<Partial<ServerAnswer>> {
  const pauses: number[] = [];
  const resumptions: number[] = [];
  for (let time = 0; time < times; time++) {
    const begin = performance.now();
    await engine.pauseAccept();
    const paused = performance.now();
    // The kernel's table has everything in TIME_WAIT, too, and takes a tenth of a second to read.
    const looks = time % 5 === 0;
    if (looks && listens()) wrong.push("a listener is left after pauseAccept()");
    const looked = performance.now();
    await engine.resumeAccept();
    pauses.push(paused - begin);
    resumptions.push(performance.now() - looked);
    if (looks && !listens()) wrong.push("no listener is there after resumeAccept()");
    await turn(between);
  }
  return { pauses, resumptions };
}

async function die(worker: number): Promise<void> {
  const count = deaths.length;
  engine.post(worker, "die");
  await waitUntil(() => deaths.length > count, 10_000, "the end of the worker");
  await waitUntil(() => engine.post(worker, "live"), 10_000, "the next worker");
}

async function moveFor(ms: number, from: Engine, to: Engine): Promise<number> {
  from.startTransplant(to);
  await turn(ms);
  return await from.stopTransplant();
}

async function obey(order: ServerOrder): Promise<Partial<ServerAnswer>> {
  if (order.order === "pause") return await pause(order.times, order.between);
  if (order.order === "die") await die(order.worker);
  const moves: [number, number][] = [];
  for (let time = 0; order.order === "move" && time < order.times; time++) {
    const there = await moveFor(order.between, engine, other);
    moves.push([there, await moveFor(order.between, other, engine)]);
  }
  return { moves };
}

const lookAtAll = (): EngineMetrics[] => [engine, other].map(look);

setInterval(lookAtAll, LOOK_MS);
console.log(String(port));
for await (const line of createInterface(process.stdin)) {
  const done = await obey(JSON.parse(line) as ServerOrder);
  const lists = { pauses: [], resumptions: [], moves: [], ...done, deaths, wrong };
  console.log(JSON.stringify({ ...lists, looks, metrics: lookAtAll() } satisfies ServerAnswer));
}
await Promise.all([engine, other].map((engine) => engine.shutdown({ deadline: 0 })));
process.exit(0);
