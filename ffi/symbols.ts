/**
 * The one table of C functions. Each line is a prototype in words; the declarations of both back
 * ends and the TypeScript types of the calls are derived from it, and nothing else declares a call.
 *
 * Words: `i32` and `u32` are numbers. A `size_t` that stays under 4 GiB is `u32`, and an `ssize_t`
 * that Linux caps at 0x7ffff000 is `i32`, because Deno leaves its fast path for a 64-bit number.
 * `i64`, `usize` are bigints, for addresses and for what is not called often. `buf` is a typed
 * array, passed as itself on every call (Bun's pointers to small arrays go stale), or null.
 *
 * @module
 */

import type { Arch, OS } from "./backend.ts";

/** A C type, as both back ends can spell it. */
export type Word = "void" | "i32" | "u32" | "i64" | "usize" | "buf";

/** One prototype: the result first, then the parameters. */
export type Signature = readonly [result: Word, ...parameters: Word[]];

/** What a C function may be given. */
export type Memory = ArrayBufferView<ArrayBufferLike> | null;

interface Values {
  void: void;
  i32: number;
  u32: number;
  i64: bigint;
  usize: bigint;
  buf: Memory;
}

type Arguments<S extends readonly unknown[]> = S extends
  readonly [infer Head extends Word, ...infer Rest] ? [Values[Head], ...Arguments<Rest>] : [];

/** The TypeScript type of a call, derived from its line in the table. */
export type Call<S extends Signature> = S extends
  readonly [infer Result extends Word, ...infer Parameters]
  ? (...args: Arguments<Parameters>) => Values[Result]
  : never;

/** A bound C function, before its type is known. */
export type CFunction = (...args: never[]) => unknown;

/** Calls that every POSIX system has. */
export const POSIX = {
  // int close(int fd);
  close: ["i32", "i32"],
  // ssize_t read(int fd, void *buf, size_t count);
  read: ["i32", "i32", "buf", "u32"],
  // ssize_t write(int fd, const void *buf, size_t count);
  write: ["i32", "i32", "buf", "u32"],
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset);  for offsets under 4 GiB
  pread: ["i32", "i32", "buf", "u32", "u32"],
  // ssize_t pread(int fd, void *buf, size_t count, off_t offset);  for all others
  pread_far: ["i32", "i32", "buf", "u32", "i64"],
  // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset);  for offsets under 4 GiB
  pwrite: ["i32", "i32", "buf", "u32", "u32"],
  // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset);  for all others
  pwrite_far: ["i32", "i32", "buf", "u32", "i64"],
  // int fcntl(int fd, int cmd, ... /* int arg */);
  fcntl: ["i32", "i32", "i32", "i32"],
  // int poll(struct pollfd *fds, nfds_t nfds, int timeout);
  poll: ["i32", "buf", "u32", "i32"],
  // int ftruncate(int fd, off_t length);
  ftruncate: ["i32", "i32", "i64"],
  // int fstat(int fd, struct stat *buf);
  fstat: ["i32", "i32", "buf"],
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
  mmap: ["usize", "usize", "usize", "i32", "i32", "i32", "i64"],
  // int munmap(void *addr, size_t length);
  munmap: ["i32", "usize", "usize"],
  // int mprotect(void *addr, size_t length, int prot);
  mprotect: ["i32", "usize", "usize", "i32"],
  // int msync(void *addr, size_t length, int flags);
  msync: ["i32", "usize", "usize", "i32"],
  // void *memcpy(void *dest, const void *src, size_t n);  out of memory that C owns
  copy_in: ["void", "buf", "usize", "usize"],
  // void *memcpy(void *dest, const void *src, size_t n);  into memory that C owns
  copy_out: ["void", "usize", "buf", "usize"],
  // ssize_t readlink(const char *path, char *buf, size_t bufsiz);
  readlink: ["i32", "buf", "buf", "u32"],
  // int open(const char *path, int flags, ... /* mode_t mode */);
  open: ["i32", "buf", "i32", "u32"],
  // int unlink(const char *path);
  unlink: ["i32", "buf"],
  // int chmod(const char *path, mode_t mode);
  chmod: ["i32", "buf", "u32"],
  // int fchmod(int fd, mode_t mode);
  fchmod: ["i32", "i32", "u32"],
  // pid_t getpid(void);
  getpid: ["i32"],
  // uid_t getuid(void);
  getuid: ["u32"],
  // int kill(pid_t pid, int sig);
  kill: ["i32", "i32", "i32"],
  // long sysconf(int name);
  sysconf: ["i64", "i32"],
  // int clock_gettime(clockid_t clockid, struct timespec *tp);
  clock_gettime: ["i32", "i32", "buf"],
  // int uname(struct utsname *buf);
  uname: ["i32", "buf"],
  // int waitid(idtype_t idtype, id_t id, siginfo_t *infop, int options);
  waitid: ["i32", "i32", "u32", "buf", "i32"],
  // int pipe(int pipefd[2]);
  pipe: ["i32", "buf"],
  // int pipe2(int pipefd[2], int flags);
  pipe2: ["i32", "buf", "i32"],
  // int socketpair(int domain, int type, int protocol, int sv[2]);
  socketpair: ["i32", "i32", "i32", "i32", "buf"],
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
  sigaction: ["i32", "i32", "buf", "buf"],
  // int pthread_sigmask(int how, const sigset_t *set, sigset_t *oldset);  returns the errno
  pthread_sigmask: ["i32", "i32", "buf", "buf"],
} as const;

/** Calls that only Linux has; each that some libc lacks is reached through syscall(2). */
export const LINUX = {
  // int eventfd(unsigned int initval, int flags);
  eventfd: ["i32", "u32", "i32"],
  // int timerfd_create(int clockid, int flags);
  timerfd_create: ["i32", "i32", "i32"],
  // int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
  timerfd_settime: ["i32", "i32", "i32", "buf", "buf"],
  // int timerfd_gettime(int fd, struct itimerspec *curr);
  timerfd_gettime: ["i32", "i32", "buf"],
  // int signalfd(int fd, const sigset_t *mask, int flags);
  signalfd: ["i32", "i32", "buf", "i32"],
  // int epoll_create1(int flags);
  epoll_create1: ["i32", "i32"],
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
  epoll_ctl: ["i32", "i32", "i32", "i32", "buf"],
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);
  epoll_wait: ["i32", "i32", "buf", "i32", "i32"],
  // int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
  //                  const struct timespec *timeout, const sigset_t *sigmask);
  epoll_pwait2: ["i32", "i32", "buf", "i32", "buf", "buf", "u32"],
  // int memfd_create(const char *name, unsigned int flags);
  memfd_create: ["i32", "buf", "u32"],
  // int pidfd_open(pid_t pid, unsigned int flags);
  pidfd_open: ["i32", "i32", "u32"],
  // int pidfd_send_signal(int pidfd, int sig, siginfo_t *info, unsigned int flags);
  pidfd_send_signal: ["i32", "i32", "i32", "buf", "u32"],
  // int pidfd_getfd(int pidfd, int targetfd, unsigned int flags);
  pidfd_getfd: ["i32", "i32", "i32", "u32"],
  // int close_range(unsigned int first, unsigned int last, int flags);
  close_range: ["i32", "u32", "u32", "i32"],
  // pid_t gettid(void);
  gettid: ["i32"],
  // int __libc_current_sigrtmin(void);  34 in glibc, 35 in musl
  __libc_current_sigrtmin: ["i32"],
  // int tgkill(pid_t tgid, pid_t tid, int sig);
  tgkill: ["i32", "i32", "i32", "i32"],
  // int rt_tgsigqueueinfo(pid_t tgid, pid_t tid, int sig, siginfo_t *info);
  rt_tgsigqueueinfo: ["i32", "i32", "i32", "i32", "buf"],
  // int rt_sigqueueinfo(pid_t tgid, int sig, siginfo_t *info);
  rt_sigqueueinfo: ["i32", "i32", "i32", "buf"],
  // ssize_t process_vm_readv(pid_t pid, const struct iovec *local_iov, unsigned long liovcnt,
  //                          const struct iovec *remote_iov, unsigned long riovcnt,
  //                          unsigned long flags);
  process_vm_readv: ["i32", "i32", "buf", "u32", "buf", "u32", "u32"],
  // ssize_t process_vm_writev(pid_t pid, const struct iovec *local_iov, unsigned long liovcnt,
  //                           const struct iovec *remote_iov, unsigned long riovcnt,
  //                           unsigned long flags);
  process_vm_writev: ["i32", "i32", "buf", "u32", "buf", "u32", "u32"],
  // ssize_t getdents64(int fd, void *dirp, size_t count);
  getdents64: ["i32", "i32", "buf", "u32"],
  // int sched_setaffinity(pid_t pid, size_t cpusetsize, const cpu_set_t *mask);
  sched_setaffinity: ["i32", "i32", "u32", "buf"],
  // int sched_getaffinity(pid_t pid, size_t cpusetsize, cpu_set_t *mask);
  sched_getaffinity: ["i32", "i32", "u32", "buf"],
  // int sched_getcpu(void);
  sched_getcpu: ["i32"],
  // ssize_t sendfile(int out_fd, int in_fd, off_t *offset, size_t count);
  sendfile: ["i32", "i32", "i32", "buf", "u32"],
  // ssize_t splice(int fd_in, off_t *off_in, int fd_out, off_t *off_out, size_t len,
  //                unsigned int flags);
  splice: ["i32", "i32", "buf", "i32", "buf", "u32", "u32"],
} as const;

/** Calls that only the systems with kqueue have; on Linux a library can stand in: see `kqueue.ts`. */
export const BSD = {
  // int kqueue(void);
  kqueue: ["i32"],
  // int kevent(int kq, const struct kevent *changelist, int nchanges,
  //            struct kevent *eventlist, int nevents, const struct timespec *timeout);
  kevent: ["i32", "i32", "buf", "i32", "buf", "i32", "buf"],
} as const;

/** Calls on sockets, on every system but where the name is Linux's own. */
export const SOCKET = {
  // int socket(int domain, int type, int protocol);
  socket: ["i32", "i32", "i32", "i32"],
  // int bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
  bind: ["i32", "i32", "buf", "u32"],
  // int listen(int fd, int backlog);
  listen: ["i32", "i32", "i32"],
  // int connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
  connect: ["i32", "i32", "buf", "u32"],
  // int accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
  accept4: ["i32", "i32", "buf", "buf", "i32"],
  // int getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);
  getsockname: ["i32", "i32", "buf", "buf"],
  // int getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen);
  getpeername: ["i32", "i32", "buf", "buf"],
  // int getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
  getsockopt: ["i32", "i32", "i32", "i32", "buf", "buf"],
  // int setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen);
  setsockopt: ["i32", "i32", "i32", "i32", "buf", "u32"],
  // int shutdown(int fd, int how);
  shutdown: ["i32", "i32", "i32"],
  // ssize_t send(int fd, const void *buf, size_t len, int flags);
  send: ["i32", "i32", "buf", "u32", "i32"],
  // ssize_t sendto(int fd, const void *buf, size_t len, int flags,
  //                const struct sockaddr *addr, socklen_t addrlen);
  sendto: ["i32", "i32", "buf", "u32", "i32", "buf", "u32"],
  // ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
  //                  struct sockaddr *addr, socklen_t *addrlen);
  recvfrom: ["i32", "i32", "buf", "u32", "i32", "buf", "buf"],
  // ssize_t sendmsg(int fd, const struct msghdr *msg, int flags);
  sendmsg: ["i32", "i32", "buf", "i32"],
  // ssize_t recvmsg(int fd, struct msghdr *msg, int flags);
  recvmsg: ["i32", "i32", "buf", "i32"],
  // void *memmove(void *dest, const void *src, size_t n);  with n = 0: where a buffer lies, for msghdr
  memmove: ["usize", "buf", "buf", "usize"],
} as const;

/** Calls about terminals, and what starts a program on one. */
export const TTY = {
  // int ioctl(int fd, unsigned long request, ... /* void *argp */);
  ioctl: ["i32", "i32", "u32", "buf"],
  // int ioctl(int fd, unsigned long request, ... /* int value */);
  ioctl_value: ["i32", "i32", "u32", "i32"],
  // int tcgetattr(int fd, struct termios *termios_p);
  tcgetattr: ["i32", "i32", "buf"],
  // int tcsetattr(int fd, int optional_actions, const struct termios *termios_p);
  tcsetattr: ["i32", "i32", "i32", "buf"],
  // void cfmakeraw(struct termios *termios_p);
  cfmakeraw: ["void", "buf"],
  // int ttyname_r(int fd, char *buf, size_t buflen);  returns the errno
  ttyname_r: ["i32", "i32", "buf", "u32"],
  // int posix_openpt(int flags);
  posix_openpt: ["i32", "i32"],
  // int grantpt(int fd);
  grantpt: ["i32", "i32"],
  // int unlockpt(int fd);
  unlockpt: ["i32", "i32"],
  // int ptsname_r(int fd, char *buf, size_t buflen);  returns the errno, on Darwin −1
  ptsname_r: ["i32", "i32", "buf", "u32"],
  // int access(const char *path, int mode);
  access: ["i32", "buf", "i32"],
  // int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *file_actions,
  //                 const posix_spawnattr_t *attrp, char *const argv[], char *const envp[]);
  //                 returns the errno, as all that begin like it
  posix_spawn: ["i32", "buf", "buf", "buf", "buf", "usize", "usize"],
  // int posix_spawnattr_init(posix_spawnattr_t *attr);
  posix_spawnattr_init: ["i32", "buf"],
  // int posix_spawnattr_destroy(posix_spawnattr_t *attr);
  posix_spawnattr_destroy: ["i32", "buf"],
  // int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags);
  posix_spawnattr_setflags: ["i32", "buf", "i32"],
  // int posix_spawnattr_setsigmask(posix_spawnattr_t *attr, const sigset_t *sigmask);
  posix_spawnattr_setsigmask: ["i32", "buf", "buf"],
  // int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *sigdefault);
  posix_spawnattr_setsigdefault: ["i32", "buf", "buf"],
  // int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
  posix_spawn_file_actions_init: ["i32", "buf"],
  // int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
  posix_spawn_file_actions_destroy: ["i32", "buf"],
  // int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions, int fd,
  //                                      const char *path, int oflag, mode_t mode);
  posix_spawn_file_actions_addopen: ["i32", "buf", "i32", "buf", "i32", "u32"],
  // int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int newfd);
  posix_spawn_file_actions_adddup2: ["i32", "buf", "i32", "i32"],
  // int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
  posix_spawn_file_actions_addchdir_np: ["i32", "buf", "buf"],
  // int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);
  posix_spawn_file_actions_addclosefrom_np: ["i32", "buf", "i32"],
} as const;

/** Every call of the floor. */
export const SYMBOLS = { ...POSIX, ...LINUX, ...BSD, ...SOCKET, ...TTY } as const;

/** The name of a call, as the table has it. */
export type SymbolName = keyof typeof SYMBOLS;

/** C functions that stand in the table a second time, under another signature. */
const ALIASES: Partial<Record<SymbolName, string>> = {
  pread_far: "pread",
  pwrite_far: "pwrite",
  copy_in: "memcpy",
  copy_out: "memcpy",
  ioctl_value: "ioctl",
};

/** The symbol by which the C library of a system has a function. */
export function symbolOf(name: SymbolName, os: OS, arch: Arch): string {
  // The plain one is for programs from before 2007, with another struct stat; arm64 never had it.
  if (name === "fstat" && os === "darwin" && arch === "x64") return "fstat$INODE64";
  return ALIASES[name] ?? name;
}

/**
 * Calls of the hot paths. They are bound together by the first call of any kind, so that no hot
 * call site ever meets two functions: V8 keeps its fast C call only where it has seen one.
 */
export const HOT: readonly SymbolName[] = [
  "close",
  "read",
  "write",
  "pread",
  "pwrite",
  "fcntl",
  "epoll_ctl",
  "epoll_wait",
  "epoll_pwait2",
  "kevent",
  "timerfd_settime",
  "pidfd_send_signal",
];
