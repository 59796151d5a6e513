/**
 * The calls themselves: {@link libc} by their C names, {@link errno}, and {@link check}, the only
 * place where −1 becomes an error.
 *
 * A call is bound when it is first made. The first call of all binds the hot ones with it and finds
 * errno, so that nothing but the call itself ever stands between a failure and its errno.
 *
 * @module
 */

import { cString } from "./c_string.ts";
import { linux } from "./const_linux.ts";
import { arch, backend, os } from "./platform.ts";
import {
  BSD,
  type Call,
  type CFunction,
  HOT,
  LINUX,
  type Signature,
  type SymbolName,
  symbolOf,
  SYMBOLS,
} from "./symbols.ts";
import { SyscallError } from "./syscall_error.ts";
import { UnsupportedError } from "./unsupported.ts";
import { padCall, padding, padSignature } from "./variadic.ts";

/** Every call of the table, typed by its line. */
export type Libc = { [Name in SymbolName]: Call<typeof SYMBOLS[Name]> };

/** The C library. A call whose arguments were not validated is the caller's fault. */
export const libc: Libc = lazily();

/** What mmap(2) answers when it fails, `(void *) -1`, as a `usize` has it. */
export const MAP_FAILED: bigint = 0xffff_ffff_ffff_ffffn;

let readErrno: (() => number) | null = null;

/**
 * The errno of the call that this thread has just made. No other call may stand between.
 */
export function errno(): number {
  return readErrno === null ? 0 : readErrno();
}

/**
 * Passes a result on, and turns −1 into a {@link SyscallError} with the errno behind it.
 *
 * @param syscall the C name of the call, for the message
 * @param result what the call returned
 * @param fd the descriptor it was made on, −1 for none
 */
export function check(syscall: string, result: number, fd: number = -1): number {
  if (result === -1) throw new SyscallError(syscall, errno(), fd);
  return result;
}

/** Fills the object with stand-ins that replace themselves when they are first called. */
function lazily(): Libc {
  const calls: Record<string, CFunction> = {};
  for (const name of Object.keys(SYMBOLS) as SymbolName[]) {
    calls[name] = (...args: never[]): unknown => {
      if (readErrno === null) start(calls);
      const bound = bind(name);
      calls[name] = bound;
      return bound(...args);
    };
  }
  return calls as Libc;
}

/** Binds the hot calls together and finds errno: see {@link HOT}. */
function start(calls: Record<string, CFunction>): void {
  const accessor = os === "linux" ? "__errno_location" : "__error";
  const reader = backend.errnoReader(accessor);
  for (const name of HOT) {
    if (isHere(name)) calls[name] = bind(name);
  }
  readErrno = reader;
}

/**
 * A library whose kqueue and kevent stand in for the kernel's on Linux, by its path: the variable
 * `FDLOOP_KQUEUE_LIB`, empty when it is not set. It is meant for libkqueue, and for tests.
 */
export function kqueueLibrary(): string {
  return library ??= os === "linux" ? backend.variable("FDLOOP_KQUEUE_LIB") ?? "" : "";
}

let library: string | undefined;

/** What does on the BSDs what a call does on Linux. */
const ELSEWHERE: Partial<Record<SymbolName, string>> = {
  eventfd: "; elsewhere Loop.post and LoopWaker wake a loop",
  timerfd_create: "; elsewhere use Loop.setTimer",
  pidfd_open: "; elsewhere use Loop.exited",
  epoll_create1: "; elsewhere use Kqueue",
};

/** The system that has a call which is not here, and what to do without it. */
export function requirementOf(name: SymbolName): string {
  return name in LINUX ? `Linux${ELSEWHERE[name] ?? ""}` : "macOS or FreeBSD";
}

/** Whether a call can be made on this system at all. */
function isHere(name: SymbolName): boolean {
  if (name in LINUX) return os === "linux";
  return !(name in BSD) || os !== "linux" || kqueueLibrary() !== "";
}

/** Binds one call, by syscall(2) where this libc is too old or too small to have a wrapper. */
function bind(name: SymbolName): CFunction {
  if (!isHere(name)) {
    throw new UnsupportedError(`${name}(2)`, requirementOf(name));
  }
  const signature: Signature = SYMBOLS[name];
  if (os === "linux" && name in BSD) return fromLibrary(name, signature);
  const symbol = symbolOf(name, os, arch);
  const pads = padding(symbol, os, arch);
  const bound = backend.bind(symbol, pads === 0 ? signature : padSignature(signature, pads));
  if (bound !== null) return pads === 0 ? bound : padCall(bound, pads);
  const number = os === "linux" ? systemCallNumber(name) : undefined;
  if (number === undefined) throw new UnsupportedError(`${name}(3)`, "a libc that has it");
  return throughSyscall(number, signature);
}

/** Binds one call of the library that stands in for a kernel with kqueue. */
function fromLibrary(name: SymbolName, signature: Signature): CFunction {
  const bound = backend.bind(name, signature, kqueueLibrary());
  if (bound !== null) {
    keepLoaded(kqueueLibrary());
    return bound;
  }
  throw new UnsupportedError(
    `${name}(2)`,
    `a library that has it, and may be opened, at FDLOOP_KQUEUE_LIB (${kqueueLibrary()})`,
  );
}

/**
 * Has a library stay in memory until the process is gone.
 *
 * Deno 2.9 closes what an isolate has opened when the isolate ends. libkqueue has a thread of its own
 * that runs on then, and the thread that blocks for a loop may be inside of it while the program
 * exits: either would go on in memory that is no longer there.
 */
function keepLoaded(path: string): void {
  const signature = ["usize", "buf", "i32"] as const;
  // Before glibc 2.34 it is in a library of its own. Without it the library may still be used.
  const dlopen = (backend.bind("dlopen", signature) ??
    backend.bind("dlopen", signature, "libdl.so.2")) as Call<typeof signature> | null;
  dlopen?.(cString(path), linux.RTLD_NOW | linux.RTLD_NODELETE);
}

/** The number of a system call, from the `SYS_` rows of the constants. */
function systemCallNumber(name: SymbolName): number | undefined {
  const number: number | undefined = (linux as Readonly<Record<string, number>>)[`SYS_${name}`];
  return number === undefined || Number.isNaN(number) ? undefined : number;
}

/** Binds `long syscall(long number, ...)` with the parameters of one call behind the number. */
function throughSyscall(number: number, [result, ...parameters]: Signature): CFunction {
  const syscall = backend.bind("syscall", [result, "i32", ...parameters]) as
    | ((number: number, ...args: never[]) => unknown)
    | null;
  if (syscall === null) throw new UnsupportedError("syscall(2)", "a libc that has it");
  return (...args: never[]): unknown => syscall(number, ...args);
}
