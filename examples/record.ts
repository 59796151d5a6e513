/**
 * Records what a program shows on a terminal, and plays it again, in the format of asciinema (version 2:
 * a line of JSON with the size, then one for each piece of output with its time).
 *
 * On a terminal the keys go to the program, and the size follows the window.
 *
 *     bun examples/record.ts record FILE [--columns N] [--rows N] -- COMMAND [ARG …]
 *     bun examples/record.ts play FILE [--speed N]
 *     deno run --allow-ffi --allow-env --allow-read --allow-write examples/record.ts …
 */

import fs from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import {
  Console,
  type ConsoleChild,
  ConsolePoller,
  Loop,
  type PolledConsole,
} from "@fdloop/fdloop";

/** The first line of a recording. */
interface Header {
  readonly version: 2;
  readonly width: number;
  readonly height: number;
  readonly timestamp?: number;
  readonly command?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Every other line: seconds from the beginning, what it is ("o" is output, "r" a size), and what was shown. */
type Event = readonly [seconds: number, kind: string, data: string];

interface Settings {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

async function record(file: string, argv: string[], asked: Settings): Promise<number> {
  using loop = Loop.create({ attached: true });
  using poller = ConsolePoller.create({ loop });
  using terminal = isatty(0) ? Console.current() : null;
  const { columns = 80, rows = 24 } = { ...terminal?.size(), ...defined(asked) };
  const env = { ...process.env, TERM: process.env.TERM ?? "xterm-256color" };
  const begin = performance.now();
  await using child = Console.spawn(argv, { columns, rows, env });
  await using screen = poller.add(child.console, { hangup: "eof" });
  const output = fs.openSync(file, "w");
  using _closed = { [Symbol.dispose]: () => fs.closeSync(output) };
  const line = (value: Header | Event): void =>
    void fs.writeSync(output, `${JSON.stringify(value)}\n`);
  const note = (kind: string, data: string): void =>
    line([seconds(performance.now() - begin), kind, data]);
  line({
    version: 2,
    width: columns,
    height: rows,
    timestamp: Math.floor(Date.now() / 1000),
    command: argv.join(" "),
    env: { TERM: env.TERM },
  });
  await using _person = terminal && new Person(terminal, poller, child, screen, note);
  // A character may come in two pieces, and belongs to the later one.
  const decoder = new TextDecoder();
  for await (const chunk of screen.readable) {
    process.stdout.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    if (text !== "") note("o", text);
  }
  const { code } = await child.process.exited({ loop });
  return code ?? 1;
}

/** Whoever sits at this terminal while its program is recorded. */
class Person implements AsyncDisposable {
  readonly #keys: PolledConsole;
  readonly #resize: () => void;
  readonly #end: () => void;

  constructor(
    terminal: Console,
    poller: ConsolePoller<PolledConsole>,
    child: ConsoleChild,
    screen: PolledConsole,
    note: (kind: string, data: string) => void,
  ) {
    this.#resize = () => {
      child.console.resizeFrom(terminal);
      const { columns, rows } = terminal.size();
      note("r", `${columns}x${rows}`);
    };
    // These must not leave the terminal raw: they end the program, and then this one.
    this.#end = () => child.process.sendSignal("SIGHUP");
    process.on("SIGWINCH", this.#resize).on("SIGTERM", this.#end).on("SIGHUP", this.#end);
    terminal.setRaw();
    this.#keys = poller.add(terminal);
    this.#keys.readable.pipeTo(screen.writable).catch(() => {}); // the program ended at a key
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("SIGWINCH", this.#resize).off("SIGTERM", this.#end).off("SIGHUP", this.#end);
    await this.#keys.shutdown();
  }
}

async function play(file: string, speed: number): Promise<void> {
  const [first, ...rest] = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  if (parsed<Header | null>(first!)?.version !== 2) {
    throw new Error(`${file} is no recording of version 2`);
  }
  using loop = Loop.create({ attached: true });
  const begin = performance.now();
  for (const [index, text] of rest.entries()) {
    const event = parsed<Event>(text);
    if (!Array.isArray(event) || !(event[0] >= 0) || typeof event[2] !== "string") {
      throw new Error(`${file}: line ${index + 2} is no event`);
    }
    const [at, kind, data] = event;
    const wait = at * 1000 / speed - (performance.now() - begin);
    if (wait > 0) await new Promise<void>((resolve) => loop.setTimer(wait, resolve));
    if (kind === "o") process.stdout.write(data);
  }
}

/** What a line says, undefined for one that is broken. */
function parsed<Value>(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

/** What was asked for, without what was not. */
function defined(settings: Settings): Partial<Settings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Six digits, as asciinema itself writes them. */
function seconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1_000_000;
}

function usage(): never {
  console.error("usage: record.ts record FILE [--columns N] [--rows N] -- COMMAND [ARG …]");
  console.error("       record.ts play FILE [--speed N]");
  process.exit(2);
}

/** A number from the command line: of cells, or any that is above zero. */
function number(text: string | undefined, integer: boolean): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  const isGood = integer ? Number.isInteger(value) && value <= 65535 : Number.isFinite(value);
  return isGood && value > 0 ? value : usage();
}

const text = { type: "string" } as const;
const { values, positionals: [verb, file, ...argv] } = (() => {
  try {
    const options = { columns: text, rows: text, speed: text };
    return parseArgs({ allowPositionals: true, options });
  } catch {
    return usage();
  }
})();
if (file === undefined) usage();
try {
  if (verb === "record" && argv.length > 0) {
    const size = { columns: number(values.columns, true), rows: number(values.rows, true) };
    process.exitCode = await record(file, argv, size);
  } else if (verb === "play" && argv.length === 0) {
    await play(file, number(values.speed, false) ?? 1);
  } else usage();
} catch (error) {
  console.error(`record: ${(error as Error).message}`);
  process.exitCode = 1;
}
