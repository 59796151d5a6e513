/**
 * A program that was started on a terminal of its own.
 *
 * Kernel: Linux 5.10.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { startOfProcess } from "../ffi/proc.ts";
import { signalNumber } from "../ffi/signals.ts";
import { structs } from "../ffi/structs.ts";
import type { Console } from "./console.ts";
import { OWNED } from "./descriptor.ts";
import { PidFD } from "./pid_fd.ts";
import { withRemedy } from "./remedy.ts";
import { TimerFD } from "./timer_fd.ts";
import { type AwaitOptions, untilTaken } from "./waiting.ts";

/** How long a program has to end after its terminal was taken from it, before it is killed. */
const GRACE_MS = 2000;

const REAPED = "Something in this process has reaped it already: SIGCHLD is ignored, or a native " +
  "library waits for every child";

/**
 * Processes that had not ended when their handles were closed, and when they were started: each is
 * reaped when another program is started or closed.
 */
const unreaped = new Map<number, number>();

const info = new DataView(new ArrayBuffer(structs.siginfo_t.size));
const infoBytes = new Uint8Array(info.buffer);

/**
 * A program that {@linkcode Console.spawn} has started, with the terminal that it runs on.
 *
 * The runtime knows nothing of the process, so nobody takes its exit status away: it stays to be asked
 * for, by `process.exitStatus()`, `process.exited()` or a Loop, until this handle is closed. Closing
 * hangs the terminal up, for which the kernel sends SIGHUP, and reaps the process. One that goes on
 * nevertheless is reaped later, when this program starts or closes another. `await using` waits for the
 * end, and kills what has not ended two seconds after the SIGHUP.
 *
 * Who reaps through `process` takes over this duty.
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
  readonly #start: number;
  #closed = false;

  /**
   * Takes over a process that was just started, and nobody else can reap. When that fails, it is killed.
   *
   * @throws {TypeError} when called from outside: children come from `Console.spawn`
   */
  constructor(key: symbol, console: Console, pid: number) {
    if (key !== OWNED) {
      throw new TypeError("new ConsoleChild() is not possible: call Console.spawn()");
    }
    this.console = console;
    try {
      reapAll();
      this.#start = startOfProcess(pid);
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
    if (this.#closed) return;
    this.#closed = true;
    this.console.close();
    this.process.close();
    unreaped.set(this.pid, this.#start);
    reapAll();
  }

  /** {@link ConsoleChild.close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes the terminal, waits until the program has ended, kills it when that takes long. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
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

/** Reaps every process that has ended. */
function reapAll(): void {
  for (const [pid, start] of unreaped) {
    // Another time, and somebody else has reaped it: the pid may be anybody's.
    if (startOfProcess(pid) !== start || isReaped(pid)) unreaped.delete(pid);
  }
}

/** Whether a process has ended, and is reaped by this very call. */
function isReaped(pid: number): boolean {
  info.setInt32(structs.siginfo_t.si_pid, 0, true);
  const result = libc.waitid(posix.P_PID, pid, infoBytes, posix.WEXITED | posix.WNOHANG);
  return result === -1 || info.getInt32(structs.siginfo_t.si_pid, true) === pid;
}
