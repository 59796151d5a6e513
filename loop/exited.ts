/**
 * Waiting for the end of a process, on either kernel.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { type ExitStatus, exitStatusFrom, exitStatusOf } from "../handles/exit_status.ts";
import { PidFD } from "../handles/pid_fd.ts";
import { LOOK, Report } from "../handles/process_wait.ts";
import type { Waiter } from "../handles/waiting.ts";
import { integer } from "../handles/validate.ts";
import type { Core, Owned } from "./core.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import { KqueuePoller } from "./poller_kqueue.ts";

const ESRCH = errnoNumber("ESRCH");

/** How often a child is looked at that is ending: it takes a few milliseconds. */
const LOOK_MS = 1;

/** Waits for the end of a process: through a pidfd, or through the queue of the loop. */
export async function exited(
  core: Core,
  loop: Waiter,
  pid: number,
  signal: AbortSignal | undefined,
): Promise<ExitStatus> {
  if (os !== "linux") return await exitedByQueue(core, pid, signal);
  using process = PidFD.open(pid);
  return await process.exited({ signal, loop });
}

/** Waits for the end of a process by EVFILT_PROC, on a loop whose poller is a kqueue. */
export async function exitedByQueue(
  core: Core,
  pid: number,
  signal: AbortSignal | undefined,
): Promise<ExitStatus> {
  integer(pid, "Loop.exited: the pid", 1, 0x7fff_ffff);
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ExitStatus>();
  let observation: Disposable;
  try {
    observation = queueOf(core).observe("PROC", pid, (status) => resolve(exitStatusOf(status)));
  } catch (error) {
    observation = lookAt(core, pid, resolve, reject, error);
  }
  const onAbort = (): void => reject(signal!.reason);
  const owned: Owned = { end: () => reject(new LoopClosedError()) };
  signal?.addEventListener("abort", onAbort);
  core.owned.add(owned);
  core.hold(1);
  try {
    return await promise;
  } finally {
    core.hold(-1);
    core.owned.delete(owned);
    signal?.removeEventListener("abort", onAbort);
    observation[Symbol.dispose]();
  }
}

/** The poller of a loop on a kqueue. */
export function queueOf({ poller }: Core): KqueuePoller {
  if (poller instanceof KqueuePoller) return poller;
  throw new TypeError("the poller of this loop is no kqueue");
}

/**
 * Looks at a child that cannot be observed any more, but was not waited for: macOS refuses it from where
 * it begins to end, and waitid(2) knows how it did once it has.
 */
function lookAt(
  core: Core,
  pid: number,
  resolve: (status: ExitStatus) => void,
  reject: (error: unknown) => void,
  refusal: unknown,
): Disposable {
  if (!(refusal instanceof SyscallError) || refusal.errno !== ESRCH) throw refusal;
  const report = new Report(posix.P_PID);
  const look = (): void => {
    let state;
    try {
      state = report.wait(pid, LOOK);
    } catch {
      return reject(refusal); // it is no child, or was waited for
    }
    if (state !== null) resolve(exitStatusFrom(state));
  };
  look();
  return core.timers.create(look, LOOK_MS, LOOK_MS);
}
