// Many signals from other processes, while eight workers keep both cores busy.

import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { libc } from "../../ffi/libc.ts";
import { SignalBatch } from "../../handles/signal_batch.ts";
import { SignalFD } from "../../handles/signal_fd.ts";
import { runCase } from "../signal_fixture.ts";
import { spawnScript, turn } from "../support.ts";
import { spinners } from "./signal_spinner.ts";

const { pid } = process;
const SIGUSR1 = 10;
const SIGTERM = 15;
const REAL_TIME = 37;

async function sender(...args: (string | number)[]): Promise<number> {
  const { code, stdout, stderr } = await spawnScript("tests/process/signal_sender.ts", {
    args: args.map(String),
    timeoutMs: 50_000,
  });
  assertEquals(code, 0, stderr);
  return Number(stdout);
}

/** What came: how often each value, how often each standard signal, from whom. */
class Tally {
  readonly values: Uint8Array;
  readonly times: Record<number, number> = { [SIGUSR1]: 0, [SIGTERM]: 0, [REAL_TIME]: 0 };
  readonly senders = new Set<number>();
  /** How many values came after a greater one. */
  passed = 0;
  #greatest = -1;

  constructor(count: number) {
    this.values = new Uint8Array(count);
  }

  /** Takes all records that were read. */
  add(batch: SignalBatch): void {
    for (let record = 0; record < batch.count; record++) {
      const signo = batch.signo(record);
      this.times[signo]! += 1;
      this.senders.add(batch.pid(record));
      assertEquals(batch.uid(record), libc.getuid());
      assertEquals(batch.code(record), signo === REAL_TIME ? posix.SI_QUEUE : posix.SI_USER);
      if (signo === REAL_TIME) this.#addValue(batch.int(record));
    }
  }

  #addValue(value: number): void {
    this.values[value]! += 1;
    if (value < this.#greatest) this.passed++;
    this.#greatest = Math.max(this.#greatest, value);
  }
}

interface Storm {
  readonly count: number;
  readonly perSecond: number;
  /** Whether reading begins when all were sent. */
  readonly readLate: boolean;
}

async function storm({ count, perSecond, readLate }: Storm): Promise<void> {
  await using spinning = await spinners(4);
  using fd = SignalFD.create(["SIGUSR1", "SIGTERM", REAL_TIME]);
  await spinning.add(4);
  assertEquals(spinning.count, 8);

  const sent = Promise.all([
    sender(pid, REAL_TIME, count, "queue", perSecond),
    sender(pid, SIGUSR1, count, "kill", perSecond),
    sender(pid, SIGTERM, 10, "kill", 10),
  ]);
  if (readLate) await sent;
  let allSent = false;
  sent.then(() => allSent = true);

  const tally = new Tally(count);
  const batch = new SignalBatch(256);
  // Quiet for a while after the last was sent: a thread may still be about to write one.
  for (let quiet = 0; quiet < 2000 && !(allSent && tally.times[REAL_TIME] === count);) {
    quiet = fd.readInto(batch) !== null || !allSent ? 0 : quiet + 1;
    tally.add(batch);
    if (batch.count === 0) await turn(1);
  }
  assertEquals(tally.times[REAL_TIME], count);
  assert(tally.values.every((times) => times === 1), "each value came once");
  assert(tally.times[SIGUSR1]! > 0 && tally.times[SIGUSR1]! <= count);
  assert(tally.times[SIGTERM]! > 0 && tally.times[SIGTERM]! <= 10);
  assertEquals([...tally.senders].sort(), [...await sent].sort());
  console.log(
    `${count} real-time signals, of which ${tally.passed} were passed by a later one; ` +
      `SIGUSR1 merged into ${tally.times[SIGUSR1]}, SIGTERM into ${tally.times[SIGTERM]}`,
  );
}

await runCase({
  burst: () => storm({ count: 10_000, perSecond: Infinity, readLate: false }),
  late: () => storm({ count: 10_000, perSecond: Infinity, readLate: true }),
  steady: () => storm({ count: 2000, perSecond: 1000, readLate: false }),
});
