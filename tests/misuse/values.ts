/**
 * Values that no call has use for. Each is made anew for each call, since calls may spoil them.
 *
 * @module
 */

import { EventFD } from "../../handles/event_fd.ts";
import { pipe } from "../../handles/pipe.ts";
import type { Scope } from "./scope.ts";

/** What a value can be made from. */
export interface Occasion {
  /** Ends what the value opens. */
  readonly scope: Scope;
  /** The object that is called, null for a static call. */
  readonly receiver: object | null;
  /** The number of a descriptor that the library must never touch. */
  readonly foreign: number;
}

/** A value and how a report names it. */
export interface Value {
  readonly name: string;
  /** Whether it stands in pairs too. One of each sort does: a pair for each two would be too many. */
  readonly paired: boolean;
  /** Whether making text of it takes an engine minutes. */
  readonly heavy: boolean;
  make(occasion: Occasion): unknown;
}

/** What the values themselves throw: the only thing that a call may pass on as it is. */
export class Trap extends Error {
  override readonly name: string = "Trap";
}

function trap(): never {
  throw new Trap("a value was looked into");
}

function detached(length: number): Uint8Array {
  const view = new Uint8Array(length);
  view.buffer.transfer();
  return view;
}

/** A view that its resizable buffer has left behind. */
function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  const view = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return view;
}

const LIE = 64;
const TRUTH = 8;
const UNTOUCHED = 0xaa;

/** Bytes that say of themselves that they are more: whoever believes it goes beyond their end. */
function liar({ scope }: Occasion): Uint8Array {
  const all = new Uint8Array(new ArrayBuffer(LIE)).fill(UNTOUCHED);
  const lying = { byteLength: { value: LIE }, length: { value: LIE } };
  scope.look((result) =>
    all.every((byte, index) => index < TRUTH || byte === UNTOUCHED) && !(Number(result) > TRUTH)
      ? null
      : `went beyond the end of ${TRUTH} bytes, and answered ${String(result)}`
  );
  return Object.defineProperties(all.subarray(0, TRUTH), lying);
}

/** No bytes at all, behind their prototype. */
function impostor(): object {
  return Object.create(Uint8Array.prototype, { byteLength: { value: 8 }, length: { value: 8 } });
}

/** Closes the object that is called as soon as the call looks into the value. */
function closer({ receiver }: Occasion): () => never {
  return () => {
    (receiver as Partial<Disposable> | null)?.[Symbol.dispose]?.();
    throw new Trap("a value was looked into, and closed the object");
  };
}

function closedHandle({ scope }: Occasion): EventFD {
  const handle = scope.keep(EventFD.create());
  handle.close();
  return handle;
}

/** A handle's shared form whose memory is of the right length and nobody's. */
function forged(kind: string): object {
  return { kind, cell: new SharedArrayBuffer(128) };
}

const SIMPLE: readonly (readonly [name: string, make: () => unknown])[] = [
  ["undefined", () => undefined],
  ["null", () => null],
  ["NaN", () => NaN],
  ["-1", () => -1],
  ["1.5", () => 1.5],
  ["2**31", () => 2 ** 31],
  ["2**53", () => 2 ** 53],
  ["2n**64n", () => 2n ** 64n],
  ['""', () => ""],
  ['"x"', () => "x"],
  ["a symbol", () => Symbol("x")],
  ["a function", () => () => 0],
  ["{}", () => ({})],
  ["a detached Uint8Array", () => detached(8)],
  ["a zero-length Uint8Array", () => new Uint8Array(0)],
  ["an array-like of 2**53", () => ({ length: 2 ** 53 })],
  ["a trapped Proxy", () => new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap })],
];

const ALONE: readonly (readonly [name: string, make: (occasion: Occasion) => unknown])[] = [
  ["Infinity", () => Infinity],
  ["-0", () => -0],
  ["2**32", () => 2 ** 32],
  ["-1n", () => -1n],
  ["2n**63n", () => 2n ** 63n],
  ["true", () => true],
  ['"\\0"', () => "\0"],
  ["a string of 100,000", () => "y".repeat(100_000)],
  ["[]", () => []],
  ["an object with an index of 2**32", () => ({ [2 ** 32]: 1, length: 2 ** 32 + 1 })],
  ["a detached DataView", () => new DataView(detached(8).buffer.slice(0))],
  ["an out-of-bounds Uint8Array", outOfBounds],
  ["an ArrayBuffer", () => new ArrayBuffer(8)],
  ["a Uint8Array that lies about its length", liar],
  ["an object with Uint8Array's prototype", impostor],
  ["a throwing getter", () => Object.defineProperty({}, "length", { get: trap, enumerable: true })],
  ["a throwing valueOf", () => ({ valueOf: trap, toString: trap, [Symbol.toPrimitive]: trap })],
  ["a throwing iterator", () => ({ [Symbol.iterator]: trap })],
  ["a throwing total()", () => ({ total: trap })],
  ["a total() of NaN", () => ({ total: () => NaN })],
  ["a total() that closes", (occasion) => ({ total: closer(occasion) })],
  ["a Proxy that closes", (occasion) => new Proxy({}, { get: closer(occasion) })],
  ["a foreign number as text", ({ foreign }) => String(foreign)],
  ["a valueOf of a foreign number", ({ foreign }) => ({ valueOf: () => foreign })],
  ["an array of a foreign number", ({ foreign }) => [foreign]],
  ["another kind of handle", ({ scope }) => scope.keep(pipe()).reader],
  ["a closed handle", closedHandle],
  ["a handle's prototype", () => EventFD.prototype],
  ["a shared form of another kind", ({ scope }) => scope.keep(EventFD.create()).share()],
  ["a forged shared form", () => forged("FD")],
  ["an aborted signal", () => AbortSignal.abort(new Trap("aborted"))],
];

/** Every value. */
export const VALUES: readonly Value[] = [
  ...SIMPLE.map(([name, make]) => ({ name, make, paired: true, heavy: false })),
  ...ALONE.map(([name, make]) => ({ name, make, paired: false, heavy: false })),
  {
    name: "a holey array of 2**32 - 1",
    make: () => new Array(2 ** 32 - 1),
    paired: false,
    heavy: true,
  },
];
