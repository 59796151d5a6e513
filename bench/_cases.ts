/**
 * The hot calls, three times each, as handles.c has them in C: bare, on a handle of this thread, and
 * on one that is shared.
 *
 * An expiration that is there to take is no case: each would cost a timer interrupt, which is many
 * times the call and differs from machine to machine.
 *
 * @module
 */

import process from "node:process";
import { posix } from "../ffi/const_posix.ts";
import { linux } from "../ffi/const_linux.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import {
  EPOLL,
  Epoll,
  EpollEvents,
  EventFD,
  FD,
  MemFD,
  PidFD,
  SignalBatch,
  SignalFD,
  signalNumber,
  TimerFD,
} from "../mod.ts";
import type { Round } from "./_twin.ts";

/** One hot call. */
export interface Case {
  readonly name: string;
  /** The case's name in handles.c. */
  readonly twin: string;
  /** Bare, on a handle, on a shared handle. */
  readonly rounds: readonly [bare: Round, own: Round, shared: Round];
}

/** All cases, and what they keep open. */
export interface Cases extends Disposable {
  readonly list: readonly Case[];
}

const EAGAIN = errnoNumber("EAGAIN");
const MOST_READY = 1024;

const room = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(bytes));

/** Opens everything, twice where it can be shared. */
export function cases(): Cases {
  const open = new DisposableStack();
  const list = [
    ...eventCases(open),
    ...timerCases(open),
    ...signalCases(open),
    processCase(open),
    ...memoryCases(open),
    duplicateCase(open),
    ...epollCases(open),
  ];
  return { list, [Symbol.dispose]: () => open.dispose() };
}

/** A pair of handles of which the second is shared. */
function pair<T extends { share(): unknown } & Disposable>(
  open: DisposableStack,
  create: () => T,
): [own: T, shared: T] {
  const own = open.use(create());
  const shared = open.use(create());
  shared.share();
  return [own, shared];
}

function eventCases(open: DisposableStack): Case[] {
  const [own, shared] = pair(open, () => EventFD.create());
  const value = room(8);
  const one = room(8);
  one[0] = 1;
  const { raw } = own;

  const take = (counter: EventFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      if (counter.signal()) sum += 8;
      if (counter.waitInto(value)) sum += 8;
    }
    return sum;
  };
  const takeBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      sum += libc.write(raw, one, 8);
      sum += libc.read(raw, value, 8);
    }
    return sum;
  };
  const block = (counter: EventFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) if (counter.waitInto(value) === null) sum++;
    return sum;
  };
  const blockBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      if (libc.read(raw, value, 8) === -1 && errno() === EAGAIN) sum++;
    }
    return sum;
  };
  return [
    {
      name: "EventFD signal+waitInto",
      twin: "event_take",
      rounds: [takeBare, take(own), take(shared)],
    },
    {
      name: "EventFD would-block",
      twin: "event_would_block",
      rounds: [blockBare, block(own), block(shared)],
    },
  ];
}

function timerCases(open: DisposableStack): Case[] {
  const [own, shared] = pair(open, () => TimerFD.create());
  const value = room(8);
  const next = new Uint32Array(new ArrayBuffer(structs.itimerspec.size));
  const previous = new Uint32Array(new ArrayBuffer(structs.itimerspec.size));
  const { raw } = own;

  const arm = (timer: TimerFD) => (calls: number): number => {
    for (let call = 0; call < calls; call++) timer.arm(60_000 + (call & 63));
    return calls;
  };
  const armBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      next[4] = 60;
      next[6] = (call & 63) * 1_000_000;
      if (libc.timerfd_settime(raw, 0, next, previous) === 0) sum++;
    }
    return sum;
  };
  const block = (timer: TimerFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) if (timer.expirationsInto(value) === null) sum++;
    return sum;
  };
  const blockBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      if (libc.read(raw, value, 8) === -1 && errno() === EAGAIN) sum++;
    }
    return sum;
  };
  return [
    { name: "TimerFD arm", twin: "timer_arm", rounds: [armBare, arm(own), arm(shared)] },
    {
      name: "TimerFD would-block",
      twin: "timer_would_block",
      rounds: [blockBare, block(own), block(shared)],
    },
  ];
}

function signalCases(open: DisposableStack): Case[] {
  // Of two handles with the same signal, only the older would get it.
  const own = open.use(SignalFD.create(["SIGUSR2"]));
  const shared = open.use(SignalFD.create(["SIGIO"]));
  shared.share();
  const batch = new SignalBatch(16);
  const records = room(16 * structs.siginfo_t.size);
  const { raw } = own;
  const { pid } = process;
  const tid = libc.gettid();
  const usr2 = signalNumber("SIGUSR2");

  const take = (signals: SignalFD, signal: number) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      libc.tgkill(pid, tid, signal);
      sum += signals.readInto(batch)! * structs.siginfo_t.size;
    }
    return sum;
  };
  const takeBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      libc.tgkill(pid, tid, usr2);
      sum += libc.read(raw, records, records.length);
    }
    return sum;
  };
  const block = (signals: SignalFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) if (signals.readInto(batch) === null) sum++;
    return sum;
  };
  const blockBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      if (libc.read(raw, records, records.length) === -1 && errno() === EAGAIN) sum++;
    }
    return sum;
  };
  return [
    {
      name: "SignalFD tgkill+readInto",
      twin: "signal_take",
      rounds: [takeBare, take(own, usr2), take(shared, signalNumber("SIGIO"))],
    },
    {
      name: "SignalFD would-block",
      twin: "signal_would_block",
      rounds: [blockBare, block(own), block(shared)],
    },
  ];
}

function processCase(open: DisposableStack): Case {
  const [own, shared] = pair(open, () => PidFD.open(process.pid));
  const { raw } = own;

  const send = (self: PidFD) => (calls: number): number => {
    for (let call = 0; call < calls; call++) self.sendSignal(0);
    return calls;
  };
  const bare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      if (libc.pidfd_send_signal(raw, 0, null, 0) === 0) sum++;
    }
    return sum;
  };
  return {
    name: "PidFD sendSignal(0)",
    twin: "pid_signal",
    rounds: [bare, send(own), send(shared)],
  };
}

function memoryCases(open: DisposableStack): Case[] {
  const [own, shared] = pair(open, () => MemFD.create("bench"));
  own.truncate(4096);
  shared.truncate(4096);
  const bytes = room(64);
  const { raw } = own;

  const read = (memory: MemFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) sum += memory.pread(bytes, (call & 63) * 64);
    return sum;
  };
  const readBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) sum += libc.pread(raw, bytes, 64, (call & 63) * 64);
    return sum;
  };
  const write = (memory: MemFD) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) sum += memory.pwrite(bytes, (call & 63) * 64);
    return sum;
  };
  const writeBare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) sum += libc.pwrite(raw, bytes, 64, (call & 63) * 64);
    return sum;
  };
  return [
    { name: "MemFD pread 64 B", twin: "mem_pread", rounds: [readBare, read(own), read(shared)] },
    {
      name: "MemFD pwrite 64 B",
      twin: "mem_pwrite",
      rounds: [writeBare, write(own), write(shared)],
    },
  ];
}

function duplicateCase(open: DisposableStack): Case {
  const path = new TextEncoder().encode("/dev/null\0");
  const [own, shared] = pair(open, () => FD.adopt(libc.open(path, posix.O_RDWR, 0)));
  const { raw } = own;

  const duplicate = (fd: FD) => (calls: number): number => {
    for (let call = 0; call < calls; call++) fd.dup().close();
    return calls;
  };
  const bare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      const number = libc.fcntl(raw, posix.F_DUPFD_CLOEXEC, 0);
      if (number >= 0 && libc.close(number) === 0) sum++;
    }
    return sum;
  };
  return {
    name: "FD dup+close",
    twin: "fd_dup_close",
    rounds: [bare, duplicate(own), duplicate(shared)],
  };
}

function epollCases(open: DisposableStack): Case[] {
  const idle = open.use(EventFD.create());
  const ready = Array.from({ length: MOST_READY }, () => open.use(EventFD.create({ initial: 1 })));
  const waits = [[idle], ...[2, 16, 128, MOST_READY].map((count) => ready.slice(0, count))];
  return [
    modifyCase(open),
    ...waits.map((members) => waitCase(open, members, members[0] === idle ? 0 : members.length)),
  ];
}

function modifyCase(open: DisposableStack): Case {
  const sets = pair(open, () => Epoll.create());
  const counters = pair(open, () => EventFD.create());
  sets.forEach((set, index) => set.add(counters[index]!, EPOLL.IN, 7));
  const event = new Uint32Array(new ArrayBuffer(structs.epoll_event.size));
  event[structs.epoll_event.data / 4] = 7;
  const set = sets[0].raw;
  const fd = counters[0].raw;

  const modify = (set: Epoll, counter: EventFD) => (calls: number): number => {
    for (let call = 0; call < calls; call++) {
      set.modify(counter, (call & 1) === 1 ? EPOLL.IN : EPOLL.OUT);
    }
    return calls;
  };
  const bare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      event[0] = (call & 1) === 1 ? linux.EPOLLIN : linux.EPOLLOUT;
      if (libc.epoll_ctl(set, linux.EPOLL_CTL_MOD, fd, event) === 0) sum++;
    }
    return sum;
  };
  return {
    name: "Epoll modify",
    twin: "epoll_modify",
    rounds: [bare, modify(sets[0], counters[0]), modify(sets[1], counters[1])],
  };
}

/** Waits, and reads the mask and the data of each event. */
function waitCase(open: DisposableStack, members: readonly EventFD[], ready: number): Case {
  const [own, shared] = pair(open, () => Epoll.create());
  for (const member of members) {
    own.add(member, EPOLL.IN, 7);
    shared.add(member, EPOLL.IN, 7);
  }
  const events = new EpollEvents(MOST_READY);
  const stride = structs.epoll_event.size / 4;
  const words = new Uint32Array(new ArrayBuffer(MOST_READY * stride * 4));
  const data = structs.epoll_event.data / 4;
  const { raw } = own;

  const wait = (set: Epoll) => (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      const count = set.wait(events, 0);
      for (let index = 0; index < count; index++) sum += events.mask(index) + events.dataLow(index);
    }
    return sum;
  };
  const bare = (calls: number): number => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      const count = libc.epoll_wait(raw, words, MOST_READY, 0);
      for (let index = 0; index < count; index++) {
        sum += words[index * stride]! + words[index * stride + data]!;
      }
    }
    return sum;
  };
  return {
    name: ready === 0 ? "Epoll wait(0), none ready" : `Epoll wait, ${ready} ready`,
    twin: ready === 0 ? "epoll_none" : `epoll_${ready}`,
    rounds: [bare, wait(own), wait(shared)],
  };
}
