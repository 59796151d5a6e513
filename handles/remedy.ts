/**
 * What the reader of an error can do about it, where the call alone does not say.
 *
 * @module
 */

import type { ErrnoName } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";

/** Adds to a failed call the remedy for its errno; passes every other error on. */
export function withRemedy(
  error: unknown,
  remedies: Partial<Record<ErrnoName, string>>,
): unknown {
  if (!(error instanceof SyscallError)) return error;
  const remedy = remedies[error.code as ErrnoName];
  if (remedy === undefined) return error;
  return new SyscallError(error.syscall, error.errno, error.fd, remedy);
}
