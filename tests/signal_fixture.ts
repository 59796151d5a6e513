/**
 * What the signal tests share: who sends, who waits, and what the kernel says of this process.
 *
 * @module
 */

import { spawn } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import type { SignalFD } from "../handles/signal_fd.ts";
import type { SignalInfo } from "../handles/signal_info.ts";
import { spawnScript, test, turn, waitUntil } from "./support.ts";

/** What /proc says: which signals are ignored and caught, and what each thread blocks. */
export interface SignalState {
  readonly ignored: string;
  readonly caught: string;
  /** Without the threads that come and go: each mask that any thread has, once. */
  readonly masks: readonly string[];
}

/** What a thread blocks while the C library starts or ends it, for a moment. */
const STARTING = "fffffffffffbfeff";

/** The signals of this process as the kernel has them. */
export function signalState(): SignalState {
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const field = (text: string, name: string): string =>
    new RegExp(`^${name}:\\t(.*)$`, "m").exec(text)![1]!;
  const masks = new Set<string>();
  for (const thread of fs.readdirSync("/proc/self/task")) {
    try {
      masks.add(field(fs.readFileSync(`/proc/self/task/${thread}/status`, "utf8"), "SigBlk"));
    } catch {
      // It has ended since.
    }
  }
  return {
    ignored: field(status, "SigIgn"),
    caught: field(status, "SigCgt"),
    masks: [...masks].filter((mask) => mask !== STARTING).sort(),
  };
}

/** Queues a signal with a value, as sigqueue(3) does. Waits while the receiver's queue is full. */
export function queueSignal(pid: number, signal: number, value: number): void {
  const info = new Int32Array(new ArrayBuffer(structs.siginfo_t.size));
  info[structs.siginfo_t.si_code / 4] = posix.SI_QUEUE;
  info[structs.siginfo_t.si_pid / 4] = process.pid;
  info[structs.siginfo_t.si_uid / 4] = libc.getuid();
  info[structs.siginfo_t.si_value / 4] = value;
  while (libc.rt_sigqueueinfo(pid, signal, info) === -1) {
    assertEquals(errno(), errnoNumber("EAGAIN"), "rt_sigqueueinfo");
    libc.poll(null, 0, 1);
  }
}

/** Blocks or unblocks a signal on this thread. */
export function changeMask(how: number, signal: number): void {
  const mask = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  mask[0] = 1n << BigInt(signal - 1);
  assertEquals(libc.pthread_sigmask(how, mask, null), 0);
}

/** Sets a disposition by hand: SIG_DFL or SIG_IGN. */
export function setDisposition(signal: number, handler: number): void {
  const action = new BigUint64Array(new ArrayBuffer(structs.sigaction.size));
  action[0] = BigInt(handler);
  check("sigaction", libc.sigaction(signal, action, null));
}

/** Reads until so many signals came, while the event loop runs. */
export async function receive(
  fd: SignalFD,
  count: number,
  ms: number = 10_000,
): Promise<SignalInfo[]> {
  const infos: SignalInfo[] = [];
  await waitUntil(() => infos.push(...fd) >= count, ms, `${count} signals`);
  assertEquals(infos.length, count);
  return infos;
}

/** Fails when a signal comes within the time that one takes, and some. */
export async function receiveNothing(fd: SignalFD): Promise<void> {
  await turn(50);
  assertEquals(fd.read(), null);
}

/** Runs a program to its end, and answers what it wrote and its process id. */
export function runProgram(
  command: string,
  ...args: string[]
): Promise<{ pid: number; out: string }> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => out += text);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve({ pid: child.pid!, out }));
  });
}

/** What a child process can be asked to do, by name. */
export type Cases = Readonly<Record<string, () => void | Promise<void>>>;

/** In the child: runs the case that the first argument names, and ends. */
export async function runCase(cases: Cases): Promise<void> {
  await cases[process.argv[2]!]!();
  process.exit(0);
}

/**
 * In the test: registers tests that run cases of a child process, which must end well.
 *
 * @param file the child's module, from the repository's root
 */
export function caseTests(
  file: string,
  names: Readonly<Record<string, string>>,
  timeoutMs: number = 45_000,
): void {
  for (const [name, title] of Object.entries(names)) {
    test(title, async () => {
      const { code, signal, stdout, stderr } = await spawnScript(file, { args: [name], timeoutMs });
      assertEquals([code, signal], [0, null], `${stdout}\n${stderr}`);
    }, { timeoutMs: timeoutMs + 5000 });
  }
}
