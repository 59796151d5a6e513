import { assertEquals, assertThrows } from "@std/assert";
import { structs } from "../ffi/structs.ts";
import { SignalInfo } from "../handles/signal_info.ts";
import { test } from "./support.ts";

/** The memory of a siginfo_t with these words of 32 bits. */
function record(words: Readonly<Record<number, number>>): DataView {
  const view = new DataView(new ArrayBuffer(structs.siginfo_t.size));
  for (const [word, value] of Object.entries(words)) view.setInt32(Number(word) * 4, value, true);
  return view;
}

/** The fields that are not 0. */
function told(info: SignalInfo): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(info).filter(([, value]) => value !== 0 && value !== 0n),
  );
}

test("I08 SignalInfo has the 20 fields of signalfd_siginfo, and a name", () => {
  const fields = Object.keys(new SignalInfo(record({ 0: 15 })));
  assertEquals(fields.length, 21);
  assertEquals(told(new SignalInfo(record({ 0: 15 }))), { signo: 15, name: "SIGTERM" });
  assertEquals(new SignalInfo(record({ 0: 37 })).name, "SIGRTMIN+3");
  assertEquals(new SignalInfo(record({ 0: 33 })).name, "signal 33");
});

test("I08 SignalInfo: numbers above 31 bits stay what they are", () => {
  const queue = new SignalInfo(record({ 0: 40, 1: -7, 2: -1, 4: -1, 5: -2, 6: -3, 7: -4 }));
  assertEquals(told(queue), {
    signo: 40,
    name: "SIGRTMIN+6",
    errno: -7,
    code: -1,
    pid: 0xffff_ffff,
    uid: 0xffff_fffe,
    int: -3,
    ptr: 0xffff_fffc_ffff_fffdn,
  });
});

test("I08 SignalInfo: a child's end, a timer, and I/O have fields of their own", () => {
  const child = { 0: 17, 2: 1, 4: 5, 5: 6, 6: 7, 8: 9, 10: 11, 11: 1 };
  assertEquals(told(new SignalInfo(record(child))), {
    ...{ signo: 17, name: "SIGCHLD", code: 1, pid: 5, uid: 6, status: 7 },
    ...{ utime: 9n, stime: 0x1_0000_000bn },
  });
  assertEquals(told(new SignalInfo(record({ 0: 14, 2: -2, 4: 5, 5: 6, 6: 7, 7: 8 }))), {
    ...{ signo: 14, name: "SIGALRM", code: -2, tid: 5, overrun: 6, int: 7, ptr: 0x8_0000_0007n },
  });
  assertEquals(told(new SignalInfo(record({ 0: 29, 2: 1, 4: 5, 6: 7 }))), {
    ...{ signo: 29, name: "SIGIO", code: 1, band: 5, fd: 7 },
  });
});

test("I08 SignalInfo is carried by structuredClone", () => {
  const info = new SignalInfo(record({ 0: 40, 2: -1, 6: 7 }));
  assertEquals({ ...structuredClone(info) }, { ...info });
});

test("I08 SignalInfo reads at an offset, and only a whole record", () => {
  const three = new DataView(new ArrayBuffer(3 * structs.siginfo_t.size));
  three.setInt32(structs.siginfo_t.size, 12, true);
  assertEquals(new SignalInfo(three, structs.siginfo_t.size).name, "SIGUSR2");
  assertEquals(
    new SignalInfo(new DataView(three.buffer, 4, 256), structs.siginfo_t.size - 4).signo,
    12,
  );
  for (const bad of [-1, 2 * structs.siginfo_t.size + 1, 1.5, NaN]) {
    assertThrows(() => new SignalInfo(three, bad), RangeError, "SignalInfo: the offset");
  }
  assertThrows(() => new SignalInfo(new DataView(new ArrayBuffer(127))), RangeError, "128 bytes");
  for (const bad of [null, undefined, new Uint8Array(128), new ArrayBuffer(128), {}]) {
    assertThrows(() => new SignalInfo(bad as never), TypeError, "must be a DataView");
  }
  assertThrows(() => new SignalInfo(three, "0" as never), TypeError, "SignalInfo: the offset");
});
