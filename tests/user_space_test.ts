// EventPoll without fdloop: on Node, and where there is nothing but the web's own globals.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { assertEquals, assertGreater } from "@std/assert";
import * as pure from "../loop/user_space.ts";
import * as library from "../mod.ts";
import { digest, DIGEST_PROGRAMS, DIGEST_SEED } from "./event_poll_fuzz/digest.ts";
import { deadline, hasCommand, root, runtime, tempDir, test } from "./support.ts";

const inRoot = (name: string): string => fileURLToPath(new URL(name, root));

/** Names of globals that are a runtime's, and not the web's. */
const FOREIGN = /\b(process|Deno|Bun|Buffer|require|setImmediate|global)\b|["']node:|["']bun:/;

/** A file and all that it imports, by its path from the root. */
function closure(name: string, into: Set<string> = new Set()): Set<string> {
  if (into.has(name)) return into;
  into.add(name);
  const { importedFiles } = ts.preProcessFile(fs.readFileSync(inRoot(name), "utf8"));
  for (const { fileName } of importedFiles) {
    closure(new URL(fileName, `file:///${name}`).pathname.slice(1), into);
  }
  return into;
}

/** The code of a file without comments and types. */
function code(name: string): string {
  return ts.transpileModule(fs.readFileSync(inRoot(name), "utf8"), {
    compilerOptions: { removeComments: true, target: ts.ScriptTarget.ESNext },
  }).outputText.replace(/\/\*\*[^]*?\*\//g, "");
}

async function command(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { cwd: inRoot(""), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const end = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  assertEquals([await deadline(60_000, end, program), ""], [0, ""], errors + output);
  return output;
}

const builtin = inRoot("node_modules/bun/bin/bun.exe");
const bun = runtime === "bun" ? process.execPath : fs.existsSync(builtin) ? builtin : null;
const bundles = bun !== null && hasCommand("node");

/** Bundles a file, which must succeed, and answers its code. */
async function bundle(name: string, args: readonly string[], into: string): Promise<string> {
  await command(bun!, ["build", inRoot(name), `--outfile=${into}`, ...args]);
  return fs.readFileSync(into, "utf8");
}

test("user space: nothing on its path names a runtime, or imports from ffi", () => {
  const files = [...closure("loop/user_space.ts")];
  assertGreater(files.length, 15);
  for (const name of files) {
    assertEquals(FOREIGN.exec(code(name))?.[0], undefined, name);
    assertEquals(name.startsWith("ffi/"), false, name);
  }
});

test("user space: its names are those of the main module, and the same objects", () => {
  for (const [name, value] of Object.entries(pure)) {
    assertEquals((library as Record<string, unknown>)[name], value, name);
  }
});

test.if(
  bundles,
  "it needs node and node_modules/bun",
  "user space: a browser's bundle names no runtime, and answers as it does here",
  async () => {
    using dir = tempDir();
    const browser = ["--target=browser", "--format=iife"];
    const all = await bundle("loop/user_space.ts", browser, path.join(dir.path, "all.js"));
    const code = all.replace(/^\s*\/\/.*$/gm, "");
    assertEquals(FOREIGN.exec(code)?.[0], undefined);
    const file = path.join(dir.path, "digest.js");
    await bundle("tests/event_poll_fuzz/digest.ts", browser, file);
    // A context has the language's own globals and no others.
    const program = `const context = vm.createContext({});
      vm.runInContext(fs.readFileSync(${JSON.stringify(file)}, "utf8"), context);
      console.log(vm.runInContext("fdloopDigest()", context));`;
    const requires = `const fs = require("node:fs"), vm = require("node:vm");`;
    const there = await command("node", ["--eval", requires + program]);
    assertEquals(there.trim(), digest(DIGEST_SEED, DIGEST_PROGRAMS));
  },
  { timeoutMs: 60_000 },
);

/** What the warm-up of tests/support.ts needs to find nothing to warm up. */
const NO_WORKER = "globalThis.Worker = class { set onmessage(f) { f(); } terminate() {} };";

/** Tests of what is pure, which are pure themselves but for what checks descriptors. */
const PURE_TESTS: readonly string[] = [
  "event_poll",
  "event_nesting",
  "waitable",
  "memory_file",
  "bounded_queue",
  "abort_source",
  "port_source",
  "stream_source",
  "stream_sink",
];

test.if(
  bundles,
  "it needs node and node_modules/bun",
  "user space: its own tests pass on Node",
  async () => {
    using dir = tempDir();
    for (const name of PURE_TESTS) {
      const file = path.join(dir.path, `${name}.mjs`);
      await bundle(`tests/${name}_test.ts`, ["--target=node", `--banner=${NO_WORKER}`], file);
      const output = await command("node", ["--test", "--test-reporter=tap", file]);
      assertEquals(/^# fail (\d+)$/m.exec(output)?.[1], "0", output);
      assertGreater(Number(/^# pass (\d+)$/m.exec(output)?.[1]), 0, output);
    }
  },
  { timeoutMs: 120_000 },
);
