import { libc } from "../ffi/libc.ts";
import type { ExitStatus, ProcessState } from "../handles/exit_status.ts";
import { PidFD, type SharedPidFD } from "../handles/pid_fd.ts";
import { serve } from "./support.ts";

const methods = {
  thread: (): number => libc.gettid(),

  pid: (shared: SharedPidFD): number | null => PidFD.from(shared).pid,

  sendSignal: (shared: SharedPidFD, signal: number): void => PidFD.from(shared).sendSignal(signal),

  wait: (shared: SharedPidFD): ProcessState | null => PidFD.from(shared).wait(),

  exitStatus: (shared: SharedPidFD): ExitStatus | null => PidFD.from(shared).exitStatus(),

  close: (shared: SharedPidFD): void => PidFD.from(shared).close(),
};

/** The methods, for the tests. */
export type PidFDWorker = typeof methods;

serve(methods);
