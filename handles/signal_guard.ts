/**
 * Guarding signals: while a handle receives one, it kills nothing, whichever thread it arrives on,
 * and what the kernel tells about it is written to the handle's pipe.
 *
 * Why a pipe and no signalfd(2): a signalfd reads what is pending, and a signal stays pending only
 * where it is blocked. It would have to be blocked on every thread, and that fails twice. Every child
 * that a thread starts inherits its mask: children of Bun and Deno would start deaf to SIGTERM
 * (measured on Bun 1.4.5 and Deno 2.9.6; a shell between hides it, since dash clears its mask). And
 * Bun waits in epoll_pwait2(2) with an empty mask, which unblocks everything while it waits. So no
 * mask is touched: the handler of ffi/signal_stub.ts catches the signal on any thread and writes its
 * siginfo_t to the pipe, or into memory when that is full.
 *
 * Before the writing end of a pipe is closed, every thread has said that it is in no handler: none
 * can write to a number that belongs to another file by then.
 *
 * Kernel: rt_tgsigqueueinfo is Linux 2.6.31. Memory must be allowed to become executable, which the
 * runtimes' own compilers need too.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { startOf, threadIds } from "../ffi/proc.ts";
import { structs } from "../ffi/structs.ts";
import { SIG_DFL } from "../ffi/signal_stub.ts";
import { signalName } from "../ffi/signals.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { isIdle, settleRuntime } from "./runtime_signals.ts";
import { type Claim, MOST_CLAIMS, SignalLedger } from "./signal_ledger.ts";
import {
  actionOf,
  bitOf,
  changeOwnMask,
  give,
  handlerOf,
  isHandler,
  maskOf,
  signalsIn,
} from "./signal_orders.ts";
import { SignalPage } from "./signal_page.ts";

const SYNCHRONOUS = "a thread raises it by what it does, and cannot go on before it is handled";

/** Signals that are never guarded, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  SIGKILL: "nothing can catch it",
  SIGSTOP: "nothing can catch it",
  SIGSEGV: SYNCHRONOUS,
  SIGBUS: SYNCHRONOUS,
  SIGILL: SYNCHRONOUS,
  SIGFPE: SYNCHRONOUS,
  SIGTRAP: SYNCHRONOUS,
  SIGSYS: SYNCHRONOUS,
  SIGABRT: "abort(3) ends the process by it in any case",
};

/** The signals that the handles made on one thread receive, wherever their copies are. */
export class SignalGuard {
  static #here: SignalGuard | null = null;
  readonly #ledger: SignalLedger;

  private constructor(ledger: SignalLedger) {
    this.#ledger = ledger;
  }

  /** The guard of handles that are made on this thread. */
  static here(): SignalGuard {
    return SignalGuard.#here ??= new SignalGuard(new SignalLedger());
  }

  /** The guard of a handle that was made on another thread. */
  static over(memory: SharedArrayBuffer): SignalGuard {
    return new SignalGuard(new SignalLedger(memory));
  }

  /** The memory, to be sent to another thread. */
  get memory(): SharedArrayBuffer {
    return this.#ledger.memory;
  }

  /**
   * Has the runtime do what it may do with some signals now, which calls the program's own code where
   * that hears of listeners: before {@link SignalGuard.claim} and {@link SignalGuard.change}, since
   * that code may use other handles and must not wait for a lock that its own thread has.
   */
  prepare(bits: bigint): void {
    for (const signal of this.#ledger.locked(() => this.#unclaimed(bits))) settleRuntime(signal);
  }

  /**
   * Guards signals, and has them written to a pipe: answers the id of the claim. When it throws,
   * all is as before.
   *
   * @param bits the signals
   * @param fd the writing end, which is the guard's to close from here on, also when this throws
   * @throws {RangeError} when a signal can never be received, or too many handles are open
   * @throws {UnsupportedError} when a signal has a handler, memory cannot be made executable, or
   *   there is no /proc
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to read /proc with
   */
  claim(bits: bigint, fd: number): number {
    return this.#ledger.locked(() => {
      const { claim, fresh } = this.#begin(bits, fd);
      try {
        this.#take(claim, bits, fresh);
        return claim.id;
      } catch (error) {
        this.#remove(claim, this.#settle(bits, claim.page));
        throw error;
      }
    });
  }

  /**
   * Changes what a claim is for. When it throws, all is as before. Answers false, and does nothing,
   * when the claim has ended.
   *
   * @throws {RangeError} when a signal can never be received
   * @throws {UnsupportedError} when a signal has a handler
   */
  change(id: number, bits: bigint): boolean {
    return this.#ledger.locked(() => {
      const claim = this.#find(id);
      if (claim === undefined) return false;
      this.#take(claim, bits, this.#fresh(bits));
      if ((claim.bits & ~bits) !== 0n) this.#giveUp(claim.bits & ~bits, claim.page, bits);
      return true;
    });
  }

  /** The signals of a claim, null when it has ended. */
  bitsOf(id: number): bigint | null {
    return this.#ledger.locked(() => this.#find(id)?.bits ?? null);
  }

  /** The handler of a claim, null when it has ended. */
  pageOf(id: number): SignalPage | null {
    const claim = this.#ledger.locked(() => this.#find(id));
    return claim === undefined ? null : new SignalPage(claim.page);
  }

  /** Moves what did not fit into the pipe of a claim there, as far as it fits now. */
  refill(id: number): void {
    this.#ledger.locked(() => {
      const claim = this.#find(id);
      if (claim === undefined) return;
      new SignalPage(claim.page).takeSpilled((record) =>
        libc.write(claim.fd, record, structs.siginfo_t.size) === structs.siginfo_t.size
      );
    });
  }

  /** Ends a claim, and closes the writing end of its pipe. It throws nothing: closing goes on. */
  end(id: number): void {
    this.#ledger.locked(() => {
      const claim = this.#find(id);
      if (claim === undefined) return;
      this.#ledger.changeClaim(id, 0n);
      this.#remove(claim, this.#giveUp(claim.bits, claim.page, 0n));
    });
  }

  /** Makes a claim of nothing yet, and answers which of the signals nobody has. */
  #begin(bits: bigint, fd: number): { claim: Claim; fresh: number[] } {
    try {
      const fresh = this.#fresh(bits);
      threadIds(); // the end of the claim needs it: a system without /proc is refused here
      const claim = this.#ledger.addClaim(fd, () => SignalPage.make().address);
      if (claim === null) {
        throw new RangeError(`at most ${MOST_CLAIMS} SignalFDs of one thread can be open at once`);
      }
      new SignalPage(claim.page).setPipe(fd);
      return { claim, fresh };
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /**
   * Takes a claim off the list. While a thread may be in its handler, its pipe stays open, and its
   * page is not used again.
   */
  #remove({ id, fd, page }: Claim, quiet: boolean): void {
    if (quiet) {
      for (const late of this.#ledger.takeParked()) libc.close(late);
      libc.close(fd);
      new SignalPage(page).takeSpilled(() => true);
    } else this.#ledger.park(fd);
    this.#ledger.removeClaim(id, quiet);
  }

  #find(id: number): Claim | undefined {
    return this.#ledger.claims().find((claim) => claim.id === id);
  }

  /** The oldest claim that is for a signal. */
  #waitingFor(signal: number): Claim | undefined {
    return this.#ledger.claims().find(({ bits }) => (bits & bitOf(signal)) !== 0n);
  }

  /** Of some signals, those that no claim is for. */
  #unclaimed(bits: bigint): number[] {
    return signalsIn(bits).filter((signal) => this.#waitingFor(signal) === undefined);
  }

  /** The same, when they can be had. */
  #fresh(bits: bigint): number[] {
    const fresh = this.#unclaimed(bits);
    for (const signal of fresh) refuseTaken(signal, handlerOf(signal));
    return fresh;
  }

  /** Makes a claim one for other signals, and puts the handler on those that are fresh. */
  #take(claim: Claim, bits: bigint, fresh: readonly number[]): void {
    new SignalPage(claim.page).setBits(claim.bits | bits);
    this.#ledger.changeClaim(claim.id, bits);
    const installed: number[] = [];
    try {
      for (const signal of fresh) {
        this.#install(signal, claim.page);
        installed.push(signal);
      }
      this.#unblock(maskOf(fresh));
    } catch (error) {
      this.#ledger.changeClaim(claim.id, claim.bits);
      this.#giveUp(maskOf(installed), claim.page, claim.bits);
      throw error;
    }
  }

  /** Puts a handler on a signal, and notes what was there, unless that must not be replaced. */
  #install(signal: number, page: bigint): void {
    const before = actionOf(SIG_DFL);
    check("sigaction", libc.sigaction(signal, actionOf(page), before));
    try {
      refuseTaken(signal, new BigUint64Array(before.buffer)[0]!);
    } catch (error) {
      // Another thread has claimed it since it was looked at.
      libc.sigaction(signal, before, null);
      throw error;
    }
    this.#ledger.action(signal).set(before);
  }

  /** Unblocks signals on this thread: in a process that was started with them blocked, all block. */
  #unblock(bits: bigint): void {
    const thread = libc.gettid();
    const start = startOf(thread);
    const blocked = changeOwnMask(posix.SIG_UNBLOCK, bits) & bits;
    if (blocked === 0n || this.#ledger.addUnblocked({ thread, start, bits: blocked })) return;
    changeOwnMask(posix.SIG_BLOCK, blocked);
    throw new RangeError("too many threads receive signals that they were started to block");
  }

  /**
   * Ends the guard of signals that one claim had: the oldest other claim for a signal has it from here
   * on; without one, what was in force before is restored. The handler, which drops the signal then,
   * stays until no thread is about to write: a signal that comes too late to be read takes no
   * default action. Answers whether all threads have left the handler.
   *
   * @param rest what the claim goes on to receive
   */
  #giveUp(bits: bigint, page: bigint, rest: bigint): boolean {
    // Who replaced the handler since, such as the runtime for a listener, keeps the signal.
    const ours = signalsIn(bits).filter((signal) => handlerOf(signal) === page);
    for (const signal of ours) {
      const next = this.#waitingFor(signal);
      if (next !== undefined) libc.sigaction(signal, actionOf(next.page), null);
    }
    new SignalPage(page).setBits(rest);
    const quiet = this.#settle(bits, page);
    for (const signal of ours) {
      if (handlerOf(signal) === page) libc.sigaction(signal, this.#ledger.action(signal), null);
    }
    return quiet;
  }

  /** Waits until no thread is in the handler, and has those block what they blocked before. */
  #settle(bits: bigint, page: bigint): boolean {
    const owned = this.#ledger.claims().reduce((all, claim) => all | claim.bits, 0n);
    const orders = new Map(everyThread().map((thread) => [thread, 0n]));
    const seen = orders.size > 0;
    for (const { thread, start, bits: block } of this.#ledger.takeUnblocked(bits & ~owned)) {
      if (isStill(thread, start)) orders.set(thread, block);
    }
    const self = libc.gettid();
    changeOwnMask(posix.SIG_BLOCK, orders.get(self) ?? 0n);
    orders.delete(self);
    try {
      const list = [...orders].map(([thread, block]) => ({ thread, block }));
      return give(new SignalPage(page), bits | owned, list).length === 0 && seen;
    } catch {
      return false; // no signal was free to carry the orders
    }
  }
}

/** All threads, none when /proc cannot be read now. */
function everyThread(): number[] {
  try {
    return threadIds();
  } catch {
    return [];
  }
}

/** Whether an id still means the thread that was started then. */
function isStill(thread: number, start: number): boolean {
  try {
    return startOf(thread) === start;
  } catch {
    return true; // /proc cannot be read now
  }
}

/** Throws when a signal cannot be guarded, and says why. */
function refuseTaken(signal: number, handler: bigint | null): void {
  const name = signalName(signal);
  const never = handler === null ? "the C library keeps it for itself" : REFUSED[name];
  if (never !== undefined) {
    throw new RangeError(`${name} cannot be received by a SignalFD: ${never}`);
  }
  if (!isHandler(handler) || isIdle(signal, handler)) return;
  throw new UnsupportedError(
    `receiving ${name} by a SignalFD`,
    SignalPage.isAt(handler)
      ? "the SignalFD of the other thread that receives it: hand that one over with share()"
      : "that nothing else handles it, but the runtime, a listener (process.on) or a native " +
        "library does",
  );
}
