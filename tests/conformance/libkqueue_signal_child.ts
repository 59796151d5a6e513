// The cases of libkqueue's signal.c, in a process all of whose threads were born with these signals
// blocked, which is what the emulation needs. Prints the name of each case that held.

import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { libc } from "../../ffi/libc.ts";
import { signalNumber } from "../../ffi/signals.ts";
import { EV } from "../../handles/kqueue_words.ts";
import { ignoreSignal } from "../../handles/signal_ignore.ts";
import { TestQueue } from "../kqueue_queue.ts";

const USR1 = signalNumber("SIGUSR1");
const USR2 = signalNumber("SIGUSR2");

const send = (signal: number): void => void libc.kill(process.pid, signal);

function check(name: string, body: (queue: TestQueue) => void): void {
  using queue = new TestQueue();
  body(queue);
  console.log(name);
}

check("add, get, del", (queue) => {
  queue.add("SIGNAL", USR1, 0, { udata: 0xfedc_ba98_7654_3210n });
  send(USR1);
  const { filter, ident, data, udata } = queue.one();
  assertEquals([filter, ident, data, udata], ["SIGNAL", USR1, 1, 0xfedc_ba98_7654_3210n]);
  assertEquals(queue.now(), []);
  assertEquals(queue.change("SIGNAL", USR1, EV.DELETE), "");
  assertEquals(queue.change("SIGNAL", USR1, EV.DELETE), "ENOENT");
  assertEquals(queue.change("SIGNAL", USR1, EV.ENABLE), "ENOENT");
});

check("fires while ignored", (queue) => {
  const undo = ignoreSignal(USR1);
  queue.add("SIGNAL", USR1);
  send(USR1);
  assertEquals(queue.one().ident, USR1);
  assertEquals(queue.change("SIGNAL", USR1, EV.DELETE), "");
  undo();
});

check("data is the count since the last report", (queue) => {
  queue.add("SIGNAL", USR1);
  for (let round = 0; round < 3; round++) {
    send(USR1);
    assertEquals(queue.one().data, 1);
  }
});

check("oneshot", (queue) => {
  queue.add("SIGNAL", USR1, EV.ONESHOT);
  send(USR1);
  assertEquals(queue.one().ident, USR1);
  assertEquals(queue.change("SIGNAL", USR1, EV.DELETE), "ENOENT");
});

check("disable and enable, dispatch", (queue) => {
  queue.add("SIGNAL", USR1, EV.DISPATCH);
  send(USR1);
  assertEquals(queue.one().ident, USR1);
  assertEquals(queue.now(), []);
  assertEquals(queue.change("SIGNAL", USR1, EV.ENABLE), "");
  send(USR1);
  assertEquals(queue.one().ident, USR1);
});

check("two signals, two events", (queue) => {
  queue.add("SIGNAL", USR1);
  queue.add("SIGNAL", USR2);
  send(USR1);
  send(USR2);
  const seen = new Set<number>();
  while (seen.size < 2) for (const { ident } of queue.next()) seen.add(ident);
  assertEquals([...seen].sort(), [USR1, USR2].sort());
});

check("multi_kqueue", (queue) => {
  using other = new TestQueue();
  queue.add("SIGNAL", USR1);
  other.add("SIGNAL", USR1);
  send(USR1);
  assertEquals([queue.one().ident, other.one().ident], [USR1, USR1]);
});

check("modify_clobbers_udata", (queue) => {
  queue.add("SIGNAL", USR1, 0, { udata: 1n });
  queue.add("SIGNAL", USR1, 0, { udata: 2n });
  send(USR1);
  assertEquals(queue.one().udata, 2n);
});

check("invalid numbers: EINVAL", (queue) => {
  for (const signal of [0, 1000, 0x7fff_ffff]) {
    assertEquals(queue.change("SIGNAL", signal, EV.ADD), "EINVAL");
  }
  assertThrows(() => queue.change("SIGNAL", -1, EV.ADD), RangeError);
  const list = [{ filter: "SIGNAL", ident: 1000, flags: EV.ADD }] as const;
  assert(assertThrows(() => queue.queue.control(list), SyscallError).code === "EINVAL");
});
