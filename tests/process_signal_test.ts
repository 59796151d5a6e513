import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { FD } from "../handles/fd.ts";
import { PidFD } from "../handles/pid_fd.ts";
import type { SendSignalOptions } from "../handles/process_signal.ts";
import {
  AS_NOBODY,
  CAP_KILL,
  exited,
  isZombie,
  killed,
  orphan,
  shell,
  sleeper,
  start,
} from "./children.ts";
import { assertNoAllocation } from "./heap_delta.ts";
import { withoutCapability } from "./privileges.ts";
import { readable } from "./probes.ts";
import { hasCommand, kernelAtLeast, root, test, waitUntil } from "./support.ts";

const LATE_MS = 10_000;
const PYTHON = hasCommand("python3");
const NO_PYTHON = "python3 is not installed";
const ROOT = process.getuid!() === 0;

test("I11 sendSignal by name and by number, and the runtime sees it", async () => {
  for (const [signal, name] of [["SIGTERM", "SIGTERM"], [9, "SIGKILL"]] as const) {
    await using child = await sleeper();
    using handle = PidFD.open(child.pid);
    assertEquals(handle.sendSignal(signal), undefined);
    assertEquals(await child.ended, [null, name]);
    assertEquals(handle.exitStatus(), killed(name));
  }
  // Deno's node:child_process knows no real-time signals, and ends the program.
  for (const [signal, name] of [["SIGRTMIN+1", "SIGRTMIN+1"], [64, "SIGRTMAX"]] as const) {
    using child = await orphan("exec sleep 60");
    using handle = PidFD.open(child.pid);
    handle.sendSignal(signal);
    assert(readable(handle, LATE_MS));
    assertEquals(handle.exitStatus(), killed(name));
  }
});

test("I11 sendSignal(0) asks: running yes, ended and not reaped yes, reaped no", async () => {
  await using child = await shell("read wait; exit 3");
  using handle = PidFD.open(child.pid);
  handle.sendSignal(0);
  void child.write("");
  await waitUntil(() => readable(handle), LATE_MS, "its end");
  await child.ended;
  const error = assertThrows(() => handle.sendSignal(0), SyscallError, "nothing was sent");
  assertEquals(
    [error.code, error.errno, error.syscall, error.fd],
    ["ESRCH", 3, "pidfd_send_signal", handle.raw],
  );
});

test("I11 sendSignal(0) to what is left of a process", async () => {
  using child = await orphan("exit 3");
  using handle = PidFD.open(child.pid);
  assert(readable(handle, LATE_MS) && isZombie(child.pid));
  handle.sendSignal(0);
  handle.sendSignal("SIGTERM");
  assertEquals(handle.exitStatus(), exited(3));
});

test("X03 sendSignal refuses what is no signal, before the call", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  for (const bad of [-1, 65, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 9, "", "sigterm", "TERM"]) {
    assertThrows(() => handle.sendSignal(bad as never), RangeError, "signal");
  }
  for (const bad of [undefined, null, 9n, {}, ["SIGKILL"], true]) {
    assertThrows(() => handle.sendSignal(bad as never), TypeError, "a signal");
  }
  const refused: [options: unknown, error: typeof RangeError | typeof TypeError, says: string][] = [
    [null, TypeError, "PidFD.sendSignal: options"],
    [3, TypeError, "PidFD.sendSignal: options"],
    [{ value: "3" }, TypeError, "PidFD.sendSignal: value"],
    [{ value: null }, TypeError, "PidFD.sendSignal: value"],
    [{ value: 1.5 }, RangeError, "PidFD.sendSignal: value"],
    [{ value: 2 ** 53 }, RangeError, "PidFD.sendSignal: value"],
    [{ value: 2n ** 64n }, RangeError, "PidFD.sendSignal: value"],
    [{ value: -(2n ** 63n) - 1n }, RangeError, "PidFD.sendSignal: value"],
    [{ code: 2 ** 31 }, RangeError, "PidFD.sendSignal: code"],
    [{ code: -1n }, TypeError, "PidFD.sendSignal: code"],
    [{ code: null }, TypeError, "PidFD.sendSignal: code"],
    [{ scope: "process" }, TypeError, "PidFD.sendSignal: scope"],
    [{ scope: "toString" }, TypeError, "PidFD.sendSignal: scope"],
    [{ scope: null }, TypeError, "PidFD.sendSignal: scope"],
  ];
  for (const [options, error, says] of refused) {
    assertThrows(() => handle.sendSignal("SIGKILL", options as SendSignalOptions), error, says);
  }
  assertEquals([handle.exitStatus(), isZombie(child.pid)], [null, false]);
});

const RECEIVER = `
import signal
signals = [signal.SIGUSR1, signal.SIGRTMIN + 1]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
print("ready", flush=True)
while True:
    info = signal.sigwaitinfo(signals)
    # On Linux the integer of a sigval and the status of a child have one place.
    print(info.si_signo, info.si_code, info.si_pid, info.si_uid, info.si_status, flush=True)
`;

test.if(PYTHON, NO_PYTHON, "I11 sendSignal: what another process receives", async () => {
  await using child = await start("python3", ["-c", RECEIVER]);
  using handle = PidFD.open(child.pid);
  assertEquals(await child.line(), "ready");
  const [self, user] = [process.pid, process.getuid!()];
  handle.sendSignal("SIGUSR1");
  assertEquals(await child.line(), `10 0 ${self} ${user} 0`);
  handle.sendSignal("SIGUSR1", { value: 7 });
  assertEquals(await child.line(), `10 -1 ${self} ${user} 7`);
  handle.sendSignal("SIGUSR1", { code: -4 });
  assertEquals(await child.line(), `10 -4 ${self} ${user} 0`);
  const values = [1, -1, 2n ** 31n - 1n, -(2n ** 31n), 0n];
  for (const value of values) handle.sendSignal("SIGRTMIN+1", { value });
  for (const value of values) assertEquals(await child.line(), `35 -1 ${self} ${user} ${value}`);
});

/** Lets a signal arrive at this thread, where it is blocked, and reads what came with it. */
function receivedHere(signal: number, send: (thread: PidFD) => void): DataView {
  const set = new Uint8Array(new ArrayBuffer(structs.sigset_t.size));
  new DataView(set.buffer).setBigUint64(0, 1n << BigInt(signal - 1), true);
  const before = new Uint8Array(new ArrayBuffer(structs.sigset_t.size));
  assertEquals(libc.pthread_sigmask(posix.SIG_BLOCK, set, before), 0);
  using signals = FD.adopt(check("signalfd", libc.signalfd(-1, set, linux.SFD_NONBLOCK)));
  try {
    using thread = PidFD.open(libc.gettid(), { thread: true });
    send(thread);
    const record = new DataView(new ArrayBuffer(structs.signalfd_siginfo.size));
    assertEquals(signals.read(record), record.byteLength);
    return record;
  } finally {
    libc.pthread_sigmask(posix.SIG_SETMASK, before, null);
  }
}

test.if(
  kernelAtLeast(6, 9),
  "PIDFD_THREAD is Linux 6.9",
  "I11 sendSignal: all 64 bits of a value arrive, as they are",
  () => {
    const { ssi_ptr, ssi_int, ssi_code } = structs.signalfd_siginfo;
    const cases: [value: number | bigint, bits: bigint][] = [
      [0, 0n],
      [-5, 2n ** 64n - 5n],
      [2 ** 53 - 1, 2n ** 53n - 1n],
      [2n ** 64n - 1n, 2n ** 64n - 1n],
      [-(2n ** 63n), 2n ** 63n],
      [0x1234_5678_9abc_def0n, 0x1234_5678_9abc_def0n],
    ];
    for (const [value, bits] of cases) {
      for (const scope of [undefined, "thread"] as const) {
        const options = { value, ...(scope === undefined ? {} : { scope }) };
        const record = receivedHere(64, (thread) => thread.sendSignal(64, options));
        assertEquals(record.getBigUint64(ssi_ptr, true), bits);
        assertEquals(record.getInt32(ssi_int, true), Number(BigInt.asIntN(32, bits)));
        assertEquals(record.getInt32(ssi_code, true), -1);
      }
    }
    const own = receivedHere(64, (thread) => thread.sendSignal(64, { code: 5 }));
    assertEquals(own.getInt32(ssi_code, true), 5, "to itself a process can say anything");
  },
);

test("I16 sendSignal: a code that is the kernel's own is EPERM to others, with a remedy", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  for (const code of [0, 5, 0x80, -6]) {
    const error = assertThrows(
      () => handle.sendSignal("SIGKILL", { code }),
      SyscallError,
      "a code below 0 that is not SI_TKILL",
    );
    assertEquals(error.code, "EPERM");
  }
  assertEquals(handle.exitStatus(), null);
});

test.if(
  kernelAtLeast(6, 9),
  "the scopes of signals are Linux 6.9",
  "I11 sendSignal: a process group, by the process that leads it",
  async () => {
    await using leader = await start("sh", ["-c", "sleep 60 & echo $!; wait"], { detached: true });
    using handle = PidFD.open(leader.pid);
    using member = PidFD.open(Number(await leader.line()));
    assertThrows(
      () => member.sendSignal("SIGTERM", { scope: "processGroup" }),
      SyscallError,
      "leads no process group",
    );
    handle.sendSignal(0, { scope: "group" });
    handle.sendSignal("SIGTERM", { scope: "processGroup" });
    await leader.ended;
    assert(readable(member, LATE_MS));
    assertEquals(handle.exitStatus(), killed("SIGTERM"));
  },
);

test.if(
  hasCommand("prlimit"),
  "prlimit is not installed",
  "I16 sendSignal: a full queue is EAGAIN, with a remedy, and only for what is queued",
  async () => {
    await using child = await start("prlimit", [
      "--sigpending=0",
      "sh",
      "-c",
      "echo; exec sleep 60",
    ]);
    using handle = PidFD.open(child.pid);
    await child.line();
    const { code } = assertThrows(
      () => handle.sendSignal("SIGRTMIN+2", { value: 1 }),
      SyscallError,
      "RLIMIT_SIGPENDING",
    );
    assertEquals(code, "EAGAIN");
    handle.sendSignal("SIGKILL");
  },
);

test.if(
  ROOT,
  "only root can become somebody else",
  "I16 sendSignal to another user's process: EPERM",
  async () => {
    await using child = await start("setpriv", AS_NOBODY);
    await child.line();
    using handle = PidFD.open(child.pid);
    withoutCapability(CAP_KILL, () => {
      for (const signal of [0, "SIGKILL"] as const) {
        const error = assertThrows(() => handle.sendSignal(signal), SyscallError, "CAP_KILL");
        assertEquals(
          [error.code, error.syscall, error.fd],
          ["EPERM", "pidfd_send_signal", handle.raw],
        );
      }
    });
    assertEquals(handle.exitStatus(), null);
  },
);

// Allocating nothing.

for (const shared of [false, true]) {
  test(`I18 sendSignal allocates nothing${shared ? ", nor when the handle is shared" : ""}`, () =>
    assertNoAllocation({
      setup: `import { PidFD } from "${root}handles/pid_fd.ts"; import process from "node:process";
        const self = PidFD.open(process.pid); ${shared ? "self.share();" : ""}`,
      call: `self.sendSignal(call & 1 ? 0 : 28);`, // SIGWINCH, which is ignored
    }));
}
