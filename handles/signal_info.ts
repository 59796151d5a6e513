/**
 * What the kernel tells about a signal that was received.
 *
 * Kernel: every Linux. The fields are those of struct signalfd_siginfo.
 *
 * @module
 */

import { siginfoMember } from "../ffi/siginfo.ts";
import { structs } from "../ffi/structs.ts";
import { signalName } from "../ffi/signals.ts";
import { integer, shown } from "./validate.ts";

/**
 * One signal, with the fields of `struct signalfd_siginfo`, signalfd(2). A plain object that
 * `structuredClone` and `postMessage` carry.
 *
 * Which fields mean something depends on {@link SignalInfo.code}; the others are 0. `kill(2)` and
 * `sigqueue(3)` fill `pid` and `uid`, sigqueue also `int` and `ptr`; SIGCHLD fills `pid`, `uid`,
 * `status`, `utime` and `stime`; a POSIX timer fills `tid`, `overrun`, `int` and `ptr`; SIGIO fills
 * `band` and `fd`. Those that only a fault or a refused system call fills (`trapno`, `addr`,
 * `addrLsb`, `syscall`, `callAddr`, `arch`) are always 0, because such signals are not received.
 *
 * @example
 * ```ts
 * import { SignalFD } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 * import process from "node:process";
 *
 * using signals = SignalFD.create(["SIGUSR1"], { blocking: true });
 * process.kill(process.pid, "SIGUSR1");
 * const info = signals.read();
 * assert(info !== null);
 * assertEquals([info.name, info.code, info.pid], ["SIGUSR1", 0, process.pid]); // 0: SI_USER
 * ```
 */
export class SignalInfo {
  /** The signal's name, such as `"SIGTERM"`. */
  readonly name: string;
  /** The signal's number. */
  readonly signo: number;
  /** An errno that belongs to the signal; generally 0. */
  readonly errno: number;
  /** Why it was sent: `SI_USER` is 0, `SI_QUEUE` −1, `SI_TIMER` −2; `CLD_EXITED` is 1. See sigaction(2). */
  readonly code: number;
  /** The process that sent it, in this process's PID namespace; 0 when it is in none, or the kernel. */
  readonly pid: number;
  /** The real user of the sender. */
  readonly uid: number;
  /** The descriptor that I/O became possible on. */
  readonly fd: number;
  /** The kernel's number of the POSIX timer. */
  readonly tid: number;
  /** The events of that descriptor, as poll(2) has them. */
  readonly band: number;
  /** How often the POSIX timer expired beyond this signal. */
  readonly overrun: number;
  /** The number of the trap, on the CPUs that have one. */
  readonly trapno: number;
  /** How the child ended, or the signal that changed its state. */
  readonly status: number;
  /** The value of sigqueue(3) as a 32-bit integer. */
  readonly int: number;
  /** The value of sigqueue(3) as 64 unsigned bits. */
  readonly ptr: bigint;
  /** User time of the child, in clock ticks. */
  readonly utime: bigint;
  /** System time of the child, in clock ticks. */
  readonly stime: bigint;
  /** The address that caused a fault. */
  readonly addr: bigint;
  /** The least significant bit of that address, for SIGBUS. */
  readonly addrLsb: number;
  /** The system call that was refused, for SIGSYS. */
  readonly syscall: number;
  /** The address of its instruction, for SIGSYS. */
  readonly callAddr: bigint;
  /** Its `AUDIT_ARCH_…`, for SIGSYS. */
  readonly arch: number;

  /**
   * Reads a `siginfo_t`, as the kernel gives it to a handler and to waitid(2).
   *
   * @param record memory with it
   * @param offset where it begins, 0 by default
   * @throws {TypeError} when it is no DataView, or the offset no number
   * @throws {RangeError} when the view has no whole siginfo_t of 128 bytes there
   */
  constructor(record: DataView, offset: number = 0) {
    if (!(record instanceof DataView)) {
      throw new TypeError(`SignalInfo: the record must be a DataView, got ${shown(record)}`);
    }
    const most = record.byteLength - structs.siginfo_t.size;
    if (most < 0) {
      throw new RangeError(
        `SignalInfo: a siginfo_t has ${structs.siginfo_t.size} bytes, the view has ${record.byteLength}`,
      );
    }
    integer(offset, "SignalInfo: the offset", 0, most);
    const i32 = (field: number): number => record.getInt32(offset + field, true);
    const u32 = (field: number): number => record.getUint32(offset + field, true);
    const u64 = (field: number): bigint => record.getBigUint64(offset + field, true);
    this.signo = i32(structs.siginfo_t.si_signo);
    this.name = signalName(this.signo);
    this.errno = i32(structs.siginfo_t.si_errno);
    this.code = i32(structs.siginfo_t.si_code);
    const member = siginfoMember(this.signo, this.code);
    const [timer, poll, child] = [member === "timer", member === "poll", member === "child"];
    const sent = !timer && !poll;
    const value = timer || member === "queue";
    this.pid = sent ? u32(structs.siginfo_t.si_pid) : 0;
    this.uid = sent ? u32(structs.siginfo_t.si_uid) : 0;
    this.fd = poll ? i32(structs.siginfo_t.si_fd) : 0;
    this.tid = timer ? u32(structs.siginfo_t.si_timerid) : 0;
    this.band = poll ? u32(structs.siginfo_t.si_band) : 0;
    this.overrun = timer ? u32(structs.siginfo_t.si_overrun) : 0;
    this.trapno = 0;
    this.status = child ? i32(structs.siginfo_t.si_status) : 0;
    this.int = value ? i32(structs.siginfo_t.si_value) : 0;
    this.ptr = value ? u64(structs.siginfo_t.si_value) : 0n;
    this.utime = child ? u64(structs.siginfo_t.si_utime) : 0n;
    this.stime = child ? u64(structs.siginfo_t.si_stime) : 0n;
    this.addr = 0n;
    this.addrLsb = 0;
    this.syscall = 0;
    this.callAddr = 0n;
    this.arch = 0;
  }
}
