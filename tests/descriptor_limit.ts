/**
 * The limit of descriptors of this process, for scripts that run into it.
 *
 * @module
 */

import fs from "node:fs";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import { structs } from "../ffi/structs.ts";

type Call = (resource: number, values: BigUint64Array) => number;

function call(name: "getrlimit" | "setrlimit", values: BigUint64Array): void {
  libc.getpid(); // the library finds errno with its first call
  const bound = backend.bind(name, ["i32", "i32", "buf"]) as Call | null;
  if (bound === null) throw new Error(`this libc has no ${name}`);
  check(name, bound(posix.RLIMIT_NOFILE, values));
}

/** Sets the limit to a number of descriptors, at most the hard limit, which stays. */
export function limitDescriptors(most: number): void {
  const { size, rlim_cur } = structs.rlimit;
  const values = new BigUint64Array(new ArrayBuffer(size));
  call("getrlimit", values);
  values[rlim_cur / 8] = BigInt(most);
  call("setrlimit", values);
}

/** The numbers that are open, with the one that is looked with. */
export function openNumbers(): number[] {
  return fs.readdirSync("/proc/self/fd").map(Number);
}

/** Leaves room for so many more descriptors, the one that was looked with among them. */
export function leaveRoom(more: number): void {
  const open = openNumbers();
  let most = 0;
  for (let free = 0; free < more; most++) if (!open.includes(most)) free++;
  limitDescriptors(most);
}
