/**
 * Programs under the same runtime in a process of their own, for what must not happen in this one.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, runtime, tempDir } from "./environment.ts";
import { deadline } from "./time.ts";

/** How a script is started. */
export interface ScriptOptions {
  readonly args?: readonly string[];
  /** What the script reads from stdin, which is then closed. */
  readonly stdin?: string;
  /** After this long the script is killed and its result is an error. Default 45 000. */
  readonly timeoutMs?: number;
  /** Deno's permission flags, `["-A"]` by default; Bun has none. */
  readonly permissions?: readonly string[];
  /** Whether the script is a file of tests, to be run by `bun test` or `deno test`. */
  readonly tests?: boolean;
  /** Signals that every thread of it has blocked from its birth, by their names without "SIG". */
  readonly blocked?: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a script ended. `code` is null when a signal ended it. */
export interface ScriptResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A script that runs. Disposing of it kills it and waits for its end. */
export interface RunningScript extends AsyncDisposable {
  readonly pid: number;
  /** Resolves at the end of the process; rejects when it had to be killed for its time. */
  readonly result: Promise<ScriptResult>;
  /** The next line of stdout; rejects when the script ends without one. */
  line(timeoutMs?: number): Promise<string>;
  /** Writes to stdin, which stays open until `end()`. */
  write(text: string): void;
  end(): void;
  kill(signal: NodeJS.Signals): void;
}

/**
 * The arguments that run a file under this runtime, with the tests' import map. Deno gets the config
 * that the tests have, too: with another one it would compile the library anew, in place of theirs.
 */
export function runtimeArguments(file: string, options: ScriptOptions): string[] {
  const { args = [], permissions = ["-A"], tests = false } = options;
  const inRoot = (name: string): string => fileURLToPath(new URL(name, root));
  return runtime === "bun"
    ? [
      tests ? "test" : "run",
      `--tsconfig-override=${inRoot("tsconfig.json")}`,
      "--no-install",
      file,
      ...args,
    ]
    : [
      tests ? "test" : "run",
      "--no-prompt",
      "--no-check",
      "--no-remote",
      `--config=${inRoot("deno.json")}`,
      `--import-map=${inRoot("tests/import_map.json")}`,
      ...permissions,
      file,
      ...args,
    ];
}

/** Lines in the order in which they come, for readers that come before or after them. */
class LineQueue {
  #text = "";
  readonly #lines: string[] = [];
  #arrived: PromiseWithResolvers<void> = Promise.withResolvers();
  #ended = false;

  push(text: string): void {
    const parts = (this.#text + text).split("\n");
    this.#text = parts.pop()!;
    this.#lines.push(...parts);
    this.#wake();
  }

  end(): void {
    if (this.#text !== "") this.push("\n"); // a last line need not end in a newline
    this.#ended = true;
    this.#wake();
  }

  /** The next line, or null after the last. */
  async next(): Promise<string | null> {
    while (this.#lines.length === 0) {
      if (this.#ended) return null;
      await this.#arrived.promise;
    }
    return this.#lines.shift()!;
  }

  #wake(): void {
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }
}

/**
 * Not child.kill(): Deno 2.9 sends only the first signal, and then reports it as the end of the
 * script, however it ended.
 */
function kill(child: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, signal);
}

/**
 * Resolves at the end of the process and of its output, or soon after it when a grandchild keeps
 * the pipes open.
 */
function ended(child: ChildProcessWithoutNullStreams): Promise<[number | null, string | null]> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve([code, signal]));
    child.once("exit", (code, signal) => {
      const timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve([code, signal]);
      }, 1000);
      child.once("close", () => clearTimeout(timer));
    });
  });
}

async function collect(
  child: ChildProcessWithoutNullStreams,
  lines: LineQueue,
  timeoutMs: number,
): Promise<ScriptResult> {
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
    lines.push(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => output.stderr += text);
  // A script that ends without reading its stdin closes the pipe: not this process's error.
  child.stdin.on("error", () => {});
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    kill(child, "SIGKILL");
  }, timeoutMs);
  try {
    const [code, signal] = await ended(child);
    if (late) {
      throw new Error(
        `script killed: no end within ${timeoutMs} ms\n${output.stdout}\n${output.stderr}`,
      );
    }
    return { code, signal, ...output };
  } finally {
    clearTimeout(timer);
    lines.end();
  }
}

/** The file to run, and whether it is to be removed: source text goes to a file of its own. */
function scriptFile(script: URL | string): { file: string; dispose(): void } {
  if (script instanceof URL) return { file: fileURLToPath(script), dispose: () => {} };
  if (/^\S+\.(ts|mjs|js)$/.test(script)) {
    return { file: fileURLToPath(new URL(script, root)), dispose: () => {} };
  }
  const dir = tempDir();
  const file = path.join(dir.path, "script_test.ts");
  fs.writeFileSync(file, script);
  return { file, dispose: () => dir[Symbol.dispose]() };
}

/**
 * Starts a script under the same runtime: a URL, a path from the repository's root, or source text,
 * which may import the library, `@std/assert`, and `${root}…` for everything else.
 */
export function startScript(script: URL | string, options: ScriptOptions = {}): RunningScript {
  const { file, dispose } = scriptFile(script);
  // Through a shell, and by a variable: Deno 2.9 finds its own path in the arguments of a child and
  // adds -A behind it, which would grant what `permissions` withholds. The pid stays the script's.
  const blocked = (options.blocked ?? []).map((name) => `--block-signal=${name}`);
  const through = blocked.length === 0 ? "" : `env ${blocked.join(" ")} `;
  const command = `exec ${through}"$FDLOOP_RUNTIME" "$@"`;
  const child = spawn("sh", ["-c", command, "sh", ...runtimeArguments(file, options)], {
    cwd: fileURLToPath(root),
    env: { ...process.env, NO_COLOR: "1", FDLOOP_RUNTIME: process.execPath, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines = new LineQueue();
  const result = collect(child, lines, options.timeoutMs ?? 45_000).finally(dispose);
  result.catch(() => {}); // whoever awaits it still sees the error
  if (options.stdin !== undefined) child.stdin.end(options.stdin);
  return {
    pid: child.pid!,
    result,
    async line(timeoutMs = 30_000) {
      const line = await deadline(timeoutMs, lines.next(), "a line from the script");
      if (line !== null) return line;
      const { code, signal, stderr } = await result;
      throw new Error(`the script ended (${signal ?? code}) without another line\n${stderr}`);
    },
    write: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    kill: (signal) => kill(child, signal),
    async [Symbol.asyncDispose]() {
      child.stdin.destroy();
      kill(child, "SIGKILL");
      await result.catch(() => {});
    },
  };
}

/** The lines that a script prints, which must end well. */
export async function scriptLines(script: URL | string): Promise<string[]> {
  const { code, signal, stdout, stderr } = await spawnScript(script);
  if (code === 0) return stdout.trimEnd().split("\n");
  throw new Error(`the script ended with ${signal ?? code}\n${stdout}\n${stderr}`);
}

/** Runs a script to its end with nothing to read but `stdin`. */
export function spawnScript(
  script: URL | string,
  options: ScriptOptions = {},
): Promise<ScriptResult> {
  return startScript(script, { stdin: "", ...options }).result;
}
