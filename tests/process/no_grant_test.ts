// X02: without a grant the error names the flag to add, and nobody is asked at a terminal.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { libcNames } from "../../ffi/libc_paths.ts";
import { arch, os } from "../../ffi/platform.ts";
import { deadline, hasCommand, root, runtime, spawnScript, tempDir, test } from "../support.ts";

const noPermissions = "Bun has no permissions";
const flag = `--allow-ffi=${libcNames(os, arch).paths[0]}`;

/** Tries a call of every family, and says what each threw. */
const PROGRAM = `
  import * as fdloop from "@fdloop/fdloop";
  const tries = {
    eventfd: () => fdloop.EventFD.create(),
    timerfd: () => fdloop.TimerFD.create(),
    signalfd: () => fdloop.SignalFD.create(["SIGUSR1"]),
    memfd: () => fdloop.MemFD.create("x"),
    pidfd: () => fdloop.PidFD.open(1),
    epoll: () => fdloop.Epoll.create(),
    pipe: () => fdloop.pipe(),
    fd: () => fdloop.FD.adopt(0),
    loop: () => fdloop.Loop.create(),
    probe: () => fdloop.supports("epoll"),
  };
  for (const [name, call] of Object.entries(tries)) {
    try {
      call();
      console.log(name + ": no error");
    } catch (error) {
      console.log(name + ": " + error.constructor.name + ": " + error.message);
    }
  }`;

const CALLS = 10;

/** How Deno asks for a grant. */
const ASKS = /Allow\?/;

test.if(
  runtime === "deno",
  noPermissions,
  "X02 without a grant the error names the flag",
  async () => {
    const { code, stdout, stderr } = await spawnScript(PROGRAM, { permissions: [] });
    assertEquals([code, stderr], [0, ""]);
    const lines = stdout.trim().split("\n");
    assertEquals(lines.length, CALLS);
    for (const line of lines) {
      assertStringIncludes(line, ": UnsupportedError: ");
      assertStringIncludes(line, `the permission ${flag} `);
    }
  },
);

test.if(runtime === "deno", noPermissions, "X02 the flag that is named is enough", async () => {
  const { code, stdout, stderr } = await spawnScript(PROGRAM, { permissions: [flag] });
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.match(/: no error$/gm)?.length, CALLS, stdout);
});

const askable = runtime === "deno" && hasCommand("script");
const notAskable = runtime === "deno" ? "no script(1) to make a terminal with" : noPermissions;

/** Runs a program at a terminal, without grants, until it has ended or said what it is waited for. */
async function atTerminal(program: string, until: RegExp): Promise<string> {
  using dir = tempDir();
  const file = path.join(dir.path, "program.ts");
  fs.writeFileSync(file, program);
  const map = fileURLToPath(new URL("tests/import_map.json", root));
  // Without --no-prompt, which would answer for the person at the terminal.
  const command = `"$FDLOOP_RUNTIME" run --no-check --no-remote --import-map=${map} ${file}`;
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd: dir.path,
    env: { ...process.env, NO_COLOR: "1", FDLOOP_RUNTIME: process.execPath },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let output = "";
  const said = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (until.test(output)) resolve();
    });
  });
  try {
    await deadline(20_000, Promise.race([said, closed]), `${until} at a terminal`);
    return output;
  } finally {
    child.stdin.destroy();
    child.kill("SIGKILL");
    await closed;
  }
}

test.if(askable, notAskable, "X02 at a terminal nobody is asked for a grant", async () => {
  const output = await atTerminal(PROGRAM, /^$a/);
  assertEquals(output.match(/: UnsupportedError: /g)?.length, CALLS, output);
  assert(!ASKS.test(output), output);
  // And this is a terminal at which Deno asks.
  assertMatch(await atTerminal(`Deno.readTextFileSync("/etc/hostname");`, ASKS), ASKS);
});
