import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { exitStatusFrom, exitStatusOf, processState } from "../handles/exit_status.ts";
import { test } from "./support.ts";

test("I12 a wait status: what was given to exit(3)", () => {
  for (const code of [0, 1, 7, 42, 127, 128, 255]) {
    assertEquals(exitStatusOf(code << 8), { code, signal: null, coreDumped: false });
  }
});

test("I12 a wait status: every signal, without and with a core dump", () => {
  const names: [number, string][] = [
    [1, "SIGHUP"],
    [9, "SIGKILL"],
    [15, "SIGTERM"],
    [33, "signal 33"],
    [64, "SIGRTMAX"],
  ];
  for (const [number, signal] of names) {
    assertEquals(exitStatusOf(number), { code: null, signal, coreDumped: false });
    assertEquals(exitStatusOf(number | 0x80), { code: null, signal, coreDumped: true });
  }
});

test("I12 a wait status of a process that goes on is refused", () => {
  for (const status of [0x137f, 0x7f, 0xffff, -1]) {
    assertThrows(() => exitStatusOf(status), RangeError, "is not that of an exit");
  }
});

test("I12 si_code and si_status in words", () => {
  const { CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED, CLD_TRAPPED } = posix;
  const cases = [
    [CLD_EXITED, 9, "exited", null],
    [CLD_KILLED, 9, "killed", "SIGKILL"],
    [CLD_DUMPED, 3, "dumped", "SIGQUIT"],
    [CLD_STOPPED, 19, "stopped", "SIGSTOP"],
    [CLD_CONTINUED, 18, "continued", "SIGCONT"],
    [CLD_TRAPPED, 5, "trapped", "SIGTRAP"],
  ] as const;
  for (const [code, status, word, signal] of cases) {
    const state = processState(77, 4294967295, code, status);
    assertEquals(state, { pid: 77, uid: 4294967295, code: word, status, signal });
  }
  for (const bad of [0, 7, -1]) {
    assertThrows(() => processState(77, 0, bad, 0), RangeError, `si_code ${bad}`);
  }
});

test("I12 both ways to an exit status agree", () => {
  const cases = [
    [posix.CLD_EXITED, 42, 42 << 8],
    [posix.CLD_EXITED, 0, 0],
    [posix.CLD_KILLED, 15, 15],
    [posix.CLD_DUMPED, 6, 6 | 0x80],
  ] as const;
  for (const [code, status, waitStatus] of cases) {
    assertEquals(exitStatusFrom(processState(77, 0, code, status)), exitStatusOf(waitStatus));
  }
});
