import { libc } from "../ffi/libc.ts";
import { SignalLedger } from "../handles/signal_ledger.ts";
import { serve } from "./support.ts";

/** The word of a ledger that holds the id of the thread inside. */
const LOCK = 1;

const methods = {
  /** Adds to a counter, not atomically, but with the lock. */
  count(memory: SharedArrayBuffer, counter: SharedArrayBuffer, times: number): void {
    const ledger = new SignalLedger(memory);
    const words = new Int32Array(counter);
    for (let time = 0; time < times; time++) ledger.locked(() => words[0]! += 1);
  },

  /** What a thread leaves that is terminated inside. */
  lockForEver(memory: SharedArrayBuffer): void {
    Atomics.store(new Int32Array(memory), LOCK, libc.gettid());
  },
};

/** The methods, for the tests. */
export type SignalLedgerWorker = typeof methods;

serve(methods);
