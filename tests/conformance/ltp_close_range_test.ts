// linux-test-project/ltp, testcases/kernel/syscalls/close_range: what it observes. Its second process
// that shares the table of descriptors is a thread here.

import { assertEquals, assertThrows } from "@std/assert";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { closeRange } from "../../handles/close_range.ts";
import { all, closing } from "../close_ranges.ts";
import { test } from "../support.ts";

/** What a thread does to numbers, what it sees then, and what the first thread sees. */
const CASES: readonly [name: string, options: string, there: string, here: string][] = [
  ["plain, for every thread", "{}", "closed", "closed"],
  ["UNSHARE, for the calling thread", "{ unshare: true }", "closed", "open"],
  ["CLOEXEC, for every thread", "{ cloexec: true }", "cloexec", "cloexec"],
  [
    "CLOEXEC and UNSHARE, for the calling thread",
    "{ cloexec: true, unshare: true }",
    "cloexec",
    "open",
  ],
];

for (const [name, options, there, here] of CASES) {
  test(`ltp: close_range01 ${name}`, async () => {
    const found = await closing(`
      const numbers = [...open(2), ...open(1, 9000)];
      const body = "closeRange(numbers[0], Infinity, ${options}); return state(numbers);";
      found = [await inThread(body, numbers), state(numbers)];
    `);
    assertEquals(found, [all(there, 3), all(here, 3)]);
  });
}

test("ltp: close_range02 O_PATH descriptors, with holes between them", async () => {
  const found = await closing(`
    const path = new TextEncoder().encode("/\\0");
    const folder = check("open", libc.open(path, posix.O_PATH, 0));
    const numbers = [5000, 5100].map((least) =>
      check("fcntl", libc.fcntl(folder, posix.F_DUPFD, least)));
    closeRange(numbers[0], numbers[1]);
    found = [numbers, state(numbers), state([folder])];
  `);
  assertEquals(found, [[5000, 5100], all("closed", 2), ["open"]]);
});

test("ltp: close_range02 a range that ends before it begins, and unknown flags, are EINVAL", () => {
  const failed = (result: number): string => result === -1 ? errnoName(errno()) : "no error";
  assertEquals(failed(libc.close_range(4, 3, 0)), "EINVAL");
  assertEquals(failed(libc.close_range(3, 0xffff_ffff, -1)), "EINVAL");
  assertThrows(() => closeRange(4, 3), RangeError);
});

test("ltp: close_range02 the highest number there is", () => {
  closeRange(0xffff_ffff, 0xffff_ffff);
});
