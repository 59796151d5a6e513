import { SyscallError } from "../ffi/syscall_error.ts";
import { type SharedTimerFD, TimerFD } from "../handles/timer_fd.ts";
import { serve } from "./support.ts";

const methods = {
  /** Takes the expirations; an error is answered by its name and its code. */
  expirations(shared: SharedTimerFD): bigint | null | string {
    try {
      return TimerFD.from(shared).expirations();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return `${error.name} ${error.code}`;
    }
  },

  clock: (shared: SharedTimerFD): string => TimerFD.from(shared).clock,

  arm: (shared: SharedTimerFD, initial: number): void => TimerFD.from(shared).arm(initial),

  close: (shared: SharedTimerFD): void => TimerFD.from(shared).close(),

  /** Arms so many times for a point in time, cancelled by clock changes, and disarms in between. */
  armOften(shared: SharedTimerFD, times: number): void {
    const timer = TimerFD.from(shared);
    for (let call = 0; call < times; call++) {
      timer.armAt(timer.now() + 60_000_000_000n, 0, { cancelOnSet: true });
      timer.arm(60_000);
    }
  },
};

/** The methods, for the tests. */
export type TimerFDWorker = typeof methods;

serve(methods);
