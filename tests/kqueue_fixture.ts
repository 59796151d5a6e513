/**
 * What the tests know of the kqueue that they run on: whether there is one, and how libkqueue, the
 * emulation on Linux, differs from the kernels that have one.
 *
 * @module
 */

import { backend } from "../ffi/platform.ts";
import { kqueueHere } from "../ffi/kqueue.ts";
import { test, type TestBody } from "./support.ts";

/** Whether there is a kqueue to test with. */
export const hasKqueue: boolean = kqueueHere() !== null;

/** Why the tests of a real kqueue are skipped. */
const NO_KQUEUE = "no kqueue here: FDLOOP_KQUEUE_LIB is to name libkqueue.so.0";

/** Registers one test of a suite. */
export type Register = (name: string, body: TestBody, options?: { timeoutMs?: number }) => void;

/** What registers the tests of a suite that need a kqueue: without one they are one skipped line. */
export function withKqueue(suite: string): Register {
  if (hasKqueue) return test;
  test.skip(`${suite}: all that needs a kqueue`, NO_KQUEUE);
  return () => {};
}

/** Whether loops are on a kqueue, and not on epoll. */
export const onKqueue: boolean = kqueueHere() !== null &&
  (kqueueHere() !== "libkqueue" || backend.variable("FDLOOP_POLLER") === "kqueue");

/** Whether the error of a socket is still there for getsockopt(SO_ERROR) after it was reported. */
export const keepsErrors: boolean = !(onKqueue && kqueueHere() === "libkqueue");

/** Why tests of such errors are skipped. */
export const TAKES_ERRORS = "libkqueue takes the error from a socket when it reports it";

/** Whether urgent data is reported. */
export const reportsUrgent: boolean = !onKqueue;

/** Why tests of urgent data are skipped. */
export const NOT_URGENT = "a kqueue has no event for urgent data";
