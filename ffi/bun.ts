/**
 * The back end for Bun: `bun:ffi`, Bun 1.4 or newer.
 *
 * @module
 */

import type { Arch, Backend, OS } from "./backend.ts";
import { libcNames } from "./libc_paths.ts";
import type { CFunction, Signature, Word } from "./symbols.ts";
import { UnsupportedError } from "./unsupported.ts";

interface BunFFI {
  dlopen(
    path: string,
    symbols: Record<string, { args: string[]; returns: string }>,
  ): { symbols: Record<string, CFunction> };
  toArrayBuffer(pointer: number, offset: number, length: number): ArrayBuffer;
}

interface BunProcess {
  readonly platform: string;
  readonly arch: string;
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): unknown;
}

/** The table's words in Bun's spelling. `ptr` takes a typed array as itself, and null. */
const WORDS: Readonly<Record<Word, string>> = {
  void: "void",
  i32: "i32",
  u32: "u32",
  i64: "i64",
  usize: "u64",
  buf: "ptr",
};

/** The back end when this is Bun, null on any other runtime. */
export function bunBackend(): Backend | null {
  const process = (globalThis as { process?: BunProcess }).process;
  const version = process?.versions?.bun;
  if (process === undefined || version === undefined) return null;
  // Synchronous, and unlike a static `bun:` import it leaves the module loadable everywhere.
  const ffi = process.getBuiltinModule?.("bun:ffi") as BunFFI | undefined;
  return ffi === undefined ? null : new BunBackend(ffi, version, process);
}

class BunBackend implements Backend {
  readonly runtime = "bun";
  readonly version: string;
  readonly os: OS;
  readonly arch: Arch;
  readonly #ffi: BunFFI;
  readonly #env: BunProcess["env"];
  #libc = "";

  constructor(ffi: BunFFI, version: string, { platform, arch, env }: BunProcess) {
    this.#ffi = ffi;
    this.#env = env;
    this.version = version;
    this.os = platform === "linux" || platform === "darwin" || platform === "freebsd"
      ? platform
      : "other";
    this.arch = arch === "x64" || arch === "arm64" ? arch : "other";
  }

  bind(symbol: string, signature: Signature, library?: string): CFunction | null {
    return this.#tryBind(library ?? (this.#libc ||= this.#findLibc()), symbol, signature);
  }

  variable(name: string): string | undefined {
    return this.#env[name];
  }

  errnoReader(accessor: string): () => number {
    const locate = this.bind(accessor, ["usize"]) as (() => bigint) | null;
    if (locate === null) throw new UnsupportedError(accessor, "a libc with that accessor");
    const cell = new Int32Array(this.arrayBufferAt(locate(), 4));
    return () => cell[0]!;
  }

  arrayBufferAt(address: bigint, length: number): ArrayBuffer {
    return this.#ffi.toArrayBuffer(Number(address), 0, length);
  }

  /** Bun's dlopen throws alike for a missing library and a missing symbol: null is either. */
  #tryBind(path: string, symbol: string, signature: Signature): CFunction | null {
    const [returns, ...args] = signature.map((word) => WORDS[word]) as [string, ...string[]];
    try {
      return this.#ffi.dlopen(path, { [symbol]: { args, returns } }).symbols[symbol] ?? null;
    } catch {
      return null;
    }
  }

  #findLibc(): string {
    const { names } = libcNames(this.os, this.arch);
    const found = names.find((name) => this.#tryBind(name, "getpid", ["i32"]) !== null);
    if (found === undefined) throw new UnsupportedError("libc", "Linux, macOS or FreeBSD");
    return found;
  }
}
