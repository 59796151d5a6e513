/**
 * Which polls wait for which: no poll waits for itself, however indirectly, and no chain of polls is
 * longer than the kernel allows.
 *
 * @module
 */

import type { Entry, EntryOwner } from "./event_entry.ts";
import { EventPollError } from "./event_poll_error.ts";
import type { Waitable } from "./waitable.ts";

/** The most steps from the outermost poll to the innermost: EP_MAX_NESTS, five polls in a chain. */
const MOST_STEPS = 4;

/** How many ways may lead from one source to outermost polls, by the polls between: `path_limits`. */
const PATH_LIMITS: readonly number[] = [Infinity, 500, 100, 50, 10];

/** In which entries a source is: what the kernel keeps with the open file. */
const watchers: WeakMap<Waitable, Set<Entry>> = new WeakMap();

/** The polls among the sources. */
const polls: WeakMap<Waitable, EntryOwner> = new WeakMap();

/** Notes that a source is a poll itself. */
export function nests(owner: EntryOwner): void {
  polls.set(owner.poll, owner);
}

/** Whether a source is a poll. */
export function isPoll(file: Waitable): boolean {
  return polls.has(file);
}

/** Notes that an entry is in a poll. */
export function joined(entry: Entry): void {
  const found = watchers.get(entry.file);
  if (found === undefined) watchers.set(entry.file, new Set([entry]));
  else found.add(entry);
}

/** Notes that it is not any more. */
export function left(entry: Entry): void {
  const found = watchers.get(entry.file);
  if (found?.delete(entry) && found.size === 0) watchers.delete(entry.file);
}

/**
 * Checks that a poll may wait for a source.
 *
 * @throws {EventPollError} ELOOP, when that would make a circle, or a chain of more than five polls
 */
export function checkDepth(owner: EntryOwner, file: Waitable): void {
  const inner = polls.get(file);
  if (inner === undefined) return;
  const down = stepsDown(inner, owner, 0, new Map());
  if (down + 1 + stepsUp(owner, 0) <= MOST_STEPS) return;
  throw new EventPollError(
    "epoll_ctl",
    "ELOOP",
    "Polls can be in one another five deep and not in a circle",
  );
}

/**
 * Checks that not too many ways lead from the sources behind a new entry to outermost polls: a change
 * of one would have to be told along each of them.
 *
 * @throws {EventPollError} EINVAL, when there are too many
 */
export function checkPaths({ owner, file }: Entry): void {
  const inner = polls.get(file);
  // Straight from a source to an outermost poll there may be any number of ways.
  if (inner === undefined && !watchers.has(owner.poll)) return;
  const sources = new Set<Waitable>();
  if (inner === undefined) sources.add(file);
  else collect(inner, sources);
  for (const source of sources) {
    if (countPaths(source, 0, [0, 0, 0, 0, 0])) continue;
    throw new EventPollError(
      "epoll_ctl",
      "EINVAL",
      "Too many ways would lead from one source through nested polls",
    );
  }
}

/** The longest way down from a poll through polls; more than the limit where it reaches `goal`. */
function stepsDown(
  from: EntryOwner,
  goal: EntryOwner,
  depth: number,
  known: Map<EntryOwner, number>,
): number {
  const before = known.get(from);
  if (before !== undefined) return before;
  let longest = 0;
  for (const { file } of from.entries()) {
    const inner = polls.get(file);
    if (inner === undefined) continue;
    longest = inner === goal || depth > MOST_STEPS
      ? MOST_STEPS + 1
      : Math.max(longest, stepsDown(inner, goal, depth + 1, known) + 1);
    if (longest > MOST_STEPS) break;
  }
  known.set(from, longest);
  return longest;
}

/** The longest way up from a poll to an outermost one. */
function stepsUp(from: EntryOwner, depth: number): number {
  if (depth > MOST_STEPS) return 0;
  let longest = 0;
  for (const { owner } of watchers.get(from.poll) ?? []) {
    longest = Math.max(longest, stepsUp(owner, depth + 1) + 1);
  }
  return longest;
}

/** Every source that is no poll, in a poll and in those inside it. */
function collect(from: EntryOwner, into: Set<Waitable>): void {
  for (const { file } of from.entries()) {
    const inner = polls.get(file);
    if (inner === undefined) into.add(file);
    else collect(inner, into);
  }
}

/** Counts the ways up from a source; false when there are too many. */
function countPaths(from: Waitable, depth: number, counts: number[]): boolean {
  if (depth > MOST_STEPS) return false;
  for (const { owner } of watchers.get(from) ?? []) {
    const fits = watchers.has(owner.poll)
      ? countPaths(owner.poll, depth + 1, counts)
      : ++counts[depth]! <= PATH_LIMITS[depth]!;
    if (!fits) return false;
  }
  return true;
}
