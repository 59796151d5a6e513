/**
 * What every handle is: an owned descriptor that can be closed once and shared between threads.
 *
 * The four functions of this file are for the other files of this room and for the loop: they lend
 * a descriptor's number to one system call. `mod.ts` does not export them, so no program can hold a number past
 * the handle's life.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Cell, MOST_SETS, NONE } from "./cell.ts";
import { ClosedError } from "./closed_error.ts";
import { ring } from "./ring.ts";
import { shown } from "./validate.ts";

const EINTR = errnoNumber("EINTR");

/** Given to the constructors by the factories of this room: a number alone makes no handle. */
export const OWNED: unique symbol = Symbol("owned");

/**
 * A handle in a form that `postMessage` can carry: the kind and the memory of its lifetime word.
 *
 * It is not a copy of the descriptor: all handles made from it are one, and closing any closes all.
 */
export interface SharedDescriptor {
  /** The class that {@link Descriptor.share} was called on; only its `from` takes this object. */
  readonly kind: string;
  /** The lifetime word, 128 bytes that all copies of the handle have in common. */
  readonly cell: SharedArrayBuffer;
}

/** An epoll set, as far as a descriptor that is in it needs to know it. */
export interface InterestSet {
  /** The set's own number, −1 for what only wants to be told that the descriptor is closed. */
  readonly raw: number;
  /** Removes a descriptor that is about to be closed through this copy of its handle. */
  forget(descriptor: Descriptor, number: number): void;
  /**
   * The number of an eventfd that is rung when another copy, on another thread, has closed a descriptor
   * of the set and taken it out. Asked for when the first shared one comes in.
   */
  bell?(): number;
}

/** Lends the number to one call; {@link release} must follow. Throws {@link ClosedError}. */
export let acquire: (descriptor: Descriptor) => number;

/** Ends the loan. Where a copy was closed meanwhile and this call was the last, closes the number. */
export let release: (descriptor: Descriptor) => void;

/** Notes that a set is about to hold a descriptor, so that closing removes it there first. */
export let joinSet: (descriptor: Descriptor, set: InterestSet) => void;

/** Forgets what {@link joinSet} noted. */
export let leaveSet: (descriptor: Descriptor, set: InterestSet) => void;

/** Whether a handle is the only one of its number: open, and never shared. Then it can be disowned. */
export let isAlone: (descriptor: Descriptor) => boolean;

/**
 * Takes the number from a handle that is alone and in no set, for another owner: the handle is closed
 * then, and the descriptor is not.
 */
export let disown: (descriptor: Descriptor) => number;

/**
 * An owned file descriptor: closed once, by whoever closes it first, on any thread.
 *
 * `close()` is the only thing that gives the number back; the garbage collector never does, because
 * a late finalizer would close a number that belongs to somebody else by then. Use `using`.
 *
 * On one thread a handle costs nothing over the bare call but a comparison. After
 * {@link Descriptor.share} every call enters and leaves the shared lifetime word, two atomic
 * operations (`bench/handles.ts` prints the cost), and the number is given back by the last call in
 * flight: no call can ever reach a number that was reused.
 *
 * A thread that is terminated inside a call never leaves it: the number then stays open until the
 * process ends. Stop workers, do not terminate them.
 *
 * @example
 * ```ts
 * import { Descriptor, EventFD } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const counter = EventFD.create();
 * assert(counter instanceof Descriptor && counter.raw >= 0);
 * counter.close();
 * counter.close();
 * assertEquals([counter.raw, counter.valid], [-1, false]);
 * ```
 */
export abstract class Descriptor implements Disposable {
  #raw: number;
  #cell: Cell | null = null;
  #sets: Set<InterestSet> | null = null;

  /**
   * Takes ownership of a number, or joins the owners of a shared one.
   *
   * @throws {TypeError} when called from outside: handles come from factories
   */
  protected constructor(key: symbol, owned: number | Cell) {
    if (key !== OWNED) {
      const name = new.target.name;
      throw new TypeError(`new ${name}() is not possible: call one of the factories of ${name}`);
    }
    this.#raw = typeof owned === "number" ? owned : NONE;
    this.#cell = typeof owned === "number" ? null : owned;
  }

  static {
    acquire = (descriptor) => {
      if (descriptor.#cell !== null) return descriptor.#enter(descriptor.#cell);
      const raw = descriptor.#raw;
      if (raw < 0) throw new ClosedError(descriptor[Symbol.toStringTag]);
      return raw;
    };
    release = (descriptor) => {
      if (descriptor.#cell !== null) giveBack(descriptor.#cell, descriptor.#cell.leave());
    };
    joinSet = (descriptor, set) => {
      if (descriptor.#cell !== null) attach(descriptor.#cell, set, descriptor[Symbol.toStringTag]);
      (descriptor.#sets ??= new Set()).add(set);
    };
    leaveSet = (descriptor, set) => {
      if (set.raw >= 0) descriptor.#cell?.detach(set.raw);
      descriptor.#sets?.delete(set);
    };
    isAlone = (descriptor) => descriptor.#cell === null && descriptor.#raw >= 0;
    disown = (descriptor) => {
      const number = descriptor.#raw;
      descriptor.#raw = NONE;
      return number;
    };
  }

  /** The kind of handle, for messages: the name of its class. */
  abstract readonly [Symbol.toStringTag]: string;

  /**
   * The descriptor's number, −1 once the handle is closed. For messages and for other libraries;
   * a number that is kept can belong to another file after the handle is closed.
   */
  get raw(): number {
    return this.#cell === null ? this.#raw : this.#cell.number;
  }

  /** Whether the handle is open. */
  get valid(): boolean {
    return this.raw >= 0;
  }

  /** Whether the handle was closed, through this copy or any other. */
  get closed(): boolean {
    return this.raw < 0;
  }

  /**
   * Closes the handle and every copy of it: `close(2)`. Closing again does nothing.
   *
   * It is removed from its epoll sets first, because a duplicate of the descriptor elsewhere would
   * keep it reporting there. A call that is inside on another thread ends normally, and the number
   * is given back when the last one has; calls that come later throw {@link ClosedError}.
   *
   * EINTR is not retried: Linux has given the number back by then.
   *
   * @throws {SyscallError} EIO, ENOSPC or EDQUOT, when the file system reports a lost write; EBADF,
   *   when something else closed the number. The handle is closed in either case.
   */
  close(): void {
    const cell = this.#cell;
    const number = cell === null ? this.#raw : cell.close();
    if (number < 0) return;
    this.#raw = NONE;
    // The set calls leaveSet, so the loop must not walk the set that shrinks.
    for (const set of [...(this.#sets ?? [])]) set.forget(this, number);
    this.closing(number);
    if (cell === null) closeNumber(number);
    else {
      removeFromSets(cell, number);
      giveBack(cell, cell.leave());
    }
  }

  /** Closes the handle at the end of a `using` block: {@link Descriptor.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, where the class's `from`
   * makes a handle of it again. All of them are one: closing any closes all.
   *
   * From the first call on, every call on this handle pays for the shared lifetime word.
   *
   * @throws {ClosedError} when the handle is closed
   * @throws {RangeError} when it is in more than 14 epoll sets
   * @throws {SyscallError} EMFILE, ENFILE, when a Loop waits for it that needs one more descriptor to
   *   hear of its closing, and there is none left
   *
   * @example
   * ```ts
   * import { EventFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * const here = EventFD.create();
   * const there = EventFD.from(structuredClone(here.share()));
   * there.signal(2);
   * assertEquals(here.wait(), 2n);
   * there.close();
   * assertEquals(here.closed, true);
   * ```
   */
  share(): SharedDescriptor {
    if (this.#cell === null) {
      const cell = Cell.hold(acquire(this));
      for (const set of this.#sets ?? []) attach(cell, set, this[Symbol.toStringTag]);
      this.#cell = cell;
      this.#raw = NONE;
    }
    if (this.#cell.closed) throw new ClosedError(this[Symbol.toStringTag]);
    return { kind: this[Symbol.toStringTag], cell: this.#cell.memory };
  }

  /** Called once, by the copy that closes, while the number is still open. */
  protected closing(_number: number): void {}

  #enter(cell: Cell): number {
    const number = cell.enter();
    if (number === NONE) throw new ClosedError(this[Symbol.toStringTag]);
    return number;
  }
}

/**
 * Takes a handle's shared form apart, for the `from` of a class.
 *
 * @throws {TypeError} when it is not the shared form of that kind of handle
 */
export function sharedCell(shared: unknown, kind: string): Cell {
  const { kind: other, cell } = (shared ?? {}) as Partial<SharedDescriptor>;
  if (other !== kind || !Cell.isMemory(cell)) {
    throw new TypeError(
      `${kind}.from takes what ${kind}.share() returned, got ${
        typeof other === "string" ? `a shared ${other}` : shown(shared)
      }`,
    );
  }
  return new Cell(cell);
}

/** Notes a set in the cell, where the kernel knows it. */
function attach(cell: Cell, set: InterestSet, what: string): void {
  if (set.raw < 0 || cell.attach(set.raw, set.bell?.())) return;
  throw new RangeError(
    `${what} is in more than ${MOST_SETS} epoll sets, the most that a shared handle can be in: ` +
      "dup() it for the next one",
  );
}

function giveBack(cell: Cell, number: number): void {
  if (number === NONE) return;
  // An ADD that was in flight during close() came after close() looked: look again.
  removeFromSets(cell, number);
  closeNumber(number);
}

/**
 * Removes the number from the sets that any thread put it in, and rings where somebody may wait for
 * it. The number of a set that is gone may name another file by now; EPOLL_CTL_DEL then fails, or takes
 * a file that is being closed out of a set that should not report it: it can do no harm.
 */
function removeFromSets(cell: Cell, number: number): void {
  cell.eachSet((set, bell) => {
    if (os === "linux") libc.epoll_ctl(set, linux.EPOLL_CTL_DEL, number, null);
    if (bell !== NONE) ring(bell);
  });
}

function closeNumber(number: number): void {
  if (libc.close(number) === 0) return;
  const code = errno();
  if (code !== EINTR) throw new SyscallError("close", code, number);
}
