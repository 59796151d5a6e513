/**
 * The error for what is not here.
 *
 * @module
 */

/**
 * Something is not available here: a call, a flag or a permission, and what it would take.
 *
 * @example
 * ```ts
 * import { UnsupportedError } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new UnsupportedError("PIDFD_GET_INFO", "Linux 6.13");
 * assertEquals(error.message, "PIDFD_GET_INFO is not available here: it requires Linux 6.13");
 * ```
 */
export class UnsupportedError extends Error {
  /** Always `"UnsupportedError"`. */
  override readonly name: string = "UnsupportedError";
  /** What was asked for. */
  readonly feature: string;
  /** What it needs: a kernel version, an operating system, a flag. */
  readonly requires: string;

  /**
   * Names what is missing and what would provide it.
   *
   * @param feature what was asked for
   * @param requires what it needs
   */
  constructor(feature: string, requires: string) {
    super(`${feature} is not available here: it requires ${requires}`);
    this.feature = feature;
    this.requires = requires;
  }
}
