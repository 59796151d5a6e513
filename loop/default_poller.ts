/**
 * Which poller a loop gets.
 *
 * @module
 */

import { backend, os } from "../ffi/platform.ts";
import type { Poller } from "./poller.ts";
import type { PollerKind } from "./poller_policy.ts";
import { EpollPoller } from "./poller_epoll.ts";
import { KqueuePoller } from "./poller_kqueue.ts";

/**
 * Makes the poller of this system: epoll on Linux, and a kqueue where there is no epoll. The variable
 * `FDLOOP_POLLER` can ask for the other one on Linux, where `FDLOOP_KQUEUE_LIB` must name libkqueue:
 * that is how the loop is tested on both.
 *
 * @param kind which, when that was decided
 * @throws {RangeError} when the variable has another value than `"epoll"` and `"kqueue"`
 * @throws {UnsupportedError} when the system has neither
 * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
 */
export function defaultPoller(kind: PollerKind | null = null): Poller {
  if (kind !== null) return kind === "epoll" ? new EpollPoller() : new KqueuePoller();
  if (os !== "linux") return new KqueuePoller();
  const wanted = backend.variable("FDLOOP_POLLER") ?? "epoll";
  if (wanted === "kqueue") return new KqueuePoller();
  if (wanted === "epoll") return new EpollPoller();
  throw new RangeError(`FDLOOP_POLLER must be "epoll" or "kqueue", got ${JSON.stringify(wanted)}`);
}
