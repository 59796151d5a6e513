// The choice of the member of a siginfo_t, against the kernel's own signalfd(2): a
// siginfo is queued to this very thread, which may send itself any code, and read from a signalfd.

import { assertEquals } from "@std/assert";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { siginfoMember } from "../ffi/siginfo.ts";
import { structs } from "../ffi/structs.ts";
import { SignalInfo } from "../handles/signal_info.ts";
import { FD } from "../handles/fd.ts";
import { test } from "./support.ts";

const SIGNALS = [10, 17, 29, 23, 40];
const CODES = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 100, 0x7f, 0x80, 0x81],
  ...[-1, -2, -3, -4, -5, -6, -7, -60, -(2 ** 31)],
];

/** Queues a siginfo to this thread, which blocks the signal, and reads it from a signalfd. */
function throughTheKernel(fd: FD, info: Uint8Array<ArrayBuffer>, signal: number): DataView {
  const pid = libc.getpid();
  check("tgsigqueueinfo", libc.rt_tgsigqueueinfo(pid, libc.gettid(), signal, info));
  const record = new Uint8Array(new ArrayBuffer(structs.signalfd_siginfo.size));
  assertEquals(fd.read(record), record.byteLength);
  return new DataView(record.buffer);
}

/** The fields of a signalfd_siginfo, by the names that SignalInfo has for them. */
function fieldsOf(record: DataView): Record<string, number | bigint> {
  const at = structs.signalfd_siginfo;
  const u32 = (offset: number) => record.getUint32(offset, true);
  const i32 = (offset: number) => record.getInt32(offset, true);
  const u64 = (offset: number) => record.getBigUint64(offset, true);
  return {
    signo: u32(at.ssi_signo),
    errno: i32(at.ssi_errno),
    code: i32(at.ssi_code),
    pid: u32(at.ssi_pid),
    uid: u32(at.ssi_uid),
    fd: i32(at.ssi_fd),
    tid: u32(at.ssi_tid),
    band: u32(at.ssi_band),
    overrun: u32(at.ssi_overrun),
    trapno: u32(at.ssi_trapno),
    status: i32(at.ssi_status),
    int: i32(at.ssi_int),
    ptr: u64(at.ssi_ptr),
    utime: u64(at.ssi_utime),
    stime: u64(at.ssi_stime),
    addr: u64(at.ssi_addr),
    addrLsb: record.getUint16(at.ssi_addr_lsb, true),
    syscall: i32(at.ssi_syscall),
    callAddr: u64(at.ssi_call_addr),
    arch: u32(at.ssi_arch),
  };
}

test("I08 siginfo: every member is read as the kernel's signalfd(2) reports it", () => {
  const mask = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  const before = new BigUint64Array(new ArrayBuffer(structs.sigset_t.size));
  for (const signal of SIGNALS) mask[0]! |= 1n << BigInt(signal - 1);
  libc.pthread_sigmask(posix.SIG_BLOCK, mask, before);
  try {
    const flags = linux.SFD_CLOEXEC | linux.SFD_NONBLOCK;
    using fd = FD.adopt(check("signalfd", libc.signalfd(-1, mask, flags)));
    for (const signal of SIGNALS) {
      for (const code of CODES) {
        const info = Uint8Array.from({ length: 128 }, (_, index) => index < 48 ? 200 - index : 0);
        const view = new DataView(info.buffer);
        view.setInt32(structs.siginfo_t.si_signo, signal, true);
        view.setInt32(structs.siginfo_t.si_code, code, true);
        const expected = fieldsOf(throughTheKernel(fd, info, signal));
        const { name: _, ...fields } = new SignalInfo(view);
        assertEquals(fields, expected as typeof fields, `signal ${signal}, code ${code}`);
      }
    }
  } finally {
    libc.pthread_sigmask(posix.SIG_SETMASK, before, null);
  }
});

test("I08 siginfo: which member it is", () => {
  assertEquals(siginfoMember(10, 0), "kill");
  assertEquals(siginfoMember(10, posix.SI_KERNEL), "kill");
  assertEquals(siginfoMember(10, posix.SI_QUEUE), "queue");
  assertEquals(siginfoMember(10, linux.SI_TKILL), "queue"); // the same fields, and a value of 0
  assertEquals(siginfoMember(10, posix.SI_TIMER), "timer");
  assertEquals(siginfoMember(10, linux.SI_SIGIO), "poll");
  assertEquals(siginfoMember(40, 1), "poll"); // fcntl(F_SETSIG)
  assertEquals(siginfoMember(17, posix.CLD_EXITED), "child");
  assertEquals(siginfoMember(17, posix.CLD_CONTINUED), "child");
});
