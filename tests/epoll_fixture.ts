/**
 * What the tests of epoll share: a look at what a set reports, and at who sleeps in it.
 *
 * @module
 */

import fs from "node:fs";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import type { Descriptor } from "../handles/descriptor.ts";
import type { Epoll } from "../handles/epoll.ts";
import { EpollEvents } from "../handles/epoll_events.ts";
import { FD } from "../handles/fd.ts";
import { waitUntil } from "./support.ts";

/** One report: the data and the mask. */
export type Report = readonly [data: number | bigint, mask: number];

const events = new EpollEvents(64);

/** What a wait reports now, or within `timeout`, by rising data. */
export function reports(set: Epoll, timeout: number = 0): Report[] {
  set.wait(events, timeout);
  const found = [...events].map(({ data, mask }): Report =>
    data <= Number.MAX_SAFE_INTEGER ? [Number(data), mask] : [data, mask]
  );
  return found.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** How many events a wait reports. */
export function count(set: Epoll, timeout: number = 0): number {
  return reports(set, timeout).length;
}

// epoll_wait is 232 on x64; epoll_pwait 281 there and 22 on arm64; epoll_pwait2 441 on both.
const CALLS = "232|281|22|441";

/** How many threads of a process, this one by default, sleep in a wait on a set. */
export function sleepers(number: number, pid: number | "self" = "self"): number {
  const call = new RegExp(`^(${CALLS}) 0x${number.toString(16)} `);
  return fs.readdirSync(`/proc/${pid}/task`).filter((thread) => {
    try {
      return call.test(fs.readFileSync(`/proc/${pid}/task/${thread}/syscall`, "utf8"));
    } catch {
      return false; // the thread has ended between the listing and the look
    }
  }).length;
}

/** Resolves when so many threads of this process sleep in a wait on a set. */
export function asleep(set: Descriptor, threads: number = 1): Promise<void> {
  const number = set.raw;
  const enough = (): boolean => sleepers(number) >= threads;
  return waitUntil(enough, 10_000, `${threads} threads asleep in the set ${number}`);
}

/**
 * A number above all that the runtime's own threads take and give back while a test looks at what
 * becomes of it.
 */
export const RESERVED = 700;

/** Opens the handle's file under {@link RESERVED} as well, which must be free. */
export function reserved(handle: Descriptor): FD {
  const number = libc.fcntl(handle.raw, posix.F_DUPFD_CLOEXEC, RESERVED);
  const copy = FD.adopt(check("fcntl", number, handle.raw));
  if (copy.raw === RESERVED) return copy;
  copy.close();
  throw new Error(`fd ${RESERVED} is in use`);
}
