// Proves every row of the floor's tables against the headers of each system whose compiler is here,
// and the tables against the headers' families of constants. `FDLOOP_CC_DARWIN` and
// `FDLOOP_CC_FREEBSD` may hold a command that compiles for those systems with their headers.

import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { type Column, column } from "../ffi/columns.ts";
import { errnoName, errnoText } from "../ffi/errno.ts";
import { arch, os } from "../ffi/platform.ts";
import { LINUX_STRUCTS } from "../ffi/structs.ts";
import {
  ask,
  claimsOf,
  type Headers,
  type Judgement,
  kernelRefuses,
  type Known,
  readHeaders,
  strerrors,
} from "./oracle.ts";
import { hasCommand, kernelAtLeast, test } from "./support.ts";

/** Families of constants that a table has as a whole, as far as the headers know them. */
const FAMILIES: readonly { readonly columns: RegExp; readonly names: RegExp }[] = [
  { columns: /./, names: /^(E(?!POLL|PIOC)[A-Z0-9]+|SIG[A-Z0-9]+|CLD_\w+|S_IF[A-Z]+)$/ },
  { columns: /^linux/, names: /^(EPOLL|EFD_|TFD_|SFD_|MFD_|PIDFD_|F_SEAL_|CLOCK_)/ },
  { columns: /^linux/, names: /^(O_\w+|SI_\w+|SEEK_\w+|MS_\w+|POLL[A-Z]+|P_[A-Z]+)$/ },
  { columns: /^(darwin|freebsd)/, names: /^(EV_|EVFILT_|NOTE_)/ },
];

/** The members of those families that the tables leave out, and why. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/^(ELAST|SIGSTKSZ|SIGUNUSED|SI_MAX_SIZE|CLD_NOOP|EVFILT_SYSCOUNT)$/, "not what its prefix says"],
  [/^(ECHO[A-Z]*|EXT[AB]|EXTPROC)$/, "flags and speeds of terminals"],
  [/^(EFSBADCRC|EFSCORRUPTED)$/, "file systems' names for EBADMSG and EUCLEAN, Linux 7.2"],
  [
    /^(O_NDELAY|O_FSYNC|O_RSYNC|O_TMPFILE_MASK|EPOLL_NONBLOCK)$/,
    "another name for a flag, or part",
  ],
  [/^(O_SEARCH|O_EXEC|O_TTY_INIT)$/, "musl's names for O_PATH and 0"],
  [/^O_LARGEFILE$/, "always set for 64-bit programs; 0 in glibc"],
  [/^O_EMPTYPATH$/, "for openat(2), Linux 7.2"],
  [/^CLOCK_(SGI_CYCLE|AUX\w*)$/, "clocks that no timer can be made for"],
  [/^(EPOLL_URING_WAKE|EPOLL_PACKED|POLLFREE)$/, "the kernel's own"],
  [/^EPOLL_IOC_TYPE$/, "busy polling of sockets, Linux 6.9"],
  [/^PIDFD_SELF/, "stands for a pidfd where there is none to hold"],
  [/^PIDFD_GET_\w+_NAMESPACE$/, "opens namespaces"],
  [
    /^PIDFD_(COREDUMP|INFO_(COREDUMP_|SUPPORTED_MASK|SIZE_VER[2-9]))/,
    "newer than struct pidfd_info",
  ],
  [/^S_IFWHT$/, "never the type of an open file"],
  [/^(EVFILT_THREADMARKER|EV_(SYSFLAGS|DROP|FLAG[012])|NOTE_PCTRLMASK)$/, "the kernel's own"],
  [/^(EVFILT_JAIL|NOTE_JAIL|EV_KEEPUDATA)/, "newer than FreeBSD 13"],
  [/^NOTE_(REAP|EXIT_[A-Z_]+|VM_\w+)$/, "deprecated, or reports what nobody asks for"],
];

/** Rows whose value is another in musl, which keeps one real-time signal more for itself. */
const OTHER_IN_MUSL = ["O_ACCMODE", "SIGRTMIN"];

const here = column(os, arch);
const AARCH64 = "aarch64-linux-gnu-gcc";

/** The headers that may be on this machine. */
const ALL_HEADERS: readonly Headers[] = [
  ...here === null ? [] : [headers("libc", here, "cc", { runs: true })],
  ...os !== "linux" || here === null ? [] : [
    headers("kernel", here, "cc", { from: "kernel", runs: true }),
    headers("musl", here, "musl-gcc", { runs: true }),
  ],
  ...here === "linux-arm64" ? [] : [
    headers("libc for arm64", "linux-arm64", AARCH64),
    headers("kernel for arm64", "linux-arm64", AARCH64, { from: "kernel" }),
  ],
  ...here === "darwin" ? [] : [headers("Darwin", "darwin", process.env.FDLOOP_CC_DARWIN)],
  ...here === "freebsd" ? [] : [headers("FreeBSD", "freebsd", process.env.FDLOOP_CC_FREEBSD)],
];

function headers(
  name: string,
  of: Column,
  command: string = "",
  rest: Partial<Headers> = {},
): Headers {
  const compiler = command.split(" ").filter((word) => word !== "");
  return { name, column: of, compiler, from: "libc", runs: false, ...rest };
}

function isHere({ compiler: [command] }: Headers): boolean {
  return command !== undefined && hasCommand(command);
}

function missing({ compiler: [command = "a compiler"], column: of }: Headers): string {
  return command === "a compiler"
    ? `FDLOOP_CC_${of.toUpperCase()} names no compiler`
    : `there is no ${command}`;
}

interface Opinion {
  readonly known: Known;
  readonly judgements: readonly Judgement[];
}

const opinions = new Map<Headers, Opinion>();

/** What headers say, asked once. */
function opinionOf(set: Headers): Opinion {
  const before = opinions.get(set);
  if (before !== undefined) return before;
  const known = readHeaders(set);
  const opinion = { known, judgements: ask(set, known) };
  opinions.set(set, opinion);
  return opinion;
}

function everyValue(set: Headers): void {
  const { known, judgements } = opinionOf(set);
  const isMusl = os === "linux" && set.from === "libc" && !known.identifiers.has("__GLIBC__");
  const wrong = judgements
    .filter(({ claim, value }) => value !== claim.expected)
    .filter(({ claim }) => !(isMusl && OTHER_IN_MUSL.includes(claim.row)))
    .map(({ claim, value }) => `${claim.row}: ${claim.expected}, the headers say ${value}`);
  assertEquals(wrong, []);
}

function everyConstant(set: Headers): void {
  const families = FAMILIES.filter(({ columns }) => columns.test(set.column));
  const rows = new Set(claimsOf(set.column).map(({ row }) => row));
  const lacking = Array.from(opinionOf(set).known.identifiers)
    .filter((name) => families.some(({ names }) => names.test(name)) && !rows.has(name))
    .filter((name) => !LEFT_OUT.some(([pattern]) => pattern.test(name)));
  assertEquals(lacking, []);
}

function everyMember(set: Headers): void {
  const members = opinionOf(set).known.members("signalfd_siginfo");
  assert(members.length > 0, "the header has no such struct");
  const { size: _, ...fields } = LINUX_STRUCTS.signalfd_siginfo;
  assertEquals(members.filter((name) => !/^_*pad/.test(name)), Object.keys(fields));
}

function everyRow(of: Column, sets: readonly Headers[]): void {
  const judgements = sets.flatMap((set) => opinionOf(set).judgements);
  const proven = rowsOf(judgements.filter(({ computed }) => !computed));
  const computed = rowsOf(judgements).difference(proven);
  const claimed = claimsOf(of).filter(({ expected }) => expected !== null);
  const names = Array.from(computed).join(", ");
  console.log(
    `oracle: ${of}: ${proven.size} rows proven, ${computed.size} rows not in these headers` +
      (computed.size === 0 ? "" : `, computed from their definitions in newer ones: ${names}`),
  );
  // glibc computes these two when a program runs, and no program for another CPU runs here.
  const excused = sets.some(({ runs }) => runs) ? [] : ["SIGRTMIN", "SIGRTMAX"];
  const unproven = claimed.map(({ row }) => row).filter((row) => !rowsOf(judgements).has(row));
  assertEquals(unproven.filter((row) => !excused.includes(row)), []);
}

function rowsOf(judgements: readonly Judgement[]): Set<string> {
  return new Set(judgements.map(({ claim }) => claim.row));
}

for (const set of ALL_HEADERS) {
  const checked = (name: string, body: (set: Headers) => void): void =>
    test.if(isHere(set), missing(set), `oracle, ${set.name}: ${name}`, () => body(set));
  checked("every row that the headers know has their value", everyValue);
  checked("the tables have every constant of our families", everyConstant);
  if (set.column.startsWith("linux")) {
    checked("signalfd_siginfo has every member of the header's", everyMember);
  }
}

for (const of of new Set(ALL_HEADERS.map((set) => set.column))) {
  const sets = ALL_HEADERS.filter((set) => set.column === of && isHere(set));
  const reason = `no compiler for ${of} is here`;
  test.if(sets.length > 0, reason, `oracle: all of ${of} is proven`, () => everyRow(of, sets));
}

test("oracle: no constant stands in two tables", () => {
  const rows = claimsOf("linux-x64").map(({ row }) => row).filter((row) => !row.includes("."));
  assertEquals(rows.filter((row, at) => rows.indexOf(row) !== at), []);
});

const [libc] = ALL_HEADERS;
const canRun = libc?.runs === true && isHere(libc) && os === "linux";

test.if(
  canRun && kernelAtLeast(6, 16),
  "it takes cc and Linux 6.16",
  "oracle: this kernel does what the newest rows say",
  () => assertEquals(kernelRefuses(libc!), []),
);

test.if(
  canRun && readHeaders(libc!).identifiers.has("__GLIBC__"),
  "there is no cc with glibc",
  "oracle: errno.ts has the words of strerror(3)",
  () => {
    for (const [number, words] of strerrors(libc!).entries()) {
      if (errnoName(number) === `errno ${number}`) continue;
      const small = /^[A-Z]{2}/.test(words)
        ? words
        : words.charAt(0).toLowerCase() + words.slice(1);
      assertEquals(errnoText(number), small, `of ${errnoName(number)}`);
    }
  },
);
