// X06: the threads of the library are found where it was installed by npm, and inside executables.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import ts from "typescript";
import { root, runtime, type TempDir, tempDir, test } from "./support.ts";

const HANDLER = `export function onData(conn, bytes) { conn.write(bytes); }`;

/** Uses both kinds of thread: the waiter of an attached loop, and the workers of an engine. */
const PROGRAM = `
  import { Engine, EventFD, Loop, Socket } from "fdloop";
  {
    using loop = Loop.create({ attached: true });
    using counter = EventFD.create();
    setTimeout(() => counter.signal(3), 5);
    await loop.readable(counter);
    console.log("attached", counter.wait());
  }
  const handler = new URL("./handler.js", import.meta.url);
  const engine = Engine.create({ handler, address: "127.0.0.1:0", workers: 2 });
  await engine.listen();
  using client = Socket.connect(engine.addr, { blocking: true });
  client.write(new TextEncoder().encode("hello"));
  console.log("echoed", client.read(new Uint8Array(16)));
  await engine.shutdown({ deadline: 0 });`;

const SAYS = "attached 3n\nechoed 5\n";

/** The threads that a program has to put into its executable. */
const THREADS = ["engine_worker.js", "waiter.js"].map((name) =>
  `node_modules/fdloop/dist/loop/${name}`
);

/** Installs the package as npm does, in JavaScript, as .ci/build.mjs makes it: with a program. */
function install(): TempDir {
  const dir = tempDir();
  const installed = path.join(dir.path, "node_modules", "fdloop");
  const from = fileURLToPath(root);
  const files = ["ffi", "handles", "loop"].flatMap((room) =>
    fs.readdirSync(path.join(from, room)).map((name) => path.join(room, name))
  );
  for (const file of ["mod.ts", ...files]) {
    const source = fs.readFileSync(path.join(from, file), "utf8");
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
      },
    });
    const to = path.join(installed, "dist", file.replace(/\.ts$/, ".js"));
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.writeFileSync(to, outputText.replace(/(new URL\("\.\/\w+)\.ts"/g, '$1.js"'));
  }
  fs.copyFileSync(path.join(from, "package.json"), path.join(installed, "package.json"));
  fs.writeFileSync(path.join(dir.path, "package.json"), `{ "type": "module" }\n`);
  fs.writeFileSync(path.join(dir.path, "handler.js"), HANDLER);
  fs.writeFileSync(path.join(dir.path, "main.js"), PROGRAM);
  return dir;
}

/** Runs a command to its end: what it printed. */
function run(command: string, args: readonly string[], cwd: string): string {
  const end = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NO_COLOR: "1" },
  });
  assertEquals(end.status, 0, `${command} ${args.join(" ")}\n${end.stdout}${end.stderr}`);
  return end.stdout;
}

test("X06 the threads are found in a package that npm has installed", () => {
  using dir = install();
  const args = runtime === "bun" ? ["main.js"] : ["run", "--allow-all", "--no-remote", "main.js"];
  assertEquals(run(process.execPath, args, dir.path), SAYS);
}, { timeoutMs: 90_000 });

test.if(
  runtime === "bun",
  "the executables of the other runtime have a test of their own",
  "X06 bun build --compile: the threads and the handler are entry points, all in one folder",
  () => {
    using dir = install();
    const naming = ["--entry-naming", "[name].[ext]"];
    const entries = ["main.js", "handler.js", ...THREADS];
    run(
      process.execPath,
      ["build", "--compile", ...naming, ...entries, "--outfile", "app"],
      dir.path,
    );
    assertEquals(run(path.join(dir.path, "app"), [], os.tmpdir()), SAYS);
  },
  { timeoutMs: 90_000 },
);

/** Where `deno compile` has its base from, without asking the network. */
function hasDenoBase(): boolean {
  if (runtime !== "deno") return false;
  if (process.env.DENORT_BIN) return true;
  const cache = process.env.DENO_DIR ?? path.join(os.homedir(), ".cache", "deno");
  const releases = path.join(cache, "dl", "release");
  return fs.existsSync(releases) && fs.readdirSync(releases).length > 0;
}

test.if(
  hasDenoBase(),
  runtime === "deno"
    ? "deno compile downloads denort, which is not here: DENORT_BIN can name it"
    : "the executables of the other runtime have a test of their own",
  "X06 deno compile: the threads and the handler are included",
  () => {
    using dir = install();
    const include = ["handler.js", ...THREADS].flatMap((name) => ["--include", name]);
    run(
      process.execPath,
      ["compile", "-A", "--no-check", ...include, "-o", "app", "main.js"],
      dir.path,
    );
    assertEquals(run(path.join(dir.path, "app"), [], os.tmpdir()), SAYS);
  },
  { timeoutMs: 90_000 },
);
