/**
 * The table of the misuse sweep: how an instance of each class is made, and arguments with which each
 * of its members works. Everything else is found by reflection.
 *
 * An export that is not here fails `tests/misuse_test.ts`, and so does a member with parameters.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { UnsupportedError } from "../../ffi/unsupported.ts";
import { ClockChangedError } from "../../handles/clock_changed_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import type { Descriptor } from "../../handles/descriptor.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { FD } from "../../handles/fd.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { PidFD } from "../../handles/pid_fd.ts";
import { socketPair } from "../../handles/pipe.ts";
import { SigSet } from "../../handles/sig_set.ts";
import { SignalBatch } from "../../handles/signal_batch.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { SignalInfo } from "../../handles/signal_info.ts";
import { Socket } from "../../handles/socket.ts";
import { TargetFDError } from "../../handles/target_fd_error.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import {
  ConnTimeoutError,
  QueueFullError,
  ShortFileError,
  UnknownFDError,
} from "../../loop/conn_errors.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import { LoopClosedError } from "../../loop/loop_closed_error.ts";
import { SpliceError } from "../../loop/splice.ts";
import { LoopWaker } from "../../loop/waker.ts";
import { ENGINE_SUBJECTS } from "./engine_subjects.ts";
import { POLICY_SUBJECTS } from "./policy_subjects.ts";
import { ACCEPT_SUBJECTS, accepting } from "./accept_subjects.ts";
import { KQUEUE_SUBJECTS } from "./kqueue_subjects.ts";
import { CONSOLE_SUBJECTS } from "./console_subjects.ts";
import { EVENT_POLL_SUBJECTS } from "./event_poll_subjects.ts";
import type { Scope } from "./scope.ts";
import { Trap } from "./values.ts";

/** Arguments with which a call works, made anew for each call. */
export type Arguments = (scope: Scope, instance: object | null) => unknown[];

/** What the calls on one export have in common, besides the library. */
export interface Stage {
  /** Takes it down, and says what was done to it that should not have been, a sentence for each. */
  strike(): string[];
}

/** One export. */
export interface Subject {
  /** Makes an instance. A class that has none, because it is abstract, leaves it out. */
  readonly make?: (scope: Scope) => object;
  /** The arguments, by the name of the member as `surface.ts` spells it. */
  readonly valid: Readonly<Record<string, Arguments>>;
  /** Ends an instance that is not ended by disposing of it. */
  readonly close?: (instance: object) => void;
  /** Makes the promises of an instance settle. */
  readonly drive?: (instance: object) => void;
  /** Members that refuse every program, such as the constructors of handles. */
  readonly refused?: readonly string[];
  /**
   * Members that may refuse in the engine's words: they are not for programs, or make text of what
   * they are given, as String() does.
   */
  readonly blunt?: readonly string[];
  /** Members that are not called at all. The reason stands beside it. */
  readonly omitted?: readonly string[];
  /** Values, by their names, that a member is not given. The reason stands beside it. */
  readonly without?: Readonly<Record<string, readonly string[]>>;
  /** Sets up, once, what all calls need. What it answers tells in the end what became of that. */
  readonly stage?: () => Stage | Promise<Stage>;
}

/** The number of a descriptor that belongs to nobody yet: whoever adopts it may close it. */
function unowned(scope: Scope, handle: Descriptor, least: number = 0): number {
  const number = libc.fcntl(handle.raw, posix.F_DUPFD_CLOEXEC, least);
  scope.defer(() => void libc.close(number)); // EBADF when it was adopted: nothing came between
  return number;
}

/** What `from` takes, of a handle that lives as long as the call. */
function shared(make: (scope: Scope) => object): Arguments {
  return (scope) => [(scope.keep(make(scope) as Descriptor)).share()];
}

const bytes: Arguments = () => [new Uint8Array(8)];

/** A file, for which every member works; nobody has to remove it. */
function makeFD(scope: Scope): object {
  return FD.duplicate(scope.keep(makeMemory(scope)).raw);
}

/** On a clock for which every option is good. */
function makeTimer(): object {
  const timer = TimerFD.create({ clock: "realtime" });
  timer.arm(1, 1);
  return timer;
}

const ANY_PORT = "127.0.0.1:0";
const SOCKET_FLAGS: object = { blocking: false, inherit: false };

/** A TCP connection with something to read. */
function makeSocket(scope: Scope): Socket {
  const listener = scope.keep(Socket.listen(ANY_PORT));
  const client = Socket.connect(listener.localAddress, { blocking: true });
  scope.keep(listener.accept()!).write(new Uint8Array(64));
  return client;
}

function makeMemory(_scope: Scope): MemFD {
  const memory = MemFD.create("misuse", { sealing: true });
  memory.truncate(8192);
  return memory;
}

const sendfile: Arguments = (scope) => [
  scope.keep(makeMemory(scope)),
  { offset: 1, length: 8, headers: new Uint8Array(8), signal: new AbortController().signal },
];

/** With the seal, so that copying is done by memcpy(3), which believes what it is told. */
function makeRegion(_scope: Scope): MappedRegion {
  using memory = makeMemory(_scope);
  memory.seal("shrink");
  return MappedRegion.map(memory);
}

/** A set with a member that is always ready, so that a wait without a limit ends at once. */
function makeEpoll(scope: Scope): object {
  const set = Epoll.create();
  set.add(scope.keep(EventFD.create({ initial: 1 })), EPOLL.IN);
  return set;
}

/** A member of the set, and one that is not. */
const added: Arguments = (scope, set) => {
  const counter = scope.keep(EventFD.create());
  if (set instanceof Epoll && !set.closed) set.add(counter, EPOLL.IN);
  return [counter, EPOLL.IN, 1];
};

function filledEvents(scope: Scope): object {
  const events = new EpollEvents(4);
  (scope.keep(makeEpoll(scope) as Epoll)).wait(events, 0);
  return events;
}

/** With a signal that is pending. */
function makeSignals(): SignalFD {
  const signals = SignalFD.create(["SIGUSR1"]);
  process.kill(process.pid, "SIGUSR1");
  return signals;
}

function filledBatch(scope: Scope): object {
  const batch = new SignalBatch(2);
  scope.keep(makeSignals()).readInto(batch);
  return batch;
}

const watched = (scope: Scope): object =>
  scope.keep(Loop.create()).watch(
    scope.keep(EventFD.create()),
    { readable: true, mode: "once" },
    () => {},
  );
const ready = (scope: Scope): EventFD => scope.keep(EventFD.create({ initial: 1 }));

function error(made: new (...args: never[]) => Error, args: readonly unknown[]): Subject {
  return {
    make: () => Reflect.construct(made, args) as Error,
    blunt: ["new"],
    valid: { new: () => [...args] },
  };
}

/** The thread of the shared loop, which what waits without a loop starts, is not opened by a call. */
export async function stageSharedLoop(): Promise<Stage> {
  using counter = EventFD.create({ initial: 1 });
  await Loop.shared.readable(counter);
  return { strike: () => [] };
}

const waits: Arguments = () => [{ signal: new AbortController().signal, loop: Loop.shared }];

/** A process that only sleeps. A signal that reached it would end it. */
let sleeper: ChildProcess;

async function stageSleeper(): Promise<Stage> {
  await stageSharedLoop();
  sleeper = spawn("sleep", ["600"], { stdio: "ignore" });
  return {
    strike() {
      using process = PidFD.open(sleeper.pid!);
      const status = process.exitStatus();
      sleeper.kill("SIGKILL");
      return status === null ? [] : [`the process was ended: ${JSON.stringify(status)}`];
    },
  };
}

function makeConnection(scope: Scope): object {
  const { left } = scope.keep(socketPair());
  return scope.keep(Loop.create()).registerConn(left, { onRecv() {} });
}

const handlers = (): object => ({ onRecv() {}, onEnd() {}, onDrain() {}, onClose() {} });
const connOptions = (): object => ({
  maxBacklog: 1000,
  timeouts: { idle: 1000 },
  carry: new Uint8Array(8),
});

/** A loop with a connection, and the descriptor of that. */
const connected: Arguments = (scope, loop) => {
  const { left } = scope.keep(socketPair());
  if (loop instanceof Loop && !loop.closed) loop.registerConn(left, { onRecv() {} });
  return [left, new Uint8Array(8)];
};

/** What every loop has. */
const WAITS: Subject["valid"] = {
  // No signal comes, and this process does not end: the waits are given up. Those with a bad signal
  // last until closing.
  signals: () => [["SIGUSR2"], { signal: AbortSignal.abort(new Trap("waited")) }],
  exited: () => [process.pid, { signal: AbortSignal.abort(new Trap("waited")) }],
  watch: (scope) => [ready(scope), { readable: true, mode: "level" }, () => {}],
  readable: (scope) => [ready(scope), { signal: new AbortController().signal }],
  writable: (scope) => [ready(scope), { signal: new AbortController().signal }],
  setTimer: () => [1000, () => {}],
  setInterval: () => [1000, () => {}],
  post: () => [() => {}],
};

function runLoop(loop: object): void {
  const { closed } = loop as Loop;
  // What lasts until closing must not keep it running.
  if (!closed) (loop as Loop).setTimer(20, () => (loop as Loop).stop());
  void (loop as Loop).run().catch(() => {}); // it may run already
}

/** The table, by the names of mod.ts. */
export const SUBJECTS: Readonly<Record<string, Subject>> = {
  ...ENGINE_SUBJECTS,
  ...POLICY_SUBJECTS,
  ...EVENT_POLL_SUBJECTS,
  SyscallError: error(SyscallError, ["read", 9, 3, "Read something else"]),
  UnsupportedError: error(UnsupportedError, ["a", "b"]),
  ClosedError: error(ClosedError, ["FD"]),
  ClockChangedError: error(ClockChangedError, ["read", 3]),
  TargetFDError: error(TargetFDError, [9, 3]),
  LoopClosedError: error(LoopClosedError, []),
  QueueFullError: error(QueueFullError, [1, 2, 3]),
  UnknownFDError: error(UnknownFDError, [3]),
  ShortFileError: error(ShortFileError, [1, 2]),
  SpliceError: error(SpliceError, [1, new Uint8Array(2), new Error("reset")]),
  ConnTimeoutError: error(ConnTimeoutError, ["idle", 5]),

  Descriptor: { refused: ["new"], valid: { new: () => [Symbol("owned"), 0] } },
  FD: {
    make: makeFD,
    refused: ["new"],
    without: { "static adopt": ["-0"] }, // it is 0, and stdin would be closed
    valid: {
      new: () => [Symbol("owned"), 0],
      "static adopt": (scope) => [unowned(scope, scope.keep(EventFD.create()))],
      "static duplicate": (scope) => [scope.keep(EventFD.create()).raw],
      "static from": shared(makeFD),
      read: bytes,
      write: bytes,
      pread: () => [new Uint8Array(8), 0],
      pwrite: () => [new Uint8Array(8), 0],
      truncate: () => [16],
      dup: () => [10],
      setNonblock: () => [true],
      setCloexec: () => [true],
    },
  },
  EventFD: {
    stage: stageSharedLoop,
    make: () => EventFD.create({ initial: 1 }),
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, false],
      "static create": () => [{ initial: 1, semaphore: false, blocking: false, inherit: false }],
      "static from": shared(() => EventFD.create()),
      signal: () => [1],
      waitInto: bytes,
      signals: waits,
      read: bytes,
      write: bytes,
    },
  },
  TimerFD: {
    stage: stageSharedLoop,
    make: makeTimer,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, "monotonic"],
      "static create": () => [{ clock: "monotonic", blocking: false, inherit: false }],
      "static from": shared(() => TimerFD.create()),
      arm: () => [1000, 1000],
      armAt: () => [1000, 1000, { cancelOnSet: true }],
      expirationsInto: bytes,
      ticks: waits,
      read: bytes,
    },
  },
  SigSet: {
    make: () => new SigSet(["SIGUSR1", 34]),
    valid: {
      new: () => [["SIGUSR1", 34]],
      "static fromBits": () => [1n],
      add: () => ["SIGHUP"],
      del: () => ["SIGUSR1"],
      has: () => [10],
      union: () => [["SIGHUP"]],
    },
  },
  SignalFD: {
    stage: stageSharedLoop,
    make: makeSignals,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, {}, {}],
      "static create": () => [["SIGUSR1"], { blocking: false, inherit: false }],
      "static from": shared(makeSignals),
      readInto: () => [new SignalBatch(2)],
      records: waits,
      setMask: () => [["SIGUSR2"]],
    },
  },
  SignalBatch: {
    make: filledBatch,
    valid: {
      new: () => [2],
      signo: () => [0],
      code: () => [0],
      pid: () => [0],
      uid: () => [0],
      status: () => [0],
      int: () => [0],
      info: () => [0],
    },
  },
  SignalInfo: {
    make: () => new SignalInfo(new DataView(new ArrayBuffer(128))),
    valid: { new: () => [new DataView(new ArrayBuffer(256)), 128] },
  },
  MemFD: {
    make: makeMemory,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, "name"],
      "static create": () => [
        "name",
        { sealing: true, hugePages: false, exec: false, inherit: false },
      ],
      "static adopt": (scope) => [unowned(scope, scope.keep(makeMemory(scope)))],
      "static duplicate": (scope) => [scope.keep(makeMemory(scope)).raw],
      "static from": shared(makeMemory),
      read: bytes,
      write: bytes,
      pread: () => [new Uint8Array(8), 0],
      pwrite: () => [new Uint8Array(8), 0],
      truncate: () => [16],
      seal: () => ["grow", "shrink"],
    },
  },
  MappedRegion: {
    make: makeRegion,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), { address: 4096n, length: 1, span: 1n }],
      "static map": (scope) => [
        scope.keep(makeMemory(scope)),
        { offset: 0, length: 4096, access: "write", shared: true, requireSeal: false },
      ],
      copyIn: () => [new Uint8Array(8), 4],
      copyOut: () => [new Uint8Array(8), 4],
      sync: () => [{ wait: true, invalidate: false }],
    },
  },
  ...KQUEUE_SUBJECTS,
  EPOLL: { make: () => EPOLL, valid: {} },
  EpollEvents: {
    make: filledEvents,
    valid: {
      new: () => [4],
      mask: () => [0],
      data: () => [0],
      dataLow: () => [0],
      dataHigh: () => [0],
    },
  },
  Epoll: {
    make: makeEpoll,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, null],
      "static create": () => [{ inherit: false }],
      "static adopt": (scope) => [unowned(scope, scope.keep(Epoll.create()))],
      "static from": shared(makeEpoll),
      add: (scope) => [scope.keep(EventFD.create()), EPOLL.IN | EPOLL.ET, 7],
      modify: added,
      rearm: (scope, set) => added(scope, set).slice(0, 1),
      delete: (scope, set) => added(scope, set).slice(0, 1),
      wait: () => [new EpollEvents(4), 1],
    },
  },
  PidFD: {
    stage: stageSleeper,
    make: () => PidFD.open(sleeper.pid!),
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), 0, 1],
      "static open": () => [sleeper.pid, { blocking: false, thread: false, inherit: false }],
      "static adopt": (scope) => [unowned(scope, scope.keep(PidFD.open(sleeper.pid!)))],
      "static from": shared(() => PidFD.open(sleeper.pid!)),
      sendSignal: () => [0, { value: 1, code: -1, scope: undefined }],
      getFD: () => [0],
      // The sleeper never exits: this wait is given up. Those with a bad signal last until closing.
      exited: () => [{ signal: AbortSignal.abort(new Trap("waited")), loop: Loop.shared }],
      wait: () => [{ exited: true, stopped: false, continued: false, reap: false }],
    },
  },
  closeRange: {
    // `unshare: true` would give this thread a table of descriptors that no other check sees.
    without: { closeRange: ["true"] },
    valid: {
      closeRange(scope) {
        const number = unowned(scope, scope.keep(EventFD.create()), 500); // nothing is above it
        return [number, number, { cloexec: true, unshare: false }];
      },
    },
  },
  signalNumber: { valid: { signalNumber: () => ["SIGTERM"] } },
  signalName: { valid: { signalName: () => [15] } },
  supports: { valid: { supports: () => ["pidfd_open"] } },
  pipe: { valid: { pipe: () => [{ blocking: false, inherit: false }] } },
  socketPair: {
    valid: { socketPair: () => [{ type: "stream", blocking: false, inherit: false }] },
  },

  parseAddress: { valid: { parseAddress: () => ["127.0.0.1:80"] } },
  formatAddress: {
    valid: { formatAddress: () => [{ family: "inet", address: "127.0.0.1", port: 80 }] },
  },
  Socket: {
    make: makeSocket,
    refused: ["new", "accept", "receiveFrom", "sendTo"], // a connection has its peer
    without: { "static adopt": ["-0"] }, // as for FD
    valid: {
      new: () => [Symbol("owned"), 0, "stream", null],
      "static listen":
        () => [ANY_PORT, { ...SOCKET_FLAGS, backlog: 1, deferAccept: 0, fastOpen: 0 }],
      "static bind": () => [ANY_PORT, { ...SOCKET_FLAGS, reuseAddr: false, reusePort: false }],
      "static connect": (scope) => [
        scope.keep(Socket.listen(ANY_PORT)).localAddress,
        { ...SOCKET_FLAGS, type: "stream", noDelay: true, keepAlive: true, receiveBuffer: 4096 },
      ],
      "static adopt": (scope) => [unowned(scope, scope.keep(socketPair()).left), SOCKET_FLAGS],
      "static duplicate": (scope) => [scope.keep(socketPair()).left.raw, SOCKET_FLAGS],
      "static from": shared(makeSocket),
      accept: () => [SOCKET_FLAGS],
      read: bytes,
      write: bytes,
      send: () => [new Uint8Array(8), { more: false, oob: false }],
      receive: () => [new Uint8Array(8), { peek: false, oob: false }],
      sendTo: () => [new Uint8Array(8), "127.0.0.1:9"],
      receiveFrom: bytes,
      shutdown: () => ["write"],
    },
  },
  SocketBase: { refused: ["new"], valid: { new: () => [Symbol("owned"), 0, "stream", null] } },
  sendFds: {
    valid: {
      sendFds: (scope) => [
        scope.keep(socketPair()).left,
        [scope.keep(EventFD.create())],
        new Uint8Array(8),
      ],
    },
  },
  recvFds: {
    valid: { recvFds: (scope) => [scope.keep(socketPair()).left, new Uint8Array(8), 1] },
  },
  listenFds: { valid: { listenFds: () => [{ LISTEN_PID: "1", LISTEN_FDS: "1" }] } },

  ...CONSOLE_SUBJECTS,

  Loop: {
    make: () => Loop.create(),
    refused: ["new"],
    drive: runLoop,
    // An attached loop has a thread, which ends some time after the loop was closed.
    omitted: ["static shared"],
    without: { "static create": ["true"] },
    valid: {
      new: () => [Symbol("owned"), {}, null],
      "static create": () => [{ attached: false }],
      ...WAITS,
      registerConn: (scope) => [scope.keep(socketPair()).left, handlers(), connOptions()],
      streams: (scope) => [scope.keep(socketPair()).left, connOptions()],
      unregisterConn: (scope, loop) => connected(scope, loop).slice(0, 1),
      conn: (scope, loop) => connected(scope, loop).slice(0, 1),
      write: connected,
      accept: accepting,
      splice: (scope) => [
        scope.keep(socketPair()).left,
        scope.keep(socketPair()).left,
        { length: 8, signal: AbortSignal.abort(new Trap("waited")) },
      ],
      sendfile: (scope, loop) => [connected(scope, loop)[0], ...sendfile(scope, null)],
      // Nothing is watched, so that it ends by itself whatever it is given.
      run: () => [{ signal: new AbortController().signal }],
    },
  },
  LoopBase: {
    make: () => Loop.create(),
    refused: ["new"],
    drive: runLoop,
    valid: { new: () => [Symbol("owned"), {}], ...WAITS },
  },
  LoopTimer: {
    make: (scope) => scope.keep(Loop.create()).setTimer(1000, () => {}),
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), {}, {}],
      reset: () => [1000],
    },
  },
  LoopWaker: {
    make: (scope) => LoopWaker.from(scope.keep(Loop.create()).shareWaker()),
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), new Int32Array(2), {}],
      "static from": (scope) => [scope.keep(Loop.create()).shareWaker()],
    },
  },
  Watch: {
    make: watched,
    refused: ["new"],
    valid: {
      new: () => [Symbol("owned"), {}, 0, 0, () => {}],
      modify: () => [{ readable: true, mode: "once" }],
    },
  },
  Connection: {
    make: makeConnection,
    close: (conn) => (conn as Connection).unregister(),
    refused: ["new"],
    blunt: ["new"],
    valid: {
      new: () => [{}, 0, handlers(), connOptions(), () => {}, () => {}],
      write: bytes,
      writev: () => [[new Uint8Array(8), new Uint8Array(0)]],
      sendfile,
    },
  },
  ...ACCEPT_SUBJECTS,
};
