// G15: EventPoll and the kernel's epoll, step for step.

import process from "node:process";
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { EntryFlags, EventMask } from "../loop/event_mask.ts";
import { compare, fuzz, show } from "./event_poll_fuzz.ts";
import { generate } from "./event_poll_fuzz/generator.ts";
import { MemoryWorld } from "./event_poll_fuzz/memory_world.ts";
import { OPS, type Program, type Step, type World } from "./event_poll_fuzz/program.ts";
import { test } from "./support.ts";

const linux = process.platform === "linux";

/** Fixed, so that a red run is red again; `npm run fuzz` takes others. */
const SEED = 1;
const STEPS = 1_000_000;

/** What a million steps must have met, for their agreement to say something. */
const OUTCOMES: readonly (readonly [op: keyof typeof OPS, result: RegExp, least: number])[] = [
  ["wait", /^\[\S+\]$/, 10_000],
  ["wait", /^\[\S+ \S+ \S+/, 1000],
  ["wait", /^$/, 10_000],
  ["add", /^ok$/, 10_000],
  ["add", /^EEXIST$/, 1000],
  ["add", /^EINVAL$/, 1000],
  ["add", /^ELOOP$/, 1000],
  ["add", /^EBADF$/, 500],
  ["modify", /^ok$/, 1000],
  ["modify", /^ENOENT$/, 1000],
  ["modify", /^EINVAL$/, 1000],
  ["remove", /^ok$/, 500],
  ["remove", /^ENOENT$/, 500],
  ["write", /^EAGAIN$/, 500],
  ["write", /^EPIPE$/, 500],
  ["read", /^ECONNRESET$/, 10],
  ["read", /^0$/, 100],
  ["fill", /^[1-9]\d+ EAGAIN$/, 500],
];

test.if(
  linux,
  "the kernel's epoll is Linux",
  `G15 fuzz: ${STEPS} steps on EventPoll and on epoll, no difference`,
  () => {
    const seen = new Map<string, number>();
    const told = ([op]: Step, result: string): void => {
      const key = `${op} ${result}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    };
    const begin = performance.now();
    const { steps, difference } = fuzz({ seed: SEED, steps: STEPS, told });
    const seconds = (performance.now() - begin) / 1000;
    console.log(`fuzz: ${steps} steps from seed ${SEED} in ${seconds.toFixed(1)} s`);
    assertEquals(difference && `seed ${difference.seed}: ${show(difference)}`, null);
    for (const [op, result, least] of OUTCOMES) {
      let count = 0;
      for (const [key, times] of seen) {
        const [number, ...words] = key.split(" ");
        if (Number(number) === OPS[op] && result.test(words.join(" "))) count += times;
      }
      assertGreater(count, least, `${op} answered ${result}`);
    }
  },
  { timeoutMs: 300_000 },
);

// Proof that the comparison sees what it is for: worlds with one mistake each.

/** What a world does wrong. */
type Wrong = (step: Step, apply: (step: Step) => string) => string;

function faulty(wrong: Wrong): () => World {
  return () => {
    const world = new MemoryWorld();
    return {
      apply: (step) => wrong(step, (one) => world.apply(one)),
      clear: () => world.clear(),
      [Symbol.dispose]: () => world.clear(),
    };
  };
}

const FAULTS: Readonly<Record<string, Wrong>> = {
  "reports in another order": (step, apply) => {
    const result = apply(step);
    const events = result.slice(1, -1).split(" ");
    return result.startsWith("[") ? `[${events.reverse().join(" ")}]` : result;
  },
  "ignores EdgeTriggered": (step, apply) =>
    apply(step.length === 6 ? step.with(4, step[4]! & ~EntryFlags.EdgeTriggered) : step),
  "ignores OneShot": (step, apply) =>
    apply(step.length === 6 ? step.with(4, step[4]! & ~EntryFlags.OneShot) : step),
  "drops RDNORM": (step, apply) =>
    apply(step.length === 6 ? step.with(3, step[3]! & ~EventMask.RDNORM) : step),
  "polls twice": (step, apply) => {
    if (step[0] === OPS.write) apply([OPS.modify, 0, step[1]!, EventMask.IN, 0, 0]);
    return apply(step);
  },
};

for (const [name, wrong] of Object.entries(FAULTS)) {
  test.if(linux, "the kernel's epoll is Linux", `fuzz: finds a poll that ${name}`, () => {
    const { difference } = fuzz({ seed: SEED, steps: 100_000, make: faulty(wrong) });
    assert(difference !== null);
    assertLess(difference.program.length, 10, show(difference));
    assertEquals(compare(difference.program), null, "it is the fault that differs");
  });
}

test("fuzz: the same seed makes the same program", () => {
  assertEquals(generate(7, 100), generate(7, 100));
  assert(JSON.stringify(generate(7, 100)) !== JSON.stringify(generate(8, 100)));
});

/** Five polls in a chain, each in the next under four numbers: 256 ways, of which ten are allowed. */
const TOO_MANY_WAYS: Program = [
  ...[0, 1, 2, 3, 4].map((slot) => [OPS.poll, slot]),
  ...[0, 1, 2, 3].flatMap((outer) => [
    [OPS.add, outer, outer + 1, EventMask.IN, 0, 0],
    ...[5, 6, 7].flatMap((copy) => [
      [OPS.dup, outer + 1, copy],
      [OPS.add, outer, copy, EventMask.IN, 0, 0],
      [OPS.close, copy], // the file is open still, and so the entry stays
    ]),
  ]),
  [OPS.counter, 5, 1, 0],
  [OPS.add, 4, 5, EventMask.IN, 0, 1],
  [OPS.add, 3, 5, EventMask.IN, 0, 1],
  [OPS.add, 2, 5, EventMask.IN, 0, 1],
  ...[0, 1, 2, 3, 4].map((slot) => [OPS.wait, slot, 8]),
];

/** Programs that differed once, in their shortest form, and what the kernel does there. */
const REGRESSIONS: Readonly<Record<string, Program>> = {
  // What had been the end of a pair fills up by the memory that messages take, not by their bytes.
  "a message of 20,000 bytes counts 21,248": [[OPS.pair, 0, 2], [OPS.write, 2, 7], [OPS.fill, 2]],
  "a pair whose peer is closed is broken at the first write": [
    [OPS.pair, 4, 5],
    [OPS.pair, 6, 5],
    [OPS.fill, 4],
  ],
  // fs/eventpoll.c wakes polls outside with EPOLLIN and no other word.
  "an outer poll that waits for RDNORM is not woken by an inner one": [
    [OPS.poll, 0],
    [OPS.poll, 1],
    [OPS.counter, 2, 0, 0],
    [OPS.add, 0, 1, EventMask.RDNORM, 0, 1],
    [OPS.add, 1, 2, EventMask.IN, 0, 2],
    [OPS.write, 2, 0],
    [OPS.wait, 0, 8],
    [OPS.modify, 0, 1, EventMask.RDNORM, 0, 1],
    [OPS.wait, 0, 8],
  ],
  // fs/pipe.c wakes readers after a write that took nothing, once anybody has polled the pipe.
  "a write to a full pipe is an edge for its reader": [
    [OPS.poll, 0],
    [OPS.pipe, 1, 2],
    [OPS.add, 0, 1, EventMask.IN, EntryFlags.EdgeTriggered, 1],
    [OPS.fill, 2],
    [OPS.wait, 0, 8],
    [OPS.wait, 0, 8],
    [OPS.write, 2, 0],
    [OPS.wait, 0, 8],
  ],
  // Every wake of the inner set is one for the outer, also while the inner one has reports already.
  "an outer edge for every change inside": [
    [OPS.poll, 0],
    [OPS.poll, 1],
    [OPS.counter, 2, 0, 0],
    [OPS.add, 0, 1, EventMask.IN, EntryFlags.EdgeTriggered, 1],
    [OPS.add, 1, 2, EventMask.IN, 0, 2],
    [OPS.write, 2, 0],
    [OPS.wait, 0, 8],
    [OPS.wait, 0, 8],
    [OPS.write, 2, 0],
    [OPS.wait, 0, 8],
  ],
  // fs/eventpoll.c: path_limits.
  "too many ways from one source to outermost polls": TOO_MANY_WAYS,
  // Silent means silent: the reader's end of a one-shot writer goes without ERR being reported.
  "OneShot silences ERR and HUP, too": [
    [OPS.poll, 0],
    [OPS.pipe, 1, 2],
    [OPS.add, 0, 2, EventMask.OUT, EntryFlags.OneShot, 1],
    [OPS.wait, 0, 8],
    [OPS.close, 1],
    [OPS.wait, 0, 8],
    [OPS.modify, 0, 2, 0, 0, 1],
    [OPS.wait, 0, 8],
  ],
};

for (const [name, program] of Object.entries(REGRESSIONS)) {
  test.if(linux, "the kernel's epoll is Linux", `fuzz, kept: ${name}`, () => {
    const difference = compare(program);
    assertEquals(difference && show(difference), null);
  });
}
