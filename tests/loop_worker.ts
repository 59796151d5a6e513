import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import { LoopWaker, type SharedWaker } from "../loop/waker.ts";
import { serve } from "./support.ts";

const methods = {
  close(shared: SharedEventFD): void {
    EventFD.from(shared).close();
  },

  /** Closes handles one after the other: says 1 when it is ready to, and begins at 2. */
  closeAll(all: SharedEventFD[], memory: SharedArrayBuffer): void {
    const copies = all.map((shared) => EventFD.from(shared));
    const word = new Int32Array(memory);
    Atomics.store(word, 0, 1);
    Atomics.wait(word, 0, 1);
    for (const copy of copies) copy.close();
  },

  signal(shared: SharedEventFD): void {
    EventFD.from(shared).signal();
  },

  wake(shared: SharedWaker, times: number): void {
    const waker = LoopWaker.from(shared);
    for (let time = 0; time < times; time++) waker.wake();
  },

  /** Replies first, and wakes the loop once it says that it sleeps. */
  wakeAfterReply(shared: SharedWaker): void {
    const state = new Int32Array(shared.words);
    const wake = (): void => {
      if (Atomics.load(state, 0) === 0) setTimeout(wake, 1);
      else LoopWaker.from(shared).wake();
    };
    setTimeout(wake, 0);
  },
};

/** The methods, for the test. */
export type LoopWorker = typeof methods;

serve(methods);
