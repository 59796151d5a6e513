// Every export is documented, and every example in the documentation runs.

import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { exportsOf, moduleComment } from "./docs/exports.ts";
import { blocksIn, examplesIn, undocumented } from "./docs/rules.ts";
import { root, type ScriptResult, spawnScript, startScript, test } from "./support.ts";

const EXAMPLE_MS = 30_000;

/** Processes at once: two cores are what CI has. */
const AT_ONCE = 2;

const read = (path: string): string => fs.readFileSync(new URL(path, root), "utf8");
const documented = exportsOf("mod.ts", read);

/** What stands between an example's end and a good one, null for a good one. */
function complaint({ code, signal, stderr }: ScriptResult): string | null {
  if (code !== 0) return `ended with ${signal ?? `exit code ${code}`}\n${stderr}`;
  return stderr === "" ? null : `wrote to stderr:\n${stderr}`;
}

async function runExample(source: string): Promise<string | null> {
  try {
    return complaint(await spawnScript(source, { timeoutMs: EXAMPLE_MS }));
  } catch (error) {
    return String(error); // it did not end in time
  }
}

/** Runs examples, a few at once, each in a process of its own. */
async function runExamples(sources: readonly string[]): Promise<void> {
  const waiting = [...sources];
  const wrong: string[] = [];
  const next = async (): Promise<void> => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      const what = await runExample(source);
      if (what !== null) wrong.push(`${source}\n${what}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  assertEquals(wrong.join("\n\n"), "");
}

test("docs: every export has its documentation", () => {
  assertGreater(documented.length, 20);
  assertEquals(documented.flatMap(undocumented).join("\n"), "");
});

const subjects: [name: string, examples: string[]][] = [
  ["mod.ts", examplesIn(moduleComment("mod.ts", read))],
  ...documented.map(({ name, comment, members }): [string, string[]] => [
    name,
    [comment, ...members.map((member) => member.comment)].flatMap(examplesIn),
  ]),
];

for (const [name, examples] of subjects) {
  if (examples.length === 0) continue;
  const number = examples.length === 1 ? "the example" : `the ${examples.length} examples`;
  test(`docs: ${number} of ${name}`, () => runExamples(examples), {
    timeoutMs: (examples.length + 1) * EXAMPLE_MS,
  });
}

test("docs: the programs in README.md end by themselves or by SIGTERM", async () => {
  const programs = blocksIn(read("README.md"));
  assertGreater(programs.length, 0);
  for (const program of programs) {
    // One that waits for ever says something first; only then does it surely hear the signal.
    await using script = startScript(program, { stdin: "", timeoutMs: EXAMPLE_MS });
    await script.line(EXAMPLE_MS).catch(() => {}); // it ended without a word
    try {
      // Not by script.kill: Deno 2.9 takes a child that it has sent a signal for killed by it.
      process.kill(script.pid, "SIGTERM");
    } catch {
      // It has ended by itself.
    }
    assertEquals(complaint(await script.result), null, program);
  }
});

// Proof that the rules above can fail.

const tree = (declaration: string): (path: string) => string => (path) =>
  path === "mod.ts" ? `export { A } from "./a.ts";` : declaration;
const wrongWith = (declaration: string): string[] =>
  exportsOf("mod.ts", tree(declaration)).flatMap(undocumented);
const example = "\n * @example\n * ```ts\n * a();\n * ```\n ";

test("docs: what is missing is found", () => {
  const cases: [declaration: string, says: string[]][] = [
    [`export function A() {}`, ["a.ts:1: A has no doc comment"]],
    [`/** */ export function A() {}`, ["a.ts:1: A has no doc comment"]],
    [`/** @throws {Error} always */ export const A = 1;`, ["a.ts:1: A has no doc comment"]],
    [`/** D. */ export const A = 1;`, ["a.ts:1: A has no @example with a ts block"]],
    ["/** D.\n * @example\n * ```sh\n * a\n * ```\n */ export class A {}", [
      "a.ts:6: A has no @example with a ts block",
    ]],
    [`/** D. */ export interface A { a: 1 }`, ["a.ts:1: A.a has no doc comment"]],
    [`/** D. */ export type A = { a(): 1 };`, ["a.ts:1: A.a has no doc comment"]],
    [`/** D. ${example}*/ export class A {\n static a() {}\n constructor() {}\n get b() {} }`, [
      "a.ts:7: A.a has no doc comment",
      "a.ts:8: A.constructor has no doc comment",
      "a.ts:9: A.b has no doc comment",
    ]],
  ];
  for (const [declaration, says] of cases) assertEquals(wrongWith(declaration), says);
});

test("docs: what is there is seen", () => {
  const good = [
    `/** D. */ export interface A {\n /** D. */\n a: 1 }`,
    `/** D. */ export type A = 1;`,
    `/** D. ${example}*/ export function A(): 1; export function A(a?: 1) {}`,
    `/** D. ${example}*/ export class A { #a; private constructor() {} protected a() {}
       get [Symbol.toStringTag]() {} static { } }`,
  ];
  for (const declaration of good) assertEquals(wrongWith(declaration), []);
  const passedOn = (path: string): string =>
    path === "b.ts" ? good[0]!.replace("A", "B") : `export { B as A } from "./b.ts";`;
  assertEquals(exportsOf("mod.ts", passedOn).map(({ name, where }) => [name, where]), [
    ["A", "b.ts:1"],
  ]);
  assertThrows(() => exportsOf("mod.ts", tree("const B = 1;")), Error, "does not declare");
  assertThrows(() => exportsOf("mod.ts", () => `export * from "./a.ts";`), Error, "only named");
});

test("docs: an example that fails, complains or does not end is found", async () => {
  const source = `/** D.\n *\n * @example\n * \`\`\`ts\n * a(" * ");\n *\n * b();\n * \`\`\`\n */`;
  assertEquals(examplesIn(source), [`a(" * ");\n\nb();\n`]);
  assertEquals(await runExample(`console.log("fine");`), null);
  for (
    const [bad, says] of [
      [`throw new Error("at once");`, "at once"],
      [`console.error("a word");`, "a word"],
      [`import process from "node:process"; process.kill(process.pid, "SIGTERM");`, "SIGTERM"],
    ]
  ) {
    const what = await runExample(bad!);
    assert(what?.includes(says!), `${bad}: ${what}`);
  }
});
