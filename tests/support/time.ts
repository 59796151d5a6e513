/**
 * Waiting with an end: no test hangs, and none sleeps for a guess.
 *
 * @module
 */

/** The promise's own outcome, or an error that names what was waited for after `ms`. */
export async function deadline<T>(
  ms: number,
  promise: PromiseLike<T>,
  what: string | (() => string),
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${typeof what === "string" ? what : what()}: not within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves in the next turn of the event loop but for `ms`. */
export function turn(ms: number = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Asks until the answer is true, at short and growing intervals, for at most `ms`: of a machine that
 * lets this process run. One that was not let run has not asked often enough, and asks on.
 */
export async function waitUntil(
  predicate: () => boolean | Promise<boolean>,
  ms: number,
  what: string,
): Promise<void> {
  const end = performance.now() + ms;
  let looks = 0;
  for (let pause = 1; !(await predicate()); pause = Math.min(pause * 2, 20)) {
    looks++;
    if (performance.now() >= end && looks >= ms / 40) {
      throw new Error(`${what}: not within ${ms} ms`);
    }
    await turn(pause);
  }
}
