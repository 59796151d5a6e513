// A pid that is given to another process: what is sent by the pidfd of the first reaches nobody.

import fs from "node:fs";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { hasCommand, root, spawnScript, tempDir, test } from "../support.ts";

/** Runs in a PID namespace of its own, in which it says which pid is next. */
const REUSE = `
  import { spawn } from "node:child_process";
  import { once } from "node:events";
  import fs from "node:fs";
  import { PidFD } from "${root}handles/pid_fd.ts";

  async function started() {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    const ended = once(child, "exit");
    if (child.pid === undefined) await once(child, "spawn");
    return { pid: child.pid, ended };
  }

  const first = await started();
  const old = PidFD.open(first.pid);
  old.sendSignal("SIGKILL");
  await first.ended;

  // A thread of the runtime can be faster and take the pid: then the next try has it.
  let second, pid = 0;
  for (let attempt = 0; attempt < 100 && pid !== first.pid; attempt++) {
    fs.writeFileSync("/proc/sys/kernel/ns_last_pid", String(first.pid - 1));
    second = await started();
    pid = second.pid;
    if (pid !== first.pid) {
      PidFD.open(pid).sendSignal("SIGKILL");
      await second.ended;
    }
  }
  const outcome = (call) => {
    try { return call(); } catch (error) { return error.code; }
  };
  const now = PidFD.open(pid);
  console.log(JSON.stringify({
    reused: pid === first.pid,
    sent: [0, "SIGCONT", "SIGKILL"].map((signal) => outcome(() => old.sendSignal(signal))),
    queued: outcome(() => old.sendSignal("SIGKILL", { value: 1 })),
    taken: outcome(() => old.getFD(0)),
    waited: outcome(() => old.wait()),
    status: [old.exitStatus(), now.exitStatus()],
    info: [old.info(), now.info().pid === pid],
    pid: old.pid === pid,
  }));
  now.sendSignal("SIGTERM");
  await second.ended;
  console.log(JSON.stringify(now.exitStatus()));
  process.exit(0);
`;

test.if(
  process.getuid!() === 0 && hasCommand("unshare"),
  "a PID namespace and its next pid are root's to make",
  "X03 a pidfd never reaches the next process of the same pid",
  async () => {
    using dir = tempDir();
    const runtime = `${dir.path}/runtime`;
    const unshare = "unshare --pid --fork --kill-child --mount-proc";
    fs.writeFileSync(runtime, `#!/bin/sh\nexec ${unshare} "${process.execPath}" "$@"\n`);
    fs.chmodSync(runtime, 0o755);
    const { code, stdout, stderr } = await spawnScript(REUSE, { env: { FDLOOP_RUNTIME: runtime } });
    assertEquals([code, stderr], [0, ""]);
    const [found, end] = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(found, {
      reused: true,
      sent: ["ESRCH", "ESRCH", "ESRCH"],
      queued: "ESRCH",
      taken: "ESRCH",
      waited: "ECHILD",
      status: [{ code: null, signal: "SIGKILL", coreDumped: false }, null],
      info: [null, true],
      pid: true,
    });
    assertEquals(end, { code: null, signal: "SIGTERM", coreDumped: false });
  },
);
