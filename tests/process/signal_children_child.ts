// How children of a process with a SignalFD start: each case is one way to start them.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { SignalFD } from "../../handles/signal_fd.ts";
import { queueSignal, runCase } from "../signal_fixture.ts";
import { runtime } from "../support.ts";

// No shell: dash clears the mask that it inherits.
const COMMAND = "cat";
const STATUS = "/proc/self/status";

interface Spawner {
  (options: { sync: boolean }): Promise<string>;
}

const WAYS: Readonly<Record<string, Spawner>> = {
  "node:child_process": ({ sync }) => sync ? Promise.resolve(sent()) : read(),
  ...(runtime === "bun" ? { "Bun.spawn": bunSpawn } : { "Deno.Command": denoCommand }),
};

function sent(): string {
  return String(spawnSync(COMMAND, [STATUS]).stdout) + String(execFileSync(COMMAND, [STATUS]));
}

async function read(): Promise<string> {
  let text = "";
  for (const options of [{}, { detached: true }]) {
    const child = spawn(COMMAND, [STATUS], options);
    child.stdout.on("data", (data) => text += data);
    await new Promise((resolve) => child.once("close", resolve));
  }
  return text;
}

async function bunSpawn({ sync }: { sync: boolean }): Promise<string> {
  const bun = (globalThis as unknown as {
    Bun: {
      spawn(command: string[]): { stdout: ReadableStream };
      spawnSync(command: string[]): { stdout: Uint8Array };
    };
  }).Bun;
  if (sync) return new TextDecoder().decode(bun.spawnSync([COMMAND, STATUS]).stdout);
  return await new Response(bun.spawn([COMMAND, STATUS]).stdout).text();
}

async function denoCommand({ sync }: { sync: boolean }): Promise<string> {
  interface Command {
    output(): Promise<{ stdout: Uint8Array }>;
    outputSync(): { stdout: Uint8Array };
  }
  const { Command } = (globalThis as unknown as {
    Deno: { Command: new (command: string, options: { args: string[] }) => Command };
  }).Deno;
  const command = new Command(COMMAND, { args: [STATUS] });
  const { stdout } = sync ? command.outputSync() : await command.output();
  return new TextDecoder().decode(stdout);
}

/** What the status files say in a line. */
function lines(status: string, name: string): string[] {
  return [...status.matchAll(new RegExp(`^${name}:\\t(.*)$`, "gm"))].map(([, value]) => value!);
}

async function startAll(): Promise<string> {
  let status = "";
  for (const way of Object.values(WAYS)) {
    for (const sync of [false, true]) status += await way({ sync });
  }
  return status;
}

await runCase({
  async clean() {
    const before = await startAll();
    using fd = SignalFD.create(["SIGTERM", "SIGUSR1", "SIGCHLD", "SIGPIPE", "SIGRTMIN+2"]);
    for (let value = 0; value < 1000; value++) queueSignal(process.pid, 36, value); // overflowing
    const during = await startAll();
    fd.close();
    assert(lines(during, "SigBlk").length >= 5);
    for (const name of ["SigBlk", "SigIgn", "SigCgt"]) {
      assertEquals(lines(during, name), lines(before, name), name);
    }
    for (const blocked of lines(during, "SigBlk")) assertEquals(blocked, "0".repeat(16));
  },
});
