// Kernels that know less: the calls answer what such a kernel answers, before anything was tried.

import { assertEquals } from "@std/assert";
import { root, spawnScript, test } from "../support.ts";

/** Runs a script on a kernel that does not know some things, and answers what it prints. */
async function onKernel(without: string, script: string): Promise<unknown> {
  const { code, stdout, stderr } = await spawnScript(`
    import process from "node:process";
    import { libc } from "${root}ffi/libc.ts";
    import { linux } from "${root}ffi/const_linux.ts";
    import { backend } from "${root}ffi/platform.ts";
    import { closeRange } from "${root}handles/close_range.ts";
    import { PidFD } from "${root}handles/pid_fd.ts";
    libc.pidfd_open(0, 0); // binds it
    libc.close_range(4, 3, 0);
    const { pidfd_open, close_range } = libc;
    // What a call that it does not know answers: a call of a number that no call has.
    const ENOSYS = () => backend.bind("syscall", ["i32", "i32"])(100_000);
    ${without}
    const outcome = (call) => {
      try {
        const result = call();
        result?.close();
        return true;
      } catch (error) {
        return [error.name, error.feature, error.requires];
      }
    };
    console.log(JSON.stringify(${script}));
  `);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("I11 open before PIDFD_NONBLOCK: what it takes, and the option that does without", async () => {
  const found = await onKernel(
    `libc.pidfd_open = (pid, flags) => pidfd_open(pid, flags & linux.PIDFD_NONBLOCK ? 1 : flags);`,
    `[outcome(() => PidFD.open(process.pid)),
      outcome(() => PidFD.open(process.pid, { blocking: true }))]`,
  );
  const feature = "a pidfd that does not block (PIDFD_NONBLOCK)";
  assertEquals(found, [
    ["UnsupportedError", feature, "Linux 5.10; the option blocking: true does without"],
    true,
  ]);
});

test("I12 open before PIDFD_THREAD: what it takes", async () => {
  const found = await onKernel(
    `libc.pidfd_open = (pid, flags) => pidfd_open(pid, flags & linux.PIDFD_THREAD ? 1 : flags);`,
    `[outcome(() => PidFD.open(process.pid, { thread: true })),
      outcome(() => PidFD.open(process.pid))]`,
  );
  const feature = "the pidfd of a thread (PIDFD_THREAD)";
  assertEquals(found, [["UnsupportedError", feature, "Linux 6.9"], true]);
});

test("I11 before pidfd_open, pidfd_getfd and scopes: what they take", async () => {
  const found = await onKernel(
    `const self = PidFD.open(process.pid);
     libc.pidfd_open = ENOSYS;
     libc.pidfd_getfd = ENOSYS;
     const send = libc.pidfd_send_signal;
     libc.pidfd_send_signal = (fd, signal, info, flags) => send(fd, signal, info, flags && 0x80);`,
    `[outcome(() => PidFD.open(process.pid)), outcome(() => self.getFD(0)),
      outcome(() => self.sendSignal(0)), outcome(() => self.sendSignal(0, { scope: "group" }))]`,
  );
  assertEquals(found, [
    ["UnsupportedError", "pidfd_open(2)", "Linux 5.3"],
    ["UnsupportedError", "pidfd_getfd(2)", "Linux 5.6"],
    true,
    ["UnsupportedError", "the scope of a signal (PIDFD_SIGNAL_THREAD …)", "Linux 6.9"],
  ]);
});

test("I16 closeRange before close_range, and before its flag: what they take", async () => {
  const call = (options: string): string =>
    `outcome(() => closeRange(100_000, 100_001, ${options}))`;
  const calls = `[${call("{}")}, ${call("{ cloexec: true }")}]`;
  assertEquals(await onKernel(`libc.close_range = ENOSYS;`, calls), [
    ["UnsupportedError", "close_range(2)", "Linux 5.9"],
    ["UnsupportedError", "close_range(2)", "Linux 5.9"],
  ]);
  const noFlag = `libc.close_range = (first, last, flags) => close_range(first, last, flags && 1);`;
  assertEquals(await onKernel(noFlag, calls), [
    true,
    ["UnsupportedError", "CLOSE_RANGE_CLOEXEC", "Linux 5.11"],
  ]);
});
