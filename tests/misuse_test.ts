// X03: whatever is called with whatever, no process dies, hangs or loses a descriptor.

import * as library from "@fdloop/fdloop";
import { assert, assertEquals, assertGreater } from "@std/assert";
import * as faulty from "./misuse/faulty.ts";
import { type Found, sweepExport } from "./misuse/run.ts";
import { SUBJECTS } from "./misuse/subjects.ts";
import { root, runtime, test } from "./support.ts";

/** Children at once: two cores are what CI has. */
const AT_ONCE = 2;

/** Of one cause there may be hundreds. */
const MOST_SHOWN = 30;

const table = `${root}tests/misuse/subjects.ts`;

test("X03 misuse: the table has a line for every export", () => {
  const missing = Object.keys(library).filter((name) => !Object.hasOwn(SUBJECTS, name));
  assertEquals(missing, [], "tests/misuse/subjects.ts: add how these are made and called");
});

test("X03 misuse: every member of every export with every value", async () => {
  const waiting = Object.entries(library).filter(([name]) => Object.hasOwn(SUBJECTS, name));
  const exports = waiting.length;
  const found: Found[] = [];
  const next = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      found.push(await sweepExport(one[0], one[1], { module: `${root}mod.ts`, table }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  const calls = found.reduce((sum, one) => sum + one.calls, 0);
  console.log(`misuse: ${calls} calls on the ${exports} exports of mod.ts, ${runtime}`);
  const problems = found.flatMap((one) => one.problems);
  const shown = problems.slice(0, MOST_SHOWN);
  if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
  assertEquals(shown.join("\n"), "");
  assertGreater(calls, 1000 * exports);
}, { timeoutMs: 300_000 });

// Proof that the sweep sees what it is for, on a library that does everything wrong.

/** After this long what hangs is ended; everything else has its time on a busy machine. */
const HANG_MS = 8000;

/** What promises that nothing settles are waited for. */
const CALL_MS = 2000;

const WRONGS: Readonly<Record<Exclude<keyof typeof faulty, "SUBJECTS">, readonly string[]>> = {
  throwsText: ["throwsText(): threw string oh"],
  leaks: ["leaks(): left a descriptor open"],
  touchesForeign: ["foreign descriptors were", "the foreign pipe held 1 bytes"],
  Reads: [
    "Reads.read(#1: a Uint8Array that lies about its length): went beyond the end of 8 bytes",
    "Reads.read(#1: undefined): the engine's TypeError",
  ],
  crashes: ["crashes(#1: NaN): the process ended with SIGKILL"],
  exits: ["exits(#1: NaN): the process ended with 3"],
  throwsLater: ["throwsLater(#1: NaN): threw where nobody can catch: oh"],
  hangs: [`hangs(#1: NaN): Error: script killed: no end within ${HANG_MS} ms`],
  neverSettles: [`neverSettles(): arguments that should work: Error: it: not within ${CALL_MS} ms`],
  complains: ["complains(): arguments that should work: TypeError: complains takes"],
  grows: ["`grows` has 2 parameters, and the table 1 arguments for it"],
  Good: [],
};

for (const [name, wrongs] of Object.entries(WRONGS)) {
  test(`X03 misuse: the sweep of a library that ${name}`, async () => {
    const module = `${root}tests/misuse/faulty.ts`;
    const ground = {
      module,
      table: module,
      timeoutMs: name === "hangs" ? HANG_MS : 45_000,
      callMs: name === "neverSettles" ? CALL_MS : 10_000,
    };
    const found = await sweepExport(name, faulty[name as keyof typeof faulty], ground);
    for (const wrong of wrongs) {
      assert(found.problems.some((one) => one.includes(wrong)), found.problems.join("\n"));
    }
    if (wrongs.length === 0) assertEquals(found.problems, []);
    assertGreater(found.calls, 0);
  });
}
