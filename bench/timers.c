/*
 * The C twin of bench/timers.ts: a heap with four children to a node, whose entries know where they are,
 * and a look at the clock for each timer that is set.
 *
 * For each line "case timers" on stdin it runs one round on the timers that the rounds before have left,
 * and prints "checksum nanoseconds": the CPU time of its thread.
 */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHILDREN 4
#define ABSENT -1

struct timer {
  double deadline;
  uint64_t order;
  long position;
  void (*callback)(void);
};

static struct timer **heap, **timers;
static long size;
static uint64_t added;
static long fired;
static uint32_t seed = 1;

static void on_fire(void) {
  fired++;
}

static uint32_t next_random(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 8;
}

static long nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

static int before(const struct timer *a, const struct timer *b) {
  return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static void place(struct timer *timer, long position) {
  heap[position] = timer;
  timer->position = position;
}

static void settle(struct timer *timer) {
  long position = timer->position;
  while (position > 0) {
    long parent = (position - 1) / CHILDREN;
    if (!before(timer, heap[parent])) break;
    place(heap[parent], position);
    position = parent;
  }
  for (;;) {
    long first = position * CHILDREN + 1, least = -1;
    for (long child = first; child < first + CHILDREN && child < size; child++) {
      if (least == -1 || before(heap[child], heap[least])) least = child;
    }
    if (least == -1 || !before(heap[least], timer)) break;
    place(heap[least], position);
    position = least;
  }
  place(timer, position);
}

static void put(struct timer *timer, double delay) {
  timer->deadline = nanoseconds(CLOCK_MONOTONIC) / 1e6 + delay;
  timer->order = added++;
  if (timer->position == ABSENT) timer->position = size++;
  settle(timer);
}

static void take(struct timer *timer) {
  long position = timer->position;
  struct timer *last = heap[--size];
  timer->position = ABSENT;
  if (last == timer) return;
  last->position = position;
  settle(last);
}

static long set(long n, uint32_t from, uint32_t range) {
  for (long i = 0; i < n; i++) {
    struct timer *timer = malloc(sizeof *timer);
    if (timer == NULL) exit(1);
    timer->position = ABSENT;
    timer->callback = on_fire;
    timers[i] = timer;
    put(timer, from + next_random() % range);
  }
  return size;
}

static long run(const char *name, long n) {
  if (strcmp(name, "set") == 0) return set(n, 10000, 50000);
  if (strcmp(name, "soon") == 0) return set(n, 1, 10);
  if (strcmp(name, "reset") == 0) {
    for (long i = 0; i < n; i++) put(timers[i], 10000 + next_random() % 50000);
    return size;
  }
  if (strcmp(name, "cancel") == 0) {
    for (long i = 0; i < n; i++) {
      take(timers[i]);
      free(timers[i]);
    }
    return size;
  }
  if (strcmp(name, "fire") == 0) {
    fired = 0;
    while (size > 0) {
      struct timer *due = heap[0];
      take(due);
      due->callback();
      free(due);
    }
    return fired;
  }
  exit(1);
}

int main(void) {
  char line[128], name[64];
  long n, most = 0;

  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "%63s %ld", name, &n) != 2) return 1;
    if (n > most) {
      most = n;
      heap = realloc(heap, (size_t)n * sizeof *heap);
      timers = realloc(timers, (size_t)n * sizeof *timers);
      if (heap == NULL || timers == NULL) return 1;
    }
    long start = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    long sum = run(name, n);
    printf("%ld %ld\n", sum, nanoseconds(CLOCK_THREAD_CPUTIME_ID) - start);
    fflush(stdout);
  }
  return 0;
}
