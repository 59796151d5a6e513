// Uses the numbers that these headers may be too old for, and prints what the kernel did not do with
// them. `T_` names are the rows of the tables, defined by oracle.ts. Needs Linux 6.16.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(rows, condition) \
  if (!(condition)) printf("%s, errno %d\n", rows, errno)

static char info[T_pidfd_info_size];

static unsigned field(int offset) {
  unsigned value;
  memcpy(&value, info + offset, sizeof value);
  return value;
}

static unsigned long long ask(int pidfd, unsigned long request, unsigned long long mask) {
  memset(info, 0, sizeof info);
  memcpy(info + T_pidfd_info_mask, &mask, sizeof mask);
  EXPECT("PIDFD_GET_INFO", ioctl(pidfd, request, info) == 0);
  memcpy(&mask, info + T_pidfd_info_mask, sizeof mask);
  return mask;
}

static void ids(void) {
  EXPECT("pidfd_info.rgid", field(T_pidfd_info_rgid) == 11);
  EXPECT("pidfd_info.egid", field(T_pidfd_info_egid) == 12);
  EXPECT("pidfd_info.sgid", field(T_pidfd_info_sgid) == 13);
  EXPECT("pidfd_info.fsgid", field(T_pidfd_info_fsgid) == 12);
  EXPECT("pidfd_info.ruid", field(T_pidfd_info_ruid) == 21);
  EXPECT("pidfd_info.euid", field(T_pidfd_info_euid) == 22);
  EXPECT("pidfd_info.suid", field(T_pidfd_info_suid) == 23);
  EXPECT("pidfd_info.fsuid", field(T_pidfd_info_fsuid) == 22);
}

static void signals(int pidfd) {
  const unsigned flags[] = {
    T_PIDFD_SIGNAL_THREAD, T_PIDFD_SIGNAL_THREAD_GROUP, T_PIDFD_SIGNAL_PROCESS_GROUP,
  };
  for (int i = 0; i < 3; i++) {
    EXPECT("PIDFD_SIGNAL_*", syscall(T_SYS_pidfd_send_signal, pidfd, 0, NULL, flags[i]) == 0);
  }
  EXPECT("a flag beside them", syscall(T_SYS_pidfd_send_signal, pidfd, 0, NULL, 8) == -1);
}

static void processes(void) {
  int ready[2], go[2];
  char byte;
  if (pipe(ready) != 0 || pipe(go) != 0) printf("pipe\n");
  const pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    setpgid(0, 0);
    if (getuid() == 0 && (setresgid(11, 12, 13) != 0 || setresuid(21, 22, 23) != 0)) _exit(1);
    if (write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 0) _exit(2);
    _exit(7);
  }
  if (read(ready[0], &byte, 1) != 1) printf("the child did not start\n");

  const int pidfd = syscall(T_SYS_pidfd_open, child, T_PIDFD_NONBLOCK);
  EXPECT("PIDFD_NONBLOCK", fcntl(pidfd, F_GETFL) & O_NONBLOCK);
  const int thread = syscall(T_SYS_pidfd_open, gettid(), T_PIDFD_THREAD);
  EXPECT("PIDFD_THREAD", thread >= 0 && fcntl(thread, F_GETFL) & T_PIDFD_THREAD);
  signals(pidfd);

  const unsigned long long always = T_PIDFD_INFO_PID | T_PIDFD_INFO_CREDS;
  EXPECT("PIDFD_INFO_*", (ask(pidfd, T_PIDFD_GET_INFO, always) & always) == always);
  EXPECT("pidfd_info.pid", field(T_pidfd_info_pid) == child);
  EXPECT("pidfd_info.tgid", field(T_pidfd_info_tgid) == child);
  EXPECT("pidfd_info.ppid", field(T_pidfd_info_ppid) == getpid());
  if (getuid() == 0) ids();

  const unsigned longer = T_PIDFD_INFO_SIZE_VER1 - T_PIDFD_INFO_SIZE_VER0;
  const unsigned long second = T_PIDFD_GET_INFO + (longer << 16);
  EXPECT("PIDFD_INFO_COREDUMP", ask(pidfd, second, T_PIDFD_INFO_COREDUMP) & T_PIDFD_INFO_COREDUMP);

  close(go[1]);
  EXPECT("waitpid", waitpid(child, NULL, 0) == child);
  EXPECT("PIDFD_INFO_EXIT", ask(pidfd, T_PIDFD_GET_INFO, T_PIDFD_INFO_EXIT) & T_PIDFD_INFO_EXIT);
  EXPECT("pidfd_info.exit_code", field(T_pidfd_info_exit_code) == 7 << 8);
}

static void memory(void) {
  struct stat stat;
  const int sealed = syscall(T_SYS_memfd_create, "oracle", T_MFD_NOEXEC_SEAL);
  EXPECT("MFD_NOEXEC_SEAL", fstat(sealed, &stat) == 0 && (stat.st_mode & 0111) == 0);
  EXPECT("F_SEAL_EXEC", fcntl(sealed, T_F_GET_SEALS) == T_F_SEAL_EXEC);
  const int executable = syscall(T_SYS_memfd_create, "oracle", T_MFD_EXEC);
  EXPECT("MFD_EXEC", fstat(executable, &stat) == 0 && (stat.st_mode & 0111) == 0111);
}

int main(void) {
  processes();
  memory();
  return 0;
}
