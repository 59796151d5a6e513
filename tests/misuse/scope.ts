/**
 * What one call of the sweep has opened, to be closed after it.
 *
 * @module
 */

/** Ends whatever can be ended: handles, and iterators that were begun. */
export function dispose(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const returned: unknown = (value as Partial<Iterator<unknown>>).return?.();
  if (returned instanceof Promise) returned.catch(() => {}); // its first result tells what was wrong
  (value as Partial<Disposable>)[Symbol.dispose]?.();
}

/** Looks at what a call answered, and says what is wrong; null when nothing is. */
export type Look = (result: unknown) => string | null;

/** Ends what it was given in the reverse order. */
export class Scope {
  readonly #ends: (() => void)[] = [];
  readonly #looks: Look[] = [];

  /** Takes care of something that {@linkcode dispose} ends. */
  keep<T>(value: T): T {
    this.#ends.push(() => dispose(value));
    return value;
  }

  /** Takes care of something else. */
  defer(end: () => void): void {
    this.#ends.push(end);
  }

  /** Takes a look after the call. */
  look(look: Look): void {
    this.#looks.push(look);
  }

  /** What the looks have seen, null when nothing is wrong. */
  seen(result: unknown): string | null {
    return this.#looks.map((look) => look(result)).find((what) => what !== null) ?? null;
  }

  /** Ends everything, whatever is thrown in between; then throws the first of that. */
  end(): void {
    const errors: unknown[] = [];
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
