/**
 * A twin of `@std/assert` for machines without JSR: the same names, the same behaviour, so that the
 * tests and the examples in the documentation run under their published import. The import map
 * (Deno) and the paths of tsconfig.json (Bun) put it in the place of the original.
 *
 * Where the original is lenient (two ArrayBuffers or two Errors of one class are always equal) the
 * twin compares: whatever passes here passes there.
 *
 * @module
 */

import { inspect } from "node:util";

/** The class of an expected error, abstract ones included. */
export type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** The values that are false in a condition. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** The instance type of any class. */
export type InstanceOf<T> = T extends abstract new (...args: never[]) => infer I ? I : never;

/** What every failed assertion throws. */
export class AssertionError extends Error {
  override readonly name: string = "AssertionError";
}

/** `: message` when the caller gave one, else a full stop: how the original ends its sentences. */
function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : ".";
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, sorted: true, breakLength: 100, maxArrayLength: 200 });
}

function assertThat(ok: boolean, sentence: string, msg?: string): void {
  if (!ok) throw new AssertionError(sentence + suffix(msg));
}

// Deep equality.

function sameConstructor(a: object, b: object): boolean {
  // An object without prototype equals a plain one, as in the original.
  return (a.constructor ?? Object) === (b.constructor ?? Object);
}

function bytesOf(value: object): Uint8Array | null {
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return new Uint8Array(value);
  }
  if (value instanceof DataView) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return null;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** What stands for a built-in object whose state is not in its properties; null for all others. */
function scalarOf(value: object): unknown[] | null {
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof RegExp || value instanceof URL) return [String(value)];
  return null;
}

type Compare = (a: unknown, b: unknown) => boolean;

/** Every element of `a` has its own equal in `b`; keys and values may be objects. */
function sameElements(a: Iterable<unknown>, b: Iterable<unknown>, compare: Compare): boolean {
  const rest = [...b];
  for (const one of a) {
    const index = rest.findIndex((other) => compare(one, other));
    if (index < 0) return false;
    rest.splice(index, 1);
  }
  return rest.length === 0;
}

function enumerableKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
}

function sameProperties(a: object, b: object, compare: Compare): boolean {
  const keys = enumerableKeys(a);
  return keys.length === enumerableKeys(b).length && keys.every((key) =>
    Object.hasOwn(b, key) &&
    compare((a as Record<PropertyKey, unknown>)[key], (b as Record<PropertyKey, unknown>)[key])
  );
}

function sameObjects(a: object, b: object, compare: Compare): boolean {
  if (!sameConstructor(a, b)) return false;
  for (const weak of [WeakMap, WeakSet]) {
    if (a instanceof weak) throw new TypeError(`cannot compare ${weak.name} instances`);
  }
  const [left, right] = [bytesOf(a), bytesOf(b)];
  if (left && right) return sameBytes(left, right);
  const [one, other] = [scalarOf(a), scalarOf(b)];
  if (one && other) return Object.is(one[0], other[0]);
  if (a instanceof Set && b instanceof Set) return sameElements(a, b, compare);
  if (a instanceof Map && b instanceof Map) return sameElements(a, b, compare);
  if (a instanceof Error && b instanceof Error && a.message !== b.message) return false;
  return sameProperties(a, b, compare);
}

/** Deep equality: by structure, with one constructor, NaN equal to NaN and 0 equal to -0. */
export function equal(actual: unknown, expected: unknown): boolean {
  const seen = new Map<object, unknown>();
  const compare: Compare = (a, b) => {
    if (a === b || Object.is(a, b)) return true;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    if (seen.get(a) === b) return true; // a cycle, or a pair that is being compared already
    seen.set(a, b);
    const same = sameObjects(a, b, compare);
    if (!same) seen.delete(a); // a search among the elements of a Set goes on after a mismatch
    return same;
  };
  return compare(actual, expected);
}

// Truth and identity.

/** Fails with the message. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${suffix(msg)}`);
}

/** Fails: control must not come here. */
export function unreachable(reason?: string): never {
  throw new AssertionError(`Unreachable${suffix(reason)}`);
}

/** Asserts that a value is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that a value is falsy. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Asserts that a value is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  assertThat(
    actual !== undefined && actual !== null,
    `Expected actual: "${actual}" to not be null or undefined`,
    msg,
  );
}

function difference(sentence: string, actual: unknown, expected: unknown, msg?: string): string {
  return `${sentence}${suffix(msg)}\n    actual:   ${show(actual)}\n    expected: ${
    show(expected)
  }\n`;
}

/** Asserts deep equality. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(difference("Values are not equal", actual, expected, msg));
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    `Expected actual: ${show(actual)} not to be: ${show(expected)}${suffix(msg)}`,
  );
}

/** Asserts that two values are the same (`Object.is`). */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(difference("Values are not strictly equal", actual, expected, msg));
}

/** Asserts that two values are not the same (`Object.is`). */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!Object.is(actual, expected)) return;
  throw new AssertionError(
    `Expected "actual" to not be strictly equal to: ${show(actual)}${suffix(msg)}`,
  );
}

// Order and closeness.

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  assertThat(actual > expected, `Expect ${show(actual)} > ${show(expected)}`, msg);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assertThat(actual >= expected, `Expect ${show(actual)} >= ${show(expected)}`, msg);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  assertThat(actual < expected, `Expect ${show(actual)} < ${show(expected)}`, msg);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  assertThat(actual <= expected, `Expect ${show(actual)} <= ${show(expected)}`, msg);
}

/** Asserts that two numbers differ by at most `tolerance`: by default 1e-7 of the expected one. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const most = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  assertThat(
    delta <= most,
    `Expected actual: "${actual}" to be close to "${expected}": ` +
      `delta "${delta}" is greater than "${most}"`,
    msg,
  );
}

// Contents.

/** Asserts that a string matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  assertThat(
    actual.search(expected) >= 0,
    `Expected actual: "${actual}" to match: "${expected}"`,
    msg,
  );
}

/** Asserts that a string contains another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  assertThat(
    actual.includes(expected),
    `Expected actual: "${actual}" to contain: "${expected}"`,
    msg,
  );
}

/** Asserts that every expected element is in `actual`, by deep equality. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const have = Array.from(actual);
  const missing = Array.from(expected).filter((one) => !have.some((other) => equal(one, other)));
  assertThat(
    missing.length === 0,
    `Expected actual: ${show(have)} to include: ${show(Array.from(expected))}: missing ${
      show(missing)
    }`,
    msg,
  );
}

/** Asserts that a value is an instance of a class. */
export function assertInstanceOf<T extends abstract new (...args: never[]) => unknown>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceOf<T> {
  if (actual instanceof expectedType) return;
  const what = typeof actual === "object" && actual !== null
    ? (actual.constructor?.name ?? "Object")
    : show(actual);
  throw new AssertionError(
    `Expected object to be an instance of "${expectedType.name}" but was "${what}"${suffix(msg)}`,
  );
}

// Errors.

/** What the overloads of assertThrows and assertRejects say together. */
interface Expectation {
  readonly errorClass: ErrorClass<Error> | undefined;
  readonly includes: string | undefined;
  readonly msg: string | undefined;
}

function expectation(
  classOrMsg: ErrorClass<Error> | string | undefined,
  includes: string | undefined,
  msg: string | undefined,
): Expectation {
  return typeof classOrMsg === "string"
    ? { errorClass: undefined, includes: undefined, msg: classOrMsg }
    : { errorClass: classOrMsg, includes, msg };
}

function checkError(error: unknown, { errorClass, includes, msg }: Expectation): void {
  if (errorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown${suffix(msg)}`);
  }
  const expectedClass: boolean = error instanceof errorClass;
  if (!expectedClass) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was ` +
        `"${error.constructor.name}": ${error.message}${suffix(msg)}`,
    );
  }
  if (includes !== undefined && !error.message.includes(includes)) {
    throw new AssertionError(
      `Expected error message to include ${show(includes)}, but got ` +
        `${show(error.message)}${suffix(msg)}`,
    );
  }
}

/** Asserts that a function throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that a function throws an error of one class, and returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const expected = expectation(classOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to throw${suffix(expected.msg)}`);
}

/** Asserts that a function's promise rejects, and resolves with the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that a function's promise rejects with an error of one class, and resolves with it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const expected = expectation(classOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch {
    // Answered below, like a function that returns no promise: neither of them rejects.
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(`Function throws when expected to reject${suffix(expected.msg)}`);
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, expected);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(expected.msg)}`);
}
