import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { blockedBy } from "../ffi/proc.ts";
import { structs } from "../ffi/structs.ts";
import { serve } from "./support.ts";

function changeMask(how: number, bits: bigint): void {
  const mask = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  mask[0] = bits;
  libc.pthread_sigmask(how, mask, null);
}

const methods = {
  id: (): number => libc.gettid(),

  mask: changeMask,

  /** What this thread blocks itself: in Bun's epoll_pwait2(2) it blocks nothing, whatever it blocks. */
  blocked: (): bigint => blockedBy(libc.gettid())!,

  /** Blocks signals for as long as one call takes. */
  hold(bits: bigint, ms: number): void {
    changeMask(posix.SIG_BLOCK, bits);
    libc.poll(null, 0, ms);
    changeMask(posix.SIG_UNBLOCK, bits);
  },
};

/** The methods, for the tests. */
export type ProcWorker = typeof methods;

serve(methods);
