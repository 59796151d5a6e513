// mod.ts exports all that its names need, and importing it does nothing but that.

import { spawn } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as library from "@fdloop/fdloop";
import { assertEquals, assertGreater } from "@std/assert";
import { deadline, hasCommand, root, runtime, spawnScript, test } from "./support.ts";

const inRoot = (name: string): string => fileURLToPath(new URL(name, root));

/** Runs a command in the repository. */
async function command(program: string, args: readonly string[]): Promise<[number | null, string]> {
  const child = spawn(program, args, {
    cwd: inRoot(""),
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const end = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return [await deadline(60_000, end, program), output];
}

test("mod: exports classes and functions by their own names", () => {
  const entries = Object.entries(library);
  assertGreater(entries.length, 20);
  for (const [name, value] of entries) {
    if (typeof value === "function") assertEquals(value.name, name);
  }
});

// Whatever type an exported signature mentions must be exported too ("private-type-ref"), with an
// explicit type and a comment: Deno's documentation linter knows all of them.
test.if(runtime === "deno", "deno doc is a part of Deno", "mod: deno doc --lint", async () => {
  const [code, output] = await command(process.execPath, ["doc", "--lint", "--quiet", "mod.ts"]);
  assertEquals([code, code === 0 ? "" : output], [0, ""]);
});

/** Prints what an import has opened and mapped, after one of something else has warmed up. */
const IMPORTS = `
  import fs from "node:fs";
  const open = () => {
    const links = [];
    for (const name of fs.readdirSync("/proc/self/fd")) {
      try {
        links.push(fs.readlinkSync("/proc/self/fd/" + name));
      } catch {
        // the one that read the folder
      }
    }
    return links.filter((link) => !link.includes("_cache_v")).sort(); // Deno's own databases
  };
  const libraries = () => {
    const maps = fs.readFileSync("/proc/self/maps", "utf8");
    return [...new Set(maps.match(/\\S+\\.so\\S*$/gm) ?? [])].sort();
  };
  await import("${root}tests/support/time.ts");
  open();
  const before = JSON.stringify([open(), libraries()]);
  await import("@fdloop/fdloop");
  console.log(before === JSON.stringify([open(), libraries()]) ? "nothing" : "something");
  const { EventFD } = await import("@fdloop/fdloop");
  EventFD.create();
  console.log(before === JSON.stringify([open(), libraries()]) ? "nothing" : "something");`;

test.if(
  process.platform === "linux",
  "it needs /proc",
  "X01 mod: the import opens no descriptor and no library, a first call does",
  async () => {
    const { code, stdout, stderr } = await spawnScript(IMPORTS);
    assertEquals([code, stderr, stdout], [0, "", "nothing\nsomething\n"]);
  },
);

const built = fs.existsSync(inRoot("dist/mod.js"));
const node = hasCommand("node");

test.if(
  built && node,
  built ? "no node" : "dist/ is not built: npm run build",
  "X01 mod: the import does not throw on Node",
  async () => {
    const source = `const all = await import(${
      JSON.stringify(pathToFileURL(inRoot("dist/mod.js")))
    });
      try {
        all.EventFD.create();
      } catch (error) {
        console.log(error.name);
      }`;
    const [code, output] = await command("node", ["--input-type=module", "--eval", source]);
    assertEquals([code, output], [0, "UnsupportedError\n"]);
  },
);
