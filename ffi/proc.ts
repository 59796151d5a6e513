/**
 * What /proc shows of this process: its threads, the signals that they block, and its memory.
 *
 * @module
 */

import { entriesOf, kernelText, openKernelFile } from "./kernel_file.ts";
import { libc } from "./libc.ts";
import { UnsupportedError } from "./unsupported.ts";

const TASKS = "/proc/self/task";

/**
 * The ids of all threads, in the order in which they were started.
 *
 * @throws {UnsupportedError} when /proc is absent, or shows another PID namespace than this one
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to read with
 */
export function threadIds(): number[] {
  const names = entriesOf(TASKS);
  if (names === null) throw new UnsupportedError("the list of this process's threads", "/proc");
  const ids = names.map(Number);
  if (!ids.includes(libc.gettid())) {
    throw new UnsupportedError("the list of this process's threads", "/proc of its PID namespace");
  }
  return ids;
}

/** The signals that a thread blocks, signal 1 in bit 0; null when the thread has ended. */
export function blockedBy(thread: number): bigint | null {
  const mask = /\nSigBlk:\t([0-9a-f]+)\n/.exec(kernelText(`${TASKS}/${thread}/status`) ?? "");
  return mask === null ? null : BigInt(`0x${mask[1]}`);
}

/**
 * When a thread was started, in clock ticks, modulo 2^31: an id that was given to another thread
 * since has another time. 0 when the thread has ended.
 */
export function startOf(thread: number): number {
  return startIn(`${TASKS}/${thread}/stat`);
}

/** The same for a process: a pid that was given to another since has another time. */
export function startOfProcess(pid: number): number {
  return startIn(`/proc/${pid}/stat`);
}

function startIn(file: string): number {
  const stat = kernelText(file) ?? "";
  // The name, field 2, is in parentheses and may contain anything. starttime is field 22.
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[22 - 3] ?? "0";
  return Number(BigInt(ticks) & 0x7fff_ffffn);
}

/** Copies memory of this process, null where none is readable: no address can crash this. */
export function memoryAt(address: bigint, length: number): Uint8Array | null {
  const fd = openKernelFile("/proc/self/mem");
  if (fd === null) return null;
  const buffer = new Uint8Array(new ArrayBuffer(length));
  const got = libc.pread_far(fd, buffer, length, address);
  libc.close(fd);
  return got === length ? buffer : null;
}
