/**
 * Waiting on a kqueue: kevent(2) without changes, to a deadline that no signal moves.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import type { KqueueSystem } from "../ffi/kqueue.ts";
import { writeTimespec } from "./duration.ts";
import { NOW } from "./kqueue_changes.ts";

const EINTR = errnoNumber("EINTR");

/** libkqueue counts milliseconds in an `int`: 24 days. */
const LONGEST_MS = 0x7fff_ffff;

const timespec = new Uint32Array(new ArrayBuffer(16));

/**
 * Waits for at most so many milliseconds, below zero for ever: answers the number of events that were
 * written, 0 when there was none in time, or the errno below zero. EINTR is never among them.
 */
export function waitOn(
  system: KqueueSystem,
  queue: number,
  memory: Int32Array,
  capacity: number,
  limit: number,
): number {
  // A wait with a limit looks first: what is ready already costs one call and no look at a clock.
  const count = block(system, queue, memory, capacity, limit < 0 ? null : NOW);
  if (count > 0 || limit === 0 || (count < 0 && count !== -EINTR)) {
    return count === -EINTR ? 0 : count;
  }
  const deadline = limit < 0 ? Infinity : performance.now() + limit;
  for (let left = limit; limit < 0 || left > 0; left = deadline - performance.now()) {
    const timeout = limit < 0 ? null : timespec;
    if (limit >= 0) writeTimespec(timespec, 0, Math.min(left, LONGEST_MS), "what is left");
    // A report can be gone when it is to be given: libkqueue then answers 0 before the time is over.
    const count = block(system, queue, memory, capacity, timeout);
    if (count > 0 || (count < 0 && count !== -EINTR)) return count;
  }
  return 0;
}

function block(
  { calls, errno }: KqueueSystem,
  queue: number,
  memory: Int32Array,
  capacity: number,
  timeout: Uint32Array | null,
): number {
  const count = calls.kevent(queue, null, 0, memory, capacity, timeout);
  return count >= 0 ? count : -errno();
}
