/**
 * Does a wait cost by the entries that are ready, or by those that there are?
 *
 * Both polls have 10 ready; one has 10 entries and the other 10,000. A naive scan, which asks every
 * source at each wait, stands beside them. Each round also takes and puts back what was ready, as a
 * program does: by edges that is all the work, by levels each is asked once more.
 *
 * @module
 */

import { BoundedQueue, EntryFlags, EventMask, EventPoll } from "../mod.ts";
import { median, ratios, spread } from "./_statistics.ts";

const READY = 10;
const MANY = 10_000;
const ROUNDS = 2000;
const TRIES = 15;

interface Field {
  readonly poll: EventPoll;
  readonly queues: readonly BoundedQueue<number>[];
  readonly ready: readonly BoundedQueue<number>[];
}

/** A poll with so many queues, of which some, evenly spread, will be ready. */
function field(entries: number, flags: number): Field {
  const poll = new EventPoll();
  const queues = Array.from({ length: entries }, () => new BoundedQueue<number>(4));
  queues.forEach((file, data) => poll.addEntry({ file }, flags, EventMask.IN, data));
  const step = entries / READY;
  const ready = Array.from({ length: READY }, (_, index) => queues[Math.floor(index * step)]!);
  return { poll, queues, ready };
}

/** One wait, and what a program does about it. */
function turn({ poll, queues, ready }: Field): number {
  for (const queue of ready) queue.push(1);
  const events = poll.readEvents(64);
  for (const { data } of events) queues[Number(data)]!.take();
  return events.length;
}

/** The same by asking everybody. */
function naive({ queues, ready }: Field): number {
  for (const queue of ready) queue.push(1);
  let count = 0;
  for (const queue of queues) {
    if (queue.readiness(EventMask.IN) === 0) continue;
    queue.take();
    count++;
  }
  return count;
}

/** Microseconds of one round. */
function measure(round: () => number, rounds: number): number {
  const begin = performance.now();
  for (let index = 0; index < rounds; index++) {
    if (round() !== READY) throw new Error("not all that was ready was reported");
  }
  return (performance.now() - begin) * 1000 / rounds;
}

for (const [name, flags] of [["level", 0], ["edge", EntryFlags.EdgeTriggered]] as const) {
  const [few, many] = [field(READY, flags), field(MANY, flags)];
  for (const one of [few, many]) measure(() => turn(one), ROUNDS);
  const [small, large, scanned]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < TRIES; round++) {
    small.push(measure(() => turn(few), ROUNDS));
    large.push(measure(() => turn(many), ROUNDS));
    scanned.push(measure(() => naive(many), ROUNDS / 100));
  }
  const micros = (values: readonly number[]): string => `${median(values).toFixed(2)} us`;
  console.log(
    `${name}: a wait with ${READY} ready costs ${micros(small)} of ${READY} entries, ` +
      `${micros(large)} of ${MANY}: ratio ${spread(ratios(large, small))}; ` +
      `asking all ${MANY} costs ${micros(scanned)}: ${spread(ratios(scanned, large))} times a wait`,
  );
}
