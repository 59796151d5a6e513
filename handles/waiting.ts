/**
 * Waiting for a handle without knowing who waits: the loop's room fills in the default.
 *
 * @module
 */

import { ClosedError } from "./closed_error.ts";
import type { Descriptor } from "./descriptor.ts";
import { abortSignal, options as checkOptions } from "./validate.ts";

/** Something that can wait until a handle is readable: a `Loop` is one. */
export interface Waiter {
  /** Resolves when a read of the handle would not block. */
  readable(target: Descriptor, options: { signal?: AbortSignal }): Promise<void>;
  /** Steps each time that something about the handle changes, until it is closed. */
  watch(
    target: Descriptor,
    interest: { readable: true; mode: "edge" },
    options: { signal?: AbortSignal },
  ): AsyncIterable<unknown>;
}

/** How a handle waits for itself. */
export interface AwaitOptions {
  /** Ends the wait: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** The loop that waits. Default: the one that runs on this thread, or else `Loop.shared`. */
  loop?: Waiter;
}

let defaultWaiter: (() => Waiter) | null = null;

/** Names the loop that waits where none is given. Called by the loop's room when it is imported. */
export function setDefaultWaiter(waiter: () => Waiter): void {
  defaultWaiter = waiter;
}

/**
 * Takes values out of a handle until it answers null, and waits until it is readable.
 *
 * @throws {TypeError} when an option is not what it should be
 */
export async function untilTaken<T>(
  handle: Descriptor,
  take: () => T | null,
  options: AwaitOptions,
  what: string,
): Promise<T> {
  const { signal, waiter } = waiterOf(options, what);
  for (;;) {
    signal?.throwIfAborted();
    const value = take();
    if (value !== null) return value;
    await waiter.readable(handle, { signal });
  }
}

/**
 * The same for a value that comes some time after the handle has become readable, and stays so: looks
 * again each time that something about the handle changes.
 *
 * @throws {TypeError} when an option is not what it should be
 */
export async function untilSettled<T>(
  handle: Descriptor,
  take: () => T | null,
  options: AwaitOptions,
  what: string,
): Promise<T> {
  const { signal, waiter } = waiterOf(options, what);
  signal?.throwIfAborted();
  let value = take();
  if (value !== null) return value;
  await waiter.readable(handle, { signal });
  value = take();
  if (value !== null) return value;
  for await (const _ of waiter.watch(handle, { readable: true, mode: "edge" }, { signal })) {
    value = take();
    if (value !== null) return value;
  }
  throw new ClosedError(handle[Symbol.toStringTag]);
}

/** Every value that a handle gives, until it is closed. */
export function everyTaken<T>(
  handle: Descriptor,
  take: () => T | null,
  options: AwaitOptions,
  what: string,
): AsyncGenerator<T, void, undefined> {
  const over = new AbortController();
  const values = untilOver(handle, take, options, what, over.signal);
  return endable(values, () => over.abort());
}

/**
 * An iteration whose return() and throw() end the step in progress. A generator does either only after
 * that step, which may wait for what never comes.
 *
 * @param end ends what the step waits for
 */
export function endable<T>(
  steps: AsyncGenerator<T, void, undefined>,
  end: () => void,
): AsyncGenerator<T, void, undefined> {
  const { return: leave, throw: fail } = steps;
  steps.return = (value) => {
    end();
    return leave.call(steps, value);
  };
  steps.throw = (error) => {
    end();
    return fail.call(steps, error);
  };
  return steps;
}

async function* untilOver<T>(
  handle: Descriptor,
  take: () => T | null,
  options: AwaitOptions,
  what: string,
  over: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const { signal: asked, waiter: loop } = waiterOf(options, what);
  const signal = asked === undefined ? over : AbortSignal.any([asked, over]);
  try {
    for (;;) yield await untilTaken(handle, take, { signal, loop }, what);
  } catch (error) {
    // Closing the handle is how a program ends the iteration from outside.
    if (over.aborted || (error instanceof ClosedError && handle.closed)) return;
    throw error;
  }
}

function waiterOf(
  options: AwaitOptions,
  what: string,
): { signal: AbortSignal | undefined; waiter: Waiter } {
  const { signal, loop } = checkOptions(options, `${what}: options`);
  abortSignal(signal, `${what}: signal`);
  if (loop !== undefined && typeof loop?.readable !== "function") {
    throw new TypeError(`${what}: loop must be a Loop`);
  }
  const waiter = loop ?? defaultWaiter?.();
  if (waiter === undefined) {
    throw new TypeError(`${what}: import the Loop, or pass one as \`loop\``);
  }
  return { signal, waiter };
}
