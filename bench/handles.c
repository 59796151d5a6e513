/*
 * The C twin of bench/handles.ts: makes the same calls with the same arguments, in a process with a
 * second thread, as a JavaScript runtime is one. (With a second thread the kernel counts references
 * to an open file in every call, which it leaves out for a single thread.)
 *
 * For each line "case iterations" on stdin it runs one round and prints "checksum nanoseconds". It
 * measures the CPU time of its thread, so that what else runs on the machine does not count.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_READY 1024

static int event_fd, watched_fd, timer_fd, signal_pipe[2], pid_fd, mem_fd, null_fd;
static int epoll_changed, epoll_idle, epoll_ready[MOST_READY + 1];
static struct epoll_event events[MOST_READY];

static int must(int result, const char *what) {
  if (result == -1) {
    perror(what);
    exit(1);
  }
  return result;
}

static long event_take(long n) {
  uint64_t one = 1, value;
  long sum = 0;
  for (long i = 0; i < n; i++) {
    sum += write(event_fd, &one, sizeof one);
    sum += read(event_fd, &value, sizeof value);
  }
  return sum;
}

static long event_would_block(long n) {
  uint64_t value;
  long sum = 0;
  for (long i = 0; i < n; i++) {
    if (read(event_fd, &value, sizeof value) == -1 && errno == EAGAIN) sum++;
  }
  return sum;
}

static long timer_arm(long n) {
  struct itimerspec old;
  long sum = 0;
  for (long i = 0; i < n; i++) {
    struct itimerspec next = {.it_value = {.tv_sec = 60, .tv_nsec = (i & 63) * 1000000}};
    if (timerfd_settime(timer_fd, 0, &next, &old) == 0) sum++;
  }
  return sum;
}

static long timer_would_block(long n) {
  uint64_t count;
  long sum = 0;
  for (long i = 0; i < n; i++) {
    if (read(timer_fd, &count, sizeof count) == -1 && errno == EAGAIN) sum++;
  }
  return sum;
}

/* SignalFD is a pipe that a handler writes to: handles/signal_guard.ts says why. */
static void caught(int signal, siginfo_t *info, void *context) {
  int error = errno;
  (void)signal, (void)context;
  if (write(signal_pipe[1], info, sizeof *info) == -1) abort();
  errno = error;
}

static long signal_take(long n) {
  siginfo_t info[16];
  pid_t pid = getpid(), tid = gettid();
  long sum = 0;
  for (long i = 0; i < n; i++) {
    tgkill(pid, tid, SIGUSR2);
    sum += read(signal_pipe[0], info, sizeof info);
  }
  return sum;
}

static long signal_would_block(long n) {
  siginfo_t info[16];
  long sum = 0;
  for (long i = 0; i < n; i++) {
    if (read(signal_pipe[0], info, sizeof info) == -1 && errno == EAGAIN) sum++;
  }
  return sum;
}

static long pid_signal(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) {
    if (syscall(SYS_pidfd_send_signal, pid_fd, 0, NULL, 0) == 0) sum++;
  }
  return sum;
}

static long mem_pread(long n) {
  char bytes[64];
  long sum = 0;
  for (long i = 0; i < n; i++) sum += pread(mem_fd, bytes, sizeof bytes, (i & 63) * 64);
  return sum;
}

static long mem_pwrite(long n) {
  char bytes[64] = {0};
  long sum = 0;
  for (long i = 0; i < n; i++) sum += pwrite(mem_fd, bytes, sizeof bytes, (i & 63) * 64);
  return sum;
}

static long fd_dup_close(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) {
    int number = fcntl(null_fd, F_DUPFD_CLOEXEC, 0);
    if (number >= 0 && close(number) == 0) sum++;
  }
  return sum;
}

static long epoll_modify(long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) {
    struct epoll_event event = {.events = i & 1 ? EPOLLIN : EPOLLOUT};
    event.data.u64 = 7;
    if (epoll_ctl(epoll_changed, EPOLL_CTL_MOD, watched_fd, &event) == 0) sum++;
  }
  return sum;
}

static long epoll_take(int set, long n) {
  long sum = 0;
  for (long i = 0; i < n; i++) {
    int count = epoll_wait(set, events, MOST_READY, 0);
    for (int at = 0; at < count; at++) sum += events[at].events + events[at].data.u32;
  }
  return sum;
}

static long epoll_none(long n) { return epoll_take(epoll_idle, n); }
static long epoll_2(long n) { return epoll_take(epoll_ready[2], n); }
static long epoll_16(long n) { return epoll_take(epoll_ready[16], n); }
static long epoll_128(long n) { return epoll_take(epoll_ready[128], n); }
static long epoll_1024(long n) { return epoll_take(epoll_ready[1024], n); }

static const struct {
  const char *name;
  long (*run)(long n);
} cases[] = {
    {"event_take", event_take},
    {"event_would_block", event_would_block},
    {"timer_arm", timer_arm},
    {"timer_would_block", timer_would_block},
    {"signal_take", signal_take},
    {"signal_would_block", signal_would_block},
    {"pid_signal", pid_signal},
    {"mem_pread", mem_pread},
    {"mem_pwrite", mem_pwrite},
    {"fd_dup_close", fd_dup_close},
    {"epoll_modify", epoll_modify},
    {"epoll_none", epoll_none},
    {"epoll_2", epoll_2},
    {"epoll_16", epoll_16},
    {"epoll_128", epoll_128},
    {"epoll_1024", epoll_1024},
};

static void add(int set, int fd, uint32_t mask) {
  struct epoll_event event = {.events = mask};
  event.data.u64 = 7;
  must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void open_sets(void) {
  epoll_changed = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  add(epoll_changed, watched_fd, EPOLLIN);
  epoll_idle = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  add(epoll_idle, watched_fd, EPOLLIN);
  for (int ready = 2; ready <= MOST_READY; ready *= 8) {
    epoll_ready[ready] = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  }
  for (int index = 0; index < MOST_READY; index++) {
    int fd = must(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
    for (int ready = 2; ready <= MOST_READY; ready *= 8) {
      if (index < ready) add(epoll_ready[ready], fd, EPOLLIN);
    }
  }
}

static void open_all(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigfillset(&action.sa_mask);
  must(sigaction(SIGUSR2, &action, NULL), "sigaction");
  must(pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC), "pipe2");

  event_fd = must(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  watched_fd = must(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  timer_fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create");
  pid_fd = must(syscall(SYS_pidfd_open, getpid(), 0), "pidfd_open");
  mem_fd = must(memfd_create("bench", MFD_CLOEXEC), "memfd_create");
  must(ftruncate(mem_fd, 4096), "ftruncate");
  null_fd = must(open("/dev/null", O_RDWR | O_CLOEXEC), "open");
  open_sets();
}

static void *idle(void *unused) {
  for (;;) pause();
  return unused;
}

static long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(void) {
  pthread_t second;
  char line[128], name[64];
  long iterations;

  if (pthread_create(&second, NULL, idle, NULL) != 0) return 1;
  open_all();
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%63s %ld", name, &iterations) != 2) return 1;
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
      if (strcmp(cases[index].name, name) != 0) continue;
      cases[index].run(iterations / 8); /* after the pause between rounds the caches are cold */
      long start = nanoseconds();
      long sum = cases[index].run(iterations);
      printf("%ld %ld\n", sum, nanoseconds() - start);
      fflush(stdout);
    }
  }
  return 0;
}
