// What closing a SignalFD restores: each case is one process.

import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { signalNumber } from "../../ffi/signals.ts";
import { blockedBy } from "../../ffi/proc.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { UnsupportedError } from "../../ffi/unsupported.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { pipe } from "../../handles/pipe.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { handlerOf, isHandler } from "../../handles/signal_orders.ts";
import { isOpen } from "../probes.ts";
import {
  changeMask,
  queueSignal,
  receive,
  receiveNothing,
  runCase,
  runProgram,
  setDisposition,
  signalState,
} from "../signal_fixture.ts";
import { startScript, turn, waitUntil, worker } from "../support.ts";
import type { SignalFDWorker } from "../signal_fd_worker.ts";
import { spinners } from "./signal_spinner.ts";

const { pid } = process;
const DFL = BigInt(posix.SIG_DFL);
const IGN = BigInt(posix.SIG_IGN);
const SIGNALS = ["SIGTERM", "SIGUSR1", "SIGCHLD", "SIGWINCH", "SIGRTMIN+5"] as const;

/** The signals that Deno begins to handle on its own account: see handles/runtime_signals.ts. */
const OWN = ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"] as const;

const thread = () => worker<SignalFDWorker>(new URL("../signal_fd_worker.ts", import.meta.url));

/** How many pipe ends are open: the runtimes open and close files of their own all the time. */
function openPipes(): number {
  return fs.readdirSync("/proc/self/fd").filter((number) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${number}`).startsWith("pipe:");
    } catch {
      return false; // closed since
    }
  }).length;
}

await runCase({
  async state() {
    SignalFD.create(OWN).close(); // what Deno installs at first use
    await using spinning = await spinners(4);
    setDisposition(12, posix.SIG_IGN);
    const before = signalState();
    const one = SignalFD.create(SIGNALS);
    assertEquals(signalState().masks, before.masks);
    assert(signalState().caught !== before.caught);
    const two = SignalFD.create(["SIGUSR2", "SIGUSR1"]);
    await spinning.add(2);
    const open = openPipes();
    await runProgram("/bin/kill", "-USR1", String(pid));
    assertEquals((await receive(one, 2)).map((info) => info.name).sort(), ["SIGCHLD", "SIGUSR1"]);
    one.close();
    await runProgram("/bin/kill", "-USR2", String(pid));
    await receive(two, 1);
    two.close();
    assertEquals(signalState(), before);
    assertEquals([openPipes(), handlerOf(12)], [open - 4, IGN]);
  },

  /** Ends by SIGTERM, which the test expects. */
  async kills() {
    SignalFD.create(["SIGTERM"]).close();
    await runProgram("/bin/kill", "-TERM", String(pid));
    await turn(10_000);
  },

  async unread() {
    const fd = SignalFD.create(["SIGTERM", "SIGRTMIN+1"]);
    for (let value = 0; value < 2000; value++) queueSignal(pid, 35, value);
    await runProgram("/bin/kill", "-TERM", String(pid));
    fd.close();
    await turn(50);
    using again = SignalFD.create(["SIGTERM", "SIGRTMIN+1"]);
    await receiveNothing(again); // the same page, emptied
  },

  /** The number that a pipe had belongs to another file at once: nothing must be written there. */
  async foreign() {
    await using sender = startScript("tests/process/signal_sender.ts", {
      args: [String(pid), "28", "10000000", "kill"], // SIGWINCH, which does nothing by default
      timeoutMs: 60_000,
    });
    await using spinning = await spinners(2);
    assert(spinning.count === 2 && sender.pid > 0);
    const open = openPipes();
    const buffer = new Uint8Array(128);
    let received = 0;
    const begun = performance.now();
    const going = (ms: number): boolean => performance.now() < begun + ms;
    // On a busy machine the rounds take longer.
    while (going(4000) || (received <= 20 && going(25_000))) {
      const fd = SignalFD.create(["SIGWINCH"]);
      await waitUntil(() => [...fd].length > 0, 5000, "a signal");
      received++;
      fd.close();
      const strangers = Array.from({ length: 3 }, () => pipe());
      for (let look = 0; look < 20; look++) {
        libc.poll(null, 0, 0);
        for (const { reader } of strangers) assertEquals(reader.read(buffer), null);
      }
      for (const stranger of strangers) stranger[Symbol.dispose]();
    }
    assertEquals(openPipes(), open);
    assert(received > 20, `${received} rounds`);
  },

  async elsewhere() {
    SignalFD.create(OWN).close(); // Deno would install them when the worker starts, at any time
    await using other = thread();
    await other.ready;
    const before = signalState();
    const fd = SignalFD.create(["SIGUSR2"]);
    const shared = fd.share();
    await runProgram("/bin/kill", "-USR2", String(pid));
    await waitUntil(async () => await other.call("read", shared) === "SIGUSR2", 5000, "the signal");
    assertEquals(await other.call("mask", shared), "{SIGUSR2}");
    await other.call("setMask", shared, [12, 40]);
    assertEquals([...fd.mask], ["SIGUSR2", "SIGRTMIN+6"]);
    const number = fd.raw;
    await other.call("close", shared);
    assertEquals([fd.closed, isOpen(number)], [true, false]);
    assertEquals(signalState(), before);
    assertThrows(() => fd.read(), ClosedError);
    assertThrows(() => fd.setMask([]), ClosedError);
    assertThrows(() => fd.mask, ClosedError);
    fd.close();
    await assertRejects(() => other.call("read", shared), Error, "SignalFD is closed");
  },

  async blocked() {
    await using other = thread();
    const fd = SignalFD.create(["SIGUSR2"], { blocking: true });
    const reading = other.call("read", fd.share());
    await assertBlocked(fd.raw);
    await runProgram("/bin/kill", "-USR2", String(pid));
    assertEquals(await reading, "SIGUSR2");
    const late = other.call("read", fd.share());
    await assertBlocked(fd.raw);
    fd.close();
    await assertRejects(() => late, Error, "SignalFD is closed");
  },

  async refused() {
    SignalFD.create(OWN).close();
    const before = signalState();
    const open = openPipes();
    for (const never of [9, 19, 11, 7, 4, 8, 5, 31, 6, 32, 33]) {
      assertThrows(() => SignalFD.create(["SIGURG", never]), RangeError, "cannot be received");
    }
    for (const listener of ["SIGUSR2", "SIGTERM"] as const) {
      process.on(listener, () => {});
      await waitUntil(() => isHandler(handlerOf(signalNumber(listener))), 5000, "the listener");
      assertThrows(() => SignalFD.create(["SIGURG", listener]), UnsupportedError, "a listener");
      assertEquals(handlerOf(23), DFL);
    }
    using fd = SignalFD.create(["SIGURG"]);
    assertThrows(() => fd.setMask(["SIGPROF", "SIGUSR2"]), UnsupportedError, "receiving SIGUSR2");
    assertEquals([...fd.mask], ["SIGURG"]);
    fd.close();
    assertEquals([handlerOf(23), handlerOf(27), openPipes()], [DFL, DFL, open]);
    assertEquals(signalState().masks, before.masks);
  },

  async twoThreads() {
    await using other = thread();
    using fd = SignalFD.create(["SIGUSR2"]);
    await assertRejects(() => other.call("create", [12]), Error, "share()");
    await other.call("create", [40]);
    assertThrows(() => SignalFD.create([40]), UnsupportedError, "share()");
    await other.call("closeOwn");
    SignalFD.create([40]).close();
    await runProgram("/bin/kill", "-USR2", String(pid));
    await receive(fd, 1);
  },

  runtimesOwn() {
    const own = Array.from({ length: 64 }, (_, index) => index + 1)
      .filter((signal) => isHandler(handlerOf(signal)));
    assert(own.length > 0);
    for (const signal of own) assertThrows(() => SignalFD.create([signal]));
  },

  async listenerLater() {
    const fd = SignalFD.create(["SIGUSR2"]);
    const ours = handlerOf(12);
    let heard = 0;
    process.on("SIGUSR2", () => heard++);
    await waitUntil(() => handlerOf(12) !== ours, 5000, "the listener");
    fd.close();
    await runProgram("/bin/kill", "-USR2", String(pid));
    await waitUntil(() => heard === 1, 5000, "the listener hears");
  },

  /** Without a descriptor left, creating changes nothing, and closing loses at most a number. */
  descriptors() {
    const fd = SignalFD.create(["SIGUSR1"]);
    const before = signalState();
    const hoard: number[] = [];
    const take = (): void => {
      try {
        for (;;) hoard.push(fs.openSync("/dev/null", "r"));
      } catch {
        // EMFILE, at last
      }
    };
    take();
    for (const left of [0, 1, 2]) {
      for (let index = 0; index < left; index++) fs.closeSync(hoard.pop()!);
      assertThrows(() => SignalFD.create(["SIGUSR2"]), SyscallError, "EMFILE");
      take();
    }
    const ours = handlerOf(10);
    fd.close();
    assert(handlerOf(10) !== ours);
    hoard.forEach((number) => fs.closeSync(number));
    const open = openPipes();
    assertEquals(signalState().masks, before.masks);
    SignalFD.create(["SIGUSR2"]).close(); // closes as well what could not be closed before
    assert(openPipes() < open);
  },

  /** In a process that was started with the signal blocked, and pending. */
  async blockedBefore() {
    const self = libc.gettid();
    const isBlocked = (): boolean => (blockedBy(self)! >> 9n & 1n) === 1n;
    changeMask(posix.SIG_BLOCK, 10);
    assertEquals(libc.tgkill(pid, self, 10), 0);
    const fd = SignalFD.create(["SIGUSR1"]);
    assertEquals((await receive(fd, 1))[0]!.name, "SIGUSR1");
    assert(!isBlocked());
    fd.setMask([]);
    assert(isBlocked());
    fd.setMask(["SIGUSR1"]);
    const shared = fd.share();
    await using other = thread();
    await other.call("close", shared);
    assert(isBlocked(), "closed on another thread");
  },
});

async function assertBlocked(number: number): Promise<void> {
  const call = new RegExp(`^\\d+ 0x${number.toString(16)} 0x[0-9a-f]+ 0x80 `);
  await waitUntil(
    () =>
      fs.readdirSync("/proc/self/task").some((task) => {
        try {
          return call.test(fs.readFileSync(`/proc/self/task/${task}/syscall`, "utf8"));
        } catch {
          return false;
        }
      }),
    5000,
    "the read blocks",
  );
}
