/**
 * The seals of memory: what nobody can do with it any more.
 *
 * Kernel: F_ADD_SEALS and F_GET_SEALS are Linux 3.17, F_SEAL_FUTURE_WRITE 5.1, F_SEAL_EXEC 6.3.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { control } from "./io.ts";
import { withRemedy } from "./remedy.ts";
import { oneOf } from "./validate.ts";

/**
 * What a seal forbids, to everybody and for good: to add a `"seal"`, to `"shrink"`, to `"grow"`, to
 * `"write"`, to write other than through the writable mappings that exist (`"future-write"`, Linux
 * 5.1), and to change who may `"exec"`ute it (Linux 6.3).
 */
export type Seal = "seal" | "shrink" | "grow" | "write" | "future-write" | "exec";

const BITS: Readonly<Record<Seal, number>> = {
  seal: linux.F_SEAL_SEAL,
  shrink: linux.F_SEAL_SHRINK,
  grow: linux.F_SEAL_GROW,
  write: linux.F_SEAL_WRITE,
  "future-write": linux.F_SEAL_FUTURE_WRITE,
  exec: linux.F_SEAL_EXEC,
};

const SEALS = Object.keys(BITS) as Seal[];

/** The seals that came later than the rest, and when. */
const SINCE: Partial<Record<Seal, string>> = { "future-write": "Linux 5.1", exec: "Linux 6.3" };

/** The seals of a file: `fcntl(F_GET_SEALS)`. None for a kind of file that cannot have any. */
export function sealsOf(descriptor: Descriptor): Seal[] {
  const bits = sealBits(descriptor);
  return SEALS.filter((seal) => (bits & BITS[seal]) !== 0);
}

/** Whether a file has a seal. */
export function isSealed(descriptor: Descriptor, seal: Seal): boolean {
  return (sealBits(descriptor) & BITS[seal]) !== 0;
}

/** Adds seals: `fcntl(F_ADD_SEALS)`, all of them or none. */
export function addSeals(descriptor: Descriptor, seals: readonly Seal[], what: string): void {
  let bits = 0;
  for (const seal of seals) bits |= BITS[oneOf(seal, SEALS, what)];
  if (seals.length === 0) throw new TypeError(`${what} must be given, got none`);
  try {
    control("fcntl", descriptor, (fd) => libc.fcntl(fd, linux.F_ADD_SEALS, bits));
  } catch (error) {
    throw sealingError(error, seals);
  }
}

/** Adds to an EPERM which seals stand in the way; passes every other error on. */
export function sealedError(error: unknown, descriptor: Descriptor): unknown {
  if (!(error instanceof SyscallError) || error.code !== "EPERM" || descriptor.closed) return error;
  const seals = sealsOf(descriptor).map((seal) => `"${seal}"`).join(", ");
  return withRemedy(error, {
    EPERM: `It is sealed (${seals}), which nothing takes back: use other memory for it`,
  });
}

function sealingError(error: unknown, seals: readonly Seal[]): unknown {
  // Memory takes every seal that its kernel knows: EINVAL is one that came later.
  const newest = seals.findLast((seal) => SINCE[seal] !== undefined);
  if (error instanceof SyscallError && error.code === "EINVAL" && newest !== undefined) {
    return new UnsupportedError(`the seal "${newest}"`, SINCE[newest]!);
  }
  return withRemedy(error, {
    EPERM: 'Either it has the seal "seal", which MemFD.create sets without { sealing: true }, ' +
      "or this descriptor is not open for writing",
    EBUSY: "Somebody maps it shared and writable: unmap() that first, or use the seal " +
      '"future-write", which leaves such mappings their right',
  });
}

/** A file without seals answers EINVAL: it has none. */
function sealBits(descriptor: Descriptor): number {
  if (os !== "linux") return 0;
  const fd = acquire(descriptor);
  const bits = libc.fcntl(fd, linux.F_GET_SEALS, 0);
  release(descriptor);
  return Math.max(bits, 0);
}
