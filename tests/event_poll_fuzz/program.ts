/**
 * What programs of the differential test are made of.
 *
 * A step is a list of numbers, the first of them an operation and the others its arguments, so that
 * steps can be taken out of a program and it is still one: a step on a slot that is empty, or that
 * holds something else, is refused in both worlds by the same name.
 *
 * @module
 */

/** How many descriptors a program can have, and the number of the first. */
export const SLOTS = 8;
export const FIRST_NUMBER = 700;

/** Operations. `slot` and `other` are slots, the rest are places in the lists below, or the number itself. */
export const OPS = {
  /** other gets the writing end */
  pipe: 0,
  /** slot, COUNTERS, semaphore */
  counter: 1,
  /** both get an end */
  pair: 2,
  poll: 3,
  close: 4,
  /** of slot, into other */
  dup: 5,
  /** slot, SIZES */
  write: 6,
  /** slot, SIZES */
  read: 7,
  /** writes until it is full */
  fill: 8,
  /** reads until it is empty */
  drain: 9,
  /** slot, MODES */
  shutdown: 10,
  /** slot (the poll), other, mask, flags, DATA */
  add: 11,
  modify: 12,
  remove: 13,
  /** slot, the most events */
  wait: 14,
} as const;

/** A step of a program. */
export type Step = readonly number[];

/** A program. */
export type Program = readonly Step[];

/** How much is written and read at once: what fits in a page, what does not, and nothing. */
export const SIZES: readonly number[] = [1, 1, 3, 1000, 3000, 4096, 5000, 20_000, 0];

/** What one step of {@link OPS.fill} writes. */
export const FILL_SIZE = 3000;

/** What counters begin with. */
export const COUNTERS: readonly bigint[] = [0n, 1n, 7n, 2n ** 64n - 2n];

/** How sockets are shut down. */
export const MODES: readonly ("read" | "write" | "both")[] = ["read", "write", "both"];

/** What entries carry. */
export const DATA: readonly (number | bigint)[] = [
  0,
  1,
  2,
  3,
  42,
  0xffff_ffff,
  Number.MAX_SAFE_INTEGER,
  0xdead_beef_feed_facen,
  2n ** 64n - 1n,
];

/** One report, in the form in which results are compared. */
export function report(mask: number, data: number | bigint): string {
  return `${mask.toString(16)}:${data}`;
}

/** Somewhere programs run. */
export interface World extends Disposable {
  /** Takes a step: what a program would see of it. */
  apply(step: Step): string;
  /** Closes everything. */
  clear(): void;
}
