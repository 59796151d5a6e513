/**
 * What it costs to send a file of 64 MiB to `cat` through a Unix socket: by `Connection.sendfile`, by
 * reading it and `Connection.write`, and both against the same in C (sendfile.c).
 *
 *     node .ci/bench.mjs sendfile         both runtimes
 *     bun bench/sendfile.ts
 *     deno run -A bench/sendfile.ts
 *
 * Each turn runs a round of all four, and a ratio is taken within a turn: median (least–most). CPU is the
 * time of the sending thread, which is what is left for others; the clock also has what `cat` took.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { MemFD } from "../handles/mem_fd.ts";
import { socketPair } from "../handles/pipe.ts";
import type { Connection } from "../loop/connection.ts";
import { Loop } from "../loop/loop.ts";
import { median, ratios, spread } from "./_statistics.ts";
import { threadTime, type Twin, withTwin } from "./_twin.ts";

const BYTES = 64 * 1024 * 1024;
const PART = 64 * 1024;
const TURNS = 31;
const WARM_UP = 5;

interface Times {
  readonly clock: number[];
  readonly cpu: number[];
}

type Send = (loop: Loop, conn: Connection) => Promise<number>;

async function measured(loop: Loop, conn: Connection, send: Send, times: Times): Promise<void> {
  const begin = performance.now();
  const cpu = threadTime();
  const sent = send(loop, conn).finally(() => loop.stop());
  await loop.run();
  times.cpu.push(threadTime() - cpu);
  times.clock.push((performance.now() - begin) * 1e6);
  if (await sent !== BYTES) throw new Error(`${await sent} bytes were sent`);
}

async function inC(twin: Twin, name: string, times: Times): Promise<void> {
  const { sum, nanoseconds, more } = await twin.run(name, BYTES);
  if (sum !== BYTES) throw new Error(`the C twin sent ${sum} bytes`);
  times.clock.push(nanoseconds);
  times.cpu.push(more[0]!);
}

/** Reads and writes, 64 KiB at a time, and stops where the connection says so. */
function copying(file: MemFD, drained: { call: () => void }): Send {
  const buffer = new Uint8Array(new ArrayBuffer(PART));
  return async (_, conn) => {
    let sent = 0;
    while (sent < BYTES) {
      const got = file.pread(buffer, sent)!;
      sent += got;
      if (conn.write(buffer.subarray(0, got))) continue;
      await new Promise<void>((resolve) => void (drained.call = resolve));
    }
    return sent;
  };
}

function report(name: string, times: readonly [Times, Times]): void {
  const [inC, ours] = times;
  const milliseconds = (ns: readonly number[]): string => (median(ns) / 1e6).toFixed(1).padStart(9);
  const cells = [
    milliseconds(inC.cpu),
    milliseconds(ours.cpu),
    spread(ratios(ours.cpu, inC.cpu)).padStart(20),
    spread(ratios(ours.clock, inC.clock)).padStart(20),
  ];
  console.log(name.padEnd(16) + cells.join(""));
}

async function main(): Promise<void> {
  using loop = Loop.create();
  using pair = socketPair();
  using file = MemFD.create("bench");
  for (let at = 0; at < BYTES; at += PART) file.write(new Uint8Array(PART));
  pair.right.setNonblock(false);
  const cat = spawn("cat", [], { stdio: [pair.right.raw, "ignore", "ignore"] });
  const ended = once(cat, "exit");
  pair.right.close();
  const drained = { call: (): void => {} };
  const conn = loop.registerConn(pair.left, { onRecv() {}, onDrain: () => drained.call() });
  const none = (): Times => ({ clock: [], cpu: [] });
  const sendfile = [none(), none()] as const;
  const copy = [none(), none()] as const;
  const bySendfile: Send = (_, conn) => conn.sendfile(file, { length: BYTES });
  const byCopy = copying(file, drained);
  await withTwin("sendfile", async (twin) => {
    for (let turn = 0; turn < WARM_UP + TURNS; turn++) {
      const keep = turn >= WARM_UP;
      await inC(twin, "sendfile", keep ? sendfile[0] : none());
      await measured(loop, conn, bySendfile, keep ? sendfile[1] : none());
      await inC(twin, "copy", keep ? copy[0] : none());
      await measured(loop, conn, byCopy, keep ? copy[1] : none());
    }
  });
  console.log(`${TURNS} turns of 64 MiB\n`);
  console.log("".padEnd(16) + "C cpu ms   cpu ms         cpu/C               clock/C");
  report("sendfile", sendfile);
  report("read + write", copy);
  const saved = ratios(sendfile[1].cpu, copy[1].cpu);
  console.log(`\nsendfile costs ${spread(saved)} of the CPU time of reading and writing`);
  conn.end();
  pair.left.close();
  await ended;
}

await main();
