/**
 * Processes for the tests of PidFD: children that the runtime reaps, children that nobody reaps but
 * the test, and children of somebody else.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import type { ExitStatus } from "../handles/exit_status.ts";
import { deadline, waitUntil } from "./support.ts";

const LATE_MS = 30_000;

/** A child that the runtime has started and will reap. Disposing of it kills it and waits for that. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** What the runtime says in the end. */
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  /** The next line of its stdout. */
  line(): Promise<string>;
  /** Writes a line to its stdin. */
  write(text: string): Promise<void>;
}

async function started(program: ChildProcess): Promise<number> {
  if (program.pid === undefined) await once(program, "spawn");
  return program.pid!;
}

/** Starts a program. */
export async function start(
  command: string,
  args: readonly string[],
  options: { readonly detached?: boolean; readonly cwd?: string } = {},
): Promise<Child> {
  const program = spawn(command, args, { ...options, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(program, "close") as Child["ended"];
  const lines = createInterface({ input: program.stdout! })[Symbol.asyncIterator]();
  program.stdin!.on("error", () => {}); // it may end without reading
  const pid = await started(program);
  return {
    pid,
    ended: deadline(60_000, ended, `the end of ${command}`),
    async line() {
      const { value, done } = await deadline(LATE_MS, lines.next(), `a line from ${command}`);
      if (done === true) throw new Error(`${command} has ended without another line`);
      return value;
    },
    write: (text) => new Promise((resolve) => program.stdin!.write(`${text}\n`, () => resolve())),
    async [Symbol.asyncDispose]() {
      program.stdin!.destroy();
      program.kill("SIGKILL");
      await deadline(LATE_MS, ended, `the end of ${command}, killed`);
    },
  };
}

/** Starts a script of the shell. */
export function shell(script: string): Promise<Child> {
  return start("sh", ["-c", script]);
}

/** A child that does nothing until it is killed. */
export function sleeper(): Promise<Child> {
  return start("sleep", ["60"]);
}

/** A process that belongs to somebody else. */
export interface Stranger extends AsyncDisposable {
  readonly pid: number;
  /** Lets its parent reap it, which must have ended. */
  reap(): Promise<void>;
}

const PARENT = `
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
print(child.pid, flush=True)
for line in sys.stdin:
    child.wait()
    print("reaped", flush=True)
child.kill()
child.wait()
`;

/** Starts a program as the child of a python3, which reaps it when it is told to. */
export async function stranger(...command: string[]): Promise<Stranger> {
  const parent = await start("python3", ["-c", PARENT, ...command]);
  const pid = Number(await parent.line());
  return {
    pid,
    async reap() {
      await parent.write("reap");
      if (await parent.line() !== "reaped") throw new Error("the parent says something else");
    },
    async [Symbol.asyncDispose]() {
      libc.kill(pid, 9);
      await parent[Symbol.asyncDispose]();
    },
  };
}

/** A child of this process that the runtime knows nothing of. Disposing of it kills and reaps it. */
export interface Orphan extends Disposable {
  readonly pid: number;
}

const PR_SET_CHILD_SUBREAPER = 36;

function adoptOrphans(on: boolean): void {
  libc.getpid(); // the library finds errno with its first call
  const prctl = backend.bind("prctl", ["i32", "i32", "usize"]) as
    | ((option: number, value: bigint) => number)
    | null;
  if (prctl === null) throw new Error("this libc has no prctl");
  check("prctl", prctl(PR_SET_CHILD_SUBREAPER, on ? 1n : 0n));
}

function parentOf(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^PPid:\s*(\d+)$/m.exec(status)![1]);
}

/**
 * Starts a script of the shell as a grandchild whose parent ends at once, so that it becomes a child
 * of this process: prctl(PR_SET_CHILD_SUBREAPER). The script begins when that is so.
 */
export async function orphan(script: string): Promise<Orphan> {
  adoptOrphans(true);
  try {
    const begun = `(read line <&3; exec 3<&- >/dev/null; ${script}) & echo $!`;
    await using parent = await start("sh", ["-c", `exec 3<&0; ${begun}`]);
    const pid = Number(await parent.line());
    await waitUntil(() => parentOf(pid) === libc.getpid(), LATE_MS, `process ${pid}, adopted`);
    await parent.write("");
    return {
      pid,
      [Symbol.dispose]() {
        // ECHILD when the test has reaped it: then its pid may be another's.
        const look = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT;
        if (libc.waitid(posix.P_PID, pid, null, look) === -1) return;
        libc.kill(pid, 9);
        libc.waitid(posix.P_PID, pid, null, posix.WEXITED);
      },
    };
  } finally {
    adoptOrphans(false);
  }
}

/** A pid that no process can have: PID_MAX_LIMIT of the kernel is 2²². */
export const NO_PID: number = 2 ** 22 + 1;

/** Whether a process has ended and waits to be reaped. */
export function isZombie(pid: number): boolean {
  return /^State:\s*Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** Whether a thread of this process waits for a process by a pidfd: waitid(P_PIDFD). */
export function blockedInWaitid(number: number): boolean {
  const call = new RegExp(`^${linux.SYS_waitid} 0x${linux.P_PIDFD} 0x${number.toString(16)} `);
  return fs.readdirSync("/proc/self/task").some((thread) => {
    try {
      return call.test(fs.readFileSync(`/proc/self/task/${thread}/syscall`, "utf8"));
    } catch {
      return false; // the thread has ended between the listing and the look
    }
  });
}

/** Opens a pidfd by the bare call, with any flags. */
export function openBare(pid: number, flags: number = linux.PIDFD_NONBLOCK): number {
  return check("pidfd_open", libc.pidfd_open(pid, flags));
}

/** Capabilities of <linux/capability.h>: to signal, and to trace, what belongs to somebody else. */
export const CAP_KILL = 5;
export const CAP_SYS_PTRACE = 19;

/** Arguments of setpriv for a sleeper that belongs to nobody, who says when it does. */
export const AS_NOBODY: readonly string[] = [
  "--reuid=65534",
  "--regid=65534",
  "--clear-groups",
  "sh",
  "-c",
  "echo; exec sleep 60",
];

/** The exit status of a process that ended by itself. */
export function exited(code: number): ExitStatus {
  return { code, signal: null, coreDumped: false };
}

/** The exit status of a process that a signal ended. */
export function killed(signal: string): ExitStatus {
  return { code: null, signal, coreDumped: false };
}
