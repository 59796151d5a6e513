/**
 * The settings that a terminal had when its console was made, with its `O_NONBLOCK`, and when they are
 * put back.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { tty, ttyStructs } from "../ffi/const_tty.ts";
import { libc } from "../ffi/libc.ts";
import { ClosedError } from "./closed_error.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { setNonblock } from "./descriptor_flags.ts";
import { Termios } from "./termios.ts";
import { host } from "./thread_end.ts";

// The words: whether the settings were changed, how many need it not to block, and whether it did
// before the first of them came.
const CHANGED = 0;
const HOLDERS = 1;
const BLOCKED = 2;
const HEAD_BYTES = 12;

/** Deno tells of an error that ends the program only by these; Bun's "exit" comes after one, too. */
const LAST_EVENTS = ["unload", "error", "unhandledrejection"] as const;

let made = 0;

/** The consoles of this thread that may have something to be put back when it ends. */
const changed = new Map<ConsoleState, Descriptor>();

/**
 * What one console began with. It lies in memory that its copies on other threads share, so that
 * whichever is closed knows what to put back, and whether there is anything.
 */
export class ConsoleState {
  /** The words, and the struct behind them. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Of two consoles of one terminal the later one began with what the other had made of it. */
  readonly order: number = ++made;
  /** Whether other threads have copies, which may change what this thread has to put back. */
  #shared = false;

  /** Lays the state over memory that came from another thread. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, HEAD_BYTES / 4);
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
    Atomics.store(this.#words, CHANGED, 1);
    this.#note(descriptor);
  }

  /** Notes that copies on other threads may change the settings: those are gone before this one ends. */
  willBeShared(descriptor: Descriptor): void {
    this.#shared = true;
    this.#note(descriptor);
    for (const [state, { closed }] of changed) if (closed) changed.delete(state);
  }

  /** Makes it non-blocking for somebody who lets go of it again. */
  hold(descriptor: Descriptor): void {
    if (setNonblock(descriptor, true)) {
      Atomics.store(this.#words, BLOCKED, 1);
      this.#note(descriptor);
    }
    Atomics.add(this.#words, HOLDERS, 1);
  }

  /** The last one to let go makes it block again, if it did. What is closed has been made to by that. */
  letGo(descriptor: Descriptor): void {
    const holders = Atomics.sub(this.#words, HOLDERS, 1);
    if (holders > 1 || Atomics.load(this.#words, BLOCKED) === 0) return;
    try {
      setNonblock(descriptor, false);
      Atomics.store(this.#words, BLOCKED, 0);
      this.#settled();
    } catch (error) {
      if (!(error instanceof ClosedError)) throw error;
    }
  }

  /** Puts the settings back. */
  reset(descriptor: Descriptor): void {
    Termios.from(this.#bytes()).apply(descriptor);
    Atomics.store(this.#words, CHANGED, 0);
    this.#settled();
  }

  /** Puts all back when a descriptor is about to be closed, as far as that is possible. */
  closing(number: number): void {
    // A terminal that was hung up says EIO: nobody will miss its settings.
    if (Atomics.exchange(this.#words, CHANGED, 0) === 1) {
      libc.tcsetattr(number, tty.TCSANOW, new Uint8Array(this.#bytes()));
    }
    // The open file may be somebody else's, too: a standard stream is the shell's.
    if (Atomics.exchange(this.#words, BLOCKED, 0) === 1) {
      const flags = libc.fcntl(number, posix.F_GETFL, 0);
      if (flags !== -1) libc.fcntl(number, posix.F_SETFL, flags & ~posix.O_NONBLOCK);
    }
    this.#forget();
  }

  /** Puts all back until it is known that the program goes on: answers what undoes it. */
  suspend(descriptor: Descriptor, number: number): () => void {
    const changed = Atomics.load(this.#words, CHANGED);
    const blocked = Atomics.load(this.#words, BLOCKED);
    const now = new Uint8Array(new ArrayBuffer(ttyStructs.termios.size));
    const known = changed === 1 && libc.tcgetattr(number, now) === 0;
    this.closing(number);
    return () => {
      if (descriptor.closed) return;
      this.#note(descriptor);
      Atomics.store(this.#words, CHANGED, changed);
      if (blocked === 1) {
        setNonblock(descriptor, true);
        Atomics.store(this.#words, BLOCKED, 1);
      }
      if (known) Termios.from(now).apply(descriptor);
    };
  }

  #bytes(): Uint8Array {
    return new Uint8Array(this.memory, HEAD_BYTES);
  }

  /** Notes that there is something to be put back. */
  #note(descriptor: Descriptor): void {
    if (changed.size === 0) expectEnd();
    changed.set(this, descriptor);
  }

  /** Forgets it when there is nothing any more. */
  #settled(): void {
    if (this.#shared) return;
    if (Atomics.load(this.#words, CHANGED) + Atomics.load(this.#words, BLOCKED) === 0) {
      this.#forget();
    }
  }

  #forget(): void {
    if (changed.delete(this) && changed.size === 0) expectNoEnd();
  }
}

/**
 * Puts back what is still changed when the program ends without closing its consoles, of the latest one
 * first. Answers what undoes it.
 */
function putAllBack(): (() => void)[] {
  const undo: (() => void)[] = [];
  for (const [state, descriptor] of [...changed].sort(([a], [b]) => b.order - a.order)) {
    if (descriptor.closed) continue; // the copy that closed it has put it back
    const number = acquire(descriptor);
    undo.unshift(state.suspend(descriptor, number));
    release(descriptor);
  }
  return undo;
}

/** A listener that comes later may keep the error from ending the program: all is as it was then. */
function onLastEvent(event: Event): void {
  if (event.defaultPrevented) return;
  const undo = putAllBack();
  event.preventDefault = () => {
    Event.prototype.preventDefault.call(event);
    for (const one of undo.splice(0)) one();
  };
}

function expectEnd(): void {
  host.process?.on("exit", putAllBack);
  for (const type of LAST_EVENTS) host.addEventListener?.(type, onLastEvent);
}

function expectNoEnd(): void {
  host.process?.off("exit", putAllBack);
  for (const type of LAST_EVENTS) host.removeEventListener?.(type, onLastEvent);
}
