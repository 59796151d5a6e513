/**
 * Records what a program shows on a terminal, and plays it again, in the format of asciinema (version 2:
 * a line of JSON with the size, then one for each piece of output with its time).
 *
 *     bun examples/record.ts record FILE [--columns N] [--rows N] [--] COMMAND [ARG …]
 *     bun examples/record.ts play FILE [--speed N]
 *     deno run --allow-ffi --allow-env --allow-read --allow-write examples/record.ts …
 */

import fs from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { Console, Epoller, Loop } from "@fdloop/fdloop";

/** The first line of a recording. */
interface Header {
  readonly version: 2;
  readonly width: number;
  readonly height: number;
  readonly timestamp?: number;
  readonly command?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Every other line: seconds from the beginning, what it is ("o" is output), and what was shown. */
type Event = readonly [seconds: number, kind: string, data: string];

interface Settings {
  readonly columns: number;
  readonly rows: number;
}

async function record(file: string, argv: string[], size: Settings): Promise<number> {
  using loop = Loop.create({ attached: true });
  using poller = Epoller.create({ loop });
  const env = { ...process.env, TERM: process.env.TERM ?? "xterm-256color" };
  const begin = performance.now();
  await using child = Console.spawn(argv, { ...size, env });
  await using screen = poller.add(child.console, { hangup: "eof" });
  const header: Header = {
    version: 2,
    width: size.columns,
    height: size.rows,
    timestamp: Math.floor(Date.now() / 1000),
    command: argv.join(" "),
    env: { TERM: env.TERM },
  };
  const output = fs.openSync(file, "w");
  const line = (value: Header | Event): void =>
    void fs.writeSync(output, `${JSON.stringify(value)}\n`);
  line(header);
  // A character may come in two pieces, and belongs to the later one.
  const decoder = new TextDecoder();
  for await (const chunk of screen.readable) {
    process.stdout.write(chunk);
    const text = decoder.decode(chunk, { stream: true });
    if (text !== "") line([seconds(performance.now() - begin), "o", text]);
  }
  fs.closeSync(output);
  const { code } = await child.process.exited({ loop });
  return code ?? 1;
}

async function play(file: string, speed: number): Promise<void> {
  const [first, ...rest] = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  const header = JSON.parse(first!) as Header;
  if (header.version !== 2) throw new Error(`${file} is no recording of version 2`);
  using loop = Loop.create({ attached: true });
  const begin = performance.now();
  for (const text of rest) {
    const [at, kind, data] = JSON.parse(text) as Event;
    const wait = at * 1000 / speed - (performance.now() - begin);
    if (wait > 0) await new Promise<void>((resolve) => loop.setTimer(wait, resolve));
    if (kind === "o") process.stdout.write(data);
  }
}

/** Six digits, as asciinema itself writes them. */
function seconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1_000_000;
}

function usage(): never {
  console.error("usage: record.ts record FILE [--columns N] [--rows N] [--] COMMAND [ARG …]");
  console.error("       record.ts play FILE [--speed N]");
  process.exit(2);
}

const { values, positionals: [verb, file, ...argv] } = parseArgs({
  allowPositionals: true,
  options: {
    columns: { type: "string", default: "80" },
    rows: { type: "string", default: "24" },
    speed: { type: "string", default: "1" },
  },
});
if (file === undefined) usage();
if (verb === "record" && argv.length > 0) {
  const size = { columns: Number(values.columns), rows: Number(values.rows) };
  process.exitCode = await record(file, argv, size);
} else if (verb === "play") {
  await play(file, Number(values.speed));
} else usage();
