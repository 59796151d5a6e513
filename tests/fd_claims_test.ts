import { Worker } from "node:worker_threads";
import { assertEquals, assertThrows } from "@std/assert";
import { FdClaims, MOST_WORKERS } from "../loop/fd_claims.ts";
import { test } from "./support.ts";

test("C04 fd claims: one holder at most, and only the holder gives up", () => {
  const claims = new FdClaims();
  const other = new FdClaims(claims.memory);
  assertEquals(claims.claim(7, 0, "owned"), true);
  assertEquals([other.claim(7, 1, "borrowed"), other.claim(7, 0, "owned")], [false, false]);
  assertEquals([other.holder(7), other.holder(8)], [0, -1]);
  other.release(7, 1);
  other.change(7, 1, "borrowed");
  assertEquals(claims.heldBy(0), [{ fd: 7, kind: "owned" }]);
  other.release(7, 0);
  assertEquals([claims.holder(7), claims.claim(7, 1, "listener")], [-1, true]);
  claims.change(7, 1, "borrowed");
  assertEquals(other.heldBy(1), [{ fd: 7, kind: "borrowed" }]);
});

test("C04 fd claims: a number that the kernel gave out anew takes the place of a claim out of date", () => {
  const claims = new FdClaims();
  claims.claim(9, 0, "borrowed");
  claims.take(9, 1, "owned");
  claims.release(9, 0);
  assertEquals([claims.holder(9), claims.heldBy(0).length], [1, 0]);
});

test("C36 fd claims: numbers above 65,535, on every copy of the table", () => {
  const claims = new FdClaims();
  const other = new FdClaims(claims.memory);
  const numbers = [0, 65_535, 65_536, 1_048_575, 5_000_000];
  for (const fd of numbers) assertEquals(other.claim(fd, MOST_WORKERS - 1, "owned"), true);
  assertEquals(claims.heldBy(MOST_WORKERS - 1).map(({ fd }) => fd), numbers);
  assertEquals(claims.holder(60_000_000), -1);
  assertThrows(() => claims.claim(2 ** 26, 0, "owned"), RangeError, "below");
});

test("C04 fd claims: threads that claim the same numbers share them out", async () => {
  const claims = new FdClaims();
  const source = `
    import { workerData } from "node:worker_threads";
    const { FdClaims } = await import(workerData.module);
    const claims = new FdClaims(workerData.memory);
    for (let fd = 0; fd < 200_000; fd++) claims.claim(fd, workerData.worker, "owned");`;
  const module = new URL("../loop/fd_claims.ts", import.meta.url).href;
  const ends = [0, 1].map((worker) =>
    new Promise((resolve) => {
      const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
      const thread = new Worker(url, { workerData: { module, worker, memory: claims.memory } });
      thread.on("error", resolve);
      thread.on("exit", resolve);
    })
  );
  assertEquals(await Promise.all(ends), [0, 0]);
  const [mine, others] = [claims.heldBy(0), claims.heldBy(1)];
  assertEquals(new Set([...mine, ...others].map(({ fd }) => fd)).size, 200_000);
  assertEquals(mine.length + others.length, 200_000);
});
