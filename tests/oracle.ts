/**
 * The oracle: what a C compiler says of the floor's tables. Every cell of a column becomes a claim
 * about a C expression, which a program then prints, or which the compiler asserts where its
 * programs do not run.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  BSD_COLUMNS,
  type Column,
  COLUMNS,
  type FieldType,
  LINUX_COLUMNS,
} from "../ffi/columns.ts";
import { BSD_TABLE } from "../ffi/const_bsd.ts";
import { LINUX_TABLE } from "../ffi/const_linux.ts";
import { POSIX_TABLE } from "../ffi/const_posix.ts";
import { SOCKET_STRUCTS, SOCKET_TABLE } from "../ffi/const_socket.ts";
import { TTY_STRUCTS, TTY_TABLE } from "../ffi/const_tty.ts";
import { ERRNO_TABLE } from "../ffi/errno.ts";
import { SIGNAL_LIMITS, SIGNAL_TABLE } from "../ffi/signals.ts";
import { BSD_STRUCTS, LINUX_STRUCTS, POSIX_STRUCTS } from "../ffi/structs.ts";
import { tempDir } from "./support.ts";

/** Headers, and the compiler that reads them. */
export interface Headers {
  /** Whose they are, for the reports. */
  readonly name: string;
  /** The column that they must agree with. */
  readonly column: Column;
  /** The compiler and its options. */
  readonly compiler: readonly string[];
  /** All headers of the C library, or only those that the Linux kernel exports. */
  readonly from: "libc" | "kernel";
  /** Whether this machine runs what the compiler makes. */
  readonly runs: boolean;
}

/** What a cell of a table says, as C. */
export interface Claim {
  /** The row that says it. A field of a struct makes two claims. */
  readonly row: string;
  /** The C expression, with `$T` for the struct's type. */
  readonly expression: string;
  /** Its value, or null when the system has no such name. */
  readonly expected: number | null;
  /** The identifier or the struct that the headers must know. */
  readonly needs: string;
}

/** A claim that some headers could judge. */
export interface Judgement {
  readonly claim: Claim;
  /** What the headers say. */
  readonly value: number;
  /** Whether a newer header's definition stood in for what these headers do not have. */
  readonly computed: boolean;
}

/** What headers know. */
export interface Known {
  /** Macros without parameters, and enumerators. */
  readonly identifiers: ReadonlySet<string>;
  readonly structs: ReadonlySet<string>;
  /** The members of a struct that has no struct in it. */
  members(struct: string): string[];
}

const LIBC_HEADERS = `dlfcn.h errno.h fcntl.h limits.h poll.h sched.h signal.h spawn.h stddef.h
  termios.h time.h unistd.h
  sys/epoll.h sys/event.h sys/eventfd.h sys/ioctl.h sys/mman.h sys/pidfd.h sys/resource.h
  sys/signalfd.h sys/socket.h sys/stat.h sys/syscall.h sys/timerfd.h sys/ucontext.h sys/uio.h
  sys/un.h sys/utsname.h sys/wait.h linux/filter.h netinet/in.h netinet/tcp.h`;

const KERNEL_HEADERS = `asm/socket.h linux/close_range.h linux/errno.h linux/eventfd.h
  linux/eventpoll.h linux/fcntl.h linux/filter.h linux/in.h linux/in6.h linux/ioctl.h linux/limits.h linux/memfd.h
  linux/mman.h linux/pidfd.h linux/poll.h linux/resource.h linux/signal.h linux/signalfd.h
  linux/stat.h linux/tcp.h linux/time.h linux/timerfd.h linux/un.h linux/unistd.h linux/wait.h`;

/**
 * Definitions that headers which are still in use do not have yet, as newer headers have them. The
 * kernel's are in linux/pidfd.h, since 6.9, where nothing else is said; Debian 12 has those of 6.1.
 */
const NEWER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  linux: {
    EFTYPE: "134", // asm-generic/errno.h, 7.2
    F_SEAL_EXEC: "0x0020", // linux/fcntl.h, 6.3
    MFD_NOEXEC_SEAL: "0x0008U", // linux/memfd.h, 6.3
    MFD_EXEC: "0x0010U", // linux/memfd.h, 6.3
    PIDFD_THREAD: "O_EXCL",
    PIDFD_SIGNAL_THREAD: "1UL << 0",
    PIDFD_SIGNAL_THREAD_GROUP: "1UL << 1",
    PIDFD_SIGNAL_PROCESS_GROUP: "1UL << 2",
    PIDFD_GET_INFO: "_IOWR(0xFF, 11, char[64])", // 6.13
    PIDFD_INFO_SIZE_VER0: "__builtin_offsetof(struct pidfd_info_of_6_16, coredump_mask)", // 6.13
    PIDFD_INFO_SIZE_VER1: "sizeof(struct pidfd_info_of_6_16)", // 6.16
    PIDFD_INFO_PID: "1UL << 0", // 6.13
    PIDFD_INFO_CREDS: "1UL << 1", // 6.13
    PIDFD_INFO_CGROUPID: "1UL << 2", // 6.13
    PIDFD_INFO_EXIT: "1UL << 3", // 6.15
    PIDFD_INFO_COREDUMP: "1UL << 4", // 6.16
    SCM_PIDFD: "0x04", // linux/socket.h, 6.5, which is not exported; sys/socket.h of glibc 2.39
    pidfd_info: "struct pidfd_info_of_6_16", // 6.16
  },
  darwin: {
    ENOTCAPABLE: "107", // sys/errno.h, newer than macOS 15
  },
  freebsd: {
    O_PATH: "0x00400000", // sys/fcntl.h, 14
  },
};

const NEWER_STRUCTS = `struct pidfd_info_of_6_16 {
  unsigned long long mask, cgroupid;
  unsigned pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int exit_code;
  unsigned coredump_mask, spare;
};`;

/**
 * Rows that are what newer headers have no more, because struct pidfd_info grows and its ioctl number
 * has its size in it: always taken from above.
 */
const PINNED = new Set(["PIDFD_GET_INFO", "pidfd_info.size"]);

/** Rows that have another meaning, or none, in the kernel's headers. */
const LIBC_ONLY = new Set(["SIGRTMIN", "SIGRTMAX", "NSIG", "sigaction"]);

/** Rows that glibc and musl compute when the program runs: no assembly shows them. */
const NOT_CONSTANT = new Set(["SIGRTMIN", "SIGRTMAX"]);

/** Fields that are read as something else than they are, see the comments where they stand. */
const READ_OTHERWISE = new Set([
  "rlim_cur",
  "rlim_max",
  "st_dev",
  "st_mode",
  "msg_iovlen",
  "msg_controllen",
  "cmsg_len",
  "c_iflag",
  "c_oflag",
  "c_cflag",
  "c_lflag",
]);

/** The size in bytes of each type, negative when it is signed. */
const SIZES: Readonly<Record<Exclude<FieldType, "mem">, number>> = {
  u8: 1,
  u16: 2,
  i16: -2,
  u32: 4,
  i32: -4,
  u64: 8,
  i64: -8,
  ptr: 8,
};

type AnyTable = Readonly<Record<string, readonly unknown[]>>;
type AnyStructs = Readonly<Record<string, AnyTable>>;

const TABLES: readonly [AnyTable, readonly Column[]][] = [
  [POSIX_TABLE, COLUMNS],
  [LINUX_TABLE, LINUX_COLUMNS],
  [BSD_TABLE, BSD_COLUMNS],
  [SOCKET_TABLE, COLUMNS],
  [TTY_TABLE, COLUMNS],
  [ERRNO_TABLE, COLUMNS],
  [SIGNAL_TABLE, COLUMNS],
  [SIGNAL_LIMITS, COLUMNS],
];

const STRUCT_TABLES: readonly [AnyStructs, readonly Column[]][] = [
  [POSIX_STRUCTS, COLUMNS],
  [LINUX_STRUCTS, LINUX_COLUMNS],
  [BSD_STRUCTS, BSD_COLUMNS],
  [SOCKET_STRUCTS, LINUX_COLUMNS],
  [TTY_STRUCTS, COLUMNS],
];

/** Every claim that the tables make about one column. */
export function claimsOf(column: Column): Claim[] {
  return [
    ...TABLES.flatMap(([table, header]) => constants(table, header.indexOf(column), column)),
    ...STRUCT_TABLES.flatMap(([table, header]) =>
      Object.entries(table).flatMap(([name, rows]) => layout(name, rows, header.indexOf(column)))
    ),
  ];
}

function constants(table: AnyTable, index: number, column: Column): Claim[] {
  if (index === -1) return [];
  return Object.entries(table).map(([name, row]) => ({
    row: name,
    expression: name === "NSIG" && column === "freebsd" ? "_SIG_MAXSIG + 1" : name,
    expected: row[index] as number | null,
    needs: name,
  }));
}

function layout(struct: string, rows: AnyTable, index: number): Claim[] {
  if (index === -1) return [];
  return Object.entries(rows).flatMap(([field, row]): Claim[] => {
    const [type, ...cells] = field === "size" ? [null, ...row] : row;
    const expected = cells[index] as number | null;
    if (expected === null) return [];
    const claim = { row: `${struct}.${field}`, needs: struct };
    if (type === null) return [{ ...claim, expression: "sizeof($T)", expected }];
    const place = `__builtin_offsetof($T, ${field})`;
    const claims = [{ ...claim, expression: place, expected }];
    if (type !== "mem" && !READ_OTHERWISE.has(field)) {
      const size = SIZES[type as keyof typeof SIZES];
      const sign = type === "ptr" ? "1" : `(__typeof__((($T *)0)->${field}))-1 < 0 ? -1 : 1`;
      const expression = `(${sign}) * (long long)sizeof((($T *)0)->${field})`;
      claims.push({ ...claim, expression, expected: size });
    }
    return claims;
  });
}

/** Runs the preprocessor over the headers. */
export function readHeaders(headers: Headers): Known {
  const text = compile(headers, ["-E", "-dD"], includes(headers));
  const identifiers = new Set<string>();
  for (const [, undone, name] of text.matchAll(/^#(?:define|(undef)) (\w+)(?:\s|$)/gm)) {
    if (undone === undefined) identifiers.add(name!);
    else identifiers.delete(name!);
  }
  const code = text.replace(/^#.*$/gm, "");
  for (const [, body] of code.matchAll(/\benum\b[^{;]*\{([^}]*)\}/g)) {
    for (const [, name] of body!.matchAll(/(?:^|,)\s*([A-Za-z_]\w*)/g)) identifiers.add(name!);
  }
  return {
    identifiers,
    structs: new Set(Array.from(code.matchAll(/\bstruct (\w+)\s*\{/g), ([, name]) => name!)),
    members: (struct) => {
      const body = new RegExp(`\\bstruct ${struct}\\s*\\{([^}]*)\\}`).exec(code)?.[1] ?? "";
      return Array.from(body.matchAll(/(\w+)\s*(?:\[[^\]]*\])?\s*;/g), ([, name]) => name!);
    },
  };
}

/**
 * Asks the headers for the value of each claim that they can judge. A program prints them; where the
 * compiler's programs do not run, the values are read from the assembly that it writes.
 */
export function ask(headers: Headers, known: Known): Judgement[] {
  const judged = judgeable(headers, known);
  const lines = judged.map(({ expression }) =>
    headers.runs
      ? `  printf("-> %lld\\n", (long long)(${expression}));`
      : `  __asm__ volatile("\\n.ascii \\"-> %0\\"" : : "i"((long long)(${expression})));`
  );
  const source = `${includes(headers)}${NEWER_STRUCTS}
int printf(const char *, ...);
int main(void) {
${lines.join("\n")}
  return 0;
}
`;
  const printed = headers.runs ? runProgram(headers, source) : compile(headers, ["-S"], source);
  const values = Array.from(printed.matchAll(/-> [$#]?(-?\d+)/g), ([, value]) => Number(value));
  return judged.map(({ claim, computed }, at) => ({ claim, computed, value: values[at]! }));
}

/** What strerror(3) says of each number up to the highest that Linux has. */
export function strerrors(headers: Headers): string[] {
  const source = `#include <stdio.h>
#include <string.h>
int main(void) {
  for (int number = 0; number < 134; number++) puts(strerror(number));
  return 0;
}
`;
  return runProgram(headers, source).trimEnd().split("\n");
}

/** What the running kernel does not do with the numbers of the tables: see oracle_kernel.c. */
export function kernelRefuses(headers: Headers): string[] {
  const rows = claimsOf(headers.column).filter(({ expression, expected }) =>
    expected !== null && !expression.includes("__typeof__")
  );
  const defines = rows.map(({ row, expected }) =>
    `#define T_${row.replace(".", "_")} ${expected}LL\n`
  );
  const program = readFileSync(new URL("./oracle_kernel.c", import.meta.url), "utf8");
  return runProgram(headers, defines.join("") + program).split("\n").filter((line) => line !== "");
}

function runProgram(headers: Headers, source: string): string {
  using dir = tempDir();
  const program = join(dir.path, "oracle");
  compile(headers, [], source, program);
  return run([program]);
}

interface Question {
  readonly claim: Claim;
  readonly expression: string;
  readonly computed: boolean;
}

/** The claims that these headers can judge, each with the expression that they understand. */
function judgeable(headers: Headers, known: Known): Question[] {
  const [system = ""] = headers.column.split("-");
  return claimsOf(headers.column).flatMap((claim): Question[] => {
    if (headers.from === "kernel" && LIBC_ONLY.has(claim.needs)) return [];
    if (system === "linux" && !headers.runs && NOT_CONSTANT.has(claim.needs)) return [];
    const newer = NEWER[system]?.[claim.needs];
    if (knows(headers, known, claim, newer !== undefined) && !PINNED.has(claim.row)) {
      const type = claim.needs.endsWith("_t") ? claim.needs : `struct ${claim.needs}`;
      return [{
        claim,
        expression: claim.expression.replaceAll("$T", () => type),
        computed: false,
      }];
    }
    if (newer === undefined || claim.expected === null) return [];
    const ofStruct = claim.row.includes(".");
    const expression = ofStruct ? claim.expression.replaceAll("$T", () => newer) : newer;
    return [{ claim, expression, computed: true }];
  });
}

/** Whether the headers have a name, or a field of a struct, which may be one that grew. */
function knows(
  { from }: Headers,
  known: Known,
  { row, needs }: Claim,
  grows: boolean,
): boolean {
  const [, field] = row.split(".");
  if (field === undefined) return known.identifiers.has(needs);
  if (needs.endsWith("_t")) return from === "libc";
  return known.structs.has(needs) && (!grows || known.members(needs).includes(field));
}

function includes({ from }: Headers): string {
  const names = (from === "libc" ? LIBC_HEADERS : KERNEL_HEADERS).split(/\s+/);
  return names.map((name) => `#if __has_include(<${name}>)\n#include <${name}>\n#endif\n`).join("");
}

/** Compiles C into a file, or to the text that it returns. */
function compile(
  headers: Headers,
  options: readonly string[],
  source: string,
  output: string = "-",
): string {
  using dir = tempDir();
  const file = join(dir.path, "oracle.c");
  writeFileSync(file, source);
  return run([...headers.compiler, "-D_GNU_SOURCE", "-w", ...options, "-o", output, file]);
}

function run([command, ...args]: readonly string[]): string {
  const env = { ...process.env, LC_ALL: "C" };
  const ended = spawnSync(command!, args, { encoding: "utf8", env, maxBuffer: 1 << 26 });
  if (ended.error !== undefined) throw ended.error;
  if (ended.status === 0) return ended.stdout;
  throw new Error(`${command} ended with ${ended.status}:\n${ended.stderr.slice(0, 2000)}`);
}
