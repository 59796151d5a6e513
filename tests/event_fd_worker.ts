import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import { serve } from "./support.ts";

const methods = {
  wait: (shared: SharedEventFD): bigint | null => EventFD.from(shared).wait(),

  signal: (shared: SharedEventFD, value: number | bigint): boolean =>
    EventFD.from(shared).signal(value),

  /** Signals 1 so many times; answers how often there was room. */
  signalOften(shared: SharedEventFD, times: number): number {
    const counter = EventFD.from(shared);
    let taken = 0;
    for (let call = 0; call < times; call++) if (counter.signal()) taken++;
    return taken;
  },

  semaphore: (shared: SharedEventFD): boolean => EventFD.from(shared).semaphore,

  close: (shared: SharedEventFD): void => EventFD.from(shared).close(),
};

/** The methods, for the tests. */
export type EventFDWorker = typeof methods;

serve(methods);
