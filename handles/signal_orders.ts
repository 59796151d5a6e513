/**
 * Signals that make other threads say that they came by, and change their masks: no system call
 * reaches another thread's mask, but the handler of a signal that the thread is sent does.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { blockedBy } from "../ffi/proc.ts";
import { ACKS, SIG_DFL, SIG_IGN } from "../ffi/signal_stub.ts";
import { signalName, signalNumber } from "../ffi/signals.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { SignalPage } from "./signal_page.ts";

/** How long the threads have to come by. One that is stopped or deep in the kernel does not. */
const PATIENCE_MS = 1000;

/** How many looks, a millisecond apart, between two questions whether a thread has ended. */
const LOOKS = 8;

/** What a thread's mask is while it runs the handler: all that can be blocked. */
const INSIDE = 0xffff_ffff_fffb_feffn;

const EAGAIN = errnoNumber("EAGAIN");
const EINVAL = errnoNumber("EINVAL");

/** Signals that cannot carry orders: they stop or end threads, or are more than a message. */
const UNFIT: ReadonlySet<string> = new Set([
  ...["SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"],
  ...["SIGABRT", "SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU"],
]);

/** What one thread is told: to come by, and to block some signals from then on, or none. */
export interface Order {
  readonly thread: number;
  readonly block: bigint;
}

/** The bit of a signal in a mask. */
export function bitOf(signal: number): bigint {
  return 1n << BigInt(signal - 1);
}

/** The mask of some signals. */
export function maskOf(signals: readonly number[]): bigint {
  return signals.reduce((bits, signal) => bits | bitOf(signal), 0n);
}

/** The signals of a mask. */
export function signalsIn(bits: bigint): number[] {
  const signals: number[] = [];
  for (let signal = 1; bits !== 0n; signal++, bits >>= 1n) {
    if ((bits & 1n) !== 0n) signals.push(signal);
  }
  return signals;
}

/** The handler that is in force: an address, or SIG_DFL, SIG_IGN; null for a signal of libc's own. */
export function handlerOf(signal: number): bigint | null {
  const action = new BigUint64Array(new ArrayBuffer(structs.sigaction.size));
  if (libc.sigaction(signal, null, action) === 0) return action[0]!;
  const code = errno();
  if (code === EINVAL) return null;
  throw new SyscallError("sigaction", code);
}

/** Whether a disposition is an address: neither SIG_DFL nor SIG_IGN, nor none that can be had. */
export function isHandler(disposition: bigint | null): disposition is bigint {
  return disposition !== null && disposition !== SIG_DFL && disposition !== SIG_IGN;
}

/** Makes a `struct sigaction` whose handler is an address, or SIG_DFL or SIG_IGN. */
export function actionOf(handler: bigint): Uint8Array<ArrayBuffer> {
  const at = structs.sigaction;
  const action = new Uint8Array(new ArrayBuffer(at.size));
  const view = new DataView(action.buffer);
  view.setBigUint64(at.sa_handler, handler, true);
  if (isHandler(handler)) {
    // All signals wait while the handler runs; a thread's alternate stack is used where it has one.
    action.fill(0xff, at.sa_mask, at.sa_mask + structs.sigset_t.size);
    const flags = posix.SA_SIGINFO | posix.SA_RESTART | posix.SA_ONSTACK;
    view.setInt32(at.sa_flags, flags, true);
  }
  return action;
}

/** Blocks or unblocks signals on this thread: pthread_sigmask(3). Answers the mask before. */
export function changeOwnMask(how: number, bits: bigint): bigint {
  const mask = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  const before = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  mask[0] = bits;
  const code = libc.pthread_sigmask(how, mask, before);
  if (code !== 0) throw new SyscallError("pthread_sigmask", code);
  return before[0]!;
}

/**
 * Gives orders to other threads, and waits until each has carried out its own. A thread that has
 * done so is in no handler that it was in before, since a handler lets no other signal through.
 *
 * It can interrupt a call that a thread is in (EINTR), as any signal can.
 *
 * @param page the handler that carries them out
 * @param guarded the signals that have such handlers
 * @returns the threads that did not come by within a second
 * @throws {UnsupportedError} when no signal is free to carry the orders
 */
export function give(page: SignalPage, guarded: bigint, orders: readonly Order[]): number[] {
  if (orders.length === 0) return [];
  if (orders.length > ACKS) {
    return [
      ...give(page, guarded, orders.slice(0, ACKS)),
      ...give(page, guarded, orders.slice(ACKS)),
    ];
  }
  return withCarrier(page.address, guarded, (carrier) => {
    const end = performance.now() + PATIENCE_MS;
    page.clearAcks(orders.length);
    let open = orders.map(({ thread, block }, number) => ({ thread, block, number }))
      .filter(({ thread }) => !isExcused(thread, guarded | bitOf(carrier)));
    let unsent = open;
    for (let look = 0; open.length > 0 && performance.now() < end; look++) {
      unsent = unsent.filter(({ thread, block, number }) =>
        !send(thread, carrier, page.order(number, block))
      );
      libc.poll(null, 0, look === 0 ? 0 : 1);
      const acks = page.acks(orders.length);
      const ask = look % LOOKS === LOOKS - 1;
      open = open.filter(({ thread, number }) => acks[number] === 0 && !(ask && hasEnded(thread)));
    }
    return open.map(({ thread }) => thread);
  });
}

/** Queues an order. Answers false when the queue is full; a thread that has ended needs none. */
function send(thread: number, carrier: number, order: Uint8Array): boolean {
  return libc.rt_tgsigqueueinfo(libc.getpid(), thread, carrier, order) === 0 || errno() !== EAGAIN;
}

/**
 * Whether a thread cannot come by and need not, because it blocks the carrier and all that is
 * guarded on its own account, as mimalloc's helper in Bun does, and so is in no handler.
 */
function isExcused(thread: number, deaf: bigint): boolean {
  try {
    const blocked = blockedBy(thread);
    return blocked === null || ((blocked & deaf) === deaf && blocked !== INSIDE);
  } catch {
    return false; // no descriptor to read /proc with
  }
}

function hasEnded(thread: number): boolean {
  try {
    return blockedBy(thread) === null;
  } catch {
    return false; // no descriptor to read /proc with: wait on
  }
}

/**
 * Lends a signal that nothing uses, with the handler on it. Installing is the claim: sigaction(2)
 * answers what it replaced, so of two threads that see the same free signal one finds out and goes on.
 */
function withCarrier(
  page: bigint,
  guarded: bigint,
  use: (carrier: number) => number[],
): number[] {
  // The last two reach nobody under qemu-user (7.2).
  for (let signal = signalNumber("SIGRTMAX") - 2; signal > 0; signal--) {
    if ((guarded & bitOf(signal)) !== 0n || UNFIT.has(signalName(signal))) continue;
    if (handlerOf(signal) !== SIG_DFL) continue;
    const before = actionOf(SIG_DFL);
    check("sigaction", libc.sigaction(signal, actionOf(page), before));
    if (new BigUint64Array(before.buffer)[0] !== SIG_DFL) {
      libc.sigaction(signal, before, null);
      continue;
    }
    let late: number[] | null = null;
    try {
      return late = use(signal);
    } finally {
      // Ignoring a signal discards what is pending of it on every thread: an order that a thread
      // did not take would otherwise end the process when that thread unblocks the signal.
      if (late?.length !== 0) libc.sigaction(signal, actionOf(SIG_IGN), null);
      libc.sigaction(signal, before, null);
    }
  }
  throw new UnsupportedError("an order to other threads", "a signal that nothing uses");
}
