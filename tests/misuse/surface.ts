/**
 * Everything that a program can reach from the exports of a module, by reflection: a new method is
 * found by itself.
 *
 * @module
 */

/** How a member is reached. */
export type Kind = "new" | "static" | "method" | "get" | "set" | "function";

/** One member. */
export interface Member {
  /** The export that it is reached by. */
  readonly owner: string;
  readonly kind: Kind;
  readonly key: PropertyKey;
  /** Its name in the table of subjects: `new`, `static create`, `signal`, `[Symbol.dispose]`. */
  readonly name: string;
  /** The function that a call runs, undefined for a property. */
  readonly code: ((...args: unknown[]) => unknown) | undefined;
}

/** A class, as far as reflection is concerned. */
export type Class = (abstract new (...args: unknown[]) => object) & Record<PropertyKey, unknown>;

/** Properties that every class and function has from the language. */
const LANGUAGES: readonly PropertyKey[] = ["length", "name", "prototype", "constructor"];

/** Whether an export is a class, and not a function that is called without `new`. */
export function isClass(value: unknown): value is Class {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}

function keyName(key: PropertyKey): string {
  return typeof key === "symbol" ? `[${key.description}]` : String(key);
}

/** The members of one object, under names that begin with `prefix`. */
function* membersOf(
  holder: object,
  owner: string,
  kind: "static" | "method",
  prefix: string,
): Generator<Member> {
  for (const key of Reflect.ownKeys(holder)) {
    if (LANGUAGES.includes(key)) continue;
    const name = prefix + keyName(key);
    const { value, get, set } = Object.getOwnPropertyDescriptor(holder, key)!;
    if (typeof value === "function") yield { owner, kind, key, name, code: value };
    if (get) yield { owner, kind: "get", key, name, code: get };
    if (get || set) yield { owner, kind: "set", key, name, code: set };
  }
}

/** The prototypes of a class from its own to the last that is not the language's. */
function* prototypes({ prototype }: Class): Generator<object> {
  const ends: readonly unknown[] = [null, Object.prototype, Error.prototype];
  for (let next = prototype as object; !ends.includes(next);) {
    yield next;
    next = Object.getPrototypeOf(next);
  }
}

function* membersOfClass(owner: string, value: Class): Generator<Member> {
  yield { owner, kind: "new", key: "constructor", name: "new", code: undefined };
  yield* membersOf(value, owner, "static", "static ");
  const seen = new Set<string>();
  for (const prototype of prototypes(value)) {
    for (const member of membersOf(prototype, owner, "method", "")) {
      const same = `${member.kind} ${member.name}`; // a getter hides its parent's, not a setter
      if (!seen.has(same)) yield member;
      seen.add(same);
    }
  }
}

/** Everything that one export offers. */
export function membersOfExport(owner: string, value: unknown): Member[] {
  if (isClass(value)) return [...membersOfClass(owner, value)];
  if (typeof value === "function") {
    const code = value as (...args: unknown[]) => unknown;
    return [{ owner, kind: "function", key: owner, name: owner, code }];
  }
  return Object.keys(value as object).map((key) => ({
    owner,
    kind: "set" as const,
    key,
    name: key,
    code: undefined,
  }));
}
