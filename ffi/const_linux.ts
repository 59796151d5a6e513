/**
 * The constants that only Linux has.
 *
 * Read from: glibc 2.36 and 2.43, the kernel's own headers of Linux 6.1 and 7.2. A name with a kernel
 * version is newer than the headers of some systems that fdloop runs on; the test that proves the
 * table then computes it from the definition in the newer header.
 *
 * @module
 */

import { column, type Constants, LINUX_COLUMNS, pick } from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Every column. Code uses {@link linux}; the table is for the test that proves it. */
export const LINUX_TABLE = {
  // epoll_ctl(2), <sys/epoll.h>
  EPOLLIN: [1, 1],
  EPOLLPRI: [2, 2],
  EPOLLOUT: [4, 4],
  EPOLLERR: [8, 8],
  EPOLLHUP: [0x10, 0x10],
  EPOLLNVAL: [0x20, 0x20],
  EPOLLRDNORM: [0x40, 0x40],
  EPOLLRDBAND: [0x80, 0x80],
  EPOLLWRNORM: [0x100, 0x100],
  EPOLLWRBAND: [0x200, 0x200],
  EPOLLMSG: [0x400, 0x400],
  EPOLLRDHUP: [0x2000, 0x2000],
  EPOLLEXCLUSIVE: [0x10000000, 0x10000000],
  EPOLLWAKEUP: [0x20000000, 0x20000000],
  EPOLLONESHOT: [0x40000000, 0x40000000],
  EPOLLET: [0x80000000, 0x80000000],
  EPOLL_CTL_ADD: [1, 1],
  EPOLL_CTL_DEL: [2, 2],
  EPOLL_CTL_MOD: [3, 3],
  EPOLL_CLOEXEC: [0o2000000, 0o2000000],

  // eventfd(2), <sys/eventfd.h>
  EFD_SEMAPHORE: [1, 1],
  EFD_CLOEXEC: [0o2000000, 0o2000000],
  EFD_NONBLOCK: [0o4000, 0o4000],

  // timerfd_create(2) and timerfd_settime(2), <sys/timerfd.h>, <linux/timerfd.h>
  TFD_TIMER_ABSTIME: [1, 1],
  TFD_TIMER_CANCEL_ON_SET: [2, 2],
  TFD_CLOEXEC: [0o2000000, 0o2000000],
  TFD_NONBLOCK: [0o4000, 0o4000],
  TFD_IOC_SET_TICKS: [0x40085400, 0x40085400],

  // clock_gettime(2), <time.h>
  CLOCK_REALTIME_COARSE: [5, 5],
  CLOCK_MONOTONIC_COARSE: [6, 6],
  CLOCK_BOOTTIME: [7, 7],
  CLOCK_REALTIME_ALARM: [8, 8],
  CLOCK_BOOTTIME_ALARM: [9, 9],
  CLOCK_TAI: [11, 11],

  // signalfd(2), <sys/signalfd.h>
  SFD_CLOEXEC: [0o2000000, 0o2000000],
  SFD_NONBLOCK: [0o4000, 0o4000],

  // si_code of a signal, <signal.h>
  SI_SIGIO: [-5, -5],
  SI_TKILL: [-6, -6],
  SI_DETHREAD: [-7, -7],
  SI_ASYNCNL: [-60, -60],

  // waitid(2), <sys/wait.h>, since Linux 5.4
  P_PIDFD: [3, 3],

  // pidfd_open(2), <linux/pidfd.h>: PIDFD_NONBLOCK since 5.10, PIDFD_THREAD since 6.9
  PIDFD_NONBLOCK: [0o4000, 0o4000],
  PIDFD_THREAD: [0o200, 0o200],

  // pidfd_send_signal(2), <linux/pidfd.h>, since 6.9
  PIDFD_SIGNAL_THREAD: [1, 1],
  PIDFD_SIGNAL_THREAD_GROUP: [2, 2],
  PIDFD_SIGNAL_PROCESS_GROUP: [4, 4],

  // ioctl(2) of a pidfd, <linux/pidfd.h>, since 6.13: _IOWR(0xFF, 11, struct pidfd_info). An ioctl
  // number carries the size of its struct; this is the one of the first version, which every kernel
  // that knows the call takes. A longer struct is asked for with a number of its own.
  PIDFD_GET_INFO: [0xc040ff0b, 0xc040ff0b],
  PIDFD_INFO_SIZE_VER0: [64, 64],
  PIDFD_INFO_SIZE_VER1: [72, 72],

  // The mask of struct pidfd_info, <linux/pidfd.h>: EXIT since 6.15, COREDUMP since 6.16
  PIDFD_INFO_PID: [1, 1],
  PIDFD_INFO_CREDS: [2, 2],
  PIDFD_INFO_CGROUPID: [4, 4],
  PIDFD_INFO_EXIT: [8, 8],
  PIDFD_INFO_COREDUMP: [0x10, 0x10],

  // memfd_create(2), <linux/memfd.h>: MFD_NOEXEC_SEAL and MFD_EXEC since 6.3
  MFD_CLOEXEC: [1, 1],
  MFD_ALLOW_SEALING: [2, 2],
  MFD_HUGETLB: [4, 4],
  MFD_NOEXEC_SEAL: [8, 8],
  MFD_EXEC: [0x10, 0x10],
  MFD_HUGE_SHIFT: [26, 26],
  MFD_HUGE_MASK: [0x3f, 0x3f],
  MFD_HUGE_64KB: [0x40000000, 0x40000000],
  MFD_HUGE_512KB: [0x4c000000, 0x4c000000],
  MFD_HUGE_1MB: [0x50000000, 0x50000000],
  MFD_HUGE_2MB: [0x54000000, 0x54000000],
  MFD_HUGE_8MB: [0x5c000000, 0x5c000000],
  MFD_HUGE_16MB: [0x60000000, 0x60000000],
  MFD_HUGE_32MB: [0x64000000, 0x64000000],
  MFD_HUGE_256MB: [0x70000000, 0x70000000],
  MFD_HUGE_512MB: [0x74000000, 0x74000000],
  MFD_HUGE_1GB: [0x78000000, 0x78000000],
  MFD_HUGE_2GB: [0x7c000000, 0x7c000000],
  MFD_HUGE_16GB: [0x88000000, 0x88000000],

  // fcntl(2), <fcntl.h>: F_SEAL_FUTURE_WRITE since 5.1, F_SEAL_EXEC since 6.3
  F_ADD_SEALS: [1033, 1033],
  F_GET_SEALS: [1034, 1034],
  F_SEAL_SEAL: [1, 1],
  F_SEAL_SHRINK: [2, 2],
  F_SEAL_GROW: [4, 4],
  F_SEAL_WRITE: [8, 8],
  F_SEAL_FUTURE_WRITE: [0x10, 0x10],
  F_SEAL_EXEC: [0x20, 0x20],
  F_SETPIPE_SZ: [1031, 1031],
  F_GETPIPE_SZ: [1032, 1032],

  // splice(2), <fcntl.h>
  SPLICE_F_MOVE: [1, 1],
  SPLICE_F_NONBLOCK: [2, 2],
  SPLICE_F_MORE: [4, 4],
  SPLICE_F_GIFT: [8, 8],

  // open(2), <fcntl.h>
  O_NOATIME: [0o1000000, 0o1000000],
  O_TMPFILE: [0o20200000, 0o20040000],

  // mmap(2), <sys/mman.h>
  MAP_SHARED_VALIDATE: [3, 3],
  MAP_LOCKED: [0x2000, 0x2000],
  MAP_POPULATE: [0x8000, 0x8000],
  MAP_NONBLOCK: [0x10000, 0x10000],
  MAP_HUGETLB: [0x40000, 0x40000],
  MAP_SYNC: [0x80000, 0x80000],
  MAP_FIXED_NOREPLACE: [0x100000, 0x100000],

  // poll(2), <poll.h>
  POLLMSG: [0x400, 0x400],
  POLLREMOVE: [0x1000, 0x1000],
  POLLRDHUP: [0x2000, 0x2000],

  // close_range(2), <linux/close_range.h>
  CLOSE_RANGE_UNSHARE: [2, 2],
  CLOSE_RANGE_CLOEXEC: [4, 4],

  // dlopen(3), <dlfcn.h>
  RTLD_NOW: [2, 2],
  RTLD_NODELETE: [0x1000, 0x1000],

  // syscall(2), <sys/syscall.h>: the numbers from 424 on are the same on every instruction set
  SYS_read: [0, 63],
  SYS_write: [1, 64],
  SYS_rt_sigaction: [13, 134],
  SYS_rt_sigprocmask: [14, 135],
  SYS_ioctl: [16, 29],
  SYS_kill: [62, 129],
  SYS_rt_sigtimedwait: [128, 137],
  SYS_rt_sigqueueinfo: [129, 138],
  SYS_rt_tgsigqueueinfo: [297, 240],
  SYS_tgkill: [234, 131],
  SYS_gettid: [186, 178],
  SYS_getdents64: [217, 61],
  SYS_waitid: [247, 95],
  SYS_pipe2: [293, 59],
  SYS_epoll_create1: [291, 20],
  SYS_epoll_ctl: [233, 21],
  SYS_epoll_wait: [232, null],
  SYS_epoll_pwait: [281, 22],
  SYS_eventfd2: [290, 19],
  SYS_timerfd_create: [283, 85],
  SYS_timerfd_settime: [286, 86],
  SYS_timerfd_gettime: [287, 87],
  SYS_signalfd4: [289, 74],
  SYS_memfd_create: [319, 279],
  SYS_pidfd_send_signal: [424, 424],
  SYS_pidfd_open: [434, 434],
  SYS_close_range: [436, 436],
  SYS_pidfd_getfd: [438, 438],
  SYS_epoll_pwait2: [441, 441],

  // the instructions of a filter for SO_ATTACH_FILTER, <linux/filter.h>
  BPF_LD: [0, 0],
  BPF_JMP: [5, 5],
  BPF_RET: [6, 6],
  BPF_B: [0x10, 0x10],
  BPF_ABS: [0x20, 0x20],
  BPF_JSET: [0x40, 0x40],
  BPF_K: [0, 0],
} as const;

/** The constants of this machine: `linux.EPOLLET`. */
export const linux: Constants<typeof LINUX_TABLE> = pick(
  LINUX_TABLE,
  LINUX_COLUMNS,
  column(os, arch),
);
