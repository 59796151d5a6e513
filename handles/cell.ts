/**
 * The lifetime word: who may still use a descriptor's number, and who gives it back.
 *
 * One cell is 64 bytes of shared memory that every thread's copy of a handle points to. Nothing in
 * this file makes a system call or knows what the number stands for, so that all of it is tested
 * without a descriptor.
 *
 * Invariants:
 * - The number is given back exactly once, to the call that finds the cell closed and nobody inside.
 * - While a call is inside ({@link Cell.enter} … {@link Cell.leave}), the number is not given back.
 * - After {@link Cell.close}, no call gets in.
 *
 * @module
 */

// Word 0: bit 0 is "closed", the bits above count the calls inside. Word 1: the number.
// Word 2: the mark. Words 3…15: the epoll sets that hold the number, as set + 1; 0 is free.
const STATE = 0;
const NUMBER = 1;
const MARK = 2;
const FIRST_SET = 3;
const WORDS = 16;

const CLOSED = 1;
const ONE_INSIDE = 2;
const LAST_OUT = CLOSED | ONE_INSIDE;

/** "fdlp": tells a cell from any other shared memory that a message may carry by mistake. */
const CELL_MARK = 0x66646c70;

/** What {@link Cell.enter} and {@link Cell.leave} answer when there is no number to have. */
export const NONE = -1;

/** In how many epoll sets of shared handles one descriptor can be: what is left of 64 bytes. */
export const MOST_SETS: number = WORDS - FIRST_SET;

/** One descriptor's number and lifetime, addressable from every thread. */
export class Cell {
  readonly #words: Int32Array;

  /** Lays a cell over memory that {@link Cell.hold} made, here or on another thread. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Makes a cell that holds a number. */
  static hold(number: number): Cell {
    const cell = new Cell(new SharedArrayBuffer(WORDS * 4));
    cell.#words[NUMBER] = number;
    cell.#words[MARK] = CELL_MARK;
    return cell;
  }

  /** Whether a value that came in a message is the memory of a cell. */
  static isMemory(value: unknown): value is SharedArrayBuffer {
    return value instanceof SharedArrayBuffer && value.byteLength === WORDS * 4 &&
      new Int32Array(value)[MARK] === CELL_MARK;
  }

  /** The memory, to be sent to another thread. */
  get memory(): SharedArrayBuffer {
    return this.#words.buffer as SharedArrayBuffer;
  }

  /** The number, or {@link NONE} once the cell is closed, even while calls are still inside. */
  get number(): number {
    return this.closed ? NONE : Atomics.load(this.#words, NUMBER);
  }

  /** Whether close was called on any copy. */
  get closed(): boolean {
    return (Atomics.load(this.#words, STATE) & CLOSED) !== 0;
  }

  /** Goes inside: answers the number, which stays valid until {@link leave}, or {@link NONE}. */
  enter(): number {
    const words = this.#words;
    for (;;) {
      const state = Atomics.load(words, STATE);
      if ((state & CLOSED) !== 0) return NONE;
      if (Atomics.compareExchange(words, STATE, state, state + ONE_INSIDE) === state) {
        return words[NUMBER]!;
      }
    }
  }

  /**
   * Goes outside. Answers {@link NONE}, or the number when this was the last call inside a closed
   * cell: whoever receives it must give it back to the kernel.
   */
  leave(): number {
    if (Atomics.sub(this.#words, STATE, ONE_INSIDE) !== LAST_OUT) return NONE;
    return Atomics.exchange(this.#words, NUMBER, NONE);
  }

  /**
   * Closes the cell and goes inside in one step, so that the number can still be used to clean up:
   * answers it, and {@link leave} must follow. Answers {@link NONE} when the cell was closed before.
   */
  close(): number {
    const words = this.#words;
    for (;;) {
      const state = Atomics.load(words, STATE);
      if ((state & CLOSED) !== 0) return NONE;
      const next = (state + ONE_INSIDE) | CLOSED;
      if (Atomics.compareExchange(words, STATE, state, next) === state) return words[NUMBER]!;
    }
  }

  /**
   * Notes that an epoll set holds the number. Answers whether there was room; a set that is noted
   * already is noted once.
   */
  attach(set: number): boolean {
    for (let word = FIRST_SET; word < WORDS; word++) {
      const before = Atomics.compareExchange(this.#words, word, 0, set + 1);
      if (before === 0 || before === set + 1) return true;
    }
    return false;
  }

  /** Forgets an epoll set. */
  detach(set: number): void {
    for (let word = FIRST_SET; word < WORDS; word++) {
      Atomics.compareExchange(this.#words, word, set + 1, 0);
    }
  }

  /** Calls a function with each epoll set that holds the number. */
  eachSet(visit: (set: number) => void): void {
    for (let word = FIRST_SET; word < WORDS; word++) {
      const set = Atomics.load(this.#words, word);
      if (set !== 0) visit(set - 1);
    }
  }
}
