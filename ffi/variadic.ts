/**
 * The C functions with `...` in their prototype, where they cannot be called like the others.
 *
 * On Apple's arm64 a variadic argument always goes on the stack, while the fixed ones, like all
 * arguments of an ordinary function, go into registers x0 to x7. A foreign call knows only ordinary
 * functions and would put the argument of `fcntl(fd, F_SETFL, flags)` into x2, where fcntl never looks:
 * it would read whatever the stack holds. The eight registers are therefore filled up with zeros that
 * nobody reads, and what comes ninth is on the stack, in the first place, where the callee expects it.
 *
 * That is exact for one variadic argument, and none of these is ever given two: with a second one the
 * two conventions differ again, in how they align the stack. Everywhere else (x86-64 and arm64 of Linux,
 * x86-64 of Darwin, FreeBSD) both kinds of functions take their arguments in the same places.
 *
 * @module
 */

import type { Arch, OS } from "./backend.ts";
import type { CFunction, Signature } from "./symbols.ts";

/** How many parameters stand before the dots, by the C name. */
const FIXED: Readonly<Record<string, number>> = { fcntl: 2, ioctl: 2, open: 2 };

/** The registers of arm64 for arguments. */
const REGISTERS = 8;

/** How many arguments must be filled in before the variadic one; 0 where none has to be. */
export function padding(symbol: string, os: OS, arch: Arch): number {
  const fixed = os === "darwin" && arch === "arm64" ? FIXED[symbol] : undefined;
  return fixed === undefined ? 0 : REGISTERS - fixed;
}

/** The signature with so many parameters filled in before its last. */
export function padSignature(signature: Signature, count: number): Signature {
  const [result, ...parameters] = signature;
  const last = parameters.pop()!;
  return [result, ...parameters, ...Array<"i32">(count).fill("i32"), last];
}

/** A function of the original signature over one that was bound by the padded one. */
export function padCall(bound: CFunction, count: number): CFunction {
  const zeros = Array<number>(count).fill(0);
  const call = bound as (...args: unknown[]) => unknown;
  return (...args: unknown[]): unknown => {
    const last = args.pop();
    return call(...args, ...zeros, last);
  };
}
