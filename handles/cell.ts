/**
 * The lifetime word: who may still use a descriptor's number, and who gives it back.
 *
 * One cell is 128 bytes of shared memory that every thread's copy of a handle points to. Nothing in
 * this file makes a system call or knows what the number stands for, so that all of it is tested
 * without a descriptor.
 *
 * Invariants:
 * - The number is given back exactly once, to the call that finds the cell closed and nobody inside.
 * - While a call is inside ({@link Cell.enter} … {@link Cell.leave}), the number is not given back.
 * - After {@link Cell.close}, no call gets in.
 * - What {@link Cell.eachSet} lends stays open for as long: {@link Cell.detach} waits for it.
 *
 * @module
 */

// Word 0: bit 0 is "closed", the bits above count the calls inside. Word 1: the number.
// Word 2: the mark. From word 3 on, two words for each epoll set that holds the number: the set + 1,
// 0 in a free entry, negative while somebody works on it; and the bell + 1, 0 where there is none.
const STATE = 0;
const NUMBER = 1;
const MARK = 2;
const FIRST_SET = 3;
const WORDS = 32;

const CLOSED = 1;
const ONE_INSIDE = 2;
const LAST_OUT = CLOSED | ONE_INSIDE;

/** "fdlp": tells a cell from any other shared memory that a message may carry by mistake. */
const CELL_MARK = 0x66646c70;

/** What {@link Cell.enter} and {@link Cell.leave} answer when there is no number to have. */
export const NONE = -1;

/** In how many epoll sets of shared handles one descriptor can be: what is left of 128 bytes. */
export const MOST_SETS: number = (WORDS - FIRST_SET) >> 1;

const END_OF_SETS = FIRST_SET + 2 * MOST_SETS;

/** How long an entry is waited for that another thread works on, which takes two system calls. */
const PATIENCE_MS = 1000;

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
   * Notes that an epoll set holds the number, and what to ring when another copy closes it. Answers
   * whether there was room; a set that is noted already is noted once.
   *
   * Set and bell must stay open until {@link detach} has returned.
   */
  attach(set: number, bell: number = NONE): boolean {
    const words = this.#words;
    const entry = set + 1;
    for (let word = FIRST_SET; word < END_OF_SETS; word += 2) {
      const before = Atomics.compareExchange(words, word, 0, -entry);
      if (before === 0 || (Math.abs(before) === entry && this.#hold(word, entry))) {
        if (bell !== NONE) words[word + 1] = bell + 1;
        this.#letGo(word, entry);
        return true;
      }
    }
    return false;
  }

  /** Forgets an epoll set and its bell. No thread uses either any more when this returns. */
  detach(set: number): void {
    for (let word = FIRST_SET; word < END_OF_SETS; word += 2) {
      if (!this.#hold(word, set + 1)) continue;
      this.#words[word + 1] = 0;
      this.#letGo(word, 0);
    }
  }

  /**
   * Calls a function with each epoll set that holds the number, and with its bell, which it sees once:
   * {@link NONE} afterwards, and where there is none. Neither is closed meanwhile.
   */
  eachSet(visit: (set: number, bell: number) => void): void {
    const words = this.#words;
    for (let word = FIRST_SET; word < END_OF_SETS; word += 2) {
      const entry = Atomics.load(words, word);
      if (entry <= 0 || !this.#hold(word, entry)) continue;
      visit(entry - 1, words[word + 1]! - 1);
      words[word + 1] = 0;
      this.#letGo(word, entry);
    }
  }

  /** Takes an entry away from the other threads. Answers false when it is of another set, or free. */
  #hold(word: number, entry: number): boolean {
    for (let left = PATIENCE_MS; left > 0; left--) {
      const before = Atomics.compareExchange(this.#words, word, entry, -entry);
      if (before !== -entry) return before === entry;
      Atomics.wait(this.#words, word, -entry, 1);
    }
    return true; // Whoever has it was terminated with its thread, and does nothing with it any more.
  }

  #letGo(word: number, entry: number): void {
    Atomics.store(this.#words, word, entry);
    Atomics.notify(this.#words, word);
  }
}
