/**
 * How the CPUs of this machine lie together, and which of them workers are best bound to.
 *
 * Kernel: read from /sys/devices/system, which some containers withhold.
 *
 * @module
 */

import { kernelText } from "../ffi/kernel_file.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { getAffinity } from "./affinity.ts";
import { integer } from "./validate.ts";

const SYSTEM = "/sys/devices/system";

/** More workers than any machine has CPUs. */
const MOST_WORKERS = 65_536;

/** CPUs that have memory of their own, which the others reach more slowly. */
export interface NumaNode {
  /** The kernel's number of the node. */
  readonly id: number;
  /** The online CPUs of the node, in ascending order. */
  readonly cpus: readonly number[];
  /** The same CPUs by the core that they are threads of: one in each where there is no SMT. */
  readonly cores: readonly (readonly number[])[];
}

/** See {@linkcode cpuTopology}. */
export interface CPUTopology {
  /** The CPUs that are online, in ascending order, whoever may use them. */
  readonly online: readonly number[];
  /** The NUMA nodes that have CPUs: one where the machine, or what a container shows of it, has none. */
  readonly nodes: readonly NumaNode[];
}

/**
 * Reads how the machine's CPUs lie together: `online` in /sys/devices/system/cpu, and the nodes of
 * /sys/devices/system/node. Where a container withholds those, the CPUs that this thread may run on
 * (`sched_getaffinity(2)`) are taken for one node.
 *
 * Platforms: Linux. See numa(7), cpuset(7).
 *
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to read with
 * @throws {UnsupportedError} on a system other than Linux
 *
 * @example
 * ```ts
 * import { cpuTopology } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const { online, nodes } = cpuTopology();
 * const cpus = nodes.flatMap((node) => node.cpus);
 * assertEquals(cpus.toSorted((a, b) => a - b), online);
 * ```
 */
export function cpuTopology(): CPUTopology {
  return topologyAt(SYSTEM, getAffinity());
}

/**
 * Chooses a CPU for each of a number of workers: worker n is best bound to element n, by
 * {@linkcode setAffinity}. Only CPUs that the calling thread may run on are chosen, so that
 * taskset(1), a cgroup's cpuset and an earlier binding are respected: call it before binding.
 *
 * Each CPU is used once before any is used twice. The workers are shared out among the NUMA nodes in
 * proportion to their CPUs, and within a node each core gets one before the second thread of any.
 *
 * Platforms: Linux. See sched_setaffinity(2), numa(7).
 *
 * @param count how many workers there are; more than CPUs is allowed
 * @throws {TypeError} when the count is no number
 * @throws {RangeError} when it is negative, not whole, or above 65,536
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left to read with
 * @throws {UnsupportedError} on a system other than Linux
 *
 * @example
 * ```ts
 * import { getAffinity, spreadCPUs } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const cpus = getAffinity();
 * assertEquals(spreadCPUs(cpus.length).toSorted((a, b) => a - b), cpus);
 * ```
 */
export function spreadCPUs(count: number): number[] {
  integer(count, "spreadCPUs: the number of workers", 0, MOST_WORKERS);
  const allowed = getAffinity();
  return spreadOver(topologyAt(SYSTEM, allowed), allowed, count);
}

/** Reads a topology from a directory, with the CPUs to fall back on where it is not there. */
export function topologyAt(directory: string, fallback: readonly number[]): CPUTopology {
  const online = listAt(`${directory}/cpu/online`) ?? fallback;
  const isOnline = new Set(online);
  const nodes = (listAt(`${directory}/node/online`) ?? []).map((id) => {
    const cpus = listAt(`${directory}/node/node${id}/cpulist`) ?? [];
    return nodeOf(directory, id, cpus.filter((cpu) => isOnline.has(cpu)));
  }).filter((node) => node.cpus.length > 0);
  const isWhole = nodes.flatMap((node) => node.cpus).length === online.length;
  return { online, nodes: isWhole ? nodes : [nodeOf(directory, 0, online)] };
}

/** Shares out workers over the CPUs of a topology that are allowed. */
export function spreadOver(
  { nodes }: CPUTopology,
  allowed: readonly number[],
  count: number,
): number[] {
  // What a container shows of the machine need not have all that the kernel allows.
  const known = new Set(nodes.flatMap((node) => node.cpus));
  const unknown = allowed.filter((cpu) => !known.has(cpu)).map((cpu) => [cpu]);
  const queues = [...nodes.map((node) => node.cores), unknown]
    .map((cores) => ({ cpus: coresFirst(cores, new Set(allowed)), used: 0 }))
    .filter(({ cpus }) => cpus.length > 0);
  return Array.from({ length: count }, () => {
    const next = queues.reduce((a, b) => b.used / b.cpus.length < a.used / a.cpus.length ? b : a);
    return next.cpus[next.used++ % next.cpus.length]!;
  });
}

/** The allowed CPUs, the first threads of all cores before the second ones. */
function coresFirst(
  cores: readonly (readonly number[])[],
  allowed: ReadonlySet<number>,
): number[] {
  const left = cores.map((core) => core.filter((cpu) => allowed.has(cpu)));
  const most = Math.max(0, ...left.map((core) => core.length));
  return Array.from({ length: most }, (_, thread) => left.flatMap((core) => core[thread] ?? []))
    .flat();
}

function nodeOf(directory: string, id: number, cpus: readonly number[]): NumaNode {
  const left = new Set(cpus);
  const cores: number[][] = [];
  for (const cpu of cpus) {
    if (!left.has(cpu)) continue;
    const siblings = listAt(`${directory}/cpu/cpu${cpu}/topology/thread_siblings_list`) ?? [];
    const core = [cpu, ...siblings.filter((other) => other !== cpu && left.has(other))];
    for (const thread of core) left.delete(thread);
    cores.push(core);
  }
  return { id, cpus, cores };
}

/** The numbers of a file such as "0-3,8", null where there is no such file or it may not be read. */
function listAt(path: string): number[] | null {
  try {
    const text = kernelText(path);
    return text === null ? null : parseList(text);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EACCES") return null;
    throw error;
  }
}

/** Takes a list such as "0-3,8" apart: see "List format" in cpuset(7). */
function parseList(text: string): number[] {
  return text.trim().split(",").filter((part) => part !== "").flatMap((part) => {
    const [first = NaN, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
