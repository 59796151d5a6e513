/**
 * The entries of an `EventPoll`, by file and number.
 *
 * @module
 */

import type { Entry } from "./event_entry.ts";
import { joined, left } from "./event_nesting.ts";
import type { Waitable } from "./waitable.ts";

/** All entries of one poll. */
export class Entries {
  /** The first entry of each file; others of it follow as siblings. */
  readonly #first: Map<Waitable, Entry> = new Map();
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** The entry of a file under a number. */
  find(file: Waitable, fd: number): Entry | null {
    let entry = this.#first.get(file) ?? null;
    while (entry !== null && entry.fd !== fd) entry = entry.sibling;
    return entry;
  }

  /** Takes in an entry. */
  add(entry: Entry): void {
    entry.sibling = this.#first.get(entry.file) ?? null;
    this.#first.set(entry.file, entry);
    this.#size++;
    entry.present = true;
    joined(entry);
  }

  /** Takes an entry out, which then does not listen any more. Taking it out again does nothing. */
  remove(entry: Entry): void {
    if (!entry.present) return;
    entry.present = false;
    this.#size--;
    this.#cut(entry);
    left(entry);
    entry.detach();
  }

  /** Every entry, in no order. */
  *each(): Generator<Entry, void, undefined> {
    for (const first of this.#first.values()) {
      for (let entry: Entry | null = first; entry !== null; entry = entry.sibling) yield entry;
    }
  }

  #cut(entry: Entry): void {
    const { file, sibling } = entry;
    entry.sibling = null;
    let before = this.#first.get(file)!;
    if (before !== entry) {
      while (before.sibling !== entry) before = before.sibling!;
      before.sibling = sibling;
    } else if (sibling !== null) this.#first.set(file, sibling);
    else this.#first.delete(file);
  }
}
