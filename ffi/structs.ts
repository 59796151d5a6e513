/**
 * Where the fields of C structs lie: sizes and offsets in bytes.
 *
 * Each field has its type and then its offset per column. All these systems are little-endian, so a
 * field may be read narrower than it is; the two that are say so.
 *
 * Read from the same headers as the constants, see `const_posix.ts` and `const_linux.ts`.
 *
 * @module
 */

import {
  BSD_COLUMNS,
  column,
  COLUMNS,
  type Layouts,
  LINUX_COLUMNS,
  pickLayouts,
} from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Structs that every system has. */
export const POSIX_STRUCTS = {
  timespec: {
    size: [16, 16, 16, 16],
    tv_sec: ["i64", 0, 0, 0, 0],
    tv_nsec: ["i64", 8, 8, 8, 8],
  },
  iovec: {
    size: [16, 16, 16, 16],
    iov_base: ["ptr", 0, 0, 0, 0],
    iov_len: ["u64", 8, 8, 8, 8],
  },
  pollfd: {
    size: [8, 8, 8, 8],
    fd: ["i32", 0, 0, 0, 0],
    events: ["i16", 4, 4, 4, 4],
    revents: ["i16", 6, 6, 6, 6],
  },
  // Signed on FreeBSD, where RLIM_INFINITY is the largest of them: nothing reads as negative.
  rlimit: {
    size: [16, 16, 16, 16],
    rlim_cur: ["u64", 0, 0, 0, 0],
    rlim_max: ["u64", 8, 8, 8, 8],
  },
  // st_dev is 64 bits on Linux, which uses the low 32, and on FreeBSD; st_mode is 32 bits on Linux.
  // On x86-64 Darwin this is the struct of the symbol `fstat$INODE64`: plain `fstat` is an older one.
  stat: {
    size: [144, 128, 144, 224],
    st_dev: ["u32", 0, 0, 0, 0],
    st_ino: ["u64", 8, 8, 8, 8],
    st_mode: ["u16", 24, 16, 4, 24],
    st_size: ["i64", 48, 48, 96, 112],
    // A long on x86-64 Linux, an int everywhere else: the low 32 bits hold it.
    st_blksize: ["mem", 56, 56, 112, 128],
  },
  // The C library's set, of which the Linux kernel uses the first 8 bytes.
  sigset_t: {
    size: [128, 128, 4, 16],
  },
  // Which fields are filled depends on the signal: siginfoMember() tells. On Linux most of them lie in
  // one union. si_value is an int or a pointer; si_band is reported as its low 32 bits.
  siginfo_t: {
    size: [128, 128, 104, 80],
    si_signo: ["i32", 0, 0, 0, 0],
    si_errno: ["i32", 4, 4, 4, 4],
    si_code: ["i32", 8, 8, 8, 8],
    si_pid: ["i32", 16, 16, 12, 12],
    si_uid: ["u32", 20, 20, 16, 16],
    si_status: ["i32", 24, 24, 20, 20],
    si_value: ["mem", 24, 24, 32, 32],
    si_addr: ["ptr", 16, 16, 24, 24],
    si_timerid: ["i32", 16, 16, null, 40],
    si_overrun: ["i32", 20, 20, null, 44],
    si_band: ["i64", 16, 16, 40, 40],
    si_fd: ["i32", 24, 24, null, null],
    si_utime: ["i64", 32, 32, null, null],
    si_stime: ["i64", 40, 40, null, null],
  },
  // The struct of sigaction(3). The kernel's own, which only syscall(2) would take, is another.
  sigaction: {
    size: [152, 152, 16, 32],
    sa_handler: ["ptr", 0, 0, 0, 0],
    sa_mask: ["mem", 8, 8, 8, 12],
    sa_flags: ["i32", 136, 136, 12, 8],
    sa_restorer: ["ptr", 144, 144, null, null],
  },
  // What a signal handler is given: its size differs between libcs and CPUs, and nobody allocates it.
  ucontext_t: {
    size: [null, null, null, null],
    uc_sigmask: ["mem", 296, 40, 4, 0],
  },
  // On FreeBSD this is what `__xuname(256, &buf)` fills: the symbol `uname` is for fields of 32 bytes.
  utsname: {
    size: [390, 390, 1280, 1280],
    sysname: ["mem", 0, 0, 0, 0],
    nodename: ["mem", 65, 65, 256, 256],
    release: ["mem", 130, 130, 512, 512],
    version: ["mem", 195, 195, 768, 768],
    machine: ["mem", 260, 260, 1024, 1024],
  },
} as const;

/** Structs that only Linux has. */
export const LINUX_STRUCTS = {
  // Packed on x86-64, and only there.
  epoll_event: {
    size: [12, 16],
    events: ["u32", 0, 0],
    data: ["mem", 4, 8],
  },
  itimerspec: {
    size: [32, 32],
    it_interval: ["mem", 0, 0],
    it_value: ["mem", 16, 16],
  },
  // All of it: a test compares this list with the header's.
  signalfd_siginfo: {
    size: [128, 128],
    ssi_signo: ["u32", 0, 0],
    ssi_errno: ["i32", 4, 4],
    ssi_code: ["i32", 8, 8],
    ssi_pid: ["u32", 12, 12],
    ssi_uid: ["u32", 16, 16],
    ssi_fd: ["i32", 20, 20],
    ssi_tid: ["u32", 24, 24],
    ssi_band: ["u32", 28, 28],
    ssi_overrun: ["u32", 32, 32],
    ssi_trapno: ["u32", 36, 36],
    ssi_status: ["i32", 40, 40],
    ssi_int: ["i32", 44, 44],
    ssi_ptr: ["u64", 48, 48],
    ssi_utime: ["u64", 56, 56],
    ssi_stime: ["u64", 64, 64],
    ssi_addr: ["u64", 72, 72],
    ssi_addr_lsb: ["u16", 80, 80],
    ssi_syscall: ["i32", 84, 84],
    ssi_call_addr: ["u64", 88, 88],
    ssi_arch: ["u32", 96, 96],
  },
  // Since 6.13, up to exit_code (64 bytes, PIDFD_INFO_SIZE_VER0); coredump_mask since 6.16 (72 bytes,
  // PIDFD_INFO_SIZE_VER1). What follows is left out: the kernel's header has had supported_mask at
  // 72 and has it at 80 in 7.2.
  pidfd_info: {
    size: [72, 72],
    mask: ["u64", 0, 0],
    cgroupid: ["u64", 8, 8],
    pid: ["u32", 16, 16],
    tgid: ["u32", 20, 20],
    ppid: ["u32", 24, 24],
    ruid: ["u32", 28, 28],
    rgid: ["u32", 32, 32],
    euid: ["u32", 36, 36],
    egid: ["u32", 40, 40],
    suid: ["u32", 44, 44],
    sgid: ["u32", 48, 48],
    fsuid: ["u32", 52, 52],
    fsgid: ["u32", 56, 56],
    exit_code: ["i32", 60, 60],
    coredump_mask: ["u32", 64, 64],
  },
  // The C library's set, of 1024 CPUs. The kernel takes one of any size: see CPU_ALLOC(3).
  cpu_set_t: {
    size: [128, 128],
  },
} as const;

/** Structs that only the systems with kqueue have. */
export const BSD_STRUCTS = {
  // FreeBSD's is the one since 12, which the symbol `kevent` takes; its ext[4] ends the struct.
  kevent: {
    size: [32, 64],
    ident: ["u64", 0, 0],
    filter: ["i16", 8, 8],
    flags: ["u16", 10, 10],
    fflags: ["u32", 12, 12],
    data: ["i64", 16, 16],
    udata: ["ptr", 24, 24],
  },
} as const;

const here = column(os, arch);

/** The structs of this machine: `structs.epoll_event.size`, `structs.stat.st_ino`. */
export const structs:
  & Layouts<typeof POSIX_STRUCTS>
  & Layouts<typeof LINUX_STRUCTS>
  & Layouts<typeof BSD_STRUCTS> = Object.freeze({
    ...pickLayouts(POSIX_STRUCTS, COLUMNS, here),
    ...pickLayouts(LINUX_STRUCTS, LINUX_COLUMNS, here),
    ...pickLayouts(BSD_STRUCTS, BSD_COLUMNS, here),
  });
