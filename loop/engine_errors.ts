/**
 * The errors of an engine.
 *
 * @module
 */

/**
 * A worker of an Engine has ended although nobody told it to: its program threw, where nothing caught
 * it, or ended the thread. What it had open was closed.
 *
 * @example
 * ```ts
 * import { Engine, EngineWorkerError } from "@fdloop/fdloop";
 * import { assert, assertRejects } from "@std/assert";
 *
 * const source = `export function onData() {}
 *   export function onStart() { throw new Error("no configuration") }`;
 * const handler = `data:text/javascript;base64,${btoa(source)}`;
 * await using engine = Engine.create({ handler, workers: 1 });
 * const error = await assertRejects(() => engine.listen(), EngineWorkerError);
 * assert(error.worker === 0 && error.message.includes("no configuration"));
 * ```
 */
export class EngineWorkerError extends Error {
  /** Always `"EngineWorkerError"`. */
  override readonly name: string = "EngineWorkerError";
  /** Which worker it was. */
  readonly worker: number;

  /**
   * Describes the end of a worker.
   *
   * @param worker its number
   * @param what how it has ended
   * @param cause what it threw, where that is known
   */
  constructor(worker: number, what: string, cause?: unknown) {
    const why = cause instanceof Error ? `: ${cause.name}: ${cause.message}` : "";
    super(`worker ${worker} ${what}${why}`, cause === undefined ? {} : { cause });
    this.worker = worker;
  }
}

/**
 * An Engine was asked for something that needs its workers, before `listen()` or after `shutdown()`.
 *
 * @example
 * ```ts
 * import { Engine, EngineClosedError } from "@fdloop/fdloop";
 * import { assertThrows } from "@std/assert";
 *
 * await using engine = Engine.create({ handler: new URL("file:///handler.ts"), workers: 1 });
 * assertThrows(() => engine.workerLoop(0), EngineClosedError, "listen()");
 * ```
 */
export class EngineClosedError extends Error {
  /** Always `"EngineClosedError"`. */
  override readonly name: string = "EngineClosedError";

  /**
   * Describes the call.
   *
   * @param what the call that was refused
   * @param over whether the engine has been shut down, instead of not listening yet
   */
  constructor(what: string, over: boolean) {
    super(
      over
        ? `${what}: the Engine is shut down: create another one`
        : `${what}: the Engine has no workers yet: await listen() first`,
    );
  }
}
