// The twins of @std must fail where the originals fail: every test of the project leans on them.

import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import {
  type AssertFalse,
  type AssertTrue,
  assertType,
  type Has,
  type IsAny,
  type IsExact,
  type IsNever,
  type IsNullable,
  type IsUnknown,
  type NotHas,
} from "@std/testing/types";
import { inspect } from "node:util";
import { test } from "./support.ts";

/** The assertion's error, or a plain error, which no assertion of these could catch. */
function failureOf(assertion: () => unknown): AssertionError {
  try {
    assertion();
  } catch (error) {
    if (error instanceof AssertionError) return error;
    throw error;
  }
  throw new Error(`did not fail: ${assertion}`);
}

const EQUAL: [a: unknown, b: unknown][] = [
  [NaN, NaN],
  [0, -0],
  [1n, 1n],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])],
  [new Map([[{ k: 1 }, [2]]]), new Map([[{ k: 1 }, [2]]])],
  [new RangeError("x"), new RangeError("x")],
];

const DIFFERENT: [a: unknown, b: unknown][] = [
  [1, 2],
  [1, 1n],
  [1, "1"],
  [null, undefined],
  [null, {}],
  [{ a: undefined }, {}],
  [{ a: undefined }, { b: undefined }],
  [[1, 2], [1, 2, 3]],
  [[1], { 0: 1 }],
  [[undefined], Array(1)],
  [{ [Symbol.iterator]: 1 }, {}],
  [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1, 2]).buffer, new Uint8Array([1, 3]).buffer],
  [new DataView(new ArrayBuffer(1)), new DataView(new ArrayBuffer(2))],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [new Set([{ a: 1 }, { a: 2 }]), new Set([{ a: 1 }, { a: 3 }])],
  [new Map([[1, 2]]), new Map([[1, 3]])],
  [new RangeError("x"), new TypeError("x")],
  [new RangeError("x"), new RangeError("y")],
];

test("std_assert: equality, both ways round", () => {
  for (const [a, b] of EQUAL) {
    assert(equal(a, b) && equal(b, a), inspect([a, b]));
    assertEquals(a, b);
    failureOf(() => assertNotEquals(a, b));
  }
  for (const [a, b] of DIFFERENT) {
    assert(!equal(a, b) && !equal(b, a), inspect([a, b]));
    assertNotEquals(a, b);
    failureOf(() => assertEquals(a, b));
  }
});

test("std_assert: equality of what contains itself", () => {
  const cycle = (last: number): unknown => {
    const list: unknown[] = [1];
    list.push(list, last);
    return list;
  };
  assert(equal(cycle(1), cycle(1)));
  assert(!equal(cycle(1), cycle(2)));
});

test("std_assert: what passes", () => {
  assert(1);
  assertFalse(0);
  assertExists(0);
  assertStrictEquals(NaN, NaN);
  assertNotStrictEquals({}, {});
  assertGreater(2, 1);
  assertGreaterOrEqual(2n, 2n);
  assertLess(1, 2);
  assertLessOrEqual(2, 2);
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(10, 11, 1);
  assertMatch("abc", /b/g);
  assertStringIncludes("abc", "bc");
  assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]);
  assertInstanceOf(new RangeError(), Error);
});

test("std_assert: what fails", () => {
  const failing: (() => unknown)[] = [
    () => fail(),
    () => unreachable(),
    () => assert(0),
    () => assertFalse(1),
    () => assertExists(null),
    () => assertExists(undefined),
    () => assertStrictEquals({}, {}),
    () => assertStrictEquals(0, -0),
    () => assertNotStrictEquals(1, 1),
    () => assertGreater(1, 1),
    () => assertGreaterOrEqual(1, 2),
    () => assertLess(1, 1),
    () => assertLessOrEqual(2, 1),
    () => assertAlmostEquals(1, 1.1),
    () => assertAlmostEquals(NaN, 1),
    () => assertMatch("abc", /d/),
    () => assertStringIncludes("abc", "d"),
    () => assertArrayIncludes([1], [1, 2]),
    () => assertInstanceOf({}, Error),
  ];
  for (const assertion of failing) failureOf(assertion);
  assertMatch(failureOf(() => assertEquals([1], [2], "why")).message, /why[^]*\[ 1 \][^]*\[ 2 \]/);
});

test("std_assert: assertThrows returns the error, and looks at class and message", () => {
  const thrower = (): never => {
    throw new RangeError("out of range");
  };
  const error: RangeError = assertThrows(thrower, RangeError, "of range");
  assertEquals(error.message, "out of range");
  assertThrows(thrower, Error);
  assertStrictEquals(
    assertThrows(() => {
      throw "no error";
    }, "a message"),
    "no error",
  );
});

test("std_assert: assertThrows fails", () => {
  const thrower = (): never => {
    throw new RangeError("out of range");
  };
  failureOf(() => assertThrows(() => {}));
  failureOf(() => assertThrows(() => {}, Error));
  failureOf(() => assertThrows(thrower, TypeError));
  failureOf(() => assertThrows(thrower, RangeError, "another text"));
  failureOf(() =>
    assertThrows(() => {
      throw "no error";
    }, Error)
  );
});

test("std_assert: assertRejects, both ways", async () => {
  const failed = (fn: () => Promise<unknown>): Promise<Error> =>
    fn().then(() => fail("did not fail"), (error) => error);
  const rejecter = (): Promise<never> => Promise.reject(new RangeError("out of range"));

  assertEquals((await assertRejects(rejecter, RangeError, "of range")).message, "out of range");
  assertInstanceOf(await assertRejects(rejecter), RangeError);
  for (
    const assertion of [
      () => assertRejects(() => Promise.resolve(1)),
      () => assertRejects(rejecter, TypeError),
      () => assertRejects(rejecter, RangeError, "another text"),
      () => assertRejects(() => Promise.reject("no error"), Error),
      () => assertRejects(() => undefined as unknown as Promise<void>),
      () =>
        assertRejects(() => {
          throw new RangeError("at once");
        }),
    ]
  ) assertInstanceOf(await failed(assertion), AssertionError);
});

test("std_testing_types: the type checker is the test", () => {
  assertType<IsExact<1 | 2, 2 | 1>>(true);
  assertType<IsExact<number, 1>>(false);
  assertType<IsExact<{ a?: 1 }, { a: 1 | undefined }>>(false);
  assertType<IsExact<unknown, never>>(false);
  assertType<IsAny<unknown>>(false);
  assertType<IsNever<never>>(true);
  assertType<IsNever<1>>(false);
  assertType<IsUnknown<unknown>>(true);
  assertType<IsUnknown<1>>(false);
  assertType<IsNullable<1 | null>>(true);
  assertType<IsNullable<1>>(false);
  assertType<Has<1 | "a", string>>(true);
  assertType<NotHas<1 | "a", boolean>>(true);
  const proofs: (AssertTrue<IsExact<[1], [1]>> | AssertFalse<IsExact<[1], [2]>>)[] = [];
  assertEquals(proofs.length, 0);
});
