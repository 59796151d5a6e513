import fs from "node:fs";
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { blockedBy, memoryAt, startOf, startOfProcess, threadIds } from "../ffi/proc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { ProcWorker } from "./proc_worker.ts";
import { root, spawnScript, test, waitUntil, worker } from "./support.ts";

const WINCH = 1n << 27n;
const NO_THREAD = 2 ** 22 + 1; // above the highest pid_max

test("proc: the threads are those that the kernel lists", async () => {
  await using thread = worker<ProcWorker>(new URL("./proc_worker.ts", import.meta.url));
  const id = await thread.call("id");
  // Threads come and go between two looks: those that both have are compared.
  const [before, ids, after] = [listed(), threadIds(), listed()];
  for (const stays of before.filter((one) => after.includes(one))) assert(ids.includes(stays));
  assert(ids.includes(libc.gettid()) && ids.includes(id) && ids.includes(libc.getpid()));
  assertEquals(new Set(ids).size, ids.length);
});

function listed(): number[] {
  return fs.readdirSync("/proc/self/task").map(Number);
}

test("proc: what a thread blocks, seen from another", async () => {
  await using thread = worker<ProcWorker>(new URL("./proc_worker.ts", import.meta.url));
  const id = await thread.call("id");
  assertEquals(blockedBy(id)! & WINCH, 0n);
  const holding = thread.call("hold", WINCH, 1500);
  await waitUntil(() => (blockedBy(id)! & WINCH) !== 0n, 5000, "the mask");
  await holding;
  assertEquals(blockedBy(id)! & WINCH, 0n);
  assertEquals(blockedBy(NO_THREAD), null);
});

test("proc: when a thread was started", async () => {
  await using thread = worker<ProcWorker>(new URL("./proc_worker.ts", import.meta.url));
  const id = await thread.call("id");
  assertGreater(startOf(libc.getpid()), 0);
  assert(startOf(id) >= startOf(libc.getpid()));
  assertEquals(startOf(id), startOf(id));
  assertEquals(startOf(NO_THREAD), 0);
  assertEquals(startOfProcess(libc.getpid()), startOf(libc.getpid()));
  assertEquals(startOfProcess(NO_THREAD), 0);
});

test("proc: memory is copied, and what is none is null", () => {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } = posix;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const page = libc.mmap(0n, 4096n, PROT_READ | PROT_WRITE, flags, -1, 0n);
  libc.copy_out(page + 4090n, new Uint8Array([1, 2, 3, 4, 5, 6]), 6n);
  assertEquals(memoryAt(page + 4090n, 6), new Uint8Array([1, 2, 3, 4, 5, 6]));
  check("munmap", libc.munmap(page, 4096n));
  // The first page and the last below the kernel's half are never mapped.
  for (const none of [0n, 8n, 0x7fff_ffff_f000n, 2n ** 63n - 8n]) {
    assertEquals(memoryAt(none, 8), null);
  }
});

test("proc: without a descriptor left, the list is an error and no guess", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import fs from "node:fs";
    import { threadIds } from "${root}ffi/proc.ts";
    threadIds(); // what is bound at first use is open now
    const open = [];
    let failed = null;
    try { for (;;) open.push(fs.openSync("/dev/null")); } catch {}
    try { threadIds(); } catch (error) { failed = error; }
    open.forEach((fd) => fs.closeSync(fd));
    console.log(failed?.name, failed?.code, threadIds().length > 0);`);
  assertEquals([code, stdout], [0, "SyscallError EMFILE true\n"], stderr);
});

test("proc: an error of open(2) has its name", () => {
  assertThrows(() => check("open", libc.open(new Uint8Array(1), 0, 0)), SyscallError, "ENOENT");
});
