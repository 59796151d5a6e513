/**
 * What every handle checks before it calls. Each message says what was expected of which argument
 * of which call, and what came.
 *
 * @module
 */

/** Shows a value in a message: its type where the value itself would not help. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : (value.constructor?.name ?? "an object");
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

/**
 * Checks a whole number.
 *
 * @throws {TypeError} when it is no number
 * @throws {RangeError} when it has a fraction or lies outside the bounds
 */
export function integer(value: unknown, what: string, least: number, most: number): number {
  if (typeof value !== "number") {
    throw new TypeError(`${what} must be a whole number, got ${shown(value)}`);
  }
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${what} must be a whole number from ${least} to ${most}, got ${value}`);
  }
  return value + 0; // −0 is 0 to everyone but Deno's FFI
}

/** Checks a descriptor's number: 0 is one, −1 is none. */
export function descriptorNumber(value: unknown, what: string): number {
  return integer(value, what, 0, 0x7fffffff);
}

/**
 * Checks an unsigned 64-bit value, given as a bigint or as a whole number.
 *
 * @throws {TypeError} when it is neither
 * @throws {RangeError} when it does not fit, or is a number beyond 2⁵³ − 1, which is not exact
 */
export function unsigned64(value: unknown, what: string): bigint {
  if (typeof value === "number") {
    return BigInt(integer(value, what, 0, Number.MAX_SAFE_INTEGER));
  }
  if (typeof value !== "bigint") {
    throw new TypeError(`${what} must be a whole number or a bigint, got ${shown(value)}`);
  }
  if (value < 0n || value > 0xffff_ffff_ffff_ffffn) {
    throw new RangeError(`${what} must fit in 64 unsigned bits, got ${value}n`);
  }
  return value;
}

/** Checks a buffer and answers something that C can be given: the same array, or a DataView's bytes. */
export function memory(value: unknown, what: string): ArrayBufferView {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) ? value : bytes(value, what);
}

/** Checks a buffer and answers its bytes: the same array when it is bytes already. */
export function bytes(value: unknown, what: string): Uint8Array<ArrayBufferLike> {
  if (ArrayBuffer.isView(value)) {
    if (value instanceof Uint8Array) return value;
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw new TypeError(`${what} must be a typed array or a DataView, got ${shown(value)}`);
}

/** Checks what ends a wait; leaving it out is allowed. */
export function abortSignal(value: unknown, what: string): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw new TypeError(`${what} must be an AbortSignal, got ${shown(value)}`);
}

/** Checks a switch, so that a misspelt option is not silently "off". */
export function flag(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") {
    throw new TypeError(`${what} must be true or false, got ${shown(value)}`);
  }
  return value;
}

/** Checks that options are an object: a number in their place is the mistake this catches. */
export function options<T extends object>(value: T, what: string): T {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${what} must be an object of options, got ${shown(value)}`);
  }
  return value;
}

/** Checks that a word is one of those an option knows. */
export function oneOf<T extends string>(value: unknown, words: readonly T[], what: string): T {
  if (typeof value === "string" && (words as readonly string[]).includes(value)) return value as T;
  const known = words.map((word) => `"${word}"`).join(", ");
  throw new TypeError(`${what} must be one of ${known}; got ${shown(value)}`);
}
