/**
 * The signals of signal(7): their names and numbers.
 *
 * Read from: `signal.h` of glibc 2.36, Linux 6.1 and 7.2; `bsd/sys/signal.h` of xnu-11417 (macOS
 * 15.4); `sys/signal.h` of FreeBSD 13.1 and 15.
 *
 * @module
 */

import { column, COLUMNS, type Constants, pick, type Row } from "./columns.ts";
import { libc } from "./libc.ts";
import { arch, os } from "./platform.ts";

/**
 * Every column. Where two names have one number, the first of them is the one that
 * {@link signalName} answers.
 */
export const SIGNAL_TABLE = {
  SIGHUP: [1, 1, 1, 1],
  SIGINT: [2, 2, 2, 2],
  SIGQUIT: [3, 3, 3, 3],
  SIGILL: [4, 4, 4, 4],
  SIGTRAP: [5, 5, 5, 5],
  SIGABRT: [6, 6, 6, 6],
  SIGIOT: [6, 6, 6, 6],
  SIGEMT: [null, null, 7, 7],
  SIGBUS: [7, 7, 10, 10],
  SIGFPE: [8, 8, 8, 8],
  SIGKILL: [9, 9, 9, 9],
  SIGUSR1: [10, 10, 30, 30],
  SIGSEGV: [11, 11, 11, 11],
  SIGUSR2: [12, 12, 31, 31],
  SIGPIPE: [13, 13, 13, 13],
  SIGALRM: [14, 14, 14, 14],
  SIGTERM: [15, 15, 15, 15],
  SIGSTKFLT: [16, 16, null, null],
  SIGCHLD: [17, 17, 20, 20],
  SIGCLD: [17, 17, null, null],
  SIGCONT: [18, 18, 19, 19],
  SIGSTOP: [19, 19, 17, 17],
  SIGTSTP: [20, 20, 18, 18],
  SIGTTIN: [21, 21, 21, 21],
  SIGTTOU: [22, 22, 22, 22],
  SIGURG: [23, 23, 16, 16],
  SIGXCPU: [24, 24, 24, 24],
  SIGXFSZ: [25, 25, 25, 25],
  SIGVTALRM: [26, 26, 26, 26],
  SIGPROF: [27, 27, 27, 27],
  SIGWINCH: [28, 28, 28, 28],
  SIGIO: [29, 29, 23, 23],
  SIGPOLL: [29, 29, null, null],
  SIGINFO: [null, null, 29, 29],
  SIGPWR: [30, 30, null, null],
  SIGSYS: [31, 31, 12, 12],
  SIGTHR: [null, null, null, 32],
  SIGLWP: [null, null, null, 32],
  SIGLIBRT: [null, null, null, 33],
} as const satisfies Record<NamedSignal, Row<typeof COLUMNS>>;

/** The real-time signals, and one more than the highest signal (`_SIG_MAXSIG + 1` on FreeBSD). */
export const SIGNAL_LIMITS = {
  // glibc's: the kernel begins at 32, and glibc keeps two for itself. musl keeps three, so on Linux
  // the first one that programs may use is asked of libc: see firstRealTime().
  SIGRTMIN: [34, 34, null, 65],
  SIGRTMAX: [64, 64, null, 126],
  NSIG: [65, 65, 32, 129],
} as const;

/** A signal that has a name of its own, on some system. */
export type NamedSignal =
  | "SIGHUP"
  | "SIGINT"
  | "SIGQUIT"
  | "SIGILL"
  | "SIGTRAP"
  | "SIGABRT"
  | "SIGIOT"
  | "SIGEMT"
  | "SIGBUS"
  | "SIGFPE"
  | "SIGKILL"
  | "SIGUSR1"
  | "SIGSEGV"
  | "SIGUSR2"
  | "SIGPIPE"
  | "SIGALRM"
  | "SIGTERM"
  | "SIGSTKFLT"
  | "SIGCHLD"
  | "SIGCLD"
  | "SIGCONT"
  | "SIGSTOP"
  | "SIGTSTP"
  | "SIGTTIN"
  | "SIGTTOU"
  | "SIGURG"
  | "SIGXCPU"
  | "SIGXFSZ"
  | "SIGVTALRM"
  | "SIGPROF"
  | "SIGWINCH"
  | "SIGIO"
  | "SIGPOLL"
  | "SIGINFO"
  | "SIGPWR"
  | "SIGSYS"
  | "SIGTHR"
  | "SIGLWP"
  | "SIGLIBRT";

/** A signal by the name that C gives it. Real-time signals are counted from either end. */
export type SignalName =
  | NamedSignal
  | "SIGRTMIN"
  | "SIGRTMAX"
  | `SIGRTMIN+${number}`
  | `SIGRTMAX-${number}`;

/** "SIGRTMIN+n" or "SIGRTMAX-n". */
const REAL_TIME = /^SIGRT(?:MIN(?:\+(\d{1,3}))?|(MAX)(?:-(\d{1,3}))?)$/;

const here = column(os, arch);
const numbers: Constants<typeof SIGNAL_TABLE> = pick(SIGNAL_TABLE, COLUMNS, here);
const limits: Constants<typeof SIGNAL_LIMITS> = pick(SIGNAL_LIMITS, COLUMNS, here);
const names = canonicalNames();

/**
 * The number of a signal that is given by its name or by its number.
 *
 * @throws {TypeError} when it is neither a string nor a number
 * @throws {RangeError} when this system has no such signal
 *
 * @example
 * ```ts
 * import { signalNumber } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([signalNumber("SIGTERM"), signalNumber(15)], [15, 15]);
 * ```
 */
export function signalNumber(signal: string | number): number {
  if (typeof signal === "number") {
    if (Number.isInteger(signal) && signal >= 1 && signal < limits.NSIG) return signal;
    throw new RangeError(
      Number.isNaN(limits.NSIG)
        ? `signal ${signal} is not known: fdloop knows the signals of Linux, macOS and FreeBSD`
        : `signal ${signal} does not exist: signals are whole numbers from 1 to ${limits.NSIG - 1}`,
    );
  }
  if (typeof signal !== "string") {
    const kind = signal === null ? "null" : typeof signal;
    throw new TypeError(`a signal is a name such as "SIGTERM" or a number, not ${kind}`);
  }
  const number = realTimeNumber(signal) ??
    (Object.hasOwn(numbers, signal) ? numbers[signal as keyof typeof numbers] : NaN);
  if (!Number.isNaN(number)) return number;
  throw new RangeError(
    `signal ${JSON.stringify(signal)} does not exist on this system: ` +
      `names are such as "SIGTERM" and "SIGUSR1"${realTimeExample()}`,
  );
}

/**
 * The name of a signal: `"SIGTERM"`, `"SIGRTMIN+3"`, or `"signal 33"` for a number without one.
 *
 * A real-time signal is counted from the nearer end, as `kill -l` of bash does.
 *
 * @example
 * ```ts
 * import { signalName, signalNumber } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(signalName(9), "SIGKILL");
 * assertEquals(signalName(signalNumber("SIGRTMAX-1")), "SIGRTMAX-1");
 * ```
 */
export function signalName(number: number): string {
  if (typeof number !== "number") {
    throw new TypeError(`a signal's number is a number, not ${typeof number}`);
  }
  const { SIGRTMAX } = limits;
  if (!(number >= limits.SIGRTMIN)) return names.get(number) ?? `signal ${number}`;
  const SIGRTMIN = firstRealTime();
  if (number === SIGRTMIN) return "SIGRTMIN";
  if (number === SIGRTMAX) return "SIGRTMAX";
  if (number > SIGRTMIN && number < SIGRTMAX) {
    return number - SIGRTMIN <= (SIGRTMAX - SIGRTMIN) / 2
      ? `SIGRTMIN+${number - SIGRTMIN}`
      : `SIGRTMAX-${SIGRTMAX - number}`;
  }
  return `signal ${number}`;
}

/** The first real-time signal that this libc leaves to programs: 34 in glibc, 35 in musl. */
function firstRealTime(): number {
  return os === "linux" ? libc.__libc_current_sigrtmin() : limits.SIGRTMIN;
}

/** The number of a name that is counted from an end of the real-time signals, else null. */
function realTimeNumber(name: string): number | null {
  const { SIGRTMAX } = limits;
  const parts = REAL_TIME.exec(name);
  if (parts === null) return null;
  if (Number.isNaN(limits.SIGRTMIN)) return NaN;
  const SIGRTMIN = firstRealTime();
  const [, above = "0", max, below = "0"] = parts;
  const number = max === undefined ? SIGRTMIN + Number(above) : SIGRTMAX - Number(below);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : NaN;
}

function realTimeExample(): string {
  const { SIGRTMIN, SIGRTMAX } = limits;
  if (Number.isNaN(SIGRTMIN)) return "";
  return `, or "SIGRTMIN" to "SIGRTMIN+${SIGRTMAX - SIGRTMIN}"`;
}

function canonicalNames(): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const [name, number] of Object.entries(numbers)) {
    if (!Number.isNaN(number) && !found.has(number)) found.set(number, name);
  }
  return found;
}
