// What user code can do with the views of a region. A mistake here would be a SIGSEGV: children only.

import { assertEquals } from "@std/assert";
import { root, type ScriptResult, spawnScript, test } from "../support.ts";

/** Runs code that has `memory`, two pages of it, and `region` over them; expects what it prints. */
async function expectOutput(code: string, lines: readonly string[]): Promise<void> {
  const result: ScriptResult = await spawnScript(`
    import { MappedRegion } from "${root}handles/mapped_region.ts";
    import { MemFD } from "${root}handles/mem_fd.ts";
    import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
    const memory = MemFD.create("views");
    memory.pwrite(new Uint8Array(8192).fill(7), 0);
    const region = MappedRegion.map(memory);
    ${code}`);
  assertEquals([result.code, result.signal], [0, null], result.stderr);
  assertEquals(result.stdout.trimEnd().split("\n"), lines);
}

const TRANSFERS: Readonly<Record<string, string>> = {
  "transfer()": `const taken = region.buffer.transfer();`,
  "transferToFixedLength()": `const taken = region.buffer.transferToFixedLength();`,
  "structuredClone": `const { buffer } = region;
    const taken = structuredClone(buffer, { transfer: [buffer] });`,
  "postMessage": `const { port1, port2 } = new MessageChannel();
    port1.postMessage(region.buffer, [region.buffer]);
    const taken = receiveMessageOnPort(port2).message;
    port1.close();`,
};

for (const [how, code] of Object.entries(TRANSFERS)) {
  test(`X03 a buffer taken by ${how} can be used after unmap`, async () => {
    await expectOutput(
      `const { bytes } = region;
      ${code}
      console.log(bytes.length, region.unmap(), taken.byteLength);
      const view = new Uint8Array(taken);
      // Were the pages given back, these would come into their place.
      const others = Array.from({ length: 50 }, () => MappedRegion.map(memory, { shared: false }));
      for (const other of others) other.bytes.fill(9);
      view[1] = 8;
      console.log(view[0], view[8191], view[1]);`,
      ["0 false 8192", "7 7 8"],
    );
  });
}

test("X03 a buffer that a transfer makes longer or shorter is a copy, and outlives the region", async () => {
  await expectOutput(
    `const longer = region.buffer.transfer(16384);
    const again = MappedRegion.map(memory);
    const shorter = again.buffer.transfer(100);
    console.log(region.unmap(), again.unmap());
    console.log(new Uint8Array(longer)[8191], new Uint8Array(longer)[8192], new Uint8Array(shorter)[99]);`,
    ["false false", "7 0 7"],
  );
});

test("X03 a worker that was sent the buffer goes on with it after unmap", async () => {
  await expectOutput(
    `const worker = new Worker(
      'const { parentPort } = require("node:worker_threads");' +
      'parentPort.once("message", ([buffer, shared]) => {' +
      '  const gate = new Int32Array(shared);' +
      '  Atomics.store(gate, 0, 1); Atomics.notify(gate, 0); Atomics.wait(gate, 1, 0);' +
      '  const view = new Uint8Array(buffer);' +
      '  view[1] = 8;' +
      '  parentPort.postMessage([view.length, view[0], view[1], view[8191]]);' +
      '});', { eval: true });
    const gate = new Int32Array(new SharedArrayBuffer(8));
    worker.postMessage([region.buffer, gate.buffer], [region.buffer]);
    worker.once("message", (seen) => { console.log(...seen); worker.terminate(); });
    await Atomics.waitAsync(gate, 0, 0, 10_000).value; // or it has started by now
    console.log(Atomics.load(gate, 0), region.unmap());
    Atomics.store(gate, 1, 1); Atomics.notify(gate, 1);`,
    ["1 false", "8192 7 8 7"],
  );
});

test("X03 thousands of regions, their views kept and used after unmap, with a busy collector", async () => {
  await expectOutput(
    `region.unmap();
    const kept = [];
    let sum = 0;
    for (let round = 0; round < 20_000; round++) {
      const each = MappedRegion.map(memory, { length: 100 + round % 4000 });
      const { bytes, buffer } = each;
      sum += bytes[round % 100];
      kept.push(bytes, bytes.subarray(5), new Int32Array(buffer, 4, 8), new DataView(buffer));
      each.unmap();
      if (kept.length > 2000) kept.splice(0, 1000);
      if (round % 50 === 0) new Array(1000).fill(0).map((_, index) => ({ index, text: "x" + index }));
    }
    for (const view of kept) if (!(view instanceof DataView)) view[3] = 1, sum += view.length + (view[3] ?? 0);
    console.log(sum);`,
    ["140000"],
  );
});

test("X03 the memory of an unmapped region is never written through an old view", async () => {
  await expectOutput(
    `const { bytes, buffer } = region;
    const words = new Int32Array(buffer);
    const write = (value) => { bytes[0] = value; words[1] = value; };
    for (let round = 0; round < 200_000; round++) write(round); // compiled for memory that is there
    region.unmap();
    const next = Array.from({ length: 20 }, () => MappedRegion.map(memory));
    for (const each of next) each.bytes.fill(3);
    for (let round = 0; round < 1000; round++) write(-1);
    console.log(next.every((each) => each.bytes.every((byte) => byte === 3)), bytes.length, bytes[0]);`,
    ["true 0 undefined"],
  );
});

test("X03 no property of a read-only region leads to memory that can be written to", async () => {
  await expectOutput(
    `region.unmap();
    const read = MappedRegion.map(memory, { access: "read" });
    const names = [];
    for (let proto = read; proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
      names.push(...Reflect.ownKeys(proto));
    }
    const found = names.flatMap((name) => {
      try { return [read[name]]; } catch { return []; }
    });
    console.log(found.length > 4, found.some((v) => v instanceof ArrayBuffer || ArrayBuffer.isView(v)));
    try { read.copyIn(new Uint8Array(1)); } catch (error) { console.log(error.name); }`,
    ["true false", "TypeError"],
  );
});

test("X03 a view whose own getter unmaps the region is copied nowhere", async () => {
  await expectOutput(
    `memory.close();
    const sealed = MemFD.create("sealed", { sealing: true });
    sealed.truncate(8192);
    sealed.seal("shrink"); // copied by memcpy(3), which would crash
    for (const verb of ["copyIn", "copyOut"]) {
      const steady = MappedRegion.map(sealed);
      class Closing extends Uint8Array {
        get byteOffset() {
          steady.unmap();
          return 0;
        }
      }
      try { steady[verb](new Closing(16)); } catch (error) { console.log(error.name); }
    }
    try {
      region.sync({ get wait() { region.unmap(); return true; } });
    } catch (error) { console.log(error.name); }`,
    ["ClosedError", "ClosedError", "ClosedError"],
  );
});
