// A thread that binds itself to a CPU.

import { libc } from "../ffi/libc.ts";
import { setAffinity } from "../handles/affinity.ts";
import { Loop } from "../loop/loop.ts";
import { serve } from "./support.ts";

const methods = {
  bind(cpu: number): { id: number; cpus: number[]; cpuId: number } {
    const cpus = setAffinity([cpu]);
    using loop = Loop.create();
    return { id: libc.gettid(), cpus, cpuId: loop.cpuId };
  },
};

/** What the thread can be asked. */
export type AffinityWorker = typeof methods;

serve(methods);
