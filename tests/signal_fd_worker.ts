import { type SharedSignalFD, SignalFD } from "../handles/signal_fd.ts";
import { serve } from "./support.ts";

let own: SignalFD | null = null;

const methods = {
  /** Answers the name of the signal that is read, null for none. */
  read: (shared: SharedSignalFD): string | null => SignalFD.from(shared).read()?.name ?? null,

  mask: (shared: SharedSignalFD): string => String(SignalFD.from(shared).mask),

  setMask: (shared: SharedSignalFD, signals: number[]): void =>
    SignalFD.from(shared).setMask(signals),

  close: (shared: SharedSignalFD): void => SignalFD.from(shared).close(),

  /** Makes a handle of this thread's own. */
  create(signals: number[]): void {
    own = SignalFD.create(signals);
  },

  closeOwn(): void {
    own?.close();
  },
};

/** The methods, for the tests. */
export type SignalFDWorker = typeof methods;

serve(methods);
