/**
 * What the tests share: `test`, which fails when a test leaves a descriptor open, and helpers.
 *
 * @module
 */

import nodeTest from "node:test";
import { leakedAfterSettling, openDescriptors, warmUp } from "./support/descriptors.ts";
import { deadline } from "./support/time.ts";

export { useDescriptorProbe } from "./support/descriptors.ts";
export {
  hasCommand,
  kernelAtLeast,
  kernelVersion,
  root,
  runtime,
  tempDir,
} from "./support/environment.ts";
export type { TempDir } from "./support/environment.ts";
export { runtimeArguments, scriptLines, spawnScript, startScript } from "./support/script.ts";
export type { RunningScript, ScriptOptions, ScriptResult } from "./support/script.ts";
export { deadline, turn, waitUntil } from "./support/time.ts";
export { serve, worker } from "./support/worker.ts";
export type { Methods, TestWorker } from "./support/worker.ts";

/** What a test does. It passes when it returns, or when its promise resolves. */
export type TestBody = () => void | Promise<void>;

/** How long a test may take, unless it says otherwise. */
const TEST_MS = 60_000;

/** See {@linkcode test}. */
export interface Test {
  (name: string, body: TestBody, options?: { readonly timeoutMs?: number }): void;
  /** Registers a test that cannot run here. The reports show the reason as part of its name. */
  skip(name: string, reason: string): void;
  /** Registers the test when the condition holds, and skips it for the reason when it does not. */
  if(
    condition: boolean,
    reason: string,
    name: string,
    body: TestBody,
    options?: { readonly timeoutMs?: number },
  ): void;
}

async function guarded(name: string, body: TestBody, timeoutMs: number): Promise<void> {
  await warmUp();
  const before = openDescriptors();
  await deadline(timeoutMs, Promise.resolve().then(body), `the test "${name}"`);
  const leaked = before === null ? [] : await leakedAfterSettling(before);
  if (leaked.length > 0) {
    throw new Error(`the test left ${leaked.length} open: ${leaked.join(", ")}`);
  }
}

function skip(name: string, reason: string): void {
  if (reason === "") throw new TypeError(`the skipped test "${name}" needs a reason`);
  nodeTest.skip(`${name} (skipped: ${reason})`, () => {});
}

/**
 * Registers a test: node:test's, which fails as well when a descriptor is open after it that was
 * not open before, or when it does not end within 60 s.
 */
export const test: Test = Object.assign(
  (name: string, body: TestBody, options?: { readonly timeoutMs?: number }): void => {
    const timeoutMs = options?.timeoutMs ?? TEST_MS;
    // Bun's own limit, 5 s by default, must not come before ours and the settling after it.
    nodeTest(name, { timeout: timeoutMs + 10_000 }, () => guarded(name, body, timeoutMs));
  },
  {
    skip,
    if: (
      condition: boolean,
      reason: string,
      name: string,
      body: TestBody,
      options?: { readonly timeoutMs?: number },
    ): void => condition ? test(name, body, options) : skip(name, reason),
  },
);
