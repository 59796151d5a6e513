/**
 * What memory is made with, and the flags of memfd_create(2) that stand for it.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { flag, oneOf, options as checkOptions } from "./validate.ts";

/** The sizes of huge pages that some CPU has; /sys/kernel/mm/hugepages lists those of a machine. */
export type HugePageSize =
  | "64KB"
  | "512KB"
  | "1MB"
  | "2MB"
  | "8MB"
  | "16MB"
  | "32MB"
  | "256MB"
  | "512MB"
  | "1GB"
  | "2GB"
  | "16GB";

const HUGE_PAGES: Readonly<Record<HugePageSize, number>> = {
  "64KB": linux.MFD_HUGE_64KB,
  "512KB": linux.MFD_HUGE_512KB,
  "1MB": linux.MFD_HUGE_1MB,
  "2MB": linux.MFD_HUGE_2MB,
  "8MB": linux.MFD_HUGE_8MB,
  "16MB": linux.MFD_HUGE_16MB,
  "32MB": linux.MFD_HUGE_32MB,
  "256MB": linux.MFD_HUGE_256MB,
  "512MB": linux.MFD_HUGE_512MB,
  "1GB": linux.MFD_HUGE_1GB,
  "2GB": linux.MFD_HUGE_2GB,
  "16GB": linux.MFD_HUGE_16GB,
};

/** What a {@linkcode MemFD} is made with. */
export interface MemFDOptions {
  /** Whether {@linkcode MemFD.seal} is allowed. Default: false. */
  sealing?: boolean;
  /**
   * Whether it consists of huge pages, of the machine's usual size (true) or of another. Such memory
   * is read by any call and written only through a mapping. Default: false.
   */
  hugePages?: boolean | HugePageSize;
  /**
   * Whether it can be executed. False also seals that, and so allows sealing whatever `sealing`
   * says. Default: what the sysctl `vm.memfd_noexec` says, usually true. Needs Linux 6.3.
   */
  exec?: boolean;
  /** Whether the descriptor stays open across exec. Default: false. */
  inherit?: boolean;
}

/** The flags for a call of memfd_create(2). */
export function memoryFlags(options: MemFDOptions, what: string): number {
  const { sealing = false, hugePages = false, exec, inherit = false } = checkOptions(
    options,
    `${what}: options`,
  );
  let flags = flag(inherit, `${what}: inherit`) ? 0 : linux.MFD_CLOEXEC;
  if (flag(sealing, `${what}: sealing`)) flags |= linux.MFD_ALLOW_SEALING;
  if (hugePages !== false) flags |= hugePageFlags(hugePages, `${what}: hugePages`);
  if (exec !== undefined) {
    flags |= flag(exec, `${what}: exec`) ? linux.MFD_EXEC : linux.MFD_NOEXEC_SEAL;
  }
  return flags >>> 0;
}

function hugePageFlags(size: unknown, what: string): number {
  if (size === true) return linux.MFD_HUGETLB;
  const sizes = Object.keys(HUGE_PAGES) as HugePageSize[];
  return linux.MFD_HUGETLB | HUGE_PAGES[oneOf(size, sizes, `${what}, unless true or false,`)];
}
