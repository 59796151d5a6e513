// A process all of whose threads were born with SIGUSR1 and SIGUSR2 blocked, which is what libkqueue
// needs to see them; a kernel with a kqueue needs nothing. Prints what `QueueSource` reports.

import process from "node:process";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { Core } from "../loop/core.ts";
import { DedicatedDriver } from "../loop/dedicated.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { KqueuePoller } from "../loop/poller_kqueue.ts";
import { QueueSource, SignalStream } from "../loop/signals.ts";

const USR1 = 10;

/** The disposition of SIGUSR1: 0 is the default, 1 ignores it. */
function disposition(): number {
  const action = new DataView(new ArrayBuffer(structs.sigaction.size));
  libc.sigaction(USR1, null, action);
  return Number(action.getBigUint64(structs.sigaction.sa_handler, true));
}

const core = new Core(new KqueuePoller());
const driver = new DedicatedDriver(core);
const before = disposition();
const signals = new SignalStream(core, new QueueSource(core, ["SIGUSR1", "SIGUSR2"]), undefined);
const during = disposition();
const seen: string[] = [];
const send = (): void => void libc.kill(process.pid, USR1);

async function iterate(): Promise<void> {
  for await (const { name, signo, times } of signals) {
    seen.push(`${name} ${signo} ${times}`);
    if (seen.length === 3) break;
    send();
  }
}

send();
const done = iterate();
await driver.run(undefined); // ends when the iteration has
await done;
console.log(JSON.stringify({
  seen,
  dispositions: [before, during === posix.SIG_IGN, disposition() === before],
  hasWork: core.hasWork,
}));
core.close(new LoopClosedError());
