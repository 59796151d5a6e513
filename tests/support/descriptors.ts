/**
 * Which descriptors this process has open, and which of them a test left behind.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { kqueueHere } from "../../ffi/kqueue.ts";
import { Kqueue } from "../../handles/kqueue.ts";
import { runtime } from "./environment.ts";
import { turn } from "./time.ts";

/** What each open number refers to: the link text in /proc/self/fd where there is one. */
export type Descriptors = ReadonlyMap<number, string>;

/** What a runtime closes late (a dead worker's epoll, a child's pipes) has this long to go. */
const SETTLE_MS = 5000;

// Deno opens the databases of its caches when it first needs them and keeps them.
const RUNTIMES_OWN = /\/\w+_cache_v\d+(-wal|-shm|-journal)?$/;

const FOLDER = process.platform === "linux" ? "/proc/self/fd" : "/dev/fd";

function readFolder(): Descriptors {
  const open = new Map<number, string>();
  for (const name of fs.readdirSync(FOLDER)) {
    if (FOLDER === "/dev/fd") {
      open.set(Number(name), "open");
      continue;
    }
    try {
      open.set(Number(name), fs.readlinkSync(`${FOLDER}/${name}`));
    } catch {
      // The descriptor that read the folder is in the list and closed by now.
    }
  }
  return open;
}

let probe: () => Descriptors = readFolder;

/** Replaces how descriptors are listed, for the narrow grant of Deno, which may not read /proc. */
export function useDescriptorProbe(list: () => Descriptors): void {
  probe = list;
}

let saidSo = false;

/** The open descriptors, or null when this process may not see them (said once on stderr). */
export function openDescriptors(): Descriptors | null {
  try {
    return probe();
  } catch (error) {
    if (!saidSo) console.error(`descriptor leaks are not checked here: ${error}`);
    saidSo = true;
    return null;
  }
}

function byTarget(open: Descriptors): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const [fd, target] of open) {
    numbers.set(target, [...(numbers.get(target) ?? []), fd]);
  }
  return numbers;
}

/**
 * What is open now and was not before, one line a descriptor; and standard streams that changed.
 * Descriptors are counted by what they refer to, since Deno closes and reopens two of its own at
 * other numbers whenever a worker ends.
 */
export function leakedSince(before: Descriptors, now: Descriptors): string[] {
  const leaked: string[] = [];
  const had = byTarget(before);
  for (const [target, fds] of byTarget(now)) {
    const excess = fds.length - (had.get(target)?.length ?? 0);
    if (excess <= 0 || RUNTIMES_OWN.test(target)) continue;
    const fresh = fds.filter((fd) => fd > 2 && before.get(fd) !== target);
    leaked.push(...fresh.slice(-excess).map((fd) => `fd ${fd} -> ${target}`));
  }
  for (const fd of [0, 1, 2]) {
    const [was, is] = [before.get(fd), now.get(fd)];
    if (was !== is) leaked.push(`fd ${fd} was ${was ?? "closed"} and is ${is ?? "closed"}`);
  }
  return leaked;
}

/** What is still leaked after the runtime has had time to close what it closes late. */
export async function leakedAfterSettling(before: Descriptors): Promise<string[]> {
  const end = performance.now() + SETTLE_MS;
  for (let pause = 0;; pause = Math.min(pause * 2 + 1, 50)) {
    const now = openDescriptors();
    const leaked = now === null ? [] : leakedSince(before, now);
    if (leaked.length === 0 || performance.now() >= end) return leaked;
    await turn(pause);
    if (pause > 20) collectGarbage(); // some of Bun's own sockets close when they are collected
  }
}

function collectGarbage(): void {
  if (runtime === "bun") (globalThis as unknown as { Bun: { gc(force: true): void } }).Bun.gc(true);
}

let warm = false;

/**
 * Makes the runtime open what it opens at a first use and keeps: Bun 1.4 an event loop for
 * spawnSync and a copy of stdout; Deno 2.9 an event loop for the first Worker of each test file;
 * libkqueue, where it is used, two descriptors for all queues together.
 */
export async function warmUp(): Promise<void> {
  if (warm || openDescriptors() === null) return;
  warm = true;
  if (kqueueHere() === "libkqueue") Kqueue.create().close();
  if (runtime === "bun") {
    void process.stdout;
    spawnSync("true");
    if (kqueueHere() === "libkqueue") await stable();
    return;
  }
  const source = URL.createObjectURL(
    new Blob(["self.postMessage(0); self.close();"], { type: "text/javascript" }),
  );
  const worker = new Worker(source, { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  worker.terminate();
  URL.revokeObjectURL(source);
  await stable();
}

/** Resolves when the list has been the same for a while: the warm-up's own leftovers are gone. */
async function stable(): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  let last = "";
  for (let same = 0; same < 5 && performance.now() < end;) {
    const now = JSON.stringify([...(openDescriptors() ?? [])]);
    same = now === last ? same + 1 : 0;
    last = now;
    await turn(4);
  }
}
