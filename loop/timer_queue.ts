/**
 * Deadlines in order: a heap with four children to a node, which knows where each entry is.
 *
 * Adding, moving and removing cost the logarithm of the number of entries to base 4, ten steps for a
 * million; looking at the next deadline costs nothing. Entries of one deadline come in the order in
 * which they were added. Nothing here knows a clock.
 *
 * @module
 */

/** Something with a deadline. The queue writes `position` and `order`; nothing else may. */
export interface Deadline {
  /** When it is due, in the queue's unit. Changed through {@link TimerQueue.add} alone. */
  deadline: number;
  /** Where it is in the heap, {@link ABSENT} when it is in none. */
  position: number;
  /** Which of two equal deadlines was added first. */
  order: number;
}

/** The position of an entry that is in no queue. */
export const ABSENT = -1;

const CHILDREN = 4;

/** Entries by deadline. */
export class TimerQueue<Entry extends Deadline> {
  readonly #heap: Entry[] = [];
  #added = 0;

  /** How many entries there are. */
  get size(): number {
    return this.#heap.length;
  }

  /** The next deadline, Infinity when there is none. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.deadline;
  }

  /** Puts an entry in, or moves it when it is in already. */
  add(entry: Entry, deadline: number): void {
    entry.deadline = deadline;
    entry.order = this.#added++;
    if (entry.position === ABSENT) {
      entry.position = this.#heap.length;
      this.#heap.push(entry);
    }
    this.#settle(entry);
  }

  /** Takes an entry out. One that is in no queue stays so. */
  remove(entry: Entry): void {
    const { position } = entry;
    if (position === ABSENT) return;
    entry.position = ABSENT;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    last.position = position;
    this.#heap[position] = last;
    this.#settle(last);
  }

  /** How many entries were ever added: what is added from here on has at least this order. */
  get added(): number {
    return this.#added;
  }

  /**
   * Takes out the next entry that is due at a time, or answers null. `before` leaves those in that
   * were added since {@link added} was asked: what fires must not be fired again in the same round.
   */
  takeDue(now: number, before: number = Infinity): Entry | null {
    const first = this.#heap[0];
    if (first === undefined || first.deadline > now || first.order >= before) return null;
    this.remove(first);
    return first;
  }

  /** Moves an entry up or down to where it belongs. */
  #settle(entry: Entry): void {
    this.#rise(entry);
    this.#sink(entry);
  }

  #rise(entry: Entry): void {
    const heap = this.#heap;
    let position = entry.position;
    while (position > 0) {
      const parent = heap[(position - 1) >> 2]!;
      if (!isBefore(entry, parent)) break;
      heap[position] = parent;
      const above = parent.position;
      parent.position = position;
      position = above;
    }
    heap[position] = entry;
    entry.position = position;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let position = entry.position;
    for (;;) {
      const first = position * CHILDREN + 1;
      const end = Math.min(first + CHILDREN, heap.length);
      let least = entry;
      for (let child = first; child < end; child++) {
        if (isBefore(heap[child]!, least)) least = heap[child]!;
      }
      if (least === entry) break;
      heap[position] = least;
      const below = least.position;
      least.position = position;
      position = below;
    }
    heap[position] = entry;
    entry.position = position;
  }
}

function isBefore(one: Deadline, other: Deadline): boolean {
  return one.deadline < other.deadline ||
    (one.deadline === other.deadline && one.order < other.order);
}
