// The other thread of mem_fd_test.ts and mapped_region_test.ts.

import { ClosedError } from "../handles/closed_error.ts";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { MappedRegion } from "../handles/mapped_region.ts";
import { MemFD } from "../handles/mem_fd.ts";
import { serve } from "./support.ts";

let held: MappedRegion | null = null;

const methods = {
  /** Writes at the end; answers the name and the size that it found. */
  append(shared: SharedDescriptor, text: string): [name: string, size: number | bigint] {
    const memory = MemFD.from(shared);
    const { name, size } = memory;
    memory.pwrite(new TextEncoder().encode(text), size);
    return [name, size];
  },

  close(shared: SharedDescriptor): void {
    MemFD.from(shared).close();
  },

  /** Reads until the handle is closed; answers the first byte that is not 1, or 0. */
  preadUntilClosed(shared: SharedDescriptor, progress: SharedArrayBuffer): number {
    const memory = MemFD.from(shared);
    const rounds = new Int32Array(progress);
    const buffer = new Uint8Array(64);
    try {
      for (;;) {
        memory.pread(buffer, 0);
        const stray = buffer.find((byte) => byte !== 1);
        if (stray !== undefined) return stray;
        Atomics.add(rounds, 0, 1);
      }
    } catch (error) {
      if (error instanceof ClosedError) return 0;
      throw error;
    }
  },

  /** Maps the memory and keeps it mapped until letGo. */
  hold(shared: SharedDescriptor): void {
    held = MappedRegion.map(MemFD.from(shared));
  },

  letGo(): void {
    held?.unmap();
    held = null;
  },

  /** Counts up the first number of the memory that `hold` has mapped. */
  count(times: number): void {
    const words = new Int32Array(held!.buffer);
    for (let round = 0; round < times; round++) Atomics.add(words, 0, 1);
  },
};

/** The methods, for the tests. */
export type MemFDWorker = typeof methods;

serve(methods);
