/**
 * The constants that more than one system has, each with its own number.
 *
 * Read from: glibc 2.36 and 2.43, musl 1.2.3, Linux 6.1 and 7.2 for the two Linux columns; the
 * headers of xnu-11417 and Libc-1725 (macOS 15.4) for Darwin; `sys/` of FreeBSD 13.1 and the headers
 * of FreeBSD 15 for FreeBSD. Where the headers of Linux are octal, so are its cells.
 *
 * @module
 */

import { column, COLUMNS, type Constants, pick } from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Every column. Code uses {@link posix}; the table is for the test that proves it. */
export const POSIX_TABLE = {
  // open(2), <fcntl.h>
  O_RDONLY: [0, 0, 0, 0],
  O_WRONLY: [1, 1, 1, 1],
  O_RDWR: [2, 2, 2, 2],
  O_ACCMODE: [3, 3, 3, 3],
  O_CREAT: [0o100, 0o100, 0x200, 0x200],
  O_EXCL: [0o200, 0o200, 0x800, 0x800],
  O_NOCTTY: [0o400, 0o400, 0x20000, 0x8000],
  O_TRUNC: [0o1000, 0o1000, 0x400, 0x400],
  O_APPEND: [0o2000, 0o2000, 8, 8],
  O_NONBLOCK: [0o4000, 0o4000, 4, 4],
  O_DSYNC: [0o10000, 0o10000, 0x400000, 0x1000000],
  O_ASYNC: [0o20000, 0o20000, 0x40, 0x40],
  O_DIRECT: [0o40000, 0o200000, null, 0x10000],
  O_DIRECTORY: [0o200000, 0o40000, 0x100000, 0x20000],
  O_NOFOLLOW: [0o400000, 0o100000, 0x100, 0x100],
  O_CLOEXEC: [0o2000000, 0o2000000, 0x1000000, 0x100000],
  O_SYNC: [0o4010000, 0o4010000, 0x80, 0x80],
  O_PATH: [0o10000000, 0o10000000, null, 0x400000],
  AT_FDCWD: [-100, -100, -2, -100],
  // fcntl(2), <fcntl.h>
  F_DUPFD: [0, 0, 0, 0],
  F_GETFD: [1, 1, 1, 1],
  F_SETFD: [2, 2, 2, 2],
  F_GETFL: [3, 3, 3, 3],
  F_SETFL: [4, 4, 4, 4],
  F_DUPFD_CLOEXEC: [1030, 1030, 67, 17],
  FD_CLOEXEC: [1, 1, 1, 1],
  // lseek(2), <unistd.h>
  SEEK_SET: [0, 0, 0, 0],
  SEEK_CUR: [1, 1, 1, 1],
  SEEK_END: [2, 2, 2, 2],
  SEEK_DATA: [3, 3, 4, 3],
  SEEK_HOLE: [4, 4, 3, 4],
  // mmap(2), mprotect(2) and msync(2), <sys/mman.h>
  PROT_NONE: [0, 0, 0, 0],
  PROT_READ: [1, 1, 1, 1],
  PROT_WRITE: [2, 2, 2, 2],
  PROT_EXEC: [4, 4, 4, 4],
  MAP_FILE: [0, 0, 0, 0],
  MAP_SHARED: [1, 1, 1, 1],
  MAP_PRIVATE: [2, 2, 2, 2],
  MAP_FIXED: [0x10, 0x10, 0x10, 0x10],
  MAP_ANONYMOUS: [0x20, 0x20, 0x1000, 0x1000],
  MAP_ANON: [0x20, 0x20, 0x1000, 0x1000],
  MAP_NORESERVE: [0x4000, 0x4000, 0x40, null],
  MAP_STACK: [0x20000, 0x20000, null, 0x400],
  MAP_FAILED: [-1, -1, -1, -1],
  MS_ASYNC: [1, 1, 1, 1],
  MS_INVALIDATE: [2, 2, 2, 2],
  MS_SYNC: [4, 4, 0x10, 0],
  // poll(2), <poll.h>
  POLLIN: [1, 1, 1, 1],
  POLLPRI: [2, 2, 2, 2],
  POLLOUT: [4, 4, 4, 4],
  POLLERR: [8, 8, 8, 8],
  POLLHUP: [0x10, 0x10, 0x10, 0x10],
  POLLNVAL: [0x20, 0x20, 0x20, 0x20],
  POLLRDNORM: [0x40, 0x40, 0x40, 0x40],
  POLLRDBAND: [0x80, 0x80, 0x80, 0x80],
  POLLWRNORM: [0x100, 0x100, 4, 4],
  POLLWRBAND: [0x200, 0x200, 0x100, 0x100],
  // waitid(2), <sys/wait.h>
  WNOHANG: [1, 1, 1, 1],
  WUNTRACED: [2, 2, 2, 2],
  WSTOPPED: [2, 2, 8, 2],
  WEXITED: [4, 4, 4, 0x10],
  WCONTINUED: [8, 8, 0x10, 4],
  WNOWAIT: [0x1000000, 0x1000000, 0x20, 8],
  P_ALL: [0, 0, 0, 7],
  P_PID: [1, 1, 1, 0],
  P_PGID: [2, 2, 2, 2],
  // si_code of a SIGCHLD, <signal.h>
  CLD_EXITED: [1, 1, 1, 1],
  CLD_KILLED: [2, 2, 2, 2],
  CLD_DUMPED: [3, 3, 3, 3],
  CLD_TRAPPED: [4, 4, 4, 4],
  CLD_STOPPED: [5, 5, 5, 5],
  CLD_CONTINUED: [6, 6, 6, 6],
  // clock_gettime(2), <time.h>
  CLOCK_REALTIME: [0, 0, 0, 0],
  CLOCK_MONOTONIC: [1, 1, 6, 4],
  CLOCK_PROCESS_CPUTIME_ID: [2, 2, 12, 15],
  CLOCK_THREAD_CPUTIME_ID: [3, 3, 16, 14],
  CLOCK_MONOTONIC_RAW: [4, 4, 4, null],
  // pthread_sigmask(3) and sigaction(2), <signal.h>
  SIG_BLOCK: [0, 0, 1, 1],
  SIG_UNBLOCK: [1, 1, 2, 2],
  SIG_SETMASK: [2, 2, 3, 3],
  SIG_DFL: [0, 0, 0, 0],
  SIG_IGN: [1, 1, 1, 1],
  SIG_ERR: [-1, -1, -1, -1],
  SA_NOCLDSTOP: [1, 1, 8, 8],
  SA_NOCLDWAIT: [2, 2, 0x20, 0x20],
  SA_SIGINFO: [4, 4, 0x40, 0x40],
  SA_ONSTACK: [0x8000000, 0x8000000, 1, 1],
  SA_RESTART: [0x10000000, 0x10000000, 2, 2],
  SA_NODEFER: [0x40000000, 0x40000000, 0x10, 0x10],
  SA_RESETHAND: [0x80000000, 0x80000000, 4, 4],
  // si_code of a signal that a process sent, <signal.h>
  SI_USER: [0, 0, 0x10001, 0x10001],
  SI_QUEUE: [-1, -1, 0x10002, 0x10002],
  SI_TIMER: [-2, -2, 0x10003, 0x10003],
  SI_MESGQ: [-3, -3, 0x10005, 0x10005],
  SI_ASYNCIO: [-4, -4, 0x10004, 0x10004],
  SI_KERNEL: [0x80, 0x80, null, 0x10006],
  // socket(2), <sys/socket.h>
  AF_UNSPEC: [0, 0, 0, 0],
  AF_UNIX: [1, 1, 1, 1],
  AF_INET: [2, 2, 2, 2],
  AF_INET6: [10, 10, 30, 28],
  SOCK_STREAM: [1, 1, 1, 1],
  SOCK_DGRAM: [2, 2, 2, 2],
  SOCK_RAW: [3, 3, 3, 3],
  SOCK_RDM: [4, 4, 4, 4],
  SOCK_SEQPACKET: [5, 5, 5, 5],
  SOCK_CLOEXEC: [0x80000, 0x80000, null, 0x10000000],
  SOCK_NONBLOCK: [0x800, 0x800, null, 0x20000000],
  // Limits, <sys/resource.h>, <unistd.h>, <limits.h>
  RLIMIT_NOFILE: [7, 7, 8, 8],
  _SC_PAGESIZE: [30, 30, 29, 47],
  _SC_NPROCESSORS_ONLN: [84, 84, 58, 58],
  IOV_MAX: [1024, 1024, 1024, 1024],
  PIPE_BUF: [4096, 4096, 512, 512],
  // st_mode of stat(2), <sys/stat.h>
  S_IFMT: [0o170000, 0o170000, 0o170000, 0o170000],
  S_IFIFO: [0o10000, 0o10000, 0o10000, 0o10000],
  S_IFCHR: [0o20000, 0o20000, 0o20000, 0o20000],
  S_IFDIR: [0o40000, 0o40000, 0o40000, 0o40000],
  S_IFBLK: [0o60000, 0o60000, 0o60000, 0o60000],
  S_IFREG: [0o100000, 0o100000, 0o100000, 0o100000],
  S_IFLNK: [0o120000, 0o120000, 0o120000, 0o120000],
  S_IFSOCK: [0o140000, 0o140000, 0o140000, 0o140000],
} as const;

/** The constants of this system: `posix.O_NONBLOCK`. */
export const posix: Constants<typeof POSIX_TABLE> = pick(
  POSIX_TABLE,
  COLUMNS,
  column(os, arch),
);
