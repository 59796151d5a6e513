// What a loop keeps in memory over a long time, in processes of their own, where nothing else is.

import { assert, assertEquals, assertLess } from "@std/assert";
import { root, spawnScript, test } from "../support.ts";

const IMPORTS = `
  import fs from "node:fs";
  import { setFlagsFromString } from "node:v8";
  import { runInNewContext } from "node:vm";
  import { Loop } from "${root}loop/loop.ts";
  import { pipe, socketPair } from "${root}handles/pipe.ts";
  const MIB = 2 ** 20;
  const rss = () => Number(fs.readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096 / MIB;
  const open = () => fs.readdirSync("/proc/self/fd").length;
  // V8 lets its heap wander by 10 MiB before it collects: what stays is seen only after collecting.
  if (!globalThis.Bun) setFlagsFromString("--expose-gc");
  const collect = globalThis.Bun ? () => Bun.gc(true) : runInNewContext("gc");`;

/** For the work of minutes on a busy machine. */
const options = { timeoutMs: 120_000 };

/** What a script prints as JSON on its last line. */
async function result<T>(source: string): Promise<T> {
  const { code, stdout, stderr } = await spawnScript(`${IMPORTS}${source}`, options);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as T;
}

test(
  "C09 a consumer that is always 1 MiB behind for 1 GiB: memory does not grow by 8 MiB",
  async () => {
    const { received, growth, least, most } = await result<Record<string, number>>(`
    using loop = Loop.create();
    using pair = socketPair();
    const chunk = new Uint8Array(new ArrayBuffer(65536));
    const GIB = 2 ** 30;
    const conn = loop.registerConn(pair.left, { onRecv() {} });
    const feed = () => {
      while (conn.pending < MIB) conn.write(chunk);
    };
    let [received, before, least, most] = [0, 0, Infinity, 0];
    loop.registerConn(pair.right, {
      onRecv(bytes) {
        received += bytes.byteLength;
        feed();
        least = Math.min(least, conn.pending);
        most = Math.max(most, conn.pending);
        // The first GiB is for the runtime's own heap to find its size.
        if (before === 0 && received >= GIB) {
          collect();
          before = rss();
        }
        if (received >= 2 * GIB) loop.stop();
      },
    });
    feed();
    await loop.run();
    collect();
    console.log(JSON.stringify({ received, growth: rss() - before, least, most }));`);
    assert(received! >= 2 ** 31);
    assert(least! >= 2 ** 20 && most! < 2 ** 21, `from ${least} to ${most} bytes waited`);
    assertLess(growth!, 8, "MiB that it grew by");
  },
  options,
);

test(
  "C09 100,000 connections opened and closed: no descriptor stays, and memory is flat",
  async () => {
    const { closes, growth, leaked, connections } = await result<Record<string, number>>(`
    using loop = Loop.create();
    let closes = 0;
    // Each connection receives, sends, and ends in both directions.
    const batch = async () => {
      for (let number = 0; number < 500; number++) {
        const { left, right } = socketPair();
        const onClose = (handle) => () => {
          closes++;
          handle.close();
        };
        loop.registerConn(left, {
          onRecv: (bytes, conn) => conn.write(bytes),
          onClose: onClose(left),
        });
        loop.registerConn(right, {
          onRecv: (_, conn) => conn.end(),
          onClose: onClose(right),
        }, { timeouts: { idle: 60_000 } }).write(new Uint8Array(10));
      }
      await loop.run();
    };
    const batches = async (count) => {
      for (let number = 1; number <= count; number++) {
        await batch();
        if (number % 10 === 0) collect();
      }
    };
    await batch();
    const before = open();
    await batches(150);
    const settled = rss();
    closes = 0;
    await batches(100);
    const growth = rss() - settled;
    const { connections } = loop.metrics();
    console.log(JSON.stringify({ closes, growth, leaked: open() - before, connections }));`);
    assertEquals([closes, connections], [100_000, 0]);
    // Deno opens a socket pair of its own when it first has nothing to do.
    assertLess(leaked!, 3, "descriptors more than before");
    assertLess(growth!, 8, "MiB that it grew by");
  },
  options,
);
