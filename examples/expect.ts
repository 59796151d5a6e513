/**
 * Talks to a program that wants a person: waits for what it shows, types the answer, and goes on. The
 * program cannot tell, because it has a terminal.
 *
 *     bun examples/expect.ts
 *     deno run --allow-ffi --allow-env --allow-read examples/expect.ts
 */

import process from "node:process";
import {
  Console,
  type ConsoleChild,
  ConsolePoller,
  type ExitStatus,
  Loop,
  type PolledConsole,
} from "@fdloop/fdloop";

/** How long a program may take to show what is waited for. */
const PATIENCE_MS = 10_000;

/** A conversation with one program. */
class Conversation implements AsyncDisposable {
  readonly #child: ConsoleChild;
  readonly #screen: PolledConsole;
  readonly #loop: Loop;
  readonly #decoder = new TextDecoder();
  /** What was shown, and nobody has waited for yet. */
  #pending = "";

  constructor(poller: ConsolePoller<PolledConsole>, argv: readonly string[]) {
    const env = { ...process.env, TERM: "dumb", PS1: "$ ", ENV: "" };
    this.#child = Console.spawn(argv, { columns: 80, rows: 24, env });
    this.#screen = poller.add(this.#child.console, { hangup: "eof" });
    this.#loop = poller.loop;
  }

  /** Waits until the program shows something; answers what stood before it. */
  async expect(wanted: string | RegExp): Promise<string> {
    const late = new AbortController();
    const timer = this.#loop.setTimer(PATIENCE_MS, () => {
      late.abort(new Error(`waited for ${wanted}, and saw ${JSON.stringify(this.#pending)}`));
    });
    try {
      for (;;) {
        const match = typeof wanted === "string"
          ? { index: this.#pending.indexOf(wanted), length: wanted.length }
          : { index: this.#pending.search(wanted), length: wanted.exec(this.#pending)?.[0].length };
        if (match.index !== -1) {
          const before = this.#pending.slice(0, match.index);
          this.#pending = this.#pending.slice(match.index + match.length!);
          return before;
        }
        if (!await this.#more(late.signal)) {
          throw new Error(`the program ended; it showed ${JSON.stringify(this.#pending)}`);
        }
      }
    } finally {
      timer.cancel();
    }
  }

  /** Types a line. */
  async send(line: string): Promise<void> {
    await this.#screen.write(new TextEncoder().encode(`${line}\n`));
    await this.expect(/\r?\n/); // the terminal shows what is typed
  }

  /** Reads what is left, and waits for the end of the program. */
  async end(): Promise<ExitStatus> {
    while (await this.#more());
    return await this.#child.process.exited({ loop: this.#loop });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#screen[Symbol.asyncDispose]();
    await this.#child[Symbol.asyncDispose]();
  }

  async #more(signal?: AbortSignal): Promise<boolean> {
    const chunk = new Uint8Array(4096);
    const count = await this.#screen.read(chunk, { signal });
    this.#pending += this.#decoder.decode(chunk.subarray(0, count), { stream: true });
    return count > 0;
  }
}

/** Lets a shell count. */
async function askShell(poller: ConsolePoller<PolledConsole>): Promise<void> {
  await using shell = new Conversation(poller, ["sh", "-i"]);
  await shell.expect("$ ");
  await shell.send("echo $((6 * 7))");
  console.log(`sh says ${(await shell.expect("$ ")).trim()}`);
  await shell.send("exit 3");
  console.log(`sh ended with status ${(await shell.end()).code}`);
}

/** Defines a function in an interpreter and uses it; then interrupts what would never end. */
async function askPython(poller: ConsolePoller<PolledConsole>): Promise<void> {
  await using python = new Conversation(poller, ["python3", "-i", "-q"]);
  await python.expect(">>> ");
  await python.send("def double(text): return text * 2");
  await python.expect("... ");
  await python.send("");
  await python.expect(">>> ");
  await python.send("double('ha')");
  console.log(`python3 says ${(await python.expect(">>> ")).trim()}`);
  await python.send("import sys; sys.stdout.isatty()");
  console.log(`python3 has a terminal: ${(await python.expect(">>> ")).trim()}`);
  await python.send("raise SystemExit(4)");
  console.log(`python3 ended with status ${(await python.end()).code}`);
}

using loop = Loop.create({ attached: true });
using poller = ConsolePoller.create({ loop });
await askShell(poller);
try {
  await askPython(poller);
} catch (error) {
  if ((error as { code?: string }).code !== "ENOENT") throw error;
  console.log("there is no python3 to talk to");
}
