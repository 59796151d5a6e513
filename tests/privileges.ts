/**
 * What only a privileged process can do, and what it is refused without: setting the clock by a
 * hair, and capabilities(7) put down for a while. All of it concerns Linux.
 *
 * @module
 */

import { check, libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Socket } from "../handles/socket.ts";
import { waitUntil } from "./support.ts";

type Call = (...args: unknown[]) => number;

/** Binds a call that the library has no use for. */
function bind(symbol: string, ...parameters: ("i32" | "buf")[]): Call {
  libc.getpid(); // the library finds errno with its first call
  const call = backend.bind(symbol, ["i32", ...parameters]);
  if (call === null) throw new Error(`this libc has no ${symbol}`);
  return call as Call;
}

// adjtimex(2), <sys/timex.h>: where the fields of a struct timex lie on 64-bit machines.
const TIMEX = { size: 208, modes: 0, status: 40, sec: 72, usec: 80 };
const ADJ_SETOFFSET = 0x100;
const STA_UNSYNC = 0x40;

function timex(fill: (fields: DataView) => void): DataView {
  const fields = new DataView(new ArrayBuffer(TIMEX.size));
  fill(fields);
  const adjtimex = bind("adjtimex", "buf");
  check("adjtimex", adjtimex(new Uint8Array(fields.buffer)));
  return fields;
}

function stepMicroseconds(microseconds: -1 | 1): void {
  timex((fields) => {
    fields.setUint32(TIMEX.modes, ADJ_SETOFFSET, true);
    fields.setBigInt64(TIMEX.sec, microseconds < 0 ? -1n : 0n, true);
    fields.setBigInt64(TIMEX.usec, microseconds < 0 ? 999_999n : 1n, true);
  });
}

/** Sets the realtime clock forward by a microsecond, and back: two discontinuous changes. */
export function stepClock(): void {
  stepMicroseconds(1);
  stepMicroseconds(-1);
}

/**
 * Runs a body while no other process of the tests sets the clock, which is the whole machine's: who sets
 * it, and who would be disturbed by that. The lock is an abstract name, which the kernel frees at any end.
 */
export async function withClock<T>(body: () => T | Promise<T>): Promise<T> {
  let lock: Socket | null = null;
  const take = (): boolean => {
    try {
      lock = Socket.listen("unix:@fdloop-tests-clock");
      return true;
    } catch (error) {
      if (error instanceof SyscallError && error.code === "EADDRINUSE") return false;
      throw error;
    }
  };
  await waitUntil(take, 60_000, "the clock");
  try {
    return await body();
  } finally {
    lock!.close();
  }
}

/**
 * Why the clock must not or cannot be stepped here, null when it can. A clock that NTP keeps is left
 * alone: stepping it would make the kernel forget how far NTP had got.
 */
export function noClockStep(): string | null {
  if ((timex(() => {}).getInt32(TIMEX.status, true) & STA_UNSYNC) === 0) {
    return "the clock is kept by NTP, and stepping it would disturb that";
  }
  try {
    stepClock();
    return null;
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "EPERM") throw error;
    return "setting the clock needs the capability CAP_SYS_TIME";
  }
}

/** CAP_WAKE_ALARM of <linux/capability.h>. */
export const CAP_WAKE_ALARM = 35;

const CAPABILITY_VERSION_3 = 0x20080522;

/** Runs a function on this thread without a capability: capset(2). It has it again afterwards. */
export function withoutCapability<T>(capability: number, body: () => T): T {
  const header = new Uint32Array(new ArrayBuffer(8));
  const sets = new Uint32Array(new ArrayBuffer(24)); // effective, permitted, inheritable, twice
  const call = (name: "capget" | "capset", data: Uint32Array): void => {
    header.set([CAPABILITY_VERSION_3, 0]);
    check(name, bind(name, "buf", "buf")(header, data));
  };
  call("capget", sets);
  const reduced = sets.slice();
  const word = capability < 32 ? 0 : 3;
  reduced[word] = reduced[word]! & ~(1 << (capability % 32));
  call("capset", reduced);
  try {
    return body();
  } finally {
    call("capset", sets);
  }
}
