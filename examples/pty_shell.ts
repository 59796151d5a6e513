/**
 * A shell within this terminal: keys go in as they are typed, the size follows the window, and the
 * terminal is as it was when the shell has ended.
 *
 *     bun examples/pty_shell.ts [COMMAND [ARG …]]
 *     deno run --allow-ffi --allow-env --allow-read examples/pty_shell.ts [COMMAND [ARG …]]
 */

import process from "node:process";
import { Console, Epoller, Loop, type PolledConsole, SyscallError } from "@fdloop/fdloop";

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
  using poller = Epoller.create({ loop });
  using terminal = ownTerminal();
  await using child = Console.spawn(argv, terminal.size());
  // On a terminal the runtimes handle these signals themselves, so that no SignalFD can have them.
  const resize = (): void => child.console.resizeFrom(terminal);
  // These must not leave the terminal raw: they end the shell, and then this program.
  const end = (): void => child.process.sendSignal("SIGHUP");
  process.on("SIGWINCH", resize).once("SIGTERM", end).once("SIGHUP", end);
  terminal.setRaw();

  const outside = poller.add(terminal);
  const inside = poller.add(child.console, { hangup: "eof" });
  const keys = copy(outside, inside).catch(() => {}); // the shell ended while a key was pressed
  const shown = copy(inside, outside);
  const { code, signal } = await child.process.exited({ loop });
  await inside.shutdown(); // what the shell has shown is read to the end, whoever else has the terminal
  await shown;
  await outside.shutdown();
  await keys;
  process.off("SIGWINCH", resize).off("SIGTERM", end).off("SIGHUP", end);
  return signal === null ? code! : 1;
}

const given = process.argv.slice(2);
const argv = given.length > 0 ? given : [process.env.SHELL ?? "sh"];
process.exitCode = await main(argv);
