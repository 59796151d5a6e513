/**
 * A twin of `@std/testing/types` for machines without JSR: assertions about types, which fail in
 * `npm run check` and cost nothing at run time.
 *
 * @module
 */

/** Asserts, when it is compiled, that the type argument is the literal that is passed. */
export function assertType<T extends boolean>(_expectTrue: T): void {}

/** Asserts that a type is `true`. */
export type AssertTrue<T extends true> = never;

/** Asserts that a type is `false`. */
export type AssertFalse<T extends false> = never;

/** Whether `T` is `any`. */
// Only `any` absorbs an intersection: 1 & any is any, and 0 extends it.
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** Whether `T` is `never`. */
export type IsNever<T> = [T] extends [never] ? true : false;

/** Whether `T` is `unknown`. */
export type IsUnknown<T> = IsAny<T> extends true ? false : unknown extends T ? true : false;

/** Whether null or undefined belong to `T`. */
export type IsNullable<T> = Extract<T, null | undefined> extends never ? false : true;

/** Whether a member of the union `T` has the type `U`. */
export type Has<T, U> = IsAny<T> extends true ? true
  : IsAny<U> extends true ? false
  : Extract<T, U> extends never ? false
  : true;

/** Whether no member of the union `T` has the type `U`. */
export type NotHas<T, U> = Has<T, U> extends true ? false : true;

/** Whether two types are the same, modifiers and `any` included. */
// Two generic functions are assignable to each other only when their conditions are identical.
export type IsExact<T, U> = (<X>() => X extends T ? 1 : 2) extends (<X>() => X extends U ? 1 : 2)
  ? true
  : false;
