/**
 * The 64-bit counter that eventfd(2) and timerfd_create(2) answer a read(2) with.
 *
 * @module
 */

import { countOf } from "./io.ts";
import { memory } from "./validate.ts";

/** How many bytes one value is: the kernel refuses less, and touches no more. */
const COUNTER_BYTES = 8;

/** Room for one value, as the kernel sees it and as JavaScript does: three views of 8 bytes. */
export class Counter {
  /** What is given to the kernel. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The low half and the high half, to set a number without making a bigint of it. */
  readonly halves: Uint32Array<ArrayBuffer>;
  /** The value. */
  readonly whole: BigUint64Array<ArrayBuffer>;

  constructor() {
    const memory = new ArrayBuffer(COUNTER_BYTES);
    this.bytes = new Uint8Array(memory);
    this.halves = new Uint32Array(memory);
    this.whole = new BigUint64Array(memory);
  }
}

/**
 * Checks a buffer that one value goes through, and answers its bytes.
 *
 * @throws {TypeError} when it is no typed array or DataView
 * @throws {RangeError} when it is shorter than 8 bytes, as one that was detached is
 */
export function counterBytes(value: unknown, what: string): ArrayBufferView {
  const view = memory(value, what);
  const count = countOf(view);
  if (count < COUNTER_BYTES) {
    throw new RangeError(
      `${what} must have at least ${COUNTER_BYTES} bytes, the size of the kernel's counter, ` +
        `got ${count}`,
    );
  }
  return view;
}
