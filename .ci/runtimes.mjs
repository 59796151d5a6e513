// Finds the two runtimes and runs programs under a deadline. Never downloads anything.
//
// The npm packages `bun` and `deno` carry the binaries, but where a binary lies depends on whether
// install scripts ran: bun's script moves it out of @oven/bun-<os>-<arch> over a placeholder in
// bun/bin/bun.exe. Either place is used as it is, so `npm ci --ignore-scripts` is enough.

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

// ELF, Mach-O (thin, 64 bit), Mach-O (fat), and the two letters of PE.
const MAGIC = ["7f454c46", "cffaedfe", "cafebabe", "4d5a"];

/** Whether the file is a native program, and not the script that bun's package has in its place. */
function isProgram(file) {
  let fd;
  try {
    fd = openSync(file, "r");
  } catch {
    return false;
  }
  try {
    const head = Buffer.alloc(4);
    readSync(fd, head, 0, 4, 0);
    return MAGIC.some((magic) => head.toString("hex").startsWith(magic));
  } finally {
    closeSync(fd);
  }
}

/** Which libc this Node runs on, null where there is no choice: npm installs by the same rule. */
function libcOfNode() {
  if (process.platform !== "linux") return null;
  process.report.excludeNetwork = true; // or the report waits for reverse DNS
  return process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
}

/** The programs called `name` in the platform packages of one npm scope, this platform's only. */
function inScope(scope, name) {
  const folder = join(root, "node_modules", scope);
  if (!existsSync(folder)) return [];
  const libc = libcOfNode();
  return readdirSync(folder).filter((entry) => {
    const manifest = JSON.parse(readFileSync(join(folder, entry, "package.json"), "utf8"));
    return (manifest.os ?? [process.platform]).includes(process.platform) &&
      (manifest.cpu ?? [process.arch]).includes(process.arch) &&
      (libc === null || (manifest.libc ?? [libc]).includes(libc));
  }).flatMap((entry) => [join(folder, entry, "bin", name), join(folder, entry, name)]);
}

function onPath(name) {
  return (process.env.PATH ?? "").split(delimiter).filter(Boolean).map((dir) => join(dir, name));
}

function find(name, variable, places) {
  const chosen = process.env[variable];
  if (chosen) {
    if (isProgram(chosen)) return chosen;
    throw new Error(`${variable} is ${chosen}, which is not a program: give the path of ${name}`);
  }
  const found = places().find(isProgram);
  if (found) return found;
  throw new Error(
    `${name} was not found in node_modules or on PATH: run \`npm ci\`, or set ${variable} to its path`,
  );
}

const exe = process.platform === "win32" ? ".exe" : "";

/** The path of a Bun that runs; FDLOOP_BUN chooses another. */
export function bun() {
  return find("bun", "FDLOOP_BUN", () => [
    join(root, "node_modules", "bun", "bin", "bun.exe"),
    ...inScope("@oven", `bun${exe}`),
    ...onPath(`bun${exe}`),
  ]);
}

/** The path of a Deno that runs; FDLOOP_DENO chooses another. */
export function deno() {
  return find("deno", "FDLOOP_DENO", () => [
    join(root, "node_modules", "deno", `deno${exe}`),
    ...inScope("@deno", `deno${exe}`),
    ...onPath(`deno${exe}`),
  ]);
}

/** Both runtimes: how each starts a script that needs everything (FFI, files, child processes). */
export function runtimes() {
  return [
    { name: "bun", start: () => [bun()] },
    { name: "deno", start: () => [deno(), "run", "-A", "--no-prompt", "--no-check"] },
  ];
}

/** The file of an npm package's own command, to be run by this Node: no reliance on .bin. */
export function packageCommand(name, command = name) {
  const require = createRequire(join(root, "package.json"));
  const manifest = require.resolve(`${name}/package.json`);
  const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
  return join(dirname(manifest), typeof bin === "string" ? bin : bin[command]);
}

// A child leads its own process group so that a deadline ends its children too; the terminal's
// Ctrl-C then reaches only this process, and is passed on.
const groups = new Set();

function killGroup(pid) {
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // The group has already ended.
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    for (const pid of groups) killGroup(pid);
    process.exit(130);
  });
}

/**
 * Runs a program in the repository, without stdin, and resolves with how it ended. Its output is
 * shown as it comes, or collected when `capture` is set. After `timeoutMs` its group is killed.
 */
export function run(command, args, { timeoutMs = 120_000, capture = false, env, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      detached: process.platform !== "win32",
      // Deno colours its output for a pipe too.
      env: { ...process.env, ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }), ...env },
      stdio: ["ignore", capture ? "pipe" : "inherit", capture ? "pipe" : "inherit"],
    });
    const output = { stdout: "", stderr: "" };
    for (const name of capture ? ["stdout", "stderr"] : []) {
      child[name].setEncoding("utf8").on("data", (text) => output[name] += text);
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, timeoutMs);
    groups.add(child.pid);
    child.once("error", (error) => {
      clearTimeout(timer);
      groups.delete(child.pid);
      reject(error);
    });
    child.once(capture ? "close" : "exit", (code, signal) => {
      clearTimeout(timer);
      killGroup(child.pid); // what the program left behind ends with it
      groups.delete(child.pid);
      resolve({ code, signal, timedOut, ok: code === 0, ...output });
    });
  });
}

/** How a run ended, for a message: `exit code 1`, `killed by SIGSEGV`, `no end within 60 s`. */
export function ending({ code, signal, timedOut }, timeoutMs) {
  if (timedOut) return `no end within ${timeoutMs / 1000} s, killed`;
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}

/** The version that a runtime prints about itself. */
export async function versionOf(binary) {
  const { stdout } = await run(binary, ["--version"], { capture: true, timeoutMs: 20_000 });
  return stdout.split("\n")[0].replace(/^(deno )?/, "").split(" ")[0];
}
