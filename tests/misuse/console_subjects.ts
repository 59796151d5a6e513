/**
 * The consoles in the table of the misuse sweep.
 *
 * @module
 */

import { Console } from "../../handles/console.ts";
import { Epoller, type Kqueuer } from "../../loop/console_poller.ts";
import { ConsoleStopper } from "../../loop/console_stopper.ts";
import { Loop } from "../../loop/loop.ts";
import type { PolledConsole } from "../../loop/polled_console.ts";
import { makePoller } from "../console_fixture.ts";
import type { Scope } from "./scope.ts";
import { stageSharedLoop, type Subject } from "./subjects.ts";

/** A terminal with something to read, on a pty that lives as long as the call. */
function makeConsole(scope: Scope): Console {
  const { master, slave } = Console.openPty({ columns: 80, rows: 24 });
  scope.keep(master).write(new TextEncoder().encode("something\n"));
  return slave;
}

function makeOwnPoller(scope: Scope): Epoller | Kqueuer {
  return makePoller(scope.keep(Loop.create()));
}

/** A master with something to read. */
function makePolled(scope: Scope): PolledConsole {
  const pty = scope.keep(Console.openPty());
  pty.slave.write(new Uint8Array(64));
  return scope.keep(makeOwnPoller(scope)).add(pty.master);
}

const CONSOLE: Subject["valid"] = {
  new: () => [Symbol("owned"), 0, false, null],
  read: () => [new Uint8Array(8)],
  write: () => [new Uint8Array(8)],
  resize: () => [{ columns: 80, rows: 24, widthPixels: 0, heightPixels: 0 }],
  resizeFrom: (scope) => [scope.keep(makeConsole(scope))],
  setOnlcr: () => [true],
  setNonblock: () => [true],
};

const POLLED: Subject = {
  make: makePolled,
  close: (polled) => void (polled as PolledConsole).shutdown(),
  refused: ["new"],
  blunt: ["new"],
  valid: {
    new: () => [Symbol("owned"), {}, {}, {}, "wait"],
    read: () => [new Uint8Array(8), { signal: new AbortController().signal }],
    write: () => [new Uint8Array(8), { signal: new AbortController().signal }],
    shutdown: () => [() => {}],
  },
};

const POLLER: Subject = {
  stage: stageSharedLoop,
  make: makeOwnPoller,
  refused: ["new"],
  blunt: ["new"],
  drive: (poller) => (poller as Epoller).stop(),
  valid: {
    new: () => [Symbol("owned"), {}],
    "static create": () => [{ loop: Loop.shared }],
    add: (scope) => [scope.keep(Console.openPty()).master, { hangup: "eof" }],
    closeConsole: (scope) => [makePolled(scope)],
    wait: () => [{ signal: new AbortController().signal }],
  },
};

/** A class for the loops of another kernel makes nothing here. */
const ELSEWHERE: Subject = {
  ...POLLER,
  make: undefined,
  refused: ["new", "static create"],
};

const onEpoll = makePoller() instanceof Epoller;

/** The lines of the table. */
export const CONSOLE_SUBJECTS: Readonly<Record<string, Subject>> = {
  Console: {
    make: makeConsole,
    refused: ["new"],
    // Whether there is a terminal is the affair of whoever runs the tests.
    omitted: ["static current"],
    valid: {
      ...CONSOLE,
      "static fromFd": (scope) => [scope.keep(makeConsole(scope)).raw],
      "static openPty": () => [{
        columns: 80,
        rows: 24,
        widthPixels: 0,
        heightPixels: 0,
        blocking: false,
      }],
      "static spawn": () => [["true"], { columns: 80, rows: 24, env: {}, cwd: "/" }],
      "static from": (scope) => [scope.keep(makeConsole(scope)).share()],
    },
  },
  ConsoleBase: { make: makeConsole, refused: ["new"], valid: CONSOLE },
  ConsoleChild: {
    make: () => Console.spawn(["true"]),
    refused: ["new"],
    blunt: ["new"],
    valid: { new: () => [Symbol("owned"), {}, 1] },
  },
  ConsolePoller: { ...POLLER, refused: ["new"] },
  PolledConsole: POLLED,
  Epoller: onEpoll ? POLLER : ELSEWHERE,
  EpollConsole: onEpoll ? POLLED : { ...POLLED, make: undefined },
  Kqueuer: onEpoll ? ELSEWHERE : POLLER,
  KqueueConsole: onEpoll ? { ...POLLED, make: undefined } : POLLED,
  ConsoleStopper: {
    make: (scope) => ConsoleStopper.from(scope.keep(makeOwnPoller(scope)).shareStopper()),
    refused: ["new"],
    blunt: ["new"],
    valid: {
      new: () => [{}],
      "static from": (scope) => [scope.keep(makeOwnPoller(scope)).shareStopper()],
    },
  },
};
