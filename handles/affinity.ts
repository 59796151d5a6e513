/**
 * The CPUs that the calling thread may run on, and the one that it runs on.
 *
 * Kernel: sched_setaffinity and sched_getaffinity are Linux 2.6, getcpu 2.6.19.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { check, errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { withRemedy } from "./remedy.ts";
import { integer, shown } from "./validate.ts";

/** Eight times what Linux can be built for (CONFIG_NR_CPUS): a mask of them all is 8 KiB. */
const MOST_CPUS = 65_536;

/** The kernel takes masks of whole longs. */
const LONG_BYTES = 8;

const EINVAL = errnoNumber("EINVAL");

/**
 * Binds the calling thread to CPUs: `sched_setaffinity(2)`. Answers what the kernel made of it, as
 * {@linkcode getAffinity} would: CPUs that are offline, or that the process's cpuset withholds, are
 * left out without an error as long as one is left.
 *
 * It binds this thread alone, the one that JavaScript runs on here. Each worker binds itself; one that
 * is started later begins with the CPUs of the thread that started it. So do the runtime's helper
 * threads, and those that run already stay where they are. Processes that are started inherit it,
 * too. Binding is undone by binding to more CPUs.
 *
 * Platforms: Linux. See sched_setaffinity(2), cpuset(7).
 *
 * @param cpus the numbers of CPUs, from 0; in any order, one at least
 * @throws {TypeError} when it cannot be iterated, or an element is no number
 * @throws {RangeError} when there is none, or a number no CPU can have
 * @throws {SyscallError} EINVAL, when this process may use none of them; EPERM, in a sandbox that
 *   forbids it
 * @throws {UnsupportedError} on a system other than Linux
 *
 * @example
 * ```ts
 * import { getAffinity, setAffinity } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const before = getAffinity();
 * assertEquals(setAffinity([before[0]!]), [before[0]]);
 * assertEquals(setAffinity(before), before);
 * ```
 */
export function setAffinity(cpus: Iterable<number>): number[] {
  const mask = maskOf(cpus);
  const result = libc.sched_setaffinity(0, mask.length, mask);
  if (result === -1) {
    throw withRemedy(new SyscallError("sched_setaffinity", errno()), {
      EINVAL: "None of these CPUs is online and in the cpuset of this process: " +
        "/sys/devices/system/cpu/online and cpuset.cpus.effective of its cgroup list them",
    });
  }
  return getAffinity();
}

/**
 * Tells which CPUs the calling thread may run on, in ascending order: `sched_getaffinity(2)`. Those
 * that are offline are not among them.
 *
 * Platforms: Linux, with any number of CPUs. See sched_getaffinity(2).
 *
 * @throws {SyscallError} EPERM, in a sandbox that forbids it
 * @throws {UnsupportedError} on a system other than Linux
 *
 * @example
 * ```ts
 * import { currentCPU, getAffinity } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * assert(getAffinity().includes(currentCPU()));
 * ```
 */
export function getAffinity(): number[] {
  const cpus: number[] = [];
  for (const [index, byte] of kernelMask().entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & 1 << bit) !== 0) cpus.push(index * 8 + bit);
  }
  return cpus;
}

/**
 * Tells which CPU the calling thread runs on: `sched_getcpu(3)`. Unless the thread is bound to one, it
 * may run on another before the number is looked at.
 *
 * Platforms: Linux. See sched_getcpu(3), getcpu(2).
 *
 * @throws {UnsupportedError} on a system other than Linux
 *
 * @example
 * ```ts
 * import { currentCPU } from "@fdloop/fdloop";
 * import { assert } from "@std/assert";
 *
 * assert(currentCPU() >= 0);
 * ```
 */
export function currentCPU(): number {
  return check("sched_getcpu", libc.sched_getcpu());
}

/**
 * The CPU that the calling thread is bound to, −1 when it may run on several, and where the system
 * does not say.
 */
export function pinnedCPU(): number {
  try {
    const cpus = getAffinity();
    return cpus.length === 1 ? cpus[0]! : -1;
  } catch {
    return -1; // a sandbox, or another system: nothing is known to be pinned there
  }
}

/** The mask of the calling thread. It must have room for every CPU that the kernel was started with. */
function kernelMask(): Uint8Array {
  for (let size = structs.cpu_set_t.size;; size *= 2) {
    const mask = new Uint8Array(new ArrayBuffer(size));
    if (libc.sched_getaffinity(0, size, mask) !== -1) return mask;
    const code = errno();
    if (code !== EINVAL || size * 8 >= MOST_CPUS) throw new SyscallError("sched_getaffinity", code);
  }
}

/** Checks CPUs and answers their mask, which is as long as the highest of them needs. */
function maskOf(cpus: Iterable<number>): Uint8Array<ArrayBuffer> {
  const what = "setAffinity: the CPUs";
  if (typeof (cpus as Partial<Iterable<number>> | null)?.[Symbol.iterator] !== "function") {
    throw new TypeError(`${what} must be an array or another iterable, got ${shown(cpus)}`);
  }
  const numbers = new Set<number>();
  let count = 0;
  for (const cpu of cpus) {
    numbers.add(integer(cpu, "setAffinity: a CPU", 0, MOST_CPUS - 1));
    if (++count > MOST_CPUS) throw new RangeError(`${what} must be at most ${MOST_CPUS}`);
  }
  if (numbers.size === 0) {
    throw new RangeError(`${what} must be one at least: getAffinity() tells those in use`);
  }
  const longs = Math.floor(Math.max(...numbers) / (LONG_BYTES * 8)) + 1;
  const mask = new Uint8Array(new ArrayBuffer(longs * LONG_BYTES));
  for (const cpu of numbers) mask[cpu >> 3]! |= 1 << (cpu & 7);
  return mask;
}
