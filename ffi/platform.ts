/**
 * Which runtime and which machine this is.
 *
 * Nothing is opened by importing this module. A third runtime joins by a file beside `bun.ts` and
 * `deno.ts` and one more name in {@link backend}'s line.
 *
 * @module
 */

import type { Arch, Backend, OS } from "./backend.ts";
import { bunBackend } from "./bun.ts";
import { denoBackend } from "./deno.ts";
import { UnsupportedError } from "./unsupported.ts";

/** Stands where no runtime was recognised, so that an import alone never fails. */
const noBackend: Backend = {
  runtime: "unknown",
  version: "0",
  os: "other",
  arch: "other",
  bind: refuse,
  variable: () => undefined,
  errnoReader: refuse,
  arrayBufferAt: refuse,
};

function refuse(): never {
  throw new UnsupportedError("calling libc", "Bun 1.4 or Deno 2.9");
}

/** The back end of the runtime that runs this module. */
export const backend: Backend = bunBackend() ?? denoBackend() ?? noBackend;

/** The operating system of this process. */
export const os: OS = backend.os;

/** The instruction set of this process. */
export const arch: Arch = backend.arch;
