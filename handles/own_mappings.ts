/**
 * What this process maps, and the pages it maps in.
 *
 * Kernel: /proc/self/maps is as old as /proc; where it is not mounted, nothing is known to be mapped.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { kernelText, linesOf, linkOf } from "../ffi/kernel_file.ts";
import { libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";

/** "7f00c0de1000-7f00c0de3000 rw-s 00001000 00:01 1093  /memfd:name (deleted)" */
const LINE =
  /^(?<start>[0-9a-f]+)-(?<end>[0-9a-f]+) \S+ (?<offset>[0-9a-f]+) (?<major>[0-9a-f]+):(?<minor>[0-9a-f]+) (?<inode>\d+)/;

let page = 0;

/** The size of a page: `sysconf(_SC_PAGESIZE)`. */
export function pageSize(): number {
  return page ||= Number(libc.sysconf(posix._SC_PAGESIZE));
}

/** The next multiple of a unit. */
export function roundUp(value: bigint, unit: number): bigint {
  const step = BigInt(unit);
  return (value + step - 1n) / step * step;
}

/**
 * Whether any thread of this process maps a byte of a file that lies from `from` up to `to`.
 *
 * @param device `st_dev` of the file
 * @param inode `st_ino` of the file
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to look with
 */
export function isMapped(device: number, inode: bigint, from: bigint, to: bigint): boolean {
  // new_encode_dev() of the kernel: 8 bits of the minor, 12 of the major, 12 of the minor.
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const maps = os === "linux" ? kernelText("/proc/self/maps") ?? "" : "";
  for (const line of maps.split("\n")) {
    const field = LINE.exec(line)?.groups;
    if (field === undefined || BigInt(field.inode!) !== inode) continue;
    if (parseInt(field.major!, 16) !== major || parseInt(field.minor!, 16) !== minor) continue;
    const start = BigInt(`0x${field.offset}`);
    const end = start + BigInt(`0x${field.end}`) - BigInt(`0x${field.start}`);
    if (start < to && end > from) return true;
  }
  return false;
}

/**
 * Whether an address lies in the program that this process runs, and in no library that it has loaded.
 *
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to look with
 */
export function isInProgram(address: bigint): boolean {
  const program = linkOf("/proc/self/exe");
  for (const line of linesOf("/proc/self/maps")) {
    const field = LINE.exec(line)?.groups;
    if (field === undefined || address >= BigInt(`0x${field.end}`)) continue;
    return address >= BigInt(`0x${field.start}`) && program !== null &&
      line.endsWith(` ${program}`);
  }
  return false;
}
