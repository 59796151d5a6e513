/*
 * The C twin of bench/accept.ts: accepts what waits in a backlog and closes it, by an edge of epoll and
 * accept4(2) until EAGAIN, in a process with a second thread, as a JavaScript runtime is one.
 *
 * For each line "accept count" on stdin it connects so many clients, accepts them, and prints "count
 * nanoseconds", of the CPU time of its thread while it accepted.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

static int must(int result, const char *what) {
  if (result == -1) {
    perror(what);
    exit(1);
  }
  return result;
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

static long accept_all(int set, long count) {
  struct epoll_event events[256];
  struct sockaddr_storage peer;
  long accepted = 0;
  while (accepted < count) {
    int ready = must(epoll_wait(set, events, 256, -1), "epoll_wait");
    for (int index = 0; index < ready; index++) {
      for (;;) {
        socklen_t length = sizeof peer;
        int number = accept4(events[index].data.fd, (struct sockaddr *)&peer, &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (number == -1 && errno == EAGAIN) break;
        close(must(number, "accept4"));
        accepted++;
      }
    }
  }
  return accepted;
}

int main(void) {
  static int clients[MOST];
  struct linger reset = {1, 0}; /* no client leaves a port in TIME_WAIT behind */
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  pthread_t second;
  char line[128];
  long count;

  if (pthread_create(&second, NULL, idle, NULL) != 0) return 1;
  int listener = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  must(bind(listener, (struct sockaddr *)&address, length), "bind");
  must(listen(listener, MOST), "listen");
  must(getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
  int set = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = listener}};
  must(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "accept %ld", &count) != 1 || count > MOST) return 1;
    for (long index = 0; index < count; index++) {
      clients[index] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
      setsockopt(clients[index], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      must(connect(clients[index], (struct sockaddr *)&address, length), "connect");
    }
    long start = nanoseconds();
    long accepted = accept_all(set, count);
    printf("%ld %ld\n", accepted, nanoseconds() - start);
    fflush(stdout);
    for (long index = 0; index < count; index++) close(clients[index]);
  }
  return 0;
}
