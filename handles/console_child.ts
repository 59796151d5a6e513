/**
 * A program that was started on a terminal of its own.
 *
 * Kernel: Linux 5.10.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { signalNumber } from "../ffi/signals.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Console } from "./console.ts";
import { OWNED } from "./descriptor.ts";
import { PidFD } from "./pid_fd.ts";
import { withRemedy } from "./remedy.ts";
import { TimerFD } from "./timer_fd.ts";
import { type AwaitOptions, untilTaken } from "./waiting.ts";

const ECHILD = errnoNumber("ECHILD");

/** How long a program has to end after its terminal was taken from it, before it is killed. */
const GRACE_MS = 2000;

const REAPED = "Something in this process has reaped it already: SIGCHLD is ignored, or a native " +
  "library waits for every child";

/**
 * Processes that had not ended when their handles were closed: each is reaped when another program is
 * started or closed. By its pidfd, so that nothing else can be reaped by mistake.
 */
const unreaped = new Set<PidFD>();

/**
 * A program that {@linkcode Console.spawn} has started, with the terminal that it runs on.
 *
 * The runtime knows nothing of the process, so nobody takes its exit status away: it stays to be asked
 * for, by `process.exitStatus()`, `process.exited()` or a Loop, until this handle is closed. Closing
 * hangs the terminal up, for which the kernel sends SIGHUP, and reaps the process. One that goes on
 * nevertheless is reaped later, when this program starts or closes another. `await using` waits for the
 * end, and kills what has not ended two seconds after the SIGHUP.
 *
 * Leave `process` open and unreaped: who closes it, or reaps through it, takes over this duty.
 *
 * @example
 * ```ts
 * import { Console, ConsoleChild } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * await using child = Console.spawn(["cat"]);
 * assert(child instanceof ConsoleChild);
 * child.console.write(new Uint8Array([4])); // ^D at the beginning of a line: the end of its input
 * assertEquals(await child.process.exited(), { code: 0, signal: null, coreDumped: false });
 * ```
 */
export class ConsoleChild implements Disposable, AsyncDisposable {
  /** The master: what the program shows is read from it, and what is written to it is typed. */
  readonly console: Console;
  /** The process. */
  readonly process: PidFD;

  /**
   * Takes over a process that was just started, and nobody else can reap. When that fails, it is killed.
   *
   * @throws {TypeError} when called from outside: children come from `Console.spawn`
   */
  constructor(key: symbol, console: Console, pid: number) {
    if (key !== OWNED) {
      throw new TypeError("new ConsoleChild() is not possible: call Console.spawn()");
    }
    reapAll();
    this.console = console;
    try {
      this.process = PidFD.open(pid);
    } catch (error) {
      endUnheld(pid);
      throw withRemedy(error, { ESRCH: REAPED });
    }
  }

  /** The pid of the program, which leads a session and a process group of the same number. */
  get pid(): number {
    return this.process.pid!;
  }

  /** Closes the terminal and the handle of the process. Closing again does nothing. */
  close(): void {
    this.console.close();
    if (!this.process.closed) unreaped.add(this.process);
    reapAll();
  }

  /** {@link ConsoleChild.close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the terminal, waits until the program has ended, kills it when that takes long. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.console.close();
    try {
      if (!this.process.closed) await endOf(this.process);
    } finally {
      this.close();
    }
  }
}

/** Ends a process that no handle could be made for, and that nobody has reaped: then it is nobody's pid. */
function endUnheld(pid: number): void {
  const look = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT;
  if (libc.waitid(posix.P_PID, pid, null, look) === -1) return;
  libc.kill(pid, signalNumber("SIGKILL"));
  libc.waitid(posix.P_PID, pid, null, posix.WEXITED);
}

/** Waits for the end of a process; from when its time is over, kills it. */
async function endOf(process: PidFD): Promise<void> {
  if (process.exitStatus() !== null) return;
  using timer = TimerFD.create();
  timer.arm(GRACE_MS);
  const over = new AbortController();
  const options: AwaitOptions = { signal: over.signal };
  const late = untilTaken(timer, () => timer.expirations(), options, "ConsoleChild")
    .then(() => process.sendSignal("SIGKILL"));
  late.catch(() => {}); // it is ended by the signal below, or the process has ended already
  try {
    await process.exited();
  } finally {
    over.abort();
  }
}

/** Reaps every process that has ended, and gives its handle back. */
function reapAll(): void {
  for (const process of unreaped) {
    if (!process.closed && !isReaped(process)) continue;
    unreaped.delete(process);
    process.close();
  }
}

/** Whether a process needs no reaping any more. */
function isReaped(process: PidFD): boolean {
  try {
    return process.wait({ reap: true }) !== null;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ECHILD) return true; // somebody has done it
    throw error;
  }
}
