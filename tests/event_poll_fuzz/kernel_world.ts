/**
 * A few numbers of this process's descriptor table: what programs see of the kernel.
 *
 * @module
 */

import { linux } from "../../ffi/const_linux.ts";
import { posix } from "../../ffi/const_posix.ts";
import { socket } from "../../ffi/const_socket.ts";
import { errnoName } from "../../ffi/errno.ts";
import { check, errno, libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EntryFlags } from "../../loop/event_mask.ts";
import { repeat } from "./memory_world.ts";
import {
  COUNTERS,
  DATA,
  FILL_SIZE,
  FIRST_NUMBER,
  MODES,
  OPS,
  report,
  SIZES,
  SLOTS,
  type Step,
  type World,
} from "./program.ts";

const buffer = new Uint8Array(new ArrayBuffer(64 * 1024));
const word = new BigUint64Array(new ArrayBuffer(8));
const two = new Int32Array(new ArrayBuffer(8));
const event = new Uint32Array(new ArrayBuffer(16));

/** A buffer for each number of events that a wait may ask for. */
const rooms: readonly EpollEvents[] = Array.from(
  { length: 8 },
  (_, index) => new EpollEvents(index + 1),
);

const SHUT = { read: socket.SHUT_RD, write: socket.SHUT_WR, both: socket.SHUT_RDWR };
const CONTROL: Readonly<Record<number, number>> = {
  [OPS.add]: linux.EPOLL_CTL_ADD,
  [OPS.modify]: linux.EPOLL_CTL_MOD,
  [OPS.remove]: linux.EPOLL_CTL_DEL,
};

type Kind = "pipe" | "socket" | "counter" | Epoll;

/** The kernel's world. Polls are this library's own handles, everything else is the bare call. */
export class KernelWorld implements World {
  readonly #kinds: (Kind | null)[] = Array(SLOTS).fill(null);

  apply(step: Step): string {
    try {
      return this.#apply(step);
    } catch (error) {
      if (error instanceof SyscallError) return error.code;
      throw error;
    }
  }

  clear(): void {
    for (let slot = 0; slot < SLOTS; slot++) this.#close(slot);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #apply(step: Step): string {
    const [op, slot, other] = step as [number, number, number];
    const fd = FIRST_NUMBER + slot;
    switch (op) {
      case OPS.pipe:
        check("pipe2", libc.pipe2(two, posix.O_NONBLOCK | posix.O_CLOEXEC));
        this.#place(slot, two[0]!, "pipe");
        return this.#place(other, two[1]!, "pipe");
      case OPS.pair: {
        const type = posix.SOCK_STREAM | posix.SOCK_NONBLOCK | posix.SOCK_CLOEXEC;
        check("socketpair", libc.socketpair(posix.AF_UNIX, type, 0, two));
        this.#place(slot, two[0]!, "socket");
        return this.#place(other, two[1]!, "socket");
      }
      case OPS.counter:
        return this.#counter(slot, COUNTERS[other]!, step[3] === 1);
      case OPS.poll: {
        const fd = check("epoll_create1", libc.epoll_create1(0));
        // Without effect on a set, but a bare number that blocks is refused where ET is asked for.
        check("fcntl", libc.fcntl(fd, posix.F_SETFL, posix.O_NONBLOCK));
        return this.#place(slot, fd, "epoll");
      }
      case OPS.close:
        return this.#close(slot);
      case OPS.dup:
        return this.#dup(slot, other);
      case OPS.write:
        return this.#write(slot, SIZES[other]!);
      case OPS.read:
        return this.#read(slot, SIZES[other]!);
      case OPS.fill:
        return this.#kinds[slot] === null ? "EBADF" : repeat(() => this.#write(slot, FILL_SIZE));
      case OPS.drain:
        return this.#kinds[slot] === null
          ? "EBADF"
          : repeat(() => this.#read(slot, buffer.byteLength));
      case OPS.shutdown:
        return result(libc.shutdown(fd, SHUT[MODES[other]!]), "ok");
      case OPS.wait:
        return this.#wait(slot, other);
      default:
        return this.#control(CONTROL[op]!, slot, other, step);
    }
  }

  #counter(slot: number, initial: bigint, semaphore: boolean): string {
    const flags = linux.EFD_NONBLOCK | linux.EFD_CLOEXEC | (semaphore ? linux.EFD_SEMAPHORE : 0);
    this.#place(slot, check("eventfd", libc.eventfd(0, flags)), "counter");
    word[0] = initial;
    check("write", libc.write(FIRST_NUMBER + slot, word, 8));
    return "ok";
  }

  #dup(slot: number, other: number): string {
    const kind = this.#kinds[slot]!;
    if (kind === null) return "EBADF";
    this.#close(other);
    const number = FIRST_NUMBER + other;
    check("fcntl", libc.fcntl(FIRST_NUMBER + slot, posix.F_DUPFD_CLOEXEC, number));
    this.#kinds[other] = kind instanceof Epoll ? Epoll.adopt(number) : kind;
    return "ok";
  }

  #write(slot: number, size: number): string {
    const fd = FIRST_NUMBER + slot;
    if (this.#kinds[slot] !== "counter") return result(libc.write(fd, buffer, size));
    word[0] = BigInt(size);
    return result(libc.write(fd, word, 8));
  }

  #read(slot: number, size: number): string {
    const fd = FIRST_NUMBER + slot;
    if (this.#kinds[slot] !== "counter") return result(libc.read(fd, buffer, size));
    return libc.read(fd, word, 8) === -1 ? errnoName(errno()) : `=${word[0]}`;
  }

  #wait(slot: number, most: number): string {
    const poll = this.#kinds[slot]!;
    if (poll === null) return "EBADF";
    const events = rooms[most - 1]!;
    if (!(poll instanceof Epoll)) {
      return result(libc.epoll_wait(FIRST_NUMBER + slot, buffer, most, 0));
    }
    if (poll.wait(events, 0) === 0) return "";
    return `[${[...events].map(({ mask, data }) => report(mask, data)).join(" ")}]`;
  }

  #control(op: number, slot: number, other: number, step: Step): string {
    const poll = this.#kinds[slot]!;
    const number = FIRST_NUMBER + other;
    if (!(poll instanceof Epoll)) {
      return result(libc.epoll_ctl(FIRST_NUMBER + slot, op, number, event));
    }
    if (op === linux.EPOLL_CTL_DEL) {
      poll.delete(number);
      return "ok";
    }
    const [mask, flags, data] = [step[3]!, step[4]!, DATA[step[5]!]!];
    const words = mask |
      ((flags & EntryFlags.EdgeTriggered) !== 0 ? EPOLL.ET : 0) |
      ((flags & EntryFlags.OneShot) !== 0 ? EPOLL.ONESHOT : 0) |
      ((flags & EntryFlags.Exclusive) !== 0 ? EPOLL.EXCLUSIVE : 0) |
      ((flags & EntryFlags.WakeUp) !== 0 ? EPOLL.WAKEUP : 0);
    if (op === linux.EPOLL_CTL_ADD) poll.add(number, words, data);
    else poll.modify(number, words, data);
    return "ok";
  }

  /** Gives an open number the slot's own. */
  #place(slot: number, fd: number, kind: "pipe" | "socket" | "counter" | "epoll"): string {
    const second = two[1]!;
    this.#close(slot);
    const number = FIRST_NUMBER + slot;
    check("fcntl", libc.fcntl(fd, posix.F_DUPFD_CLOEXEC, number));
    libc.close(fd);
    two[1] = second;
    this.#kinds[slot] = kind === "epoll" ? Epoll.adopt(number) : kind;
    return "ok";
  }

  #close(slot: number): string {
    const kind = this.#kinds[slot]!;
    if (kind === null) return "EBADF";
    this.#kinds[slot] = null;
    if (kind instanceof Epoll) kind.close();
    else libc.close(FIRST_NUMBER + slot);
    return "ok";
  }
}

/** What a call says: its number, or the name of its error. */
function result(value: number, success: string = String(value)): string {
  return value === -1 ? errnoName(errno()) : success;
}
