/**
 * One entry of an `EventPoll`, and the list of those that may be ready.
 *
 * @module
 */

import { EventMask } from "./event_mask.ts";
import type { SourceListener, Waitable } from "./waitable.ts";

const DIRECTIONS = EventMask.IN | EventMask.OUT;

/** What an entry tells the poll that it is in. */
export interface EntryOwner {
  /** The poll itself, as a source for other polls. */
  readonly poll: Waitable;
  /** Whether a `wait` is in progress. */
  readonly isWaitedFor: boolean;
  /** Every entry of it. */
  entries(): Iterable<Entry>;
  /** The entry may be ready. */
  noted(entry: Entry): void;
  /** The entry's file is gone. */
  lost(entry: Entry): void;
}

/** A place in an {@link EntryList}: an entry, or the list itself. */
export interface Place {
  previous: Place | null;
  next: Place | null;
}

/** An entry: what `struct epitem` is to the kernel. */
export class Entry implements SourceListener, Place {
  readonly owner: EntryOwner;
  readonly file: Waitable;
  readonly fd: number;
  readonly exclusive: boolean;
  /** What it waits for; 0 when it is disabled. */
  mask = 0;
  data: number | bigint = 0;
  edge = false;
  oneShot = false;
  /** How often it was set. */
  settings = 0;
  /** Whether the poll has it. */
  present = false;
  /** Its neighbours in the list that it is in, null while it waits or is disabled. */
  previous: Place | null = null;
  next: Place | null = null;
  /** Whether it was noted during the scan that is in progress. */
  missed = false;
  /** The next entry of the same file under another number. */
  sibling: Entry | null = null;
  /** Whether the file has it among its listeners. */
  #attached = false;

  /** An entry that waits for nothing yet. */
  constructor(owner: EntryOwner, file: Waitable, fd: number, exclusive: boolean) {
    this.owner = owner;
    this.file = file;
    this.fd = fd;
    this.exclusive = exclusive;
  }

  /** What the file is ready for, of what is waited for. */
  poll(): number {
    return this.mask === 0 ? 0 : (this.file.readiness(this.mask) & this.mask) >>> 0;
  }

  /** Listens to the file. */
  attach(): void {
    if (this.#attached) return;
    this.#attached = true;
    this.file.register(this);
  }

  /** Listens no more. */
  detach(): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.file.unregister(this);
  }

  /** See {@link SourceListener}. */
  notify(mask: number): boolean {
    const { exclusive, owner } = this;
    if (this.mask === 0 || (mask !== 0 && (mask & this.mask) === 0)) return !exclusive;
    // Who sleeps is asked before, because noting it wakes one.
    const wakes = !exclusive || (owner.isWaitedFor && this.#isFor(mask & DIRECTIONS));
    owner.noted(this);
    return wakes;
  }

  /** See {@link SourceListener}. */
  released(): void {
    this.#attached = false;
    this.owner.lost(this);
  }

  /** Whether a change in one direction is one that an exclusive entry waits for. */
  #isFor(directions: number): boolean {
    if (directions === 0) return true;
    return directions !== DIRECTIONS && (this.mask & directions) !== 0;
  }
}

/**
 * Entries in order: a ring in which the list itself stands before the first. An entry needs not know
 * its list to leave it, so that a list becomes a part of another in one step, however long it is.
 */
export class EntryList implements Place {
  previous: Place = this;
  next: Place = this;

  /** The first entry, null when there is none. */
  get first(): Entry | null {
    return this.next === this ? null : this.next as Entry;
  }

  /** Adds an entry at the end. */
  push(entry: Entry): void {
    link(entry, this.previous as Place, this);
  }

  /** Adds an entry at the beginning. */
  unshift(entry: Entry): void {
    link(entry, this, this.next as Place);
  }

  /** Moves all entries of another list, in their order, before those of this one. */
  prepend(other: EntryList): void {
    if (other.next === other) return;
    const first = other.next as Place;
    const last = other.previous as Place;
    other.previous = other.next = other;
    last.next = this.next;
    this.next!.previous = last;
    this.next = first;
    first.previous = this;
  }
}

/** Takes an entry out of the list that it is in; does nothing when it is in none. */
export function unlink(entry: Entry): void {
  const { previous, next } = entry;
  if (previous === null || next === null) return;
  previous.next = next;
  next.previous = previous;
  entry.previous = entry.next = null;
}

function link(entry: Entry, previous: Place, next: Place): void {
  entry.previous = previous;
  entry.next = next;
  previous.next = next.previous = entry;
}
