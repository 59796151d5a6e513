/**
 * The calls of the misuse sweep, from the members of an export and its line in the table.
 *
 * @module
 */

import { EventFD } from "../../handles/event_fd.ts";
import { dispose, Scope } from "./scope.ts";
import type { Arguments, Subject } from "./subjects.ts";
import type { Class, Member } from "./surface.ts";
import { type Value, VALUES } from "./values.ts";

/** One call of the sweep. */
export interface Attempt {
  /** The call as a report names it. */
  readonly name: string;
  /** Its name without the values: what is wrong with many of them may have one cause. */
  readonly site: string;
  /** Calls of one member; the descriptors are looked at more closely between two groups. */
  readonly group: string;
  /** Whether nothing is wrong with it, so that it must not throw. */
  readonly valid: boolean;
  /** Whether it may be refused in the engine's words: one on something that is no instance is. */
  readonly bluntly: boolean;
  /** Makes all that the call needs, and answers the call itself. */
  prepare(scope: Scope, foreign: number): () => unknown;
  /** Makes the promise of a good call settle. */
  drive(): void;
}

/** Where a value goes: to an argument, or into a property of an argument that is an object. */
interface Place {
  readonly index: number;
  readonly key?: string;
}

type Filling = readonly (readonly [place: Place, value: Value])[];
type Run = (receiver: unknown, args: unknown[]) => unknown;

/** An open instance, a closed one, or what is none. */
interface State {
  readonly name: string;
  readonly strange: boolean;
  receiver(scope: Scope, subject: Subject, value: unknown): object | null;
}

const STATIC: State = { name: "", strange: false, receiver: () => null };
const OPEN: State = {
  name: "",
  strange: false,
  receiver: (scope, subject) => scope.keep(subject.make!(scope)),
};
const CLOSED: State = {
  name: "closed ",
  strange: false,
  receiver(scope, subject) {
    const instance = subject.make!(scope);
    if (subject.close) subject.close(instance);
    else dispose(instance);
    return instance;
  },
};
/** What methods are called on that were never meant for it. */
const STRANGE: readonly State[] = ([
  ["undefined", () => null],
  ["{}", () => ({})],
  ["prototype", (_scope, _subject, value) => (value as Class).prototype as object],
  ["heir of", (scope, subject) => Object.create(scope.keep(subject.make!(scope))) as object],
  ["Proxy of", (scope, subject) => new Proxy(scope.keep(subject.make!(scope)), {})],
  ["EventFD for", (scope) => scope.keep(EventFD.create())],
] satisfies [string, State["receiver"]][]).map(([name, receiver]) => ({
  name: `${name} `,
  strange: true,
  receiver,
}));

function placeName({ index, key }: Place): string {
  return key === undefined ? `#${index + 1}` : `#${index + 1}.${key}`;
}

/** The places of a call: every argument, and every property of those that are options. */
function placesOf(sample: readonly unknown[]): Place[] {
  return sample.flatMap((argument, index) => {
    const isOptions = typeof argument === "object" && argument !== null &&
      Object.getPrototypeOf(argument) === Object.prototype;
    return [{ index }, ...(isOptions ? Object.keys(argument).map((key) => ({ index, key })) : [])];
  });
}

/** Nothing, each value in each place, and pairs of values in each two arguments. */
function* fillings(
  places: readonly Place[],
  values: readonly Value[],
  pairs: boolean,
): Generator<Filling> {
  yield [];
  for (const place of places) {
    for (const value of values) yield [[place, value]];
  }
  if (!pairs) return;
  const paired = values.filter((value) => value.paired);
  for (const one of places) {
    for (const other of places) {
      if (one.index >= other.index || one.key !== undefined || other.key !== undefined) continue;
      for (const a of paired) for (const b of paired) yield [[one, a], [other, b]];
    }
  }
}

/** Everything about one member that its calls have in common. */
interface Target {
  readonly value: unknown;
  readonly subject: Subject;
  readonly member: Member;
  readonly valid: Arguments;
  readonly run: Run;
}

/** How a member is called. A property without a setter is assigned to all the same. */
function runOf(value: unknown, { kind, key, code }: Member): Run {
  switch (kind) {
    case "new":
      return (_, args) => Reflect.construct(value as new () => object, args);
    case "static":
      return (_, args) => code!.apply(value, args);
    case "set":
      return (receiver, [bad]) => {
        (receiver as Record<PropertyKey, unknown>)[key] = bad;
      };
    default:
      return (receiver, args) => code!.apply(receiver, args);
  }
}

/** How many parameters a member has, and whether the last takes any number. */
export interface Arity {
  readonly number: number;
  readonly rest: boolean;
}

/** What the table does not say about a member, null when it says all. */
export function unsaid(member: Member, subject: Subject, { number, rest }: Arity): string | null {
  const { kind, name } = member;
  const isKnown = kind === "set" || subject.omitted?.includes(name) ||
    subject.refused?.includes(name) || Object.hasOwn(INHERITED, name);
  if (isKnown) return null;
  const scope = new Scope();
  const said = validArguments(member, subject)?.(scope, null).length ?? 0;
  scope.end();
  if (said === number || (rest && said >= number)) return null;
  return `tests/misuse/subjects.ts: \`${name}\` has ${number} parameters, and the table ` +
    `${said} arguments for it: add what makes a good call`;
}

/** The arguments with which a member works; null where the table should have them and has not. */
export function validArguments({ kind, name }: Member, { valid }: Subject): Arguments | null {
  if (kind === "set") return () => [undefined];
  const own = Object.hasOwn(valid, name) ? valid[name] : undefined; // not its own toString
  return own ?? (Object.hasOwn(INHERITED, name) ? INHERITED[name]! : null);
}

/** Members of every handle that take arguments. */
const INHERITED: Readonly<Record<string, Arguments>> = { closing: () => [0] };

/** The calls of one member in one state. */
function* callsOf(
  { value, subject, member, valid, run }: Target,
  state: State,
): Generator<Attempt> {
  const { kind, owner, name } = member;
  const group = name === owner ? owner : kind === "new" ? `new ${owner}` : `${owner}.${name}`;
  const usual = state === OPEN || state === STATIC;
  const refuses = kind === "set" || (subject.refused?.includes(name) ?? false);
  const blunt = subject.blunt?.includes(name) ?? false;
  const values = VALUES.filter((value) =>
    !(blunt && value.heavy) && !subject.without?.[name]?.includes(value.name)
  );
  const sampleScope = new Scope();
  const places = state.strange ? [] : placesOf(valid(sampleScope, null));
  sampleScope.end();
  let latest: object | null = null;
  for (const filling of fillings(places, values, usual)) {
    const what = filling.map(([place, { name }]) => `${placeName(place)}: ${name}`).join(", ");
    const verb = `${state.name}${group}${kind === "set" ? " = " : ""}`;
    yield {
      name: `${verb}(${what})`,
      site: `${verb}(${filling.map(([place]) => placeName(place)).join(", ")})`,
      group,
      valid: usual && filling.length === 0 && !refuses,
      bluntly: state.strange || (kind === "set" && member.code === undefined) || blunt,
      prepare(scope, foreign) {
        const receiver = latest = state.receiver(scope, subject, value);
        const args = valid(scope, state.strange ? null : receiver);
        for (const [{ index, key }, bad] of filling) {
          const made = bad.make({ scope, receiver, foreign });
          args[index] = key === undefined ? made : { ...args[index] as object, [key]: made };
        }
        return () => run(receiver ?? undefined, args);
      },
      drive: () => subject.drive?.(latest!),
    };
  }
}

/** In which states a member is called. */
function statesOf({ kind, name }: Member, subject: Subject): readonly State[] {
  if (["new", "static", "function"].includes(kind) || name.startsWith("static ")) return [STATIC];
  if (subject.make === undefined) return [];
  return kind === "set" ? [OPEN] : [OPEN, CLOSED, ...STRANGE];
}

/** Every call that the sweep makes on one export. */
export function* attemptsOn(
  value: unknown,
  members: readonly Member[],
  subject: Subject,
): Generator<Attempt> {
  for (const member of members) {
    if (subject.omitted?.includes(member.name)) continue;
    const valid = validArguments(member, subject) ?? (() => []);
    const target: Target = { value, subject, member, valid, run: runOf(value, member) };
    for (const state of statesOf(member, subject)) yield* callsOf(target, state);
  }
}
