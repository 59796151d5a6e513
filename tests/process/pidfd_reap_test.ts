// What the documentation of PidFD.wait says of reaping a child that the runtime has started: the
// runtime never learns how it ended. It breaks the program, so that it is shown in programs of its own.

import { assert, assertEquals } from "@std/assert";
import { root, runtime, spawnScript, test } from "../support.ts";

const script = (options: string): string => `
  import process from "node:process";
  import { PidFD } from "${root}handles/pid_fd.ts";
  const child = globalThis.Bun
    ? Bun.spawn(["sh", "-c", "exit 7"])
    : new Deno.Command("sh", { args: ["-c", "exit 7"] }).spawn();
  const status = globalThis.Bun ? child.exited : child.status.then(({ code }) => code);
  const handle = PidFD.open(child.pid, { blocking: true });
  const state = handle.wait(${options});
  const seen = await status.catch((error) => error.message);
  console.log(JSON.stringify({ code: state.status, seen, exit: handle.exitStatus().code }));
  process.exit(0);
`;

async function outcome(options: string): Promise<{ code: number; seen: unknown; exit: number }> {
  const { code, stdout, stderr } = await spawnScript(script(options));
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("I12 wait leaves the end of a child to the runtime that has started it", async () => {
  for (const options of ["", "{}", "{ reap: false }", "{ stopped: true, continued: true }"]) {
    assertEquals(await outcome(options), { code: 7, seen: 7, exit: 7 });
  }
});

test("I12 wait with reap takes it away from the runtime, and exitStatus knows it all the same", async () => {
  const { code, seen, exit } = await outcome("{ reap: true }");
  assertEquals([code, exit], [7, 7]);
  assert(/ECHILD|No child/.test(String(seen)), `${runtime} says: ${seen}`);
});
