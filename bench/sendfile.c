/*
 * The C twin of bench/sendfile.ts: sends a file in memory to `cat` through a Unix socket, by
 * sendfile(2) or by read(2) and write(2), non-blocking and with epoll(7), as the loop does.
 *
 * For each line "case bytes" on stdin it runs one round and prints "bytes nanoseconds cpu".
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PART (64 * 1024)

static int file, out, set;
static char buffer[PART];

static int must(int result, const char *what) {
  if (result == -1) {
    perror(what);
    exit(1);
  }
  return result;
}

static void wait_for_room(void) {
  struct epoll_event event;
  must(epoll_wait(set, &event, 1, -1), "epoll_wait");
}

static long by_sendfile(long bytes) {
  off_t offset = 0;
  while (offset < bytes) {
    ssize_t taken = sendfile(out, file, &offset, bytes - offset < 1 << 20 ? bytes - offset : 1 << 20);
    if (taken == -1 && errno == EAGAIN) wait_for_room();
    else must(taken, "sendfile");
  }
  return offset;
}

static long by_copy(long bytes) {
  long sent = 0;
  while (sent < bytes) {
    ssize_t got = must(pread(file, buffer, PART, sent), "pread");
    for (ssize_t at = 0; at < got;) {
      ssize_t taken = write(out, buffer + at, got - at);
      if (taken == -1 && errno == EAGAIN) wait_for_room();
      else at += must(taken, "write");
    }
    sent += got;
  }
  return sent;
}

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void) {
  int ends[2];
  char name[32];
  long bytes;
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  if (must(fork(), "fork") == 0) {
    dup2(ends[1], 0);
    dup2(open("/dev/null", O_WRONLY), 1);
    execlp("cat", "cat", NULL);
    _exit(1);
  }
  close(ends[1]);
  out = ends[0];
  must(fcntl(out, F_SETFL, O_NONBLOCK), "fcntl");
  set = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
  must(epoll_ctl(set, EPOLL_CTL_ADD, out, &event), "epoll_ctl");
  file = must(memfd_create("bench", MFD_CLOEXEC), "memfd_create");
  for (int part = 0; part < 1024; part++) must(write(file, buffer, PART), "write");
  while (scanf("%31s %ld", name, &bytes) == 2) {
    long long begin = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
    long sent = strcmp(name, "sendfile") == 0 ? by_sendfile(bytes) : by_copy(bytes);
    cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    printf("%ld %lld %lld\n", sent, now(CLOCK_MONOTONIC) - begin, cpu);
    fflush(stdout);
  }
  return 0;
}
