// The infrastructure's own tests: what the other tests rely on must be able to fail.

import fs from "node:fs";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  deadline,
  hasCommand,
  kernelAtLeast,
  kernelVersion,
  root,
  runtime,
  type ScriptResult,
  spawnScript,
  startScript,
  tempDir,
  test,
  turn,
  waitUntil,
  worker,
} from "./support.ts";
import { leakedSince } from "./support/descriptors.ts";
import type { SupportWorker } from "./support_worker.ts";

const workerModule = new URL("./support_worker.ts", import.meta.url);
const linux = fs.existsSync("/proc/self/fd");

/** Runs test source in a child process under this runtime's test runner. */
function runTests(source: string): Promise<ScriptResult> {
  const imports = `import fs from "node:fs";
    import process from "node:process";
    import { test, worker } from "${root}tests/support.ts";`;
  return spawnScript(imports + source, { tests: true, timeoutMs: 30_000 });
}

function output({ stdout, stderr }: ScriptResult): string {
  return stdout + stderr;
}

test("leak check: a test that leaves a file open fails alone, and the message names it", async () => {
  const result = await runTests(`
    test("leaky", () => void fs.openSync("/etc/passwd"));
    test("after it", () => {});`);
  assert(result.code !== 0, "the run passed");
  assertMatch(output(result), /the test left 1 open: fd \d+ -> (\/etc\/passwd|open)/);
  assertMatch(output(result), /\b1 (pass|passed)\b/);
  assertMatch(output(result), /\b1 (fail|failed)\b/);
});

test("leak check: children, workers, timers and files that end leave nothing", async () => {
  const result = await runTests(`
    import { spawn, spawnSync } from "node:child_process";
    const ended = (child) => new Promise((resolve) => child.once("close", resolve));
    test("clean", async () => {
      fs.closeSync(fs.openSync("/dev/null"));
      await new Promise((resolve) => setTimeout(resolve, 1));
      spawnSync("true");
      await ended(spawn("true"));
      const one = new Worker(URL.createObjectURL(new Blob(["postMessage(0)"])), { type: "module" });
      await new Promise((resolve) => one.onmessage = resolve);
      one.terminate();
      const two = worker(new URL("${workerModule}"));
      await two.ready;
      await two.terminate();
    });`);
  assertEquals(result.code, 0, output(result));
});

test("leak check: numbers that only moved are no leak, one more of a kind is", () => {
  const before = new Map([[0, "a"], [1, "a"], [2, "a"], [5, "anon_inode:[eventfd]"]]);
  const moved = new Map([[0, "a"], [1, "a"], [2, "a"], [9, "anon_inode:[eventfd]"]]);
  assertEquals(leakedSince(before, moved), []);
  const more = new Map([...moved, [10, "anon_inode:[eventfd]"]]);
  assertEquals(leakedSince(before, more), ["fd 10 -> anon_inode:[eventfd]"]);
  const closed = new Map([[0, "a"], [2, "b"], [5, "anon_inode:[eventfd]"], [6, "a"]]);
  assertEquals(leakedSince(before, closed), ["fd 1 was a and is closed", "fd 2 was a and is b"]);
});

test("test: its own failure, a hang and a skip are reported as such", async () => {
  const result = await runTests(`
    test("fails", () => { throw new Error("on purpose"); });
    test("hangs", () => new Promise(() => {}), { timeoutMs: 50 });
    test.skip("never", "no such machine");
    test.if(false, "no luck", "unlucky", () => {});
    test.if(true, "no luck", "lucky", () => {});`);
  assert(result.code !== 0, "the run passed");
  const text = output(result);
  assertStringIncludes(text, "on purpose");
  assertStringIncludes(text, `the test "hangs": not within 50 ms`);
  assertStringIncludes(text, "never (skipped: no such machine)");
  assertStringIncludes(text, "unlucky (skipped: no luck)");
  assertMatch(text, /\b1 (pass|passed)\b/);
  assertMatch(text, /\b2 (fail|failed)\b/);
});

test("deadline: the promise's outcome, or an error that says what was late", async () => {
  assertEquals(await deadline(1000, Promise.resolve(7), "seven"), 7);
  await assertRejects(() => deadline(1000, Promise.reject(new RangeError("x")), "x"), RangeError);
  await assertRejects(
    () => deadline(5, new Promise(() => {}), "the impossible"),
    Error,
    "the impossible: not within 5 ms",
  );
});

test("waitUntil: asks until it is so, and gives up", async () => {
  let asked = 0;
  await waitUntil(() => ++asked === 3, 1000, "the third question");
  assertEquals(asked, 3);
  await assertRejects(
    () => waitUntil(async () => await turn().then(() => false), 5, "never"),
    Error,
    "never: not within 5 ms",
  );
});

test("tempDir: a folder that ends with its scope", () => {
  let path: string;
  {
    using dir = tempDir();
    path = dir.path;
    fs.writeFileSync(`${path}/file`, "x");
  }
  assert(!fs.existsSync(path));
});

test("hasCommand, kernelVersion: what is there", () => {
  assert(hasCommand("sh"));
  assert(!hasCommand("no-such-command-of-fdloop"));
  assert(!hasCommand("")); // a folder of PATH is executable, and no command
  const [major, minor] = kernelVersion();
  assert(Number.isInteger(major) && Number.isInteger(minor) && major > 0);
  assert(kernelAtLeast(major, minor) && kernelAtLeast(major - 1, 99));
  assert(!kernelAtLeast(major, minor + 1) && !kernelAtLeast(major + 1, 0));
});

test("spawnScript: same runtime, import map, arguments, stdin, exit code", async () => {
  const result = await spawnScript(
    `import { assertEquals } from "@std/assert";
     import { runtime } from "${root}tests/support.ts";
     import fs from "node:fs";
     import process from "node:process";
     assertEquals(1, 1);
     console.log(runtime, process.argv.slice(2).join("+"), fs.readFileSync(0, "utf8"));
     console.error("to stderr");
     process.exitCode = 3;`,
    { args: ["a", "b"], stdin: "from stdin" },
  );
  assertEquals(result.stdout, `${runtime} a+b from stdin\n`, result.stderr);
  assertStringIncludes(result.stderr, "to stderr");
  assertEquals([result.code, result.signal], [3, null]);
});

test("spawnScript: a signal's name, and an error for a script that does not end", async () => {
  const killed = await spawnScript(
    `import process from "node:process"; process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);`,
  );
  assertEquals([killed.code, killed.signal], [null, "SIGKILL"]);
  const source = `console.log("going on"); setInterval(() => {}, 1000);`;
  let what = "";
  // On a busy machine a script may need longer than this until it says a word.
  for (let ms = 1000; ms < 20_000 && !what.includes("going on"); ms *= 2) {
    what = String(await assertRejects(() => spawnScript(source, { timeoutMs: ms }), Error));
    assertStringIncludes(what, `no end within ${ms} ms\n`);
  }
  assertStringIncludes(what, " ms\ngoing on");
});

test.if(
  runtime === "deno",
  "Bun has no permissions",
  "spawnScript: Deno's permissions are the ones that were given",
  async () => {
    const source =
      `import fs from "node:fs"; console.log(fs.readFileSync("/etc/hostname").length);`;
    const denied = await spawnScript(source, { permissions: [] });
    assertEquals(denied.code, 1);
    assertStringIncludes(denied.stderr, "--allow-read");
    assertEquals((await spawnScript(source, { permissions: ["--allow-read"] })).code, 0);
  },
);

test("startScript: lines in both directions, and an end by disposal", async () => {
  await using script = startScript(
    `import process from "node:process";
     console.log("first\\nsecond");
     process.stdin.on("data", (data) => console.log("got " + String(data).trim()));
     process.stdin.on("end", () => process.stdout.write("bye"));`,
  );
  assertEquals([await script.line(), await script.line()], ["first", "second"]);
  script.write("hello\n");
  assertEquals(await script.line(), "got hello");
  script.end();
  assertEquals(await script.line(), "bye");
  await assertRejects(() => script.line(), Error, "ended (0) without another line");
});

test("worker: calls, errors with their fields, and an end that is waited for", async () => {
  await using one = worker<SupportWorker>(workerModule);
  await one.ready;
  assertEquals(await one.call("add", 2, 3), 5);
  const error = await assertRejects(() => one.call("fail"), Error, "out of reach");
  assertEquals([error.name, (error as { code?: string }).code], ["RangeError", "EFAR"]);
});

test("worker: a module that cannot be loaded rejects ready and every call", async () => {
  const one = worker<SupportWorker>(new URL("./no_such_worker.ts", import.meta.url));
  await assertRejects(() => one.ready, Error);
  await assertRejects(() => one.call("add", 1, 1), Error);
  await one.terminate();
});

test("worker: one that is blocked is reported, unless force is set", async () => {
  for (const force of [false, true]) {
    const cell = new Int32Array(new SharedArrayBuffer(8));
    const one = worker<SupportWorker>(workerModule);
    await one.ready;
    const call = one.call("block", cell);
    call.catch(() => {});
    await waitUntil(() => Atomics.load(cell, 0) === 1, 5000, "the worker's block");
    if (force) await one.terminate({ force });
    else {await assertRejects(
        () => one.terminate({ withinMs: 500 }),
        Error,
        "the end of the worker",
      );}
    // Deno ends a terminated thread only when its call returns.
    Atomics.store(cell, 1, 1);
    Atomics.notify(cell, 1);
  }
});

test.if(linux, "no /proc", "test: the open descriptors are those of /proc/self/fd", async () => {
  const { openDescriptors } = await import("./support/descriptors.ts");
  const fd = fs.openSync("/dev/null", "r");
  assertEquals(openDescriptors()?.get(fd), "/dev/null");
  fs.closeSync(fd);
  assertEquals(openDescriptors()?.get(fd), undefined);
});
