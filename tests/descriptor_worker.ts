import { ClosedError } from "../handles/closed_error.ts";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { serve } from "./support.ts";

const methods = {
  /** Reads and writes until the handle is closed; answers how often, and the first stray byte. */
  hammer(shared: SharedDescriptor, progress: SharedArrayBuffer, index: number): number {
    const fd = FD.from(shared);
    const calls = new Int32Array(progress);
    const buffer = new Uint8Array(16);
    const marks = new Uint8Array(16).fill(87);
    try {
      for (;;) {
        buffer.fill(0);
        fd.read(buffer);
        for (const byte of buffer) if (byte !== 0) return byte;
        fd.write(marks);
        Atomics.add(calls, index, 1);
      }
    } catch (error) {
      if (error instanceof ClosedError) return 0;
      throw error;
    }
  },

  /** Blocks in one read; answers what it gave. */
  readOnce(shared: SharedDescriptor, progress: SharedArrayBuffer): number | null {
    const fd = FD.from(shared);
    Atomics.store(new Int32Array(progress), 0, 1);
    return fd.read(new Uint8Array(8));
  },

  close(shared: SharedDescriptor): boolean {
    const fd = FD.from(shared);
    fd.close();
    return fd.closed;
  },
};

/** The methods, for the test. */
export type DescriptorWorker = typeof methods;

serve(methods);
