// gVisor, test/syscalls/linux/close_range.cc: what it observes, in processes of their own.

import { assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { closeRange } from "../../handles/close_range.ts";
import { all, closing } from "../close_ranges.ts";
import { test } from "../support.ts";

/** Closes a part of ten descriptors, and answers the states of all. */
function tenWith(calls: string): Promise<unknown> {
  return closing(`
    const numbers = open(10);
    ${calls}
    found = state(numbers);
  `);
}

const CASES: Readonly<Record<string, [calls: string, states: string[]]>> = {
  ContiguousRange: [`closeRange(numbers[0], numbers[9]);`, all("closed", 10)],
  RangeWithHoles: [
    `libc.close(numbers[2]); libc.close(numbers[7]); closeRange(numbers[0], numbers[9]);`,
    all("closed", 10),
  ],
  RangeInMiddleOfOpenFiles: [
    `closeRange(numbers[4], numbers[7]);`,
    [...all("open", 4), ...all("closed", 4), ...all("open", 2)],
  ],
  SingleFile: [`closeRange(numbers[0], numbers[0]);`, ["closed", ...all("open", 9)]],
  CallCloseRangeTwice: [
    `closeRange(numbers[0], numbers[9]); closeRange(numbers[0], numbers[9]);`,
    all("closed", 10),
  ],
  CloexecFlagTest: [
    `closeRange(numbers[0], numbers[9], { cloexec: true });`,
    all("cloexec", 10),
  ],
  UnshareFlagTest: [`closeRange(numbers[0], numbers[9], { unshare: true });`, all("closed", 10)],
  UnshareFlagAndCloseRangeAtStart: [
    `closeRange(numbers[0], numbers[4], { unshare: true });`,
    [...all("closed", 5), ...all("open", 5)],
  ],
  UnshareFlagAndCloseRangeAtEnd: [
    `closeRange(numbers[5], numbers[9], { unshare: true });`,
    [...all("open", 5), ...all("closed", 5)],
  ],
  CloexecAndUnshareFlagTest: [
    `closeRange(numbers[0], numbers[9], { cloexec: true, unshare: true });`,
    all("cloexec", 10),
  ],
};

for (const [name, [calls, states]] of Object.entries(CASES)) {
  test(`gvisor: close_range ${name}`, async () => assertEquals(await tenWith(calls), states));
}

const failed = (result: number): string => result === -1 ? errnoName(errno()) : "no error";

test("gvisor: close_range RangeFirstGreaterThanLast is EINVAL, and refused before the call", () => {
  assertEquals(failed(libc.close_range(900_001, 900_000, 0)), "EINVAL");
  assertThrows(() => closeRange(900_001, 900_000), RangeError, "closeRange: last");
});

test("gvisor: close_range InvalidFlags are EINVAL", () => {
  const { CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE } = linux;
  for (
    const flags of [
      CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE | 0xf,
      0xf0,
      CLOSE_RANGE_CLOEXEC | 0xf00,
    ]
  ) {
    assertEquals(failed(libc.close_range(900_000, 900_001, flags)), "EINVAL");
  }
});

test("gvisor: close_range ConcurrentCalls, while other threads open", async () => {
  const found = await closing(`
    const numbers = open(10);
    const ends = "closeRange(numbers[5], numbers[9], { unshare: true }); return state(numbers);";
    const opens = "return open(5, 7000).length;";
    found = await Promise.all([ends, opens, ends, opens].map((body) => inThread(body, numbers)));
    found.push(state(numbers));
  `);
  const half = [...all("open", 5), ...all("closed", 5)];
  assertEquals(found, [half, 5, half, 5, all("open", 10)]);
});
