/**
 * The back end for Deno: `Deno.dlopen`, Deno 2.9 or newer.
 *
 * Everything but {@link Backend.arrayBufferAt} works under the narrow grant
 * `--allow-ffi=<path of libc>`, which forbids Deno's pointer objects: addresses are `usize`
 * numbers here, and errno is copied out by a call of memcpy(3).
 *
 * @module
 */

import type { Arch, Backend, OS } from "./backend.ts";
import { libcNames } from "./libc_paths.ts";
import type { CFunction, Signature, Word } from "./symbols.ts";
import { UnsupportedError } from "./unsupported.ts";

interface DenoForeignFunction {
  name: string;
  parameters: readonly string[];
  result: string;
  optional: true;
}

interface DenoNamespace {
  readonly version: { readonly deno: string };
  readonly build: { readonly os: string; readonly arch: string };
  readonly permissions: {
    querySync(
      descriptor: { name: "ffi"; path?: string } | { name: "env"; variable: string },
    ): { readonly state: string };
  };
  readonly env: { get(name: string): string | undefined };
  dlopen(
    path: string,
    symbols: Record<string, DenoForeignFunction>,
  ): { symbols: Record<string, CFunction | null> };
  readonly UnsafePointer: { create(address: bigint): object | null };
  readonly UnsafePointerView: { getArrayBuffer(pointer: object, length: number): ArrayBuffer };
}

/** The table's words in Deno's spelling. */
const WORDS: Readonly<Record<Word, string>> = {
  void: "void",
  i32: "i32",
  u32: "u32",
  i64: "i64",
  usize: "usize",
  buf: "buffer",
};

/** The back end when this is Deno, null on any other runtime. */
export function denoBackend(): Backend | null {
  const deno = (globalThis as { Deno?: DenoNamespace }).Deno;
  return typeof deno?.dlopen === "function" ? new DenoBackend(deno) : null;
}

class DenoBackend implements Backend {
  readonly runtime = "deno";
  readonly version: string;
  readonly os: OS;
  readonly arch: Arch;
  readonly #deno: DenoNamespace;
  #libc = "";

  constructor(deno: DenoNamespace) {
    const { os, arch } = deno.build;
    this.#deno = deno;
    this.version = deno.version.deno;
    this.os = os === "linux" || os === "darwin" || os === "freebsd" ? os : "other";
    this.arch = arch === "x86_64" ? "x64" : arch === "aarch64" ? "arm64" : "other";
  }

  bind(symbol: string, signature: Signature, library?: string): CFunction | null {
    if (library === undefined) {
      return this.#bindAt(this.#libc ||= this.#findLibc(), symbol, signature);
    }
    if (!this.#isGranted(library)) return null;
    try {
      return this.#bindAt(library, symbol, signature);
    } catch {
      return null; // there is no such library
    }
  }

  /** Asks before it looks, as for libc: without the permission nothing is set. */
  variable(name: string): string | undefined {
    const { state } = this.#deno.permissions.querySync({ name: "env", variable: name });
    return state === "granted" ? this.#deno.env.get(name) : undefined;
  }

  errnoReader(accessor: string): () => number {
    const locate = this.bind(accessor, ["usize"]) as (() => bigint) | null;
    const copy = this.bind("memcpy", ["void", "buf", "usize", "usize"]) as
      | ((to: Int32Array, from: bigint, length: bigint) => void)
      | null;
    if (locate === null || copy === null) {
      throw new UnsupportedError(accessor, "a libc with that accessor");
    }
    const cell = new Int32Array(new ArrayBuffer(4));
    const location = locate();
    const size = 4n;
    return () => {
      copy(cell, location, size);
      return cell[0]!;
    };
  }

  arrayBufferAt(address: bigint, length: number): ArrayBuffer {
    if (!this.#isGranted()) {
      throw new UnsupportedError(
        "memory that is shared with C (the views of MappedRegion)",
        "the full permission --allow-ffi; copyIn and copyOut work without it",
      );
    }
    const { UnsafePointer, UnsafePointerView } = this.#deno;
    return UnsafePointerView.getArrayBuffer(UnsafePointer.create(address)!, length);
  }

  #isGranted(path?: string): boolean {
    const descriptor = path === undefined
      ? { name: "ffi" as const }
      : { name: "ffi" as const, path };
    return this.#deno.permissions.querySync(descriptor).state === "granted";
  }

  #bindAt(path: string, symbol: string, signature: Signature): CFunction | null {
    const [result, ...parameters] = signature.map((word) => WORDS[word]) as [string, ...string[]];
    const declaration = { name: symbol, parameters, result, optional: true } as const;
    return this.#deno.dlopen(path, { [symbol]: declaration }).symbols[symbol] ?? null;
  }

  /** Asks before it opens: an ungranted dlopen would stop a program on a terminal with a prompt. */
  #findLibc(): string {
    const { names, paths } = libcNames(this.os, this.arch);
    if (paths.length === 0) throw new UnsupportedError("libc", "Linux, macOS or FreeBSD");
    const candidates = this.#isGranted()
      ? [...names, ...paths]
      : paths.filter((path) => this.#isGranted(path));
    for (const path of candidates) {
      try {
        this.#bindAt(path, "getpid", ["i32"]);
        return path;
      } catch {
        // Not at this path; the next may have it, and the error below names the first.
      }
    }
    throw new UnsupportedError(
      "calling libc",
      `the permission --allow-ffi=${paths[0]} (the path of libc.so on this machine), ` +
        "or --allow-ffi for everything",
    );
  }
}
