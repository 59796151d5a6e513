/**
 * Starting a program on a terminal: posix_spawn(3).
 *
 * A runtime for JavaScript cannot fork: its other threads would be gone in the child, with the locks
 * that they held. posix_spawn runs nothing of ours in the child. What has to happen there before the
 * program begins is a list that libc works off: it makes a session, resets signals, enters a directory,
 * and opens the slave, which thereby becomes the session's controlling terminal; that is why the slave
 * is opened there by its name, and not passed on. What fails in the child is the result of the call.
 *
 * Everything that the call needs an address of lies in one mapping of its own, because JavaScript's own
 * memory has no address under Deno's narrow grant.
 *
 * Kernel: the directory takes glibc 2.29 or musl 1.1.24; glibc 2.34 closes every other descriptor.
 *
 * @module
 */

import { cString } from "../ffi/c_string.ts";
import { posix } from "../ffi/const_posix.ts";
import { tty, ttyStructs } from "../ffi/const_tty.ts";
import { type ErrnoName, errnoName, errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { ConsoleSizeOptions } from "./termios.ts";
import { options as checkOptions, shown } from "./validate.ts";

const EACCES = errnoNumber("EACCES");
const ENOENT = errnoNumber("ENOENT");
const ENOTDIR = errnoNumber("ENOTDIR");

/** What says that a program may be found further on in the PATH. */
const SEARCH_ON: readonly number[] = [EACCES, ENOENT, ENOTDIR];

/** Where programs are when nobody says: what confstr(_CS_PATH) answers. */
const DEFAULT_PATH = "/bin:/usr/bin";

const POINTER_BYTES = 8;

/** How a program is started on a terminal. */
export interface ConsoleSpawnOptions extends Partial<ConsoleSizeOptions> {
  /**
   * All of the program's environment; a variable that is undefined is left out. Default: that of this
   * program, for which Deno wants `--allow-env`.
   */
  env?: Readonly<Record<string, string | undefined>>;
  /** The directory that the program begins in. Default: that of this program. */
  cwd?: string;
}

/** What was asked for, checked. */
export interface SpawnOrder {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string | null;
  /** Where the program may be, in order. */
  readonly candidates: readonly string[];
}

/**
 * Checks what a program is to be started with.
 *
 * @throws {TypeError} when something is not what it should be
 */
export function checkOrder(
  argv: readonly string[],
  options: ConsoleSpawnOptions,
  what: string,
): SpawnOrder {
  const { env = ownEnvironment(), cwd } = checkOptions(options, `${what}: options`);
  if (!Array.isArray(argv) || argv.length === 0) {
    throw new TypeError(
      `${what}: argv must be an array of the program and its arguments, got ${shown(argv)}`,
    );
  }
  const words = Array.from(argv, (word: unknown, index) => text(word, `${what}: argv[${index}]`));
  const [program] = words as [string];
  if (program === "") throw new TypeError(`${what}: argv[0] must name a program, got ""`);
  const variables = Object.entries(checkOptions(env, `${what}: env`))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [variable(name, what), text(value, `${what}: env.${name}`)]);
  const path = variables.find(([name]) => name === "PATH")?.[1] ?? DEFAULT_PATH;
  return {
    argv: words,
    env: variables.map(([name, value]) => `${name}=${value}`),
    cwd: cwd === undefined ? null : text(cwd, `${what}: cwd`),
    candidates: candidatesFor(program, path),
  };
}

/**
 * Starts a program in a new session on the terminal of that name: its pid.
 *
 * @throws {SyscallError} what the child met before the program began
 */
export function spawnOn(terminal: string, order: SpawnOrder): number {
  const { argv, env, cwd, candidates } = order;
  if (cwd !== null && libc.access(cString(cwd), tty.X_OK) === -1) {
    throw new SyscallError("chdir", errno(), -1, `The option cwd is ${shown(cwd)}`);
  }
  using attributes = new Attributes();
  using actions = new Actions(terminal, cwd);
  using vectors = new Vectors(argv, env);
  const pid = new Int32Array(new ArrayBuffer(4));
  let failure = ENOENT;
  for (const candidate of candidates) {
    const path = cString(candidate);
    // A try costs a process; a look does not.
    if (candidates.length > 1 && libc.access(path, tty.X_OK) === -1) {
      if (errno() === EACCES) failure = EACCES;
      continue;
    }
    const code = libc.posix_spawn(
      pid,
      path,
      actions.bytes,
      attributes.bytes,
      vectors.argv,
      vectors.env,
    );
    if (code === 0) return pid[0]!;
    failure = code;
    if (!SEARCH_ON.includes(code)) break;
  }
  throw new SyscallError("posix_spawn", failure, -1, remedyFor(failure, argv[0]!));
}

/** Signals and session of the child. */
class Attributes implements Disposable {
  readonly bytes: Uint8Array = memory(ttyStructs.posix_spawnattr_t.size);

  constructor() {
    const { bytes } = this;
    succeed("posix_spawnattr_init", libc.posix_spawnattr_init(bytes));
    const none = memory(structs.sigset_t.size);
    const all = memory(structs.sigset_t.size).fill(0xff);
    libc.posix_spawnattr_setsigmask(bytes, none);
    // A runtime ignores SIGPIPE and has handlers for others.
    libc.posix_spawnattr_setsigdefault(bytes, all);
    const flags = tty.POSIX_SPAWN_SETSID | tty.POSIX_SPAWN_SETSIGMASK | tty.POSIX_SPAWN_SETSIGDEF;
    succeed("posix_spawnattr_setflags", libc.posix_spawnattr_setflags(bytes, flags));
  }

  [Symbol.dispose](): void {
    libc.posix_spawnattr_destroy(this.bytes);
  }
}

/** Descriptors and directory of the child. */
class Actions implements Disposable {
  readonly bytes: Uint8Array = memory(ttyStructs.posix_spawn_file_actions_t.size);

  constructor(terminal: string, cwd: string | null) {
    succeed("posix_spawn_file_actions_init", libc.posix_spawn_file_actions_init(this.bytes));
    try {
      this.#fill(terminal, cwd);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    libc.posix_spawn_file_actions_destroy(this.bytes);
  }

  #fill(terminal: string, cwd: string | null): void {
    const { bytes } = this;
    const name = "posix_spawn_file_actions";
    const path = cString(terminal);
    // Without O_NOCTTY: the first terminal that the leader of a session opens is its controlling one.
    const opened = libc.posix_spawn_file_actions_addopen(bytes, 0, path, posix.O_RDWR, 0);
    succeed(`${name}_addopen`, opened);
    for (const copy of [1, 2]) {
      succeed(`${name}_adddup2`, libc.posix_spawn_file_actions_adddup2(bytes, 0, copy));
    }
    if (cwd !== null) {
      const entered = libc.posix_spawn_file_actions_addchdir_np(bytes, cString(cwd));
      succeed(`${name}_addchdir_np`, entered);
    }
    try {
      succeed(
        `${name}_addclosefrom_np`,
        libc.posix_spawn_file_actions_addclosefrom_np(bytes, 3),
      );
    } catch (error) {
      // musl has no such thing; what is closed on exec is closed there, too.
      if (!(error instanceof UnsupportedError)) throw error;
    }
  }
}

/** The two vectors of strings that a program begins with, in memory that has an address. */
class Vectors implements Disposable {
  readonly argv: bigint;
  readonly env: bigint;
  readonly #address: bigint;
  readonly #length: bigint;

  constructor(argv: readonly string[], env: readonly string[]) {
    const strings = [...argv, ...env].map(cString);
    // Each vector ends in a null.
    const pointers = strings.length + 2;
    const length = strings.reduce(
      (sum, { byteLength }) => sum + byteLength,
      pointers * POINTER_BYTES,
    );
    this.#length = BigInt(length);
    this.#address = map(this.#length);
    this.argv = this.#address;
    this.env = this.#address + BigInt((argv.length + 1) * POINTER_BYTES);
    const bytes = memory(length);
    const view = new DataView(bytes.buffer);
    let next = pointers * POINTER_BYTES;
    for (const [index, string] of strings.entries()) {
      const place = index < argv.length ? index : index + 1;
      view.setBigUint64(place * POINTER_BYTES, this.#address + BigInt(next), true);
      bytes.set(string, next);
      next += string.byteLength;
    }
    libc.copy_out(this.#address, bytes, this.#length);
  }

  [Symbol.dispose](): void {
    libc.munmap(this.#address, this.#length);
  }
}

function map(length: bigint): bigint {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } = posix;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const address = libc.mmap(0n, length, PROT_READ | PROT_WRITE, flags, -1, 0n);
  check("mmap", address === 0xffff_ffff_ffff_ffffn ? -1 : 0);
  return address;
}

function memory(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Throws for a call that returns its errno. */
function succeed(syscall: string, code: number): void {
  if (code !== 0) throw new SyscallError(syscall, code);
}

/** A name with a slash is a path; others are looked for where the PATH has absolute directories. */
function candidatesFor(program: string, path: string): string[] {
  if (program.includes("/")) return [program];
  return path.split(":").filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder}/${program}`);
}

const REMEDIES: Partial<Record<ErrnoName, string>> = {
  ENOENT: "is not there, or the interpreter that its first line names is not",
  EACCES: "may not be executed by this user",
  ENOEXEC: "is no program: a script begins with #! and its interpreter",
  E2BIG: "was given too many arguments and variables",
};

function remedyFor(code: number, program: string): string {
  const remedy = REMEDIES[errnoName(code) as ErrnoName];
  return remedy === undefined ? "" : `${shown(program)} ${remedy}`;
}

/** The environment of this program, as its runtime shows it. */
function ownEnvironment(): Record<string, string | undefined> {
  const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
  return process?.env ?? {};
}

function variable(name: string, what: string): string {
  if (name === "" || name.includes("=")) {
    throw new TypeError(`${what}: env: ${shown(name)} cannot be the name of a variable`);
  }
  return text(name, `${what}: env: a name`);
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string" || value.includes("\0")) {
    throw new TypeError(`${what} must be a string without a zero byte, got ${shown(value)}`);
  }
  return value;
}
