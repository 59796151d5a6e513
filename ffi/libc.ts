/**
 * The calls themselves: {@link libc} by their C names, {@link errno}, and {@link check}, the only
 * place where −1 becomes an error.
 *
 * A call is bound when it is first made. The first call of all binds the hot ones with it and finds
 * errno, so that nothing but the call itself ever stands between a failure and its errno.
 *
 * @module
 */

import { linux } from "./const_linux.ts";
import { backend, os } from "./platform.ts";
import {
  ALIASES,
  type Call,
  type CFunction,
  HOT,
  LINUX,
  type Signature,
  type SymbolName,
  SYMBOLS,
} from "./symbols.ts";
import { SyscallError } from "./syscall_error.ts";
import { UnsupportedError } from "./unsupported.ts";

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
    if (os === "linux" || !(name in LINUX)) calls[name] = bind(name);
  }
  readErrno = reader;
}

/** Binds one call, by syscall(2) where this libc is too old or too small to have a wrapper. */
function bind(name: SymbolName): CFunction {
  if (name in LINUX && os !== "linux") throw new UnsupportedError(`${name}(2)`, "Linux");
  const signature: Signature = SYMBOLS[name];
  const bound = backend.bind(ALIASES[name] ?? name, signature);
  if (bound !== null) return bound;
  const number = os === "linux" ? systemCallNumber(name) : undefined;
  if (number === undefined) throw new UnsupportedError(`${name}(3)`, "a libc that has it");
  return throughSyscall(number, signature);
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
