/**
 * examples/httpd.ts under wrk, against what a program would use instead under this runtime: its own
 * server (Bun.serve, Deno.serve) with a file as the body, and node:http with a stream of it. A small
 * file, whose cost is that of a request, and one of 1 MiB, whose cost is that of its bytes.
 *
 *     node .ci/bench.mjs httpd            both runtimes
 *     bun bench/httpd.ts
 *     deno run -A bench/httpd.ts
 *
 * All run at the same time, each in a process of its own, and take turns under the load, so that what
 * else the machine does hits all alike. Ours has as many workers as asked for by FDLOOP_WORKERS, 1 by
 * default: the others are single threads. Loopback only. It needs wrk.
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { median, ratios, spread } from "./_statistics.ts";

const ROUNDS = 5;
const SECONDS = 2;
const CONNECTIONS = 32;
const FILES = { "1 KiB": 1024, "1 MiB": 1024 * 1024 } as const;

const isBun = process.versions.bun !== undefined;
const place = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A server: its name, and how it is started. */
interface Server {
  readonly name: string;
  readonly args: readonly string[];
}

/** What wrk has found. */
interface Load {
  readonly perSecond: number;
  /** In ms. */
  readonly median: number;
  readonly p99: number;
  /** What a request costs the server, in µs of CPU time: a busy machine moves it less than the rest. */
  readonly cpu: number;
}

/** A server that runs. */
interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

const workers = process.env.FDLOOP_WORKERS ?? "1";
const servers: readonly Server[] = [
  { name: "fdloop", args: [place("../examples/httpd.ts"), "--port", "0", "--workers", workers] },
  { name: isBun ? "Bun.serve" : "Deno.serve", args: [place("_httpd_others.ts"), "own"] },
  { name: "node:http", args: [place("_httpd_others.ts"), "node"] },
];

/** Starts a server over a folder. */
async function start({ args }: Server, dir: string): Promise<Running> {
  const options = isBun ? [] : ["run", "-A", "--no-check"];
  const child = spawn(process.execPath, [...options, ...args, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on("data", (text: Uint8Array) => {
      const found = /http:\/\/\S+\//.exec(String(text));
      if (found !== null) resolve(found[0]);
    });
    child.on("exit", (code) => reject(new Error(`${args.join(" ")} ended with ${code}`)));
  });
  return { child, url };
}

/** The CPU time of a process's threads until now, in µs: the scheduler counts it in nanoseconds. */
function cpuTime({ pid }: ChildProcess): number {
  const threads = fs.readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const [ran] = fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return sum + Number(ran) / 1000;
  }, 0);
}

/** Loads a server: what wrk says. */
function load({ child, url }: Running, path: string): Promise<Load> {
  const args = ["-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, "--latency", `${url}${path}`];
  const before = cpuTime(child);
  return new Promise((resolve, reject) => {
    execFile("wrk", args, (error, printed) => {
      if (error !== null) return reject(error);
      if (/Socket errors|Non-2xx/.test(printed)) return reject(new Error(printed));
      resolve({
        perSecond: Number(/Requests\/sec: +([\d.]+)/.exec(printed)![1]),
        median: milliseconds(/50% +(\S+)/.exec(printed)![1]!),
        p99: milliseconds(/99% +(\S+)/.exec(printed)![1]!),
        cpu: (cpuTime(child) - before) / Number(/(\d+) requests in/.exec(printed)![1]),
      });
    });
  });
}

function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text)!;
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit as "us"];
}

function report(name: string, loads: readonly Load[], ours: readonly Load[]): void {
  const perSecond = loads.map((load) => load.perSecond);
  const cpu = loads.map((load) => load.cpu);
  const whole = (value: number): string => value.toFixed(0).padStart(7);
  const time = (pick: (load: Load) => number): string =>
    median(loads.map(pick)).toFixed(2).padStart(7);
  const rates = whole(median(perSecond)) + whole(Math.min(...perSecond)) +
    whole(Math.max(...perSecond));
  const over = loads === ours ? "" : [
    spread(ratios(ours.map((load) => load.perSecond), perSecond)),
    spread(ratios(ours.map((load) => load.cpu), cpu)),
  ].join("  ");
  const times = `${time((load) => load.median)} ${time((load) => load.p99)}`;
  console.log(`  ${name.padEnd(11)}${rates}  ${times}  ${whole(median(cpu))}  ${over}`);
}

async function measure(running: readonly Running[]): Promise<void> {
  for (const [label, size] of Object.entries(FILES)) {
    const loads: Load[][] = servers.map(() => []);
    for (let round = -1; round < ROUNDS; round++) {
      for (const [index, server] of running.entries()) {
        const found = await load(server, `${size}.bin`);
        if (round >= 0) loads[index]!.push(found);
      }
    }
    console.log(`\n${label}:`);
    for (const [index, { name }] of servers.entries()) report(name, loads[index]!, loads[0]!);
  }
}

const { bun, deno } = process.versions as Record<string, string | undefined>;
console.log(
  `${isBun ? `Bun ${bun}` : `Deno ${deno}`}, ${os.availableParallelism()} CPUs, fdloop with ` +
    `${workers} worker(s), ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s\n` +
    `requests/s: median, least, most; ms: median, p99; µs of CPU time for a request; ` +
    `fdloop over them: requests/s, CPU time`,
);
const dir = fs.mkdtempSync(`${os.tmpdir()}/fdloop-`);
const running: Running[] = [];
try {
  for (const size of Object.values(FILES)) {
    fs.writeFileSync(`${dir}/${size}.bin`, randomBytes(size));
  }
  for (const server of servers) running.push(await start(server, dir));
  await measure(running);
} finally {
  for (const { child } of running) process.kill(child.pid!, "SIGKILL");
  fs.rmSync(dir, { recursive: true });
}
process.exit(0);
