/**
 * The reports of a watch as an async iterator.
 *
 * @module
 */

import { ClosedError } from "../handles/closed_error.ts";
import { endable } from "../handles/waiting.ts";
import type { Core } from "./core.ts";
import { type Readiness, Report } from "./interest.ts";
import { EDGE, ONCE, type Target } from "./poller.ts";

/**
 * Watches a descriptor until the iteration ends. Each step asks for one report, so nothing is reported
 * that nobody has asked for; edges that come between two steps are combined into one report.
 */
export function reports(
  core: Core,
  target: Target,
  interest: number,
  signal: AbortSignal | undefined,
  what: string,
): AsyncGenerator<Readiness, void, undefined> {
  const end: End = { now: () => {} };
  return endable(take(core, target, interest, signal, what, end), () => end.now());
}

/** How the step in progress is ended from outside. */
interface End {
  now: () => void;
}

async function* take(
  core: Core,
  target: Target,
  interest: number,
  signal: AbortSignal | undefined,
  what: string,
  end: End,
): AsyncGenerator<Readiness, void, undefined> {
  signal?.throwIfAborted();
  const { registry } = core;
  const isEdge = (interest & EDGE) !== 0;
  let bits = 0;
  let wake = Promise.withResolvers<void>();
  const report = (readiness: number): void => {
    bits |= readiness;
    wake.resolve();
  };
  const source = registry.watch(target, isEdge ? interest : interest | ONCE, report, what);
  let ended: unknown = null;
  source.dropped = (reason) => {
    ended = reason;
    wake.resolve();
  };
  end.now = () => source.dropped?.(new ClosedError(what));
  const onAbort = (): void => wake.reject(signal!.reason);
  signal?.addEventListener("abort", onAbort);
  // Rejected while nobody waits, it is found by the next step.
  wake.promise.catch(() => {});
  try {
    for (;;) {
      await wake.promise;
      if (ended instanceof ClosedError) return;
      if (ended !== null) throw ended;
      const ready = new Report();
      ready.bits = bits;
      bits = 0;
      wake = Promise.withResolvers();
      wake.promise.catch(() => {});
      yield ready;
      signal?.throwIfAborted();
      if (ended !== null || isEdge) continue;
      try {
        registry.arm(source, source.interest);
      } catch (error) {
        if (error instanceof ClosedError) return; // on another thread, and its news are on their way
        throw error;
      }
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    registry.cancel(source);
  }
}
