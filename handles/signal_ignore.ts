/**
 * Keeping a signal from ending the process where something else than a handler takes note of it.
 *
 * Kernel: macOS, FreeBSD, whose kqueues report what is ignored, too.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { signalNumber } from "../ffi/signals.ts";
import { structs } from "../ffi/structs.ts";

/** These do nothing by default. SIGCHLD must stay so: ignored, it would take the status of children. */
const HARMLESS = ["SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT"];

/** Who wants a signal ignored on this thread, and what its disposition was. */
const ignored = new Map<number, { count: number; readonly before: DataView<ArrayBuffer> }>();

const at = structs.sigaction;

/**
 * Has a signal ignored that would end or stop the process; one that somebody handles is left alone.
 * What it answers undoes that, when it is called for the last of those who asked.
 *
 * @throws {SyscallError} EINVAL, for SIGKILL, SIGSTOP and what is no signal
 */
export function ignoreSignal(signal: number): () => void {
  if (HARMLESS.some((name) => signalNumber(name) === signal)) return () => {};
  const known = ignored.get(signal) ?? { count: 0, before: new DataView(new ArrayBuffer(at.size)) };
  if (known.count === 0) {
    check("sigaction", libc.sigaction(signal, null, known.before));
    if (known.before.getBigUint64(at.sa_handler, true) !== BigInt(posix.SIG_DFL)) return () => {};
    const action = new DataView(new ArrayBuffer(at.size));
    action.setBigUint64(at.sa_handler, BigInt(posix.SIG_IGN), true);
    check("sigaction", libc.sigaction(signal, action, null));
    ignored.set(signal, known);
  }
  known.count++;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    if (--known.count > 0) return;
    ignored.delete(signal);
    libc.sigaction(signal, known.before, null);
  };
}
