/**
 * Signals that a runtime handles on its own account, only to do in the end what the default does.
 *
 * Deno 2.9.6 puts its handler on SIGHUP, SIGINT, SIGTERM and SIGUSR1 when it starts a first Worker or
 * hears of a first listener, on another thread and at a time of its own. Without a listener it then
 * ends the process by SIGTERM as the default would. Coming after ours, that handler would end the
 * process although a SignalFD receives the signal. But Deno never installs it twice: so it is made to
 * do so first, by a listener that comes and goes, and is replaced then. It is there again when the
 * SignalFD is closed, since a listener that is added later relies on it.
 *
 * Bun 1.4.5 handles SIGINT and SIGTERM from the beginning when it runs on a terminal: it puts the
 * terminal's settings back and ends the process as the default would. It does the former at every other
 * end, too, so that handler is replaced as well, and is there again when the SignalFD is closed.
 *
 * @module
 */

import { libc } from "../ffi/libc.ts";
import { SIG_DFL } from "../ffi/signal_stub.ts";
import { type SignalName, signalNumber } from "../ffi/signals.ts";
import { isInProgram } from "./own_mappings.ts";
import { actionOf, handlerOf, isHandler } from "./signal_orders.ts";

interface Listening {
  on(signal: string, listener: () => void): void;
  off(signal: string, listener: () => void): void;
  listenerCount(signal: string): number;
}

/** The signals that a runtime may begin to handle at any time. */
const OWN: readonly SignalName[] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"];

/** The handler that the runtime leaves when a listener has gone: null for none, once it is known. */
let leftBehind: bigint | null | undefined;

/** The handler that it has while somebody listens, once it is known. */
let whileListening: bigint | null = null;

/**
 * Makes the runtime install its handler now, if it ever will. A handler that is there already is
 * left alone, and so is a disposition that the runtime only changes for as long as it listens.
 */
export function settleRuntime(signal: number): void {
  const name = ownName(signal);
  const process = runtimeProcess();
  if (name === undefined || process === null || leftBehind === null) return;
  const before = actionOf(SIG_DFL);
  libc.sigaction(signal, null, before);
  if (isHandler(handlerOf(signal))) {
    if (leftBehind === undefined) learn();
    return;
  }
  const nobody = (): void => {};
  process.on(name, nobody);
  whileListening = handlerOf(signal);
  process.off(name, nobody);
  const handler = handlerOf(signal);
  leftBehind = isHandler(handler) ? handler : null;
  if (leftBehind === null) libc.sigaction(signal, before, null);
}

/**
 * Whether a handler is the runtime's own and nobody listens, as far as that can be seen: a listener
 * of `process.on` can, one of `Deno.addSignalListener` cannot.
 */
export function isIdle(signal: number, handler: bigint): boolean {
  const name = ownName(signal);
  const process = runtimeProcess();
  if (name === undefined || process === null || process.listenerCount(name) > 0) return false;
  if (leftBehind === undefined) learn();
  return leftBehind === null ? putsTerminalBack(handler) : handler === leftBehind;
}

/** Whether a handler is the one of Bun's that has to do with no listener, wherever that may be. */
function putsTerminalBack(handler: bigint): boolean {
  return isHandler(whileListening) && handler !== whileListening && isInProgram(handler);
}

/** Finds out which handler the runtime leaves behind, by one of the signals that has none yet. */
function learn(): void {
  const handlers = OWN.map((name) => handlerOf(signalNumber(name)));
  const free = OWN.find((_, index) => !isHandler(handlers[index]!));
  if (free !== undefined) settleRuntime(signalNumber(free));
  else if (new Set(handlers).size === 1) leftBehind = handlers[0]!;
}

function ownName(signal: number): SignalName | undefined {
  return OWN.find((name) => signalNumber(name) === signal);
}

/** The global of Node's that both runtimes have, null where it cannot be listened to. */
function runtimeProcess(): Listening | null {
  const { process } = globalThis as { process?: Partial<Listening> };
  return typeof process?.listenerCount === "function" ? process as Listening : null;
}
