/**
 * A shell within this terminal: keys go in as they are typed, the size follows the window, and the
 * terminal is as it was when the shell has ended.
 *
 *     bun examples/pty_shell.ts [COMMAND [ARG …]]
 *     deno run --allow-ffi --allow-env --allow-read examples/pty_shell.ts [COMMAND [ARG …]]
 */

import process from "node:process";
import { Console, ConsolePoller, Loop, type PolledConsole, SyscallError } from "@fdloop/fdloop";

/** How long a shell may go on after its terminal is gone. */
const GRACE_MS = 2000;

const ENDS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;

/** Copies until the one has ended, or the other. */
async function copy(from: PolledConsole, to: PolledConsole): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await from.read(buffer);
    if (count === 0) return;
    await to.write(buffer.subarray(0, count));
  }
}

/** The terminal that this runs on; without one there is nothing to do. */
function ownTerminal(): Console {
  try {
    return Console.current();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    console.error(`pty_shell: this needs a terminal: ${error.message}`);
    process.exit(2);
  }
}

async function main(argv: string[]): Promise<number> {
  using loop = Loop.create({ attached: true });
  using poller = ConsolePoller.create({ loop });
  using terminal = ownTerminal();
  await using child = Console.spawn(argv, terminal.size());
  const resize = (): void => child.console.resizeFrom(terminal);
  // Whoever stopped this program has taken the terminal back meanwhile.
  const resume = (): void => terminal.setRaw();
  // What would leave the terminal raw ends the shell, and then this program.
  const end = (): void => {
    child.process.sendSignal("SIGHUP");
    loop.setTimer(GRACE_MS, () => child.process.sendSignal("SIGKILL"));
  };
  process.on("SIGWINCH", resize).on("SIGCONT", resume);
  for (const signal of ENDS) process.on(signal, end);
  terminal.setRaw();

  const outside = poller.add(terminal);
  const inside = poller.add(child.console, { hangup: "eof" });
  // The shell ended while a key was pressed; or the window was closed.
  const keys = copy(outside, inside).then(end, () => {});
  const shown = copy(inside, outside).catch(end);
  const { code, signal } = await child.process.exited({ loop });
  await inside.shutdown(); // what the shell has shown is read to the end, whoever else has the terminal
  await shown;
  await outside.shutdown();
  await keys;
  process.off("SIGWINCH", resize).off("SIGCONT", resume);
  for (const signal of ENDS) process.off(signal, end);
  return signal === null ? code! : 1;
}

const given = process.argv.slice(2);
const argv = given.length > 0 ? given : [process.env.SHELL ?? "sh"];
try {
  process.exitCode = await main(argv);
} catch (error) {
  if (!(error instanceof SyscallError)) throw error;
  console.error(`pty_shell: ${error.message}`);
  process.exitCode = 2;
}
