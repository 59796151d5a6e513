/* Runs a stub of ffi/signal_stub.ts as a signal handler, and checks all that it should do.
   Arguments: the file with its bytes, and how much memory it needs. Prints "ok". */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CODE = 65536, RECORD = 128, SIG = 40, OTHER = 41, NONCE = 0x7abcdef0 };

static char *page;
static int ends[2];

#define AT(type, place) (*(volatile type *)(page + CODE + (place)))
#define EXPECT(condition) \
  do { \
    if (!(condition)) { \
      printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
      exit(1); \
    } \
  } while (0)

static void load(const char *file, size_t length) {
  page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(page != MAP_FAILED);
  FILE *stub = fopen(file, "rb");
  EXPECT(stub != NULL && fread(page, 1, 4096, stub) > 0);
  fclose(stub);
  EXPECT(mprotect(page, CODE, PROT_READ | PROT_EXEC) == 0);
  AT(int, STUB_PID) = getpid();
  AT(int, STUB_NONCE) = NONCE;
  AT(int, STUB_FD) = ends[1];
}

static void install(int signal) {
  struct sigaction action = {0};
  action.sa_sigaction = (void (*)(int, siginfo_t *, void *))(uintptr_t)page;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigfillset(&action.sa_mask);
  EXPECT(sigaction(signal, &action, NULL) == 0);
}

static void send(int signal, int value) {
  siginfo_t info = {0};
  info.si_code = SI_QUEUE;
  info.si_pid = 77;
  info.si_value.sival_int = value;
  EXPECT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, &info) == 0);
}

static void order(int nonce, int number, uint64_t block) {
  siginfo_t info = {0};
  info.si_uid = nonce;
  info.si_code = SI_QUEUE;
  info.si_pid = number;
  info.si_value.sival_ptr = (void *)(uintptr_t)block;
  EXPECT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIG, &info) == 0);
}

/* Reads one record: its value, or -1 for a marker, or -2 when there is none. */
static int next(void) {
  union { siginfo_t info; char bytes[RECORD]; } record;
  ssize_t length = read(ends[0], &record, RECORD);
  if (length < 0) return -2;
  EXPECT(length == RECORD);
  if (record.info.si_signo == 0) return -1;
  EXPECT(record.info.si_signo == SIG && record.info.si_code == SI_QUEUE);
  EXPECT(record.info.si_pid == 77);
  return record.info.si_value.sival_int;
}

static int empty(void) {
  int count = 0;
  while (next() != -2) count++;
  return count;
}

static int isBlocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  return sigismember(&mask, signal);
}

static void catches(void) {
  AT(uint64_t, STUB_BITS) = 1ull << (SIG - 1);
  install(SIG);
  install(OTHER);
  errno = 4711;
  send(SIG, 5);
  EXPECT(errno == 4711);
  EXPECT(next() == 5 && next() == -2);
  send(OTHER, 6); /* not among the bits */
  EXPECT(next() == -2);
  EXPECT(!isBlocked(SIG) && !isBlocked(OTHER));
}

static void leavesChildrenAlone(void) {
  pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    send(SIG, 7);
    _exit(0);
  }
  int status;
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
  EXPECT(next() == -2);
}

static void obeys(void) {
  order(NONCE, 300, 1ull << (OTHER - 1));
  EXPECT(AT(unsigned char, STUB_ACKS + 300) == 1 && isBlocked(OTHER) && !isBlocked(SIG));
  order(NONCE + 1, 301, 1ull << (SIG - 1)); /* not ours: a signal like any other */
  EXPECT(AT(unsigned char, STUB_ACKS + 301) == 0 && !isBlocked(SIG));
  union { siginfo_t info; char bytes[RECORD]; } record;
  EXPECT(read(ends[0], &record, RECORD) == RECORD && record.info.si_uid == NONCE + 1);
  EXPECT(next() == -2);
}

static void spills(void) {
  int capacity = 0;
  char record[RECORD] = {0};
  while (write(ends[1], record, RECORD) == RECORD) capacity++;
  for (int value = 0; value < 3; value++) send(SIG, value);
  EXPECT(AT(uint32_t, STUB_HEAD) == 3 && AT(uint32_t, STUB_TAIL) == 0);
  for (int value = 0; value < 3; value++) {
    volatile siginfo_t *info = (volatile siginfo_t *)(page + CODE + STUB_RING + value * RECORD);
    EXPECT(info->si_signo == SIG && info->si_code == SI_QUEUE && info->si_pid == 77);
    EXPECT(info->si_value.sival_int == value);
  }
  EXPECT(empty() == capacity); /* no marker fitted */
  send(SIG, 9);
  EXPECT(next() == 9); /* with room in the pipe it goes there */

  /* The ring's places wrap around, and its count does at 2^32. */
  while (write(ends[1], record, RECORD) == RECORD) {}
  AT(uint32_t, STUB_HEAD) = AT(uint32_t, STUB_TAIL) = 0xffffffffu;
  send(SIG, 10);
  send(SIG, 11);
  EXPECT(AT(uint32_t, STUB_HEAD) == 1);
  EXPECT(*(int *)(page + CODE + STUB_RING + (STUB_RING_RECORDS - 1) * RECORD + 24) == 10);
  EXPECT(*(int *)(page + CODE + STUB_RING + 24) == 11);

  /* A full ring takes no more, and nothing beyond it is touched. */
  AT(uint32_t, STUB_TAIL) = 1u - STUB_RING_RECORDS;
  send(SIG, 12);
  EXPECT(AT(uint32_t, STUB_HEAD) == 1 && *(int *)(page + CODE + STUB_RING + RECORD + 24) == 1);
  EXPECT(empty() == capacity);
  memset(page + CODE + STUB_RING, 0, RECORD * 4);
}

/* Markers appear when the pipe is emptied between the failed write and the second: so a thread
   empties it all the time. Every record must be in the pipe or in the ring, exactly once. */
static volatile int stop;
static unsigned char seen[200000];
static long markers;

static void *drain(void *unused) {
  (void)unused;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  while (!stop) {
    for (int value = next(); value != -2; value = next()) {
      if (value < 0) markers++;
      else seen[value]++;
    }
    usleep(300);
  }
  return NULL;
}

static void losesNothing(void) {
  AT(uint32_t, STUB_HEAD) = AT(uint32_t, STUB_TAIL) = 0;
  EXPECT(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
  pthread_t reader;
  EXPECT(pthread_create(&reader, NULL, drain, NULL) == 0);
  int sent = 0;
  while (sent < 200000 && AT(uint32_t, STUB_HEAD) < 60000) send(SIG, sent++);
  stop = 1;
  pthread_join(reader, NULL);
  for (int value = next(); value != -2; value = next()) {
    if (value >= 0) seen[value]++;
  }
  uint32_t head = AT(uint32_t, STUB_HEAD);
  for (uint32_t place = 0; place < head; place++) {
    siginfo_t *info = (siginfo_t *)(page + CODE + STUB_RING + place * RECORD);
    EXPECT(info->si_signo == SIG);
    seen[info->si_value.sival_int]++;
  }
  for (int value = 0; value < sent; value++) EXPECT(seen[value] == 1);
  EXPECT(head > 0 && head < (uint32_t)sent);
}

int main(int count, char **arguments) {
  EXPECT(count == 3 && pipe2(ends, O_NONBLOCK) == 0);
  load(arguments[1], strtoul(arguments[2], NULL, 10));
  catches();
  leavesChildrenAlone();
  obeys();
  spills();
  losesNothing();
  puts("ok");
  return 0;
}
