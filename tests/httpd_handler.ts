/**
 * The handler of examples/httpd.ts for an engine under test: it dies when it is told to.
 *
 * @module
 */

export {
  onClose,
  onData,
  onDrain,
  onEnd,
  onOpen,
  onShutdown,
  onStart,
} from "../examples/httpd_worker.ts";

/** Dies, or not: it is asked whether there is anybody. */
export function onMessage(value: unknown): void {
  if (value === "die") throw new Error("told to die");
}
