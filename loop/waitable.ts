/**
 * What an `EventPoll` can wait for, and how a source tells whoever waits.
 *
 * @module
 */

import { shown } from "../handles/validate.ts";

/** Somebody who is told when something about a source may have changed. */
export interface SourceListener {
  /** Whether one change is for one such listener, and not for all: see {@link WaiterQueue.notify}. */
  readonly exclusive: boolean;
  /**
   * Something may be ready now that was not.
   *
   * @param mask the words that it is about, 0 when it may be all of them
   * @returns whether an exclusive listener has taken it, so that the others need not be told
   */
  notify(mask: number): boolean;
  /** The source is gone, and the listener out of its queue. */
  released(): void;
}

/**
 * A source of events: anything that can say what it is ready for, and tells its listeners when that
 * may have changed. To be one, have a {@link WaiterQueue} and pass the two calls on to it.
 */
export interface Waitable {
  /** Whether it can be waited for at all: what is always ready, as a file on a disk is, cannot. */
  readonly pollable?: boolean;
  /**
   * What it is ready for now, at least of the words in `mask`. It is asked often, and must change
   * nothing.
   */
  readiness(mask: number): number;
  /** Tells a listener from now on. */
  register(listener: SourceListener): void;
  /** Tells it no more. Of one that is not registered, does nothing. */
  unregister(listener: SourceListener): void;
}

/** Whether a value has the three methods of a {@link Waitable}. */
export function isWaitable(value: unknown): value is Waitable {
  if (typeof value !== "object" || value === null) return false;
  const { readiness, register, unregister } = value as Partial<Waitable>;
  return typeof readiness === "function" && typeof register === "function" &&
    typeof unregister === "function";
}

/**
 * Checks a source.
 *
 * @throws {TypeError} when it has not the three methods of a {@link Waitable}
 */
export function waitable(value: unknown, what: string): Waitable {
  if (isWaitable(value)) return value;
  throw new TypeError(
    `${what} must be a Waitable, with readiness, register and unregister, got ${shown(value)}`,
  );
}

/**
 * The listeners of one source: the kernel's wait queue, with its order. Whoever came last is told
 * first; those that are exclusive are told after all others, the first of them first, until one of
 * them takes it.
 *
 * A listener may register and unregister anybody while it is told: who is gone is not told any more,
 * who is new is not told yet.
 *
 * @example
 * ```ts
 * import { EventMask, WaiterQueue } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const queue = new WaiterQueue();
 * const heard: number[] = [];
 * queue.register({ exclusive: false, notify: (mask) => heard.push(mask) > 0, released() {} });
 * queue.notify(EventMask.OUT);
 * assertEquals(heard, [EventMask.OUT]);
 * ```
 */
export class WaiterQueue {
  /** Both are replaced and never changed, so that whoever walks one has it to himself. */
  #shared: readonly SourceListener[] = [];
  #exclusive: readonly SourceListener[] = [];

  /** Whether nobody listens. */
  get isEmpty(): boolean {
    return this.#shared.length === 0 && this.#exclusive.length === 0;
  }

  /**
   * Adds a listener.
   *
   * @throws {TypeError} when it has not both of its methods
   */
  register(listener: SourceListener): void {
    if (typeof listener?.notify !== "function" || typeof listener.released !== "function") {
      throw new TypeError(`WaiterQueue.register takes a listener, got ${shown(listener)}`);
    }
    if (listener.exclusive) this.#exclusive = [...this.#exclusive, listener];
    else this.#shared = [...this.#shared, listener];
  }

  /** Takes a listener out. Of one that is not in it, does nothing. */
  unregister(listener: SourceListener): void {
    if (this.#shared.includes(listener)) this.#shared = without(this.#shared, listener);
    else if (this.#exclusive.includes(listener)) {
      this.#exclusive = without(this.#exclusive, listener);
    }
  }

  /**
   * Tells the listeners that something may be ready.
   *
   * @param mask the words that it is about; 0 tells everybody, whatever they wait for
   */
  notify(mask: number): void {
    const shared = this.#shared;
    for (let index = shared.length - 1; index >= 0; index--) {
      const listener = shared[index]!;
      if (shared === this.#shared || this.#shared.includes(listener)) listener.notify(mask);
    }
    const exclusive = this.#exclusive;
    for (const listener of exclusive) {
      if (exclusive !== this.#exclusive && !this.#exclusive.includes(listener)) continue;
      if (listener.notify(mask) && mask !== 0) return;
    }
  }

  /** Tells all listeners that the source is gone, and forgets them. */
  release(): void {
    const all = [...this.#shared, ...this.#exclusive];
    this.#shared = this.#exclusive = [];
    for (const listener of all) listener.released();
  }
}

/**
 * A source with its queue: extend it, say what it is ready for, and tell the listeners of changes.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, WaitableBase } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * class Button extends WaitableBase {
 *   #pressed = false;
 *   press(): void {
 *     this.#pressed = true;
 *     this.listeners.notify(EventMask.IN);
 *   }
 *   readiness(mask: number): number {
 *     return this.#pressed ? EventMask.IN & mask : 0;
 *   }
 * }
 *
 * using poll = new EventPoll();
 * const button = new Button();
 * poll.addEntry({ file: button }, 0, EventMask.IN, 49);
 * setTimeout(() => button.press(), 1);
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN, data: 49 }]);
 * ```
 */
export abstract class WaitableBase implements Waitable {
  /** Who waits for it. */
  protected readonly listeners: WaiterQueue = new WaiterQueue();

  /** What it is ready for now, at least of the words in `mask`. */
  abstract readiness(mask: number): number;

  /** Tells a listener when that may have changed. */
  register(listener: SourceListener): void {
    this.listeners.register(listener);
  }

  /** Tells it no more. */
  unregister(listener: SourceListener): void {
    this.listeners.unregister(listener);
  }
}

function without(
  listeners: readonly SourceListener[],
  listener: SourceListener,
): readonly SourceListener[] {
  const index = listeners.indexOf(listener);
  return [...listeners.slice(0, index), ...listeners.slice(index + 1)];
}
