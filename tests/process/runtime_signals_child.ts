// The cases of runtime_signals_test.ts.

import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { isIdle, settleRuntime } from "../../handles/runtime_signals.ts";
import { handlerOf, isHandler } from "../../handles/signal_orders.ts";
import { runCase, setDisposition } from "../signal_fixture.ts";
import { runtime, turn, waitUntil } from "../support.ts";
import { spinners } from "./signal_spinner.ts";

const OWN = [1, 2, 10, 15];
const SIGUSR2 = 12;
const dispositions = (): (bigint | null)[] => OWN.map(handlerOf);

await runCase({
  async settles() {
    for (const signal of OWN) settleRuntime(signal);
    const settled = dispositions();
    assertEquals(settled.map(isHandler), OWN.map(() => runtime === "deno"));
    for (const [index, signal] of OWN.entries()) {
      if (isHandler(settled[index]!)) assert(isIdle(signal, settled[index]!));
    }
    await using spinning = await spinners(2);
    for (let look = 0; look < 20; look++) {
      assertEquals(dispositions(), settled, `${spinning.count} workers`);
      await turn(20);
    }
  },

  restores() {
    setDisposition(1, posix.SIG_IGN);
    settleRuntime(1);
    if (runtime === "bun") assertEquals(handlerOf(1), BigInt(posix.SIG_IGN));
    else assert(isIdle(1, handlerOf(1)!));
  },

  async listeners() {
    const nobody = (): void => {};
    process.on("SIGTERM", nobody);
    await waitUntil(() => isHandler(handlerOf(15)), 5000, "the listener");
    assert(!isIdle(15, handlerOf(15)!));
    settleRuntime(15); // leaves it alone
    assertEquals(process.listenerCount("SIGTERM"), 1);
    process.off("SIGTERM", nobody);
    assertEquals(isHandler(handlerOf(15)) && isIdle(15, handlerOf(15)!), runtime === "deno");
    assert(!isIdle(15, 0x1234n));
  },

  async others() {
    process.on("SIGUSR2", () => {});
    await waitUntil(() => isHandler(handlerOf(SIGUSR2)), 5000, "the listener");
    assert(!isIdle(SIGUSR2, handlerOf(SIGUSR2)!) && !isIdle(11, handlerOf(11)!));
    settleRuntime(40);
    assertEquals(handlerOf(40), BigInt(posix.SIG_DFL));
  },
});
