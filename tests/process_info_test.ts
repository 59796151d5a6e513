import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { PidFD } from "../handles/pid_fd.ts";
import {
  AS_NOBODY,
  exited,
  isZombie,
  killed,
  NO_PID,
  orphan,
  shell,
  sleeper,
  start,
  stranger,
} from "./children.ts";
import { poll, readable } from "./probes.ts";
import { hasCommand, kernelAtLeast, tempDir, test, waitUntil } from "./support.ts";

const LATE_MS = 10_000;
const PYTHON = hasCommand("python3");
const NO_PYTHON = "python3 is not installed";
const ROOT = process.getuid!() === 0;

/** Runs a function while calls of one name are answered by another. */
function instead<Name extends "ioctl" | "waitid" | "poll", T>(
  name: Name,
  stub: (real: typeof libc[Name]) => typeof libc[Name],
  body: () => T,
): T {
  const real = libc[name];
  libc[name] = stub(real);
  try {
    return body();
  } finally {
    libc[name] = real;
  }
}

/** Says ESRCH, as the kernel does for the moment in which a process is reaped. */
const noSuchProcess = (): number => libc.kill(NO_PID, 0);

/** Says ECHILD, as the kernel does once another thread has begun to reap. Nobody is its own child. */
const noChild = (real: typeof libc.waitid) => (): number =>
  real(posix.P_PID, process.pid, null, posix.WEXITED);

test("I12 exitStatus: of a child of the runtime, before it is reaped and after", async () => {
  for (const code of [0, 7, 255]) {
    await using child = await shell(`read line; exit ${code}`);
    using handle = PidFD.open(child.pid);
    assertEquals(handle.exitStatus(), null);
    void child.write("");
    await waitUntil(() => readable(handle), LATE_MS, "its end");
    assertEquals(handle.exitStatus(), exited(code));
    assertEquals(await child.ended, [code, null], "the runtime has its status all the same");
    assertEquals([handle.exitStatus(), handle.exitStatus()], [exited(code), exited(code)]);
  }
  for (const signal of ["SIGTERM", "SIGKILL", "SIGUSR1"] as const) {
    await using child = await sleeper();
    using handle = PidFD.open(child.pid);
    handle.sendSignal(signal);
    assert(readable(handle, LATE_MS));
    assertEquals([handle.exitStatus(), handle.exitStatus()], [killed(signal), killed(signal)]);
    assertEquals(await child.ended, [null, signal]);
    assertEquals(handle.exitStatus(), killed(signal));
  }
});

const corePattern = process.platform === "linux"
  ? fs.readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim()
  : "";

test.if(
  /^core(\.%p)?$/.test(corePattern),
  `core dumps go elsewhere here: ${corePattern}`,
  "I12 exitStatus: a core dump is one when it was written",
  async () => {
    for (const limit of ["0", "unlimited"]) {
      using dir = tempDir();
      const script = `ulimit -c ${limit} && exec sleep 60`;
      await using child = await start("sh", ["-c", `${script}`], { cwd: dir.path });
      using handle = PidFD.open(child.pid);
      await waitUntil(
        () => fs.readFileSync(`/proc/${child.pid}/comm`, "utf8") === "sleep\n",
        LATE_MS,
        "sleep",
      );
      handle.sendSignal("SIGQUIT");
      assert(readable(handle, LATE_MS));
      const coreDumped = fs.readdirSync(dir.path).length > 0;
      assertEquals(coreDumped, limit !== "0");
      for (const _ of ["before", "after"]) {
        assertEquals(handle.exitStatus(), { code: null, signal: "SIGQUIT", coreDumped });
        await child.ended;
      }
    }
  },
);

const SINCE_EXIT = kernelAtLeast(6, 15);
const NO_EXIT = "PIDFD_INFO_EXIT is Linux 6.15";

test.if(
  PYTHON && SINCE_EXIT,
  PYTHON ? NO_EXIT : NO_PYTHON,
  "I12 exitStatus: of a stranger, once its parent has reaped it",
  async () => {
    await using other = await stranger("sh", "-c", "kill -STOP $$; exit 9");
    using handle = PidFD.open(other.pid);
    assertEquals(handle.exitStatus(), null);
    const stopped = (): boolean => /^State:\s*T/m.test(statusOf(other.pid));
    await waitUntil(stopped, LATE_MS, "the stranger's stop");
    handle.sendSignal("SIGCONT");
    assert(readable(handle, LATE_MS) && isZombie(other.pid));
    assertEquals([handle.exitStatus(), poll(handle, 0)], [null, 0], "its parent did not ask yet");
    await other.reap();
    assertEquals([handle.exitStatus(), poll(handle, 0)], [exited(9), posix.POLLHUP]);
  },
);

test.if(
  SINCE_EXIT,
  NO_EXIT,
  "I12 exitStatus: while another thread is reaping, ESRCH is no answer",
  async () => {
    await using child = await shell("exit 5");
    using handle = PidFD.open(child.pid);
    await child.ended;
    let calls = 0;
    const status = instead(
      "ioctl",
      (real) => (...args) => ++calls <= 3 ? noSuchProcess() : real(...args),
      () => handle.exitStatus(),
    );
    assertEquals([status, calls], [exited(5), 4]);
  },
);

test.if(
  SINCE_EXIT,
  NO_EXIT,
  "I12 exitStatus: a child that another thread has begun to reap is waited for",
  async () => {
    using child = await orphan("exit 6");
    using handle = PidFD.open(child.pid);
    using other = PidFD.open(child.pid);
    assert(readable(handle, LATE_MS));
    const { waitid } = libc;
    // The other thread goes on as soon as this one waits for it.
    const goesOn = (real: typeof libc.poll): typeof libc.poll => (fds, count, ms) => {
      if (ms > 0) instead("waitid", () => waitid, () => other.wait({ reap: true }));
      return real(fds, count, ms);
    };
    const status = instead(
      "waitid",
      noChild,
      () => instead("poll", goesOn, () => handle.exitStatus()),
    );
    assertEquals([status, handle.info()], [exited(6), null]);
  },
);

test.if(
  SINCE_EXIT,
  NO_EXIT,
  "I12 exitStatus: what is not reaped in time is not known yet",
  async () => {
    using child = await orphan("exit 6");
    using handle = PidFD.open(child.pid);
    assert(readable(handle, LATE_MS));
    const status = instead("waitid", noChild, () => handle.exitStatus());
    assertEquals([status, handle.exitStatus()], [null, exited(6)]);
  },
);

test("I12 exitStatus and info on a kernel without PIDFD_GET_INFO say what it takes", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  const refusals = [
    (real: typeof libc.ioctl): typeof libc.ioctl => (fd, _, memory) => real(fd, 0xc040ff7f, memory),
    () => () => libc.fcntl(0, -1, 0), // EINVAL
  ];
  for (const refusal of refusals) {
    const old = <T>(body: () => T): T => instead("ioctl", refusal, body);
    assertEquals(old(() => handle.exitStatus()), null, "a child that runs needs no ioctl");
    const info = assertThrows(() => old(() => handle.info()), UnsupportedError, "Linux 6.13");
    assertEquals(info.feature, "PIDFD_GET_INFO");
  }
  handle.sendSignal("SIGTERM");
  assert(readable(handle, LATE_MS));
  for (const refusal of [...refusals, () => noSuchProcess]) {
    const old = <T>(body: () => T): T => instead("ioctl", refusal, body);
    assertEquals(old(() => handle.exitStatus()), killed("SIGTERM"), "nor does one that waits");
  }
  await child.ended;
  for (const refusal of [...refusals, () => noSuchProcess]) {
    const old = <T>(body: () => T): T => instead("ioctl", refusal, body);
    assertThrows(() => old(() => handle.exitStatus()), UnsupportedError, "Linux 6.15");
  }
});

const SINCE_INFO = kernelAtLeast(6, 13);
const NO_INFO = "PIDFD_GET_INFO is Linux 6.13";

/** The numbers of a line of /proc/PID/status. */
function numbers(pid: number, name: string): number[] {
  const line = new RegExp(`^${name}:\\s*(.*)$`, "m").exec(statusOf(pid));
  return line![1]!.split(/\s+/).map(Number);
}

for (const kind of ["a child", "a process of nobody", "a stranger", "a zombie", "itself"]) {
  const [able, why] = kind === "a stranger"
    ? [PYTHON, NO_PYTHON]
    : [ROOT || kind !== "a process of nobody", "only root can become somebody else"];
  test.if(
    able && SINCE_INFO,
    able ? NO_INFO : why,
    `I12 info is what /proc says: ${kind}`,
    async () => {
      await using process = await processOf(kind);
      using handle = PidFD.open(process.pid);
      if (kind === "a zombie") assert(readable(handle, LATE_MS) && isZombie(process.pid));
      const { pid, tgid, ppid, ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid, cgroupId } = handle
        .info()!;
      assertEquals([pid, tgid], [process.pid, numbers(process.pid, "Tgid")[0]]);
      assertEquals([ppid], numbers(process.pid, "PPid"));
      assertEquals([ruid, euid, suid, fsuid], numbers(process.pid, "Uid"));
      assertEquals([rgid, egid, sgid, fsgid], numbers(process.pid, "Gid"));
      assert(cgroupId === null || cgroupId > 0n);
    },
  );
}

async function processOf(kind: string): Promise<AsyncDisposable & { readonly pid: number }> {
  switch (kind) {
    case "a process of nobody": {
      const child = await start("setpriv", AS_NOBODY);
      await child.line();
      return child;
    }
    case "a stranger":
      return await stranger("sleep", "60");
    case "a zombie": {
      const child = await orphan("exit 3");
      return {
        pid: child.pid,
        [Symbol.asyncDispose]: () => Promise.resolve(child[Symbol.dispose]()),
      };
    }
    case "itself":
      return { pid: process.pid, async [Symbol.asyncDispose]() {} };
    default:
      return await sleeper();
  }
}

test.if(
  SINCE_INFO,
  NO_INFO,
  "I12 info: null once the process was reaped, an error while it is not",
  async () => {
    await using child = await shell("exit 0");
    using handle = PidFD.open(child.pid);
    assertEquals(handle.info()?.pid, child.pid);
    const hidden = (): unknown => instead("ioctl", () => noSuchProcess, () => handle.info());
    const error = assertThrows(hidden, SyscallError, "ESRCH");
    assertEquals([error.syscall, error.fd], ["ioctl", handle.raw]);
    await child.ended;
    assertEquals([handle.info(), handle.info()], [null, null]);
  },
);

function statusOf(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/status`, "utf8");
}
