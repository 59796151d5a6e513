// The other side of the worker tests in support_test.ts.

import { serve } from "./support.ts";

const methods = {
  add(a: number, b: number): number {
    return a + b;
  },
  async fail(): Promise<never> {
    await null;
    throw Object.assign(new RangeError("out of reach"), { code: "EFAR" });
  },
  /** Waits in a system call, where no message arrives. */
  block(cell: Int32Array): void {
    Atomics.store(cell, 0, 1);
    Atomics.notify(cell, 0);
    Atomics.wait(cell, 1, 0);
  },
};

export type SupportWorker = typeof methods;

serve(methods);
