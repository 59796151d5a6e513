import { assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { signalNumber } from "../ffi/signals.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ignoreSignal } from "../handles/signal_ignore.ts";
import { test } from "./support.ts";

const USR2 = signalNumber("SIGUSR2");

/** 0 is the default, 1 ignores it, all else handles it. */
function disposition(signal: number): bigint {
  const action = new DataView(new ArrayBuffer(structs.sigaction.size));
  libc.sigaction(signal, null, action);
  return action.getBigUint64(structs.sigaction.sa_handler, true);
}

test("C35 a signal is ignored from the first who asks until the last has had enough", () => {
  assertEquals(disposition(USR2), 0n);
  const first = ignoreSignal(USR2);
  const second = ignoreSignal(USR2);
  first();
  first();
  assertEquals(disposition(USR2), 1n);
  second();
  assertEquals(disposition(USR2), 0n);
});

test("C35 what does nothing by default is left alone: children must stay to be waited for", () => {
  for (const name of ["SIGCHLD", "SIGWINCH", "SIGURG", "SIGCONT"]) {
    const signal = signalNumber(name);
    const before = disposition(signal);
    const undo = ignoreSignal(signal);
    assertEquals(disposition(signal), before);
    undo();
  }
});

test("C35 what cannot be ignored is refused", () => {
  for (const signal of [signalNumber("SIGKILL"), signalNumber("SIGSTOP"), 0, 999]) {
    assertThrows(() => ignoreSignal(signal), SyscallError, "EINVAL");
  }
});
