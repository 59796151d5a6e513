// The other threads of the tests of kqueue.

import { ClosedError } from "../handles/closed_error.ts";
import { Kqueue, type SharedKqueue } from "../handles/kqueue.ts";
import { type KqueueEvent, KqueueEvents } from "../handles/kqueue_events.ts";
import { EV, NOTE } from "../handles/kqueue_words.ts";
import { serve } from "./support.ts";

const methods = {
  /** One wait; what it reports, or "closed". */
  wait(shared: SharedKqueue, timeout: number | null = null): KqueueEvent[] | "closed" {
    const events = new KqueueEvents(8);
    try {
      Kqueue.from(shared).control(null, events, timeout);
    } catch (error) {
      if (error instanceof ClosedError) return "closed";
      throw error;
    }
    return [...events];
  },

  trigger(shared: SharedKqueue, ident: number): void {
    const flags = EV.ADD | EV.CLEAR;
    const queue = Kqueue.from(shared);
    queue.control([{ filter: "USER", ident, flags }]);
    queue.control([{ filter: "USER", ident, flags: 0, fflags: NOTE.TRIGGER }]);
  },

  close: (shared: SharedKqueue): void => Kqueue.from(shared).close(),
};

/** What `worker()` of the tests calls. */
export type KqueueWorker = typeof methods;

serve(methods);
