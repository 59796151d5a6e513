/**
 * A MessagePort that can be waited for.
 *
 * @module
 */

import { shown } from "../handles/validate.ts";
import { EventMask, READ_WORDS } from "./event_mask.ts";
import { WaitableBase } from "./waitable.ts";

/** What is needed of a MessagePort, a Worker, a BroadcastChannel or a WebSocket. */
export interface MessageSender {
  /** Adds a listener. */
  addEventListener(type: string, listener: (event: MessageNote) => void): void;
  /** Takes it out again. */
  removeEventListener(type: string, listener: (event: MessageNote) => void): void;
  /** Lets messages come; only a MessagePort has it. */
  start?(): void;
}

/** A message. */
export interface MessageNote {
  /** What was sent. */
  readonly data?: unknown;
}

/**
 * The messages of a MessagePort, a Worker or anything else that has "message" events, as a source of
 * an {@link EventPoll}: IN while there is a message to take, HUP after a "close" event.
 *
 * Messages are kept until they are taken, however many they are. The port keeps the process alive as
 * any port does that is listened to: close it.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, PortSource } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * const { port1, port2 } = new MessageChannel();
 * using poll = new EventPoll();
 * using source = new PortSource(port1);
 * poll.addEntry({ file: source }, 0, EventMask.IN, 1);
 * port2.postMessage({ hello: "world" });
 * assertEquals(await poll.wait(1), [{ mask: EventMask.IN, data: 1 }]);
 * assertEquals([source.take()?.data, source.take()], [{ hello: "world" }, null]);
 * port1.close();
 * port2.close();
 * ```
 */
export class PortSource extends WaitableBase implements Disposable {
  readonly #port: MessageSender;
  readonly #messages: MessageNote[] = [];
  #closed = false;
  readonly #onMessage = (event: MessageNote): void => {
    this.#messages.push(event);
    this.listeners.notify(READ_WORDS);
  };
  readonly #onClose = (): void => {
    this.#closed = true;
    this.listeners.notify(0);
  };

  /**
   * Listens to a port, until it is disposed of.
   *
   * @throws {TypeError} when it has no events
   */
  constructor(port: MessageSender) {
    super();
    if (
      typeof port?.addEventListener !== "function" ||
      typeof port.removeEventListener !== "function"
    ) {
      throw new TypeError(`PortSource takes a MessagePort or a Worker, got ${shown(port)}`);
    }
    this.#port = port;
    port.addEventListener("message", this.#onMessage);
    port.addEventListener("close", this.#onClose);
    if (typeof port.start === "function") port.start();
  }

  /** Always `"PortSource"`. */
  get [Symbol.toStringTag](): string {
    return "PortSource";
  }

  /** What it is ready for: see the class. */
  readiness(mask: number): number {
    const words = (this.#messages.length > 0 ? READ_WORDS : 0) |
      (this.#closed ? EventMask.HUP : 0);
    return words & mask;
  }

  /** Takes the first message, as the event that it came with; null when there is none. */
  take(): MessageNote | null {
    return this.#messages.shift() ?? null;
  }

  /** Listens no more, and leaves every poll. The port is its owner's to close. */
  [Symbol.dispose](): void {
    this.#port.removeEventListener("message", this.#onMessage);
    this.#port.removeEventListener("close", this.#onClose);
    this.listeners.release();
  }
}
