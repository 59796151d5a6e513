/**
 * Where libc lies, in the order in which the back ends try.
 *
 * @module
 */

import type { Arch, OS } from "./backend.ts";

/** A libc by the name that the loader searches for, and by the paths that a narrow grant can name. */
export interface LibcNames {
  readonly names: readonly string[];
  readonly paths: readonly string[];
}

/**
 * The names of libc on one system. The musl names come last and are reached only where glibc's are
 * absent: a glibc process that opens musl's libc crashes when it exits.
 */
export function libcNames(os: OS, arch: Arch): LibcNames {
  const cpu = arch === "arm64" ? "aarch64" : "x86_64";
  switch (os) {
    case "linux":
      return {
        names: ["libc.so.6", `libc.musl-${cpu}.so.1`],
        paths: [
          `/lib/${cpu}-linux-gnu/libc.so.6`,
          "/lib64/libc.so.6",
          "/usr/lib64/libc.so.6",
          `/usr/lib/${cpu}-linux-gnu/libc.so.6`,
          "/usr/lib/libc.so.6",
          `/lib/ld-musl-${cpu}.so.1`,
        ],
      };
    case "darwin":
      return { names: ["libSystem.B.dylib"], paths: ["/usr/lib/libSystem.B.dylib"] };
    case "freebsd":
      return { names: ["libc.so.7"], paths: ["/lib/libc.so.7"] };
    case "other":
      return { names: [], paths: [] };
  }
}
