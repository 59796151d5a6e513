/**
 * The settings that a terminal had when its console was made, and when they are put back.
 *
 * @module
 */

import { tty, ttyStructs } from "../ffi/const_tty.ts";
import { libc } from "../ffi/libc.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { Termios } from "./termios.ts";

const CHANGED = 0;
const HEAD_BYTES = 4;

/** What both runtimes tell of the end of a program. */
interface Host {
  readonly process?: {
    on(event: "exit", listener: () => void): void;
    off(event: "exit", listener: () => void): void;
  };
  addEventListener?(type: string, listener: (event: Event) => void): void;
  removeEventListener?(type: string, listener: (event: Event) => void): void;
}

const host = globalThis as unknown as Host;

/** Deno tells of an error that ends the program only by these; Bun's "exit" comes after one, too. */
const LAST_EVENTS = ["unload", "error", "unhandledrejection"] as const;

/** The consoles of this thread whose settings were changed: they are put back when it ends. */
const changed = new Map<ConsoleState, Descriptor>();

/**
 * What one console began with. It lies in memory that its copies on other threads share, so that
 * whichever is closed knows what to put back, and whether there is anything.
 */
export class ConsoleState {
  /** The word that says whether there is, and the struct behind it. */
  readonly memory: SharedArrayBuffer;
  readonly #word: Int32Array;

  /** Lays the state over memory that came from another thread. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#word = new Int32Array(memory, 0, 1);
  }

  /** Reads the settings that a terminal has now. */
  static of(descriptor: Descriptor): ConsoleState {
    const { bytes } = Termios.of(descriptor);
    const memory = new SharedArrayBuffer(HEAD_BYTES + bytes.byteLength);
    new Uint8Array(memory, HEAD_BYTES).set(bytes);
    return new ConsoleState(memory);
  }

  /** Whether a value that came in a message is the memory of a state. */
  static isMemory(value: unknown): value is SharedArrayBuffer {
    return value instanceof SharedArrayBuffer &&
      value.byteLength === HEAD_BYTES + ttyStructs.termios.size;
  }

  /** Notes that the settings are about to be changed: from now on they have to be put back. */
  willChange(descriptor: Descriptor): void {
    Atomics.store(this.#word, CHANGED, 1);
    if (changed.size === 0) expectEnd();
    changed.set(this, descriptor);
  }

  /** Puts the settings back. */
  reset(descriptor: Descriptor): void {
    Termios.from(this.#bytes()).apply(descriptor);
    this.#settled();
  }

  /** Puts the settings back when a descriptor is about to be closed, as far as that is possible. */
  closing(number: number): void {
    // A terminal that was hung up says EIO: nobody will miss its settings.
    if (Atomics.load(this.#word, CHANGED) === 1) {
      libc.tcsetattr(number, tty.TCSANOW, new Uint8Array(this.#bytes()));
    }
    this.#settled();
  }

  #bytes(): Uint8Array {
    return new Uint8Array(this.memory, HEAD_BYTES);
  }

  #settled(): void {
    Atomics.store(this.#word, CHANGED, 0);
    if (changed.delete(this) && changed.size === 0) expectNoEnd();
  }
}

/** Puts back what is still changed when the program ends without closing its consoles. */
function putAllBack(): void {
  for (const [state, descriptor] of [...changed]) {
    if (descriptor.closed) continue; // the copy that closed it has put it back
    const number = acquire(descriptor);
    state.closing(number);
    release(descriptor);
  }
}

function onLastEvent(event: Event): void {
  if (!event.defaultPrevented) putAllBack();
}

function expectEnd(): void {
  host.process?.on("exit", putAllBack);
  for (const type of LAST_EVENTS) host.addEventListener?.(type, onLastEvent);
}

function expectNoEnd(): void {
  host.process?.off("exit", putAllBack);
  for (const type of LAST_EVENTS) host.removeEventListener?.(type, onLastEvent);
}
