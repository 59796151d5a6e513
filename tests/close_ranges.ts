/**
 * Programs that close ranges of descriptors. They run in processes of their own, since whoever closes
 * a number too many closes it for the runtime.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { root, spawnScript } from "./support.ts";

/**
 * Runs statements that call closeRange and look at what is open, and answers what they assigned to
 * `found`. They have
 * - `open(count, first)`: descriptors at numbers that no runtime uses, 5000 and above by default;
 * - `state(numbers)`: "open", "cloexec" or "closed" for each;
 * - `inThread(body)`: runs statements, which have `numbers`, on another thread of the program, and
 *   answers what they return.
 */
export async function closing(statements: string): Promise<unknown> {
  const { code, stdout, stderr } = await spawnScript(`${PRELUDE}
    if (isMainThread) {
      let found;
      ${statements}
      console.log(JSON.stringify(found));
      process.exit(0);
    }
  `);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

const PRELUDE = `
  import process from "node:process";
  import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
  import { linux } from "${root}ffi/const_linux.ts";
  import { posix } from "${root}ffi/const_posix.ts";
  import { check, errno, libc } from "${root}ffi/libc.ts";
  import { closeRange } from "${root}handles/close_range.ts";
  import { EventFD } from "${root}handles/event_fd.ts";

  function open(count, first = 5000) {
    using counter = EventFD.create();
    return Array.from({ length: count }, (_, index) =>
      check("fcntl", libc.fcntl(counter.raw, posix.F_DUPFD, first + index)));
  }

  const state = (numbers) => numbers.map((number) => {
    const flags = libc.fcntl(number, posix.F_GETFD, 0);
    return flags === -1 ? "closed" : flags & posix.FD_CLOEXEC ? "cloexec" : "open";
  });

  function inThread(body, numbers = []) {
    const thread = new Worker(new URL(import.meta.url), { workerData: { body, numbers } });
    return new Promise((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
    });
  }

  if (!isMainThread) {
    const { body, numbers } = workerData;
    const run = new Function("closeRange", "open", "state", "numbers", body);
    parentPort.postMessage(run(closeRange, open, state, numbers));
  }
`;

/** A state for each of so many numbers. */
export function all(state: string, count: number): string[] {
  return Array(count).fill(state);
}
