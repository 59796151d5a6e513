// The rules of tests/tidy.ts over the whole tree, and proof that each of them can fail.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { root, test } from "./support.ts";
import { checkFile, checkText, checkTwins } from "./tidy.ts";

const IGNORED = [".git", "node_modules", "dist", "coverage"];
const TEXT = /(\.(ts|mjs|json|toml|md|yml|c|h|sh)|LICENSE|\.gitignore|\.npmrc|\.ci\/run)$/;

/** Every text file of the repository, by its path from the root. */
function* tree(folder: string = ""): Generator<string> {
  const base = fileURLToPath(root);
  for (const entry of fs.readdirSync(path.join(base, folder), { withFileTypes: true })) {
    const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !IGNORED.includes(entry.name)) yield* tree(name);
    else if (entry.isFile() && TEXT.test(name)) yield name;
  }
}

function read(name: string): string {
  return fs.readFileSync(new URL(name, root), "utf8");
}

const lines = (count: number): string => "\n".repeat(count);
const functionOf = (count: number): string => `function f(): void {${lines(count - 1)}}\n`;

/** Path, text, and what the one violation says. */
const BAD: [path: string, text: string, says: string][] = [
  ["ffi/a.ts", lines(401), "401 lines, at most 400"],
  ["examples/a.ts", lines(401), "401 lines, at most 400"],
  ["tests/a.ts", lines(601), "601 lines, at most 600"],
  ["bench/a.ts", functionOf(61), "a function of 61 lines, at most 60"],
  ["ffi/a.ts", `class A { m(): void {${lines(60)}} }`, "a function of 61 lines"],
  ["ffi/a.ts", `const a = [1].map((n) => {${lines(60)} return n; });`, "a function of 61 lines"],
  ["ffi/a.ts", `import fs from "node:fs";`, `imports "node:fs"`],
  ["ffi/a.ts", `import { assert } from "@std/assert";`, "depends on nothing outside"],
  ["ffi/a.ts", `import { a } from "./b";`, "without .ts"],
  ["ffi/a.ts", `import { a } from "../handles/b.ts";`, "imports handles/b.ts: the order is ffi <-"],
  ["ffi/a.ts", `import type { A } from "../mod.ts";`, "imports mod.ts: the order is"],
  ["handles/a.ts", `export { a } from "../loop/b.ts";`, "imports loop/b.ts"],
  ["handles/a.ts", `const a = await import("../loop/b.ts");`, "imports loop/b.ts"],
  ["handles/a.ts", `let a: import("../loop/b.ts").A;`, "imports loop/b.ts"],
  ["handles/a.ts", `new URL("../loop/b.ts", import.meta.url);`, "imports loop/b.ts"],
  ["loop/a.ts", `import { test } from "../tests/support.ts";`, "which is not the library"],
  ["ffi/libc.ts", `const v: string = Bun.version;`, "names a runtime"],
  ["ffi/libc.ts", `const v: unknown = globalThis.Deno;`, "names a runtime"],
  ["handles/a.ts", `const v: unknown = globalThis["Deno"];`, "names a runtime"],
  ["handles/a.ts", `const v: boolean = "Bun" in globalThis;`, "names a runtime"],
  ["loop/a.ts", `const v: unknown = load("bun:ffi");`, "names a runtime"],
  ["ffi/a.ts", `enum E { A }`, "an enum"],
  ["ffi/a.ts", `namespace N { let a: 1; }`, "a namespace"],
  ["ffi/a.ts", `let a: any;`, "any: use unknown"],
  ["ffi/a.ts", `class A { private a: number = 1; }`, "private: use #names"],
  ["ffi/a.ts", `/** D. */ export default function f(): void {}`, "a default export"],
  ["ffi/a.ts", `const a: number = 1; export { a as default };`, "a default export"],
  ["ffi/a.ts", `function f() {}`, "no return type"],
  ["ffi/a.ts", `class A { get a() { return 1; } }`, "no return type"],
  ["loop/a.ts", `const f = () => 1;`, "no return type"],
  ["ffi/a.ts", `export const a: number = 1;`, "an export without a doc comment"],
  ["mod.ts", `/** D. @module */ export * from "./ffi/a.ts";`, "only named re-exports"],
  ["mod.ts", `/** D. @module */ import "./ffi/a.ts";`, "only named re-exports"],
  ["mod.ts", `export { a } from "./ffi/a.ts";`, "begins with a doc comment"],
];

/** Path and text with which nothing is wrong. */
const GOOD: [path: string, text: string][] = [
  ["ffi/a.ts", lines(400)],
  ["tests/a.ts", functionOf(60)],
  ["ffi/deno.ts", `const deno: unknown = (globalThis as { Deno?: unknown }).Deno;`],
  ["ffi/bun.ts", `const bun: unknown = load("bun:ffi");`],
  ["handles/a.ts", `/** Bun and Deno. */ const hint: string = "Deno needs --allow-ffi";`],
  ["handles/a.ts", `import { a } from "../ffi/a.ts"; import { b } from "./b.ts";`],
  ["handles/a.ts", `const a: number[] = [1].map((n) => { switch (n) { default: return n; } });`],
  ["handles/a.ts", `/** D. */ export function f(): void; export function f(a?: 1): void {}`],
  ["handles/a.ts", `class A { private constructor() {} protected a(): void {} }`],
  ["handles/a.ts", `const back: Back = { call(a) { return a; } };`],
  ["tests/a.ts", `import fs from "node:fs"; export const a: number = Bun.version;`],
  ["mod.ts", `/** D.\n * @module\n */\nexport { a, type B } from "./ffi/a.ts";`],
];

test("tidy: every rule finds what it is for, and only that", () => {
  for (const [name, text, says] of BAD) {
    const found = checkFile(name, text);
    assertEquals(found.length, 1, `${name}: ${text.trim()}: ${found.join("; ")}`);
    assertStringIncludes(found[0]!, says);
    assert(found[0]!.startsWith(`${name}:`));
  }
});

test("tidy: no rule finds anything in good code", () => {
  for (const [name, text] of GOOD) assertEquals(checkFile(name, text), [], text);
});

test("tidy: unfinished work and machines' paths are found in any text", () => {
  const marks = ["TO" + "DO", "FIX" + "ME"];
  for (const mark of marks) assertEquals(checkText("a.md", `x\n// ${mark}: later`).length, 1);
  for (const folder of ["/ho" + "me/me/x", "/Us" + "ers/me", "/ro" + "ot/.cache"]) {
    assertEquals(checkText("a.md", `see ${folder}`), ["a.md:1: a path of one machine"]);
    assertEquals(checkText("a.md", `"${folder}"`).length, 1);
  }
  assertEquals(checkText("a.md", "https://example.org/home/x and mastodon"), []);
});

test("tidy: a test without a source is found", () => {
  const good = ["handles/eventfd.ts", "tests/eventfd_test.ts", "tests/conformance/lone_test.ts"];
  assertEquals(checkTwins([...good, "tests/support.ts", "tests/support_test.ts"]), []);
  assertEquals(checkTwins([...good, "tests/lone_test.ts"]).length, 1);
});

test("tidy: the tree keeps the rules", () => {
  const files = [...tree()];
  assertGreater(files.length, 10);
  const violations = files.flatMap((name) => [
    ...(name.endsWith(".ts") ? checkFile(name, read(name)) : []),
    ...checkText(name, read(name)),
  ]);
  assertEquals([...violations, ...checkTwins(files)].join("\n"), "");
});
