// What happens when somebody else makes a mapped file shorter. SIGBUS ends a process: children only.

import { assert, assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { pageSize } from "../../handles/own_mappings.ts";
import { root, type RunningScript, spawnScript, startScript, test } from "../support.ts";

const PAGE = pageSize();

const IMPORTS = `
  import { MappedRegion } from "${root}handles/mapped_region.ts";
  import { MemFD } from "${root}handles/mem_fd.ts";
  import { readSync } from "node:fs";
  const PAGE = ${PAGE};
  const said = (...words) => console.log(...words);
  const waitForParent = () => readSync(0, new Uint8Array(1)); // blocks this thread
`;

/** Opens the memory whose number the script printed, as any process of this user can. */
function openOf(script: RunningScript, number: string): number {
  const path = new TextEncoder().encode(`/proc/${script.pid}/fd/${number}\0`);
  const fd = libc.open(path, (posix.O_RDWR | posix.O_CLOEXEC) >>> 0, 0);
  assert(fd >= 0, `open of the script's fd ${number}`);
  return fd;
}

test("X03 the danger is real: touching a view of what another process has cut ends by SIGBUS", async () => {
  await using script = startScript(`${IMPORTS}
    const memory = MemFD.create("cut");
    memory.truncate(2 * PAGE);
    const region = MappedRegion.map(memory);
    const { bytes } = region;
    said(memory.raw, bytes[PAGE]);
    waitForParent();
    said(bytes[PAGE]);`);
  const [number = ""] = (await script.line()).split(" ");
  const fd = openOf(script, number);
  assertEquals(libc.ftruncate(fd, BigInt(PAGE)), 0);
  libc.close(fd);
  script.write(".");
  const { signal } = await script.result;
  assertEquals(signal, "SIGBUS");
});

test("X03 sealed against shrinking, no process can cut it, and the views stay", async () => {
  await using script = startScript(`${IMPORTS}
    const memory = MemFD.create("sealed", { sealing: true });
    memory.truncate(2 * PAGE);
    memory.seal("shrink");
    const region = MappedRegion.map(memory, { requireSeal: true });
    region.bytes[PAGE] = 5;
    said(memory.raw);
    waitForParent();
    said(region.bytes[PAGE]);`);
  const fd = openOf(script, await script.line());
  assertEquals(libc.ftruncate(fd, BigInt(PAGE)), -1);
  libc.close(fd);
  script.write(".");
  const { code, stdout } = await script.result;
  assertEquals([code, stdout.split("\n").at(-2)], [0, "5"]);
});

test("X03 copies of what was cut fail with EFAULT, name the seal, and work again when it is back", async () => {
  const result = await spawnScript(`${IMPORTS}
    import { libc } from "${root}ffi/libc.ts";
    const memory = MemFD.create("cut");
    memory.pwrite(new Uint8Array(3 * PAGE).fill(1), 0);
    const shared = MappedRegion.map(memory);
    const draft = MappedRegion.map(memory, { shared: false });
    draft.copyIn(new Uint8Array([2]), 2 * PAGE); // a page of its own, and gone all the same
    libc.ftruncate(memory.raw, BigInt(PAGE));
    const page = new Uint8Array(PAGE);
    const told = (call) => {
      try { call(); return "nothing"; } catch (error) {
        return [error.code, error.syscall, error.fd, error.message.includes('seal("shrink")')].join();
      }
    };
    for (const region of [shared, draft]) {
      said(told(() => region.copyOut(page, 2 * PAGE)), told(() => region.copyIn(page, PAGE - 1)));
      region.copyOut(page);
      said(page[0]);
    }
    libc.ftruncate(memory.raw, BigInt(2 * PAGE + 1));
    shared.copyIn(new Uint8Array([4]), 2 * PAGE);
    memory.pread(page, 2 * PAGE);
    said(page[0]);`);
  assertEquals([result.code, result.signal], [0, null], result.stderr);
  const told = "EFAULT,process_vm_readv,-1,true EFAULT,process_vm_writev,-1,true";
  assertEquals(result.stdout.trimEnd().split("\n"), [told, "1", told, "1", "4"]);
});

test("X03 copies within a region that was cut fail with EFAULT as others do", async () => {
  const result = await spawnScript(`${IMPORTS}
    import { libc } from "${root}ffi/libc.ts";
    const memory = MemFD.create("cut");
    memory.pwrite(new Uint8Array(3 * PAGE).fill(1), 0);
    for (const shared of [true, false]) {
      libc.ftruncate(memory.raw, BigInt(3 * PAGE));
      const region = MappedRegion.map(memory, { shared });
      const first = region.bytes.subarray(0, 10);
      const last = region.bytes.subarray(2 * PAGE, 2 * PAGE + 10);
      libc.ftruncate(memory.raw, BigInt(PAGE));
      for (const [verb, view, at] of [
        ["copyIn", first, 2 * PAGE], ["copyOut", last, 0], ["copyIn", last, 0], ["copyOut", first, 2 * PAGE],
      ]) {
        try { region[verb](view, at); } catch (error) { said(verb, error.code, error.syscall); }
      }
    }`);
  assertEquals([result.code, result.signal], [0, null], result.stderr);
  const [into, from] = ["EFAULT process_vm_writev", "EFAULT process_vm_readv"];
  const told = [`copyIn ${into}`, `copyOut ${into}`, `copyIn ${from}`, `copyOut ${from}`];
  assertEquals(result.stdout.trimEnd().split("\n"), [...told, ...told]);
});

test("X03 copyIn and copyOut survive a file that another process cuts and grows all the time", async () => {
  await using script = startScript(`${IMPORTS}
    const memory = MemFD.create("flapping");
    const SIZE = 64 * PAGE;
    memory.truncate(SIZE);
    const region = MappedRegion.map(memory);
    const buffer = new Uint8Array(SIZE);
    const counts = { whole: 0, cut: 0 };
    said(memory.raw);
    waitForParent();
    while (counts.whole < 200 || counts.cut < 200) {
      try {
        region.copyOut(buffer);
        region.copyIn(buffer);
        counts.whole++;
      } catch (error) {
        if (error.code !== "EFAULT") throw error;
        counts.cut++;
      }
    }
    said("survived");`);
  const fd = openOf(script, await script.line());
  script.write(".");
  const survived = script.line();
  const outcome = { known: false };
  survived.then(() => outcome.known = true, () => outcome.known = true);
  while (!outcome.known) {
    for (let round = 0; round < 100; round++) {
      libc.ftruncate(fd, BigInt(PAGE));
      for (let pause = 0; pause < 50; pause++) libc.getuid();
      libc.ftruncate(fd, BigInt(64 * PAGE));
      for (let pause = 0; pause < 200; pause++) libc.getuid();
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  libc.close(fd);
  assertEquals(await survived, "survived");
  assertEquals((await script.result).code, 0);
});

test("X03 two workers map, copy, cut and unmap the same memory at once", async () => {
  await using script = startScript(`${IMPORTS}
    import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
    if (isMainThread) {
      const memory = MemFD.create("contested");
      memory.truncate(16 * PAGE);
      for (const seed of [1, 2]) {
        const worker = new Worker(new URL(import.meta.url), { workerData: { seed, shared: memory.share() } });
        worker.on("message", (done) => {
          said(done);
          worker.terminate();
        });
      }
    } else {
      const memory = MemFD.from(workerData.shared);
      const buffer = new Uint8Array(PAGE);
      const met = {};
      let random = workerData.seed;
      const dice = (sides) => (random = (random * 48271) % 2147483647) % sides;
      for (let round = 0; round < 3000; round++) {
        try {
          if (dice(2)) memory.truncate(dice(17) * PAGE);
          else {
            using region = MappedRegion.map(memory, { offset: dice(4) * PAGE });
            for (let copy = dice(8); copy > 0; copy--) {
              const at = dice(Math.max(region.length - PAGE, 1));
              const part = buffer.subarray(0, Math.min(region.length, PAGE));
              if (dice(2)) region.copyIn(part, Math.min(at, region.length - part.length));
              else region.copyOut(part, Math.min(at, region.length - part.length));
            }
          }
        } catch (error) {
          const what = error.code ?? error.name;
          if (what !== "EFAULT" && what !== "RangeError") throw error;
          met[what] = true;
        }
      }
      parentPort.postMessage("done " + Object.keys(met).sort().join());
    }`);
  const { code, signal, stdout, stderr } = await script.result;
  assertEquals([code, signal], [0, null], stderr);
  assertEquals(stdout.match(/^done .*RangeError/gm)?.length, 2, stdout);
});
