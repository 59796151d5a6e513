/**
 * The part of the misuse sweep that runs in a child process: it calls every member of one export with
 * every value in every place, and looks after each call whether anything else has changed.
 *
 *     sweep.ts <module> <table> <export> <folder> <first call> <parameters of its members, in JSON>
 *
 * The call that is about to be made stands in `<folder>/call`, and what was wrong with those before it
 * in `<folder>/problems`, for the parent to read when this process crashed or hung. The last line of
 * stdout is the number of calls.
 *
 * @module
 */

import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { warmUp } from "../support/descriptors.ts";
import { deadline, turn } from "../support/time.ts";
import { type Arity, type Attempt, attemptsOn, unsaid } from "./attempts.ts";
import { Foreigners, numbersOpen } from "./foreign.ts";
import { dispose, Scope } from "./scope.ts";
import type { Subject } from "./subjects.ts";
import { membersOfExport } from "./surface.ts";
import { Trap } from "./values.ts";

/** One thing that was wrong, as a line of the file. */
export interface Problem {
  readonly name: string;
  readonly site: string;
  readonly what: string;
}

/** What engines say when a value reached them that the library should have refused by itself. */
const ENGINES_OWN = new RegExp(
  "cannot (read|set) propert|cannot (destructure|convert|mix)|is not a function|is not iterable|" +
    "is not an object|is not a constructor|invalid argument type|\\bffi",
  "i",
);

const [moduleUrl, tableUrl, owner, folder, first, parameters, within] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
const library = await import(moduleUrl) as Record<string, unknown>;
const { SUBJECTS } = await import(tableUrl) as { SUBJECTS: Readonly<Record<string, Subject>> };
const subject = SUBJECTS[owner]!;
/** No call waits: each ends within this, garbage collection and a busy machine included. */
const CALL_MS = Number(within);
const encoder = new TextEncoder();
const call = fs.openSync(path.join(folder, "call"), "w+");
const problems = fs.openSync(path.join(folder, "problems"), "a");
await warmUp();
const stage = await subject.stage?.();
const foreigners = new Foreigners(folder);
let calls = 0;
let latest = { name: owner, site: owner };

/** Notes that something was wrong with a call, or with whatever else `name` says. */
function complain(what: string, { name, site }: Pick<Attempt, "name" | "site">): void {
  fs.writeSync(problems, `${JSON.stringify({ name, site, what } satisfies Problem)}\n`);
}

/** Why an error is not one that a program could understand, null when it is. */
function fault(error: unknown, { bluntly, valid }: Attempt): string | null {
  if (!(error instanceof Error)) return `threw ${typeof error} ${String(error)}`;
  if (error instanceof Trap) return null;
  if (valid) return `arguments that should work: ${error}`;
  if (!bluntly && ENGINES_OWN.test(error.message)) return `the engine's ${error}`;
  return null;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}

/** Begins an iterator that a call answered; answers the promise of an asynchronous one. */
function begin(result: unknown): Promise<unknown> | null {
  if (isPromise(result)) return result;
  const next = (result as Iterator<unknown> | null)?.next?.();
  return isPromise(next) ? next : null;
}

/** Makes one call and closes all that it had and made. Answers what was wrong with it. */
async function make(attempt: Attempt): Promise<string | null> {
  const scope = new Scope();
  const begun = performance.now();
  let wrong: string | null = null;
  const note = (error: unknown): void => {
    wrong ??= fault(error, attempt);
  };
  let promise: Promise<unknown> | null = null;
  try {
    const result = scope.keep(attempt.prepare(scope, foreigners.number)());
    wrong = scope.seen(result);
    promise = begin(result);
  } catch (error) {
    note(error);
  }
  promise?.catch(() => {}); // it may be rejected before somebody waits for it
  if (promise !== null && attempt.valid) {
    attempt.drive();
    await deadline(CALL_MS, promise, "it").catch(note);
  }
  try {
    scope.end();
  } catch (error) {
    note(error);
  }
  // What never comes by itself must end when the object is closed.
  if (promise !== null && wrong === null) {
    await deadline(CALL_MS, promise, "its end").then(dispose, note);
  }
  const ms = performance.now() - begun;
  return wrong ?? (ms > CALL_MS ? `took ${ms.toFixed()} ms` : null);
}

// An error that no caller can catch belongs to the call that is under way, or to the one before it.
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error: unknown) => complain(`threw where nobody can catch: ${error}`, latest));
}

/** Says which call is next, in bytes: Deno 2.9 appends a string, whatever the position is. */
function announce(attempt: Attempt): void {
  latest = attempt;
  fs.writeSync(call, encoder.encode(`${calls} ${attempt.name}`.padEnd(300)), 0, 300, 0);
}

/**
 * What is open once that no longer changes or is what was expected: the runtime's own threads open
 * and close something at times.
 */
async function settled(expected: string | null): Promise<string> {
  let last = "";
  for (let same = 0; same < 10;) {
    const now = numbersOpen();
    if (now === expected) return now;
    same = now === last ? same + 1 : 0;
    last = now;
    await turn(2);
  }
  return last;
}

/**
 * Whether a call leaves something open. Only what it leaves each time is its own: Deno opens two
 * sockets of its own late, some time after it has ended a worker.
 */
async function leaves(attempt: Attempt, before: string): Promise<boolean> {
  if (numbersOpen() === before) return false;
  const once = await settled(before);
  if (once === before) return false;
  await make(attempt);
  return await settled(once) !== once;
}

async function sweep(attempts: Iterable<Attempt>): Promise<void> {
  let group = "";
  const endGroup = (): void => {
    const site = `${group}(…)`;
    for (const change of foreigners.changes()) complain(change, { name: site, site });
    foreigners.note();
  };
  let open = await settled(null);
  foreigners.note();
  for (const attempt of attempts) {
    if (++calls < Number(first)) continue;
    if (attempt.group !== group) {
      if (group !== "") endGroup();
      group = attempt.group;
    }
    announce(attempt);
    const wrong = await make(attempt);
    if (wrong !== null) complain(wrong, attempt);
    if (await leaves(attempt, open)) complain("left a descriptor open", attempt);
    open = numbersOpen();
  }
  endGroup();
}

const members = membersOfExport(owner, library[owner]);
const arities = JSON.parse(parameters) as Readonly<Record<string, Arity>>;
for (const member of first === "1" ? members : []) {
  const what = unsaid(member, subject, arities[member.name] ?? { number: 0, rest: false });
  if (what !== null) complain(what, { name: owner, site: owner });
}
await sweep(attemptsOn(library[owner], members, subject));
for (const what of stage?.strike() ?? []) complain(what, { name: owner, site: owner });
await turn(50); // what a call has left behind may fail now, and may not keep this process
console.log(String(calls));
process.exit(0);
