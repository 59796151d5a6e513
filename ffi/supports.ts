/**
 * What this system can do, found out by doing it.
 *
 * @module
 */

import { linux } from "./const_linux.ts";
import { posix } from "./const_posix.ts";
import { errnoNumber } from "./errno.ts";
import { kqueueHere } from "./kqueue.ts";
import { errno, libc, MAP_FAILED } from "./libc.ts";
import { arch, os } from "./platform.ts";
import { STUBS } from "./signal_stub.ts";
import { structs } from "./structs.ts";
import { SyscallError } from "./syscall_error.ts";
import { UnsupportedError } from "./unsupported.ts";

/** Something that {@linkcode supports} can find out: a call, or an option of one. */
export type Feature =
  | "epoll"
  | "epoll_pwait2"
  | "eventfd"
  | "timerfd"
  | "signalfd"
  | "signal_stub"
  | "memfd_create"
  | "MFD_NOEXEC_SEAL"
  | "pidfd_open"
  | "PIDFD_NONBLOCK"
  | "PIDFD_THREAD"
  | "pidfd_send_signal"
  | "pidfd_getfd"
  | "P_PIDFD"
  | "PIDFD_GET_INFO"
  | "close_range"
  | "kqueue";

const EACCES = errnoNumber("EACCES");
const ECHILD = errnoNumber("ECHILD");

/** Nothing was left to try it with, which says nothing about the feature. */
const SHORTAGES: readonly number[] = [
  errnoNumber("EMFILE"),
  errnoNumber("ENFILE"),
  errnoNumber("ENOMEM"),
];

/** The largest page that a supported CPU can be set to. */
const PAGE_BYTES = 65536n;

/** Size of the kernel's `sigset_t`; only the bare system call looks at it. */
const SIGSET_BYTES = 8;

/** The highest number that close_range(2) takes: no descriptor has it. */
const NO_DESCRIPTOR = 0xffff_ffff;

/** One trial for each feature. None leaves anything open, and none has an effect. */
const TRIALS: Readonly<Record<Feature, () => boolean>> = {
  epoll: () => opens("epoll_create1", openSet()),
  epoll_pwait2: () =>
    withOpen("epoll_create1", openSet(), (set) => {
      const now = memory(structs.timespec.size);
      const event = memory(structs.epoll_event.size);
      return libc.epoll_pwait2(set, event, 1, now, null, SIGSET_BYTES) === 0;
    }),
  eventfd: () => opens("eventfd", libc.eventfd(0, linux.EFD_CLOEXEC)),
  timerfd: () =>
    opens("timerfd_create", libc.timerfd_create(posix.CLOCK_MONOTONIC, linux.TFD_CLOEXEC)),
  signalfd: () =>
    opens("signalfd", libc.signalfd(-1, memory(structs.sigset_t.size), linux.SFD_CLOEXEC)),
  signal_stub: () => STUBS[arch] !== undefined && canExecute(),
  memfd_create: () => {
    const number = openMemory(0);
    // The sysctl vm.memfd_noexec can demand the other flag.
    if (number === -1 && errno() === EACCES) return supports("MFD_NOEXEC_SEAL");
    return opens("memfd_create", number);
  },
  MFD_NOEXEC_SEAL: () => opens("memfd_create", openMemory(linux.MFD_NOEXEC_SEAL)),
  pidfd_open: () => opens("pidfd_open", openSelf(0)),
  PIDFD_NONBLOCK: () => opens("pidfd_open", openSelf(linux.PIDFD_NONBLOCK)),
  PIDFD_THREAD: () => opens("pidfd_open", openSelf(linux.PIDFD_THREAD)),
  pidfd_send_signal: () => withSelf((self) => libc.pidfd_send_signal(self, 0, null, 0) === 0),
  pidfd_getfd: () => withSelf((self) => opens("pidfd_getfd", libc.pidfd_getfd(self, self, 0))),
  P_PIDFD: () =>
    withSelf((self) => {
      const result = libc.waitid(linux.P_PIDFD, self, null, posix.WEXITED | posix.WNOHANG);
      return result === -1 && errno() === ECHILD; // nobody is a child of itself
    }),
  PIDFD_GET_INFO: () =>
    withSelf((self) =>
      libc.ioctl(self, linux.PIDFD_GET_INFO, memory(linux.PIDFD_INFO_SIZE_VER0)) === 0
    ),
  close_range: () => libc.close_range(NO_DESCRIPTOR, NO_DESCRIPTOR, 0) === 0,
  // As old as the systems that have it: there is nothing to try.
  kqueue: () => kqueueHere() !== null,
};

const FEATURES = Object.keys(TRIALS) as Feature[];

const known = new Map<Feature, boolean>();

/**
 * Tells whether this system has a call, or an option of one. It is found out by using it, once, and
 * remembered; no version is looked at, since sandboxes take calls away and vendors add them.
 *
 * `"signal_stub"` is what `SignalFD` needs beside `"signalfd"`: a handler for this CPU, and memory
 * that may become executable. `"P_PIDFD"` is waiting for a child by its pidfd.
 *
 * Nothing stays open and nothing is changed. On another system than Linux everything but `"kqueue"`
 * is false, and on Linux `"kqueue"` is, unless `FDLOOP_KQUEUE_LIB` names a library that has it.
 *
 * @param feature a call by its name, or a constant by its name in C
 * @throws {TypeError} when it is no name that this function knows
 * @throws {UnsupportedError} on Deno without the permission to call libc
 * @throws {SyscallError} EMFILE, ENFILE, ENOMEM, when there is nothing left to try it with
 *
 * @example
 * ```ts
 * import { supports, TimerFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * if (supports("timerfd")) {
 *   using timer = TimerFD.create();
 *   assertEquals(timer.expirations(), null);
 * }
 * ```
 */
export function supports(feature: Feature): boolean {
  const found = known.get(feature);
  if (found !== undefined) return found;
  if (!FEATURES.includes(feature)) {
    const got = typeof feature === "string" ? JSON.stringify(feature) : typeof feature;
    throw new TypeError(
      `supports: the feature must be one of ${FEATURES.join(", ")}; got ${got.slice(0, 40)}`,
    );
  }
  const result = attempt(feature);
  known.set(feature, result);
  return result;
}

function attempt(feature: Feature): boolean {
  if (feature !== "kqueue") {
    if (os !== "linux") return false;
    libc.getpid(); // whose own error it is when nothing at all may be called
  }
  try {
    return TRIALS[feature]();
  } catch (error) {
    if (error instanceof UnsupportedError) return false;
    throw error;
  }
}

/** Whether a call opened a descriptor, which is closed at once. */
function opens(syscall: string, number: number): boolean {
  return withOpen(syscall, number, () => true);
}

/** Tries something on the descriptor that a call opened, false when it opened none. */
function withOpen(syscall: string, number: number, trial: (fd: number) => boolean): boolean {
  if (number === -1) {
    const code = errno();
    if (SHORTAGES.includes(code)) throw new SyscallError(syscall, code);
    return false;
  }
  try {
    return trial(number);
  } finally {
    libc.close(number);
  }
}

/** Tries something on a pidfd of this process. */
function withSelf(trial: (self: number) => boolean): boolean {
  return withOpen("pidfd_open", openSelf(0), trial);
}

function openSelf(flags: number): number {
  return libc.pidfd_open(libc.getpid(), flags);
}

function openSet(): number {
  return libc.epoll_create1(linux.EPOLL_CLOEXEC);
}

function openMemory(flags: number): number {
  const name = memory(8); // it needs none, and gets ""
  return libc.memfd_create(name, (linux.MFD_CLOEXEC | flags) >>> 0);
}

function memory(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

/** Whether memory that was written can become executable. */
function canExecute(): boolean {
  const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS } = posix;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const address = libc.mmap(0n, PAGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0n);
  if (address === MAP_FAILED) return false;
  const result = libc.mprotect(address, PAGE_BYTES, PROT_READ | PROT_EXEC);
  libc.munmap(address, PAGE_BYTES);
  return result === 0;
}
