/**
 * The border to the runtimes: what a back end must offer. `platform.ts` chooses the one that is here.
 *
 * @module
 */

import type { CFunction, Signature } from "./symbols.ts";

/** The operating systems that the tables have columns for. */
export type OS = "linux" | "darwin" | "freebsd" | "other";

/** The instruction sets that the tables have columns for. */
export type Arch = "x64" | "arm64" | "other";

/** What the floor needs from a runtime. */
export interface Backend {
  /** The runtime's own name, for messages and for the demo. */
  readonly runtime: string;
  /** The runtime's version. */
  readonly version: string;
  readonly os: OS;
  readonly arch: Arch;
  /**
   * Binds one function of libc, or of another library by its path, and answers null when that has
   * no such symbol.
   *
   * @throws {UnsupportedError} when libc itself cannot be opened (no permission, unknown system)
   */
  bind(symbol: string, signature: Signature, library?: string): CFunction | null;
  /** A variable of the environment; undefined where it is not set or may not be read. */
  variable(name: string): string | undefined;
  /** Makes the reader of errno for the thread that calls; `accessor` is the C function that finds it. */
  errnoReader(accessor: string): () => number;
  /**
   * Lays an ArrayBuffer over memory that C owns. The caller answers for its lifetime.
   *
   * @throws {UnsupportedError} on Deno under a narrow grant
   */
  arrayBufferAt(address: bigint, length: number): ArrayBuffer;
}
