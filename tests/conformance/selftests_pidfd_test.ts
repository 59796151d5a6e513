// Linux, tools/testing/selftests/pidfd: what it observes. The signal to a reused pid is in
// tests/process/pidfd_reuse_test.ts.

import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { errnoName } from "../../ffi/errno.ts";
import { errno, libc } from "../../ffi/libc.ts";
import { structs } from "../../ffi/structs.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { TargetFDError } from "../../handles/target_fd_error.ts";
import { CAP_SYS_PTRACE, exited, isZombie, killed, orphan, sleeper, start } from "../children.ts";
import { withoutCapability } from "../privileges.ts";
import { poll, readable } from "../probes.ts";
import { hasCommand, kernelAtLeast, test, waitUntil } from "../support.ts";

const LATE_MS = 10_000;
const PYTHON = hasCommand("python3");
const NO_PYTHON = "python3 is not installed";
const { PIDFD_INFO_CREDS, PIDFD_INFO_CGROUPID, PIDFD_INFO_EXIT } = linux;

/** The name of the error of a call that must fail. */
function failed(result: number): string {
  const code = errno();
  assertEquals(result, -1);
  return errnoName(code);
}

// pidfd_open_test.c, pidfd_poll_test.c, pidfd_test.c

test("selftests: pidfd_open of an invalid pid and of an invalid flag, and the pid in fdinfo", () => {
  assertEquals(failed(libc.pidfd_open(-1, 0)), "EINVAL");
  assertEquals(failed(libc.pidfd_open(process.pid, 1)), "EINVAL");
  using self = PidFD.open(process.pid);
  const fdinfo = fs.readFileSync(`/proc/self/fdinfo/${self.raw}`, "utf8");
  assertEquals(/^Pid:\s*(\d+)$/m.exec(fdinfo)?.[1], String(process.pid));
});

test("selftests: pidfd_poll, a killed process is always reported", async () => {
  for (let round = 0; round < 50; round++) {
    await using child = await sleeper();
    using handle = PidFD.open(child.pid);
    handle.sendSignal("SIGKILL");
    assert(readable(handle, LATE_MS));
  }
});

test("selftests: pidfd_send_signal to a process that was reaped", async () => {
  using child = await orphan("exit 0");
  using handle = PidFD.open(child.pid);
  assert(readable(handle, LATE_MS));
  handle.wait({ reap: true });
  assertEquals(assertThrows(() => handle.sendSignal(0), SyscallError).code, "ESRCH");
});

// pidfd_wait.c

test("selftests: wait_simple, other descriptors are refused, an exit is CLD_EXITED", async () => {
  using counter = EventFD.create();
  assertEquals(failed(libc.waitid(linux.P_PIDFD, counter.raw, null, posix.WEXITED)), "EBADF");
  using child = await orphan("exit 0");
  using handle = PidFD.open(child.pid, { blocking: true });
  const { pid, code, status } = handle.wait({ reap: true })!;
  assertEquals([pid, code, status], [child.pid, "exited", 0]);
});

test("selftests: wait_states, stopped, continued, stopped, killed", async () => {
  using child = await orphan("exec sleep 60");
  using handle = PidFD.open(child.pid, { blocking: true });
  const next = (change: object): unknown[] => {
    const { pid, code, status } = handle.wait({ exited: false, reap: true, ...change })!;
    assertEquals(pid, child.pid);
    return [code, status];
  };
  handle.sendSignal("SIGSTOP");
  assertEquals(next({ stopped: true }), ["stopped", 19]);
  handle.sendSignal("SIGCONT");
  assertEquals(next({ continued: true }), ["continued", 18]);
  handle.sendSignal("SIGSTOP");
  assertEquals(next({ stopped: true }), ["stopped", 19]);
  handle.sendSignal("SIGKILL");
  assertEquals(next({ exited: true }), ["killed", 9]);
});

// pidfd_info_test.c

const INFO = kernelAtLeast(6, 15);
const NO_INFO = "PIDFD_INFO_EXIT is Linux 6.15";

/** What PIDFD_GET_INFO fills for a mask, and the wait status; or the name of its error. */
function info(handle: PidFD, mask: number): { mask: number; exit: number } | string {
  const record = new DataView(new ArrayBuffer(linux.PIDFD_INFO_SIZE_VER0));
  record.setUint32(structs.pidfd_info.mask, mask, true);
  const bytes = new Uint8Array(record.buffer);
  if (libc.ioctl(handle.raw, linux.PIDFD_GET_INFO, bytes) === -1) return errnoName(errno());
  return {
    mask: record.getUint32(structs.pidfd_info.mask, true),
    exit: record.getInt32(structs.pidfd_info.exit_code, true),
  };
}

const bits = (found: ReturnType<typeof info>): number => typeof found === "string" ? 0 : found.mask;

for (
  const [name, script, signal, exit] of [
    ["sigkill", "exec sleep 60", "SIGKILL", 9],
    ["success", "exit 0", 0, 0],
    ["an exit code", "exit 42", 0, 0x2a00],
  ] as const
) {
  test.if(
    INFO,
    NO_INFO,
    `selftests: info of ${name}, ended and not reaped, then reaped`,
    async () => {
      using child = await orphan(script);
      using handle = PidFD.open(child.pid);
      handle.sendSignal(signal);
      assert(readable(handle, LATE_MS) && isZombie(child.pid));
      for (const mask of [PIDFD_INFO_CGROUPID, PIDFD_INFO_CGROUPID | PIDFD_INFO_EXIT]) {
        assertEquals(bits(info(handle, mask)) & PIDFD_INFO_CREDS, PIDFD_INFO_CREDS);
        assertEquals(bits(info(handle, mask)) & PIDFD_INFO_EXIT, 0);
      }
      assertEquals(handle.info()?.pid, child.pid);

      const expected = handle.exitStatus();
      handle.wait({ reap: true });
      assertEquals(info(handle, PIDFD_INFO_CGROUPID), "ESRCH");
      const found = info(handle, PIDFD_INFO_CGROUPID | PIDFD_INFO_EXIT);
      assertEquals(bits(found) & (PIDFD_INFO_CREDS | PIDFD_INFO_EXIT), PIDFD_INFO_EXIT);
      assert(typeof found !== "string" && found.exit === exit);
      assertEquals([handle.info(), handle.exitStatus()], [null, expected]);
      // success_reaped_poll
      assertEquals(poll(handle, posix.POLLIN), posix.POLLIN | posix.POLLHUP);
    },
  );
}

/** A process whose first thread ends while another goes on, and execs when it is told to. */
const LEADERLESS = `
import ctypes, os, platform, sys, threading
EXIT = 60 if platform.machine() == "x86_64" else 93
def other():
    print(threading.get_native_id(), flush=True)
    if os.read(0, 1) == b"x":
        os.execvp("sleep", ["sleep", "60"])
threading.Thread(target=other).start()
ctypes.CDLL(None).syscall(EXIT, 0)
`;

test.if(
  PYTHON && INFO,
  PYTHON ? NO_INFO : NO_PYTHON,
  "selftests: info of thread_group, the first thread ends before the others",
  async () => {
    await using child = await start("python3", ["-c", LEADERLESS]);
    const thread = Number(await child.line());
    using leader = PidFD.open(child.pid);
    using leaderThread = PidFD.open(child.pid, { thread: true });
    assertThrows(() => PidFD.open(thread), SyscallError);
    using other = PidFD.open(thread, { thread: true });
    await waitUntil(() => isZombie(child.pid), LATE_MS, "the end of the first thread");
    for (const handle of [leader, leaderThread, other]) {
      assertEquals([readable(handle), handle.exitStatus()], [false, null]);
    }
    const pids = [leader, leaderThread, other].map((handle) => handle.info()!.pid);
    assertEquals(pids, [child.pid, child.pid, thread]);

    leader.sendSignal("SIGKILL");
    await child.ended;
    assertEquals(poll(leader, posix.POLLIN), posix.POLLIN | posix.POLLHUP);
    // The first thread ended by itself, and is reported with the status of the whole process.
    const statuses = [leader, leaderThread, other].map((handle) => handle.exitStatus());
    assertEquals(statuses, [killed("SIGKILL"), killed("SIGKILL"), killed("SIGKILL")]);
  },
);

test.if(
  PYTHON && INFO,
  PYTHON ? NO_INFO : NO_PYTHON,
  "selftests: info of thread_group_exec, a thread that execs takes the place of the first",
  async () => {
    await using child = await start("python3", ["-c", LEADERLESS]);
    const thread = Number(await child.line());
    using leader = PidFD.open(child.pid);
    using leaderThread = PidFD.open(child.pid, { thread: true });
    using other = PidFD.open(thread, { thread: true });
    await child.write("x");
    await waitUntil(() => (poll(other, 0) & posix.POLLHUP) !== 0, LATE_MS, "the end of the thread");
    assertEquals(other.exitStatus(), exited(0));
    for (const handle of [leader, leaderThread]) {
      assertEquals([readable(handle), handle.exitStatus()], [false, null]);
      assertEquals(handle.info()?.pid, child.pid);
    }
    leader.sendSignal("SIGKILL");
    assert(readable(leaderThread, LATE_MS));
    await child.ended;
    assertEquals([leader.exitStatus(), leaderThread.exitStatus()], [
      killed("SIGKILL"),
      killed("SIGKILL"),
    ]);
  },
);

// pidfd_getfd_test.c

const HOLDER = `
import ctypes, os, sys
memory = os.memfd_create("test")
print(memory, flush=True)
for line in sys.stdin:
    if line.strip() == "undumpable":
        ctypes.CDLL(None).prctl(4, 0)
    print(os.lseek(memory, 0, os.SEEK_CUR), flush=True)
`;

test.if(
  PYTHON,
  NO_PYTHON,
  "selftests: getfd of a memfd, of an unknown number, and without the right to trace",
  async () => {
    await using child = await start("python3", ["-c", HOLDER]);
    const number = Number(await child.line());
    using handle = PidFD.open(child.pid);
    {
      using memory = handle.getFD(number);
      assertEquals(memory.cloexec, true);
      assertEquals(memory.write(new Uint8Array(5)), 5);
      await child.write("where");
      assertEquals(await child.line(), "5", "one open file, one offset");
    }
    assertThrows(() => handle.getFD(111), TargetFDError);
    await child.write("undumpable");
    await child.line();
    withoutCapability(CAP_SYS_PTRACE, () => {
      assertEquals(assertThrows(() => handle.getFD(number), SyscallError).code, "EPERM");
    });
  },
);

test("selftests: getfd with flags is EINVAL", () => {
  assertEquals(failed(libc.pidfd_getfd(0, 0, 1)), "EINVAL");
});
