import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { currentCPU, getAffinity, pinnedCPU, setAffinity } from "../handles/affinity.ts";
import { Loop } from "../loop/loop.ts";
import type { AffinityWorker } from "./affinity_worker.ts";
import { hasCommand, root, spawnScript, test, worker } from "./support.ts";

const all = getAffinity();
const [first = 0, second = first] = all;

/** Puts the affinity back, which is the thread's and not the test's. */
const restoring = (): Disposable => ({ [Symbol.dispose]: () => void setAffinity(all) });

/** What another program of this machine says of a thread. */
function taskset(thread: number): string {
  const { stdout } = spawnSync("taskset", ["-cp", String(thread)], { encoding: "utf8" });
  return stdout.trim().split(": ").at(-1)!;
}

test("C27 getAffinity: what the kernel shows of this thread, in ascending order", () => {
  const shown = /\nCpus_allowed_list:\t(.*)\n/.exec(
    readFileSync("/proc/thread-self/status", "utf8"),
  );
  const cpus = shown![1]!.split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index);
  });
  assertEquals(all, cpus);
});

test("C27 setAffinity: what comes back is what the kernel made of it", () => {
  using _ = restoring();
  for (const cpu of all) {
    assertEquals(setAffinity([cpu]), [cpu]);
    assertEquals([currentCPU(), pinnedCPU()], [cpu, cpu]);
  }
  assertEquals(setAffinity(new Set([...all, ...all].reverse())), all);
  assertEquals(pinnedCPU(), all.length === 1 ? first : -1);
});

test("C27 setAffinity: CPUs that are not there are left out of the result", () => {
  using _ = restoring();
  // No machine has these: the kernel takes what is left of the mask.
  assertEquals(setAffinity([first, 1023, 1024, 65_535]), [first]);
  const error = assertThrows(() => setAffinity([65_535, 8192]), SyscallError, "cpuset");
  assertEquals([error.code, error.syscall], ["EINVAL", "sched_setaffinity"]);
  assertEquals(getAffinity(), [first], "a refused call changes nothing");
});

test("X03 setAffinity: what are no CPUs is refused before the call", () => {
  for (const bad of [undefined, null, 1, 1n, {}, () => {}, "0", ["0"], [1n], [null], [[0]]]) {
    assertThrows(() => setAffinity(bad as never), TypeError, "setAffinity");
  }
  for (const bad of [[], "", [-1], [0.5], [NaN], [Infinity], [65_536], [first, -1]]) {
    assertThrows(() => setAffinity(bad as never), RangeError, "setAffinity");
  }
  function* endless(): Generator<number> {
    for (;;) yield first;
  }
  assertThrows(() => setAffinity(endless()), RangeError, "at most 65536");
  assertEquals(getAffinity(), all);
});

test("C27 the affinity is the thread's: a worker binds itself, and this thread stays free", async () => {
  await using thread = worker<AffinityWorker>(new URL("./affinity_worker.ts", import.meta.url));
  const { id, cpus, cpuId } = await thread.call("bind", second);
  assertEquals([cpus, cpuId], [[second], second]);
  if (hasCommand("taskset")) assertEquals(taskset(id), String(second));
  assertEquals(getAffinity(), all);
});

test("C27 a mask that has no room for the kernel's CPUs is asked for again, twice as large", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import { libc } from "${root}ffi/libc.ts";
    import { getAffinity } from "${root}handles/affinity.ts";
    getAffinity();
    const real = libc.sched_getaffinity;
    const sizes = [];
    // A kernel of 4096 CPUs says EINVAL to less than 512 bytes, as this one does to a part of a long.
    libc.sched_getaffinity = (pid, size, mask) => {
      sizes.push(size);
      return real(pid, size < 512 ? 7 : size, mask);
    };
    console.log(JSON.stringify({ cpus: getAffinity(), sizes }));
    libc.sched_getaffinity = (pid, size, mask) => real(pid, 7, mask);
    try { getAffinity(); } catch (error) { console.log(error.code); }`);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trim().split("\n"), [
    JSON.stringify({ cpus: all, sizes: [128, 256, 512] }),
    "EINVAL",
  ]);
});

test("C27 Loop.cpuId: −1 until the thread is bound to one CPU, and what the kernel says then", () => {
  using _ = restoring();
  using loop = Loop.create();
  setAffinity(all);
  assertEquals(loop.cpuId, all.length === 1 ? first : -1);
  setAffinity([second]);
  assertEquals(loop.cpuId, second);
  if (hasCommand("taskset")) {
    spawnSync("taskset", ["-cp", String(first), String(libc.gettid())]);
    assertEquals(loop.cpuId, first, "another program has bound it elsewhere");
  }
  loop.close();
  assert(loop.cpuId >= -1);
});
