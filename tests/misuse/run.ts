/**
 * The misuse sweep from outside: starts it in child processes, and goes on behind a call that crashed
 * one or did not end.
 *
 * @module
 */

import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { spawnScript, tempDir } from "../support.ts";
import type { Arity } from "./attempts.ts";
import { type Member, membersOfExport } from "./surface.ts";
import type { Problem } from "./sweep.ts";

/** What the sweep of one export has found. */
export interface Found {
  readonly calls: number;
  /** A line for each thing that was wrong. */
  readonly problems: readonly string[];
}

/** Where the sweep finds what it calls. */
export interface Ground {
  /** The module whose exports are called, and the one whose `SUBJECTS` say how: `file:` URLs. */
  readonly module: string;
  readonly table: string;
  /** How long one child may take. Default: 60,000. */
  readonly timeoutMs?: number;
  /** How long one call may take. Default: 10,000. */
  readonly callMs?: number;
}

/** After so many crashes on one export the others will have the same cause. */
const MOST_CRASHES = 5;

/** Sweeps one export, whose value is needed for its source. */
export async function sweepExport(name: string, value: unknown, ground: Ground): Promise<Found> {
  const arities = JSON.stringify(aritiesOf(name, value));
  using dir = tempDir();
  const read = (file: string): string => {
    const full = path.join(dir.path, file);
    return fs.existsSync(full) ? fs.readFileSync(full, "utf8").trim() : "";
  };
  const problems: string[] = [];
  let calls = 0;
  for (let first = 1, crashes = 0;;) {
    const end = await runChild([name, dir.path, String(first), arities], ground);
    if (end.calls !== null) {
      calls = end.calls;
      break;
    }
    const [number, ...words] = read("call").split(" ");
    if (number === "") throw new Error(`no call of ${name} was made: ${end.what}`);
    problems.push(`${words.join(" ")}: ${end.what}`);
    calls = Number(number);
    first = calls + 1;
    if (++crashes === MOST_CRASHES) {
      problems.push(`${name}: ${crashes} crashes, the rest was not called`);
      break;
    }
  }
  const said = read("problems").split("\n").filter((line) => line !== "");
  return { calls, problems: [...summary(said.map((line) => JSON.parse(line))), ...problems] };
}

/** A line for each thing that is wrong at one place, however many values show it. */
function summary(problems: readonly Problem[]): string[] {
  const groups = Map.groupBy(problems, ({ site, what }) => JSON.stringify([site, what]));
  return [...groups.values()].map(([first, ...others]) =>
    `${first!.name}: ${first!.what}${others.length > 0 ? ` (and ${others.length} more)` : ""}`
  );
}

interface End {
  /** The number of calls, null when the child did not come to its end. */
  readonly calls: number | null;
  /** How it ended instead. */
  readonly what: string;
}

async function runChild(orders: readonly string[], ground: Ground): Promise<End> {
  const { module, table, timeoutMs = 60_000, callMs = 10_000 } = ground;
  const args = [module, table, ...orders, String(callMs)];
  const script = "tests/misuse/sweep.ts";
  try {
    const { code, signal, stdout, stderr } = await spawnScript(script, { args, timeoutMs });
    const last = stdout.trim().split("\n").at(-1)!;
    if (code === 0 && stderr === "" && /^\d+$/.test(last)) return { calls: Number(last), what: "" };
    return { calls: null, what: `the process ended with ${signal ?? code}: ${stderr.trim()}` };
  } catch (error) {
    return { calls: null, what: String(error).trim() };
  }
}

/** The parameters of a member, by the syntax tree of its source as the engine has it. */
function arityOf(value: unknown, { kind, code }: Member): Arity {
  const isConstructor = kind === "new";
  if (!isConstructor && code === undefined) return { number: 0, rest: false };
  const text = Function.prototype.toString.call(isConstructor ? value : code);
  // A method's source is one only inside an object; a function's is none there.
  const sources = /^(async )?function|^class/.test(text)
    ? [`(${text})`]
    : [`({${text}})`, `(${text})`];
  for (const source of sources) {
    let found: readonly ts.ParameterDeclaration[] | undefined;
    const look = (node: ts.Node): void => {
      const sought = isConstructor ? ts.isConstructorDeclaration(node) : ts.isFunctionLike(node);
      if (sought) found ??= (node as ts.SignatureDeclaration).parameters;
      else ts.forEachChild(node, look);
    };
    look(ts.createSourceFile("f.js", source, ts.ScriptTarget.Latest));
    const rest = found?.some(({ dotDotDotToken }) => dotDotDotToken !== undefined) ?? false;
    if (found !== undefined) return { number: found.length, rest };
  }
  return { number: 0, rest: false }; // a class without a constructor of its own
}

/** The parameters of everything that an export has, for the child, which compares with the table. */
function aritiesOf(name: string, value: unknown): Readonly<Record<string, Arity>> {
  const members = membersOfExport(name, value).filter(({ kind }) => kind !== "set");
  return Object.fromEntries(members.map((member) => [member.name, arityOf(value, member)]));
}
