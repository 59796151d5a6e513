/**
 * What an idle connection holds on the JavaScript heap, at 10,000 of them.
 *
 *     node .ci/bench.mjs connections      both runtimes
 *     bun bench/connections.ts
 *     deno run -A --v8-flags=--expose-gc bench/connections.ts
 *
 * The connections are duplicates of one socket, each with a number and a registration of its own:
 * 10,000 pairs would need 20,000 descriptors, and hold the same on this side of the kernel.
 */

import { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Backlog } from "../loop/backlog.ts";
import type { ConnOptions } from "../loop/conn_options.ts";
import { Loop } from "../loop/loop.ts";
import { heapBytes } from "./_heap.ts";

const COUNT = 10_000;

function report(what: string, bytes: number): void {
  console.log(`${what.padEnd(44)} ${(bytes / COUNT).toFixed(0).padStart(6)} bytes`);
}

/** Makes so many of something, which stays, and prints what each holds. */
function measure<T>(what: string, make: (index: number) => T): T[] {
  const before = heapBytes();
  const all = Array.from({ length: COUNT }, (_, index) => make(index));
  report(what, heapBytes() - before);
  return all;
}

function connections(what: string, copies: readonly FD[], options: ConnOptions): void {
  using loop = Loop.create();
  const handlers = { onRecv(): void {}, onClose(): void {} };
  loop.registerConn(copies[0]!, handlers, options).unregister(); // what a loop has once
  measure(what, (index) => loop.registerConn(copies[index]!, handlers, options));
}

function main(): void {
  using pair = socketPair();
  using ends = pipe();
  console.log(`${COUNT} idle connections, bytes of heap for each:`);
  const copies = measure("a handle (FD), which each has as well", () => pair.left.dup());
  connections("a connection", copies, {});
  const timeouts = { header: 60_000, read: 60_000, write: 60_000, idle: 60_000 };
  connections("a connection with all four limits", copies, { timeouts });
  const backlogs = measure("while 10 bytes wait, more", () => {
    const backlog = new Backlog();
    backlog.push(new Uint8Array(10));
    return backlog;
  });
  const before = heapBytes();
  for (const backlog of backlogs) backlog.clear();
  report("and when they are sent, less", before - heapBytes());
  using loop = Loop.create();
  using writer = FD.duplicate(ends.writer.raw);
  const watching = (): void => {};
  loop.watch(writer, {}, watching).cancel();
  measure("for comparison: a watch", (index) => loop.watch(copies[index]!, {}, watching));
  for (const copy of copies) copy.close();
}

main();
