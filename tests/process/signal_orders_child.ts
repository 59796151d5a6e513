// Orders to other threads: each case is one process.

import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { check, libc } from "../../ffi/libc.ts";
import { arch } from "../../ffi/platform.ts";
import { blockedBy } from "../../ffi/proc.ts";
import { UnsupportedError } from "../../ffi/unsupported.ts";
import { actionOf, bitOf, give, handlerOf, type Order } from "../../handles/signal_orders.ts";
import { SignalPage } from "../../handles/signal_page.ts";
import type { ProcWorker } from "../proc_worker.ts";
import { runCase, setDisposition, signalState } from "../signal_fixture.ts";
import { type TestWorker, waitUntil, worker } from "../support.ts";

const ALL = 0xffff_ffff_ffff_ffffn;
const SIGUSR2 = 12;
const CARRIER = 62; // the first that is tried
const page = SignalPage.make();

const start = (): TestWorker<ProcWorker> =>
  worker<ProcWorker>(new URL("../proc_worker.ts", import.meta.url));

const comeBy = (thread: number): Order => ({ thread, block: 0n });

function timed<T>(call: () => T): [result: T, ms: number] {
  const began = performance.now();
  const result = call();
  return [result, performance.now() - began];
}

/** A handler that waits until a word in memory is not 0: `while (!flag); return`. */
const WAITING = {
  x64: [0x83, 0x3d, 0xf9, 0xff, 0, 0, 0, 0x74, 0xf7, 0xc3], // flag 64 KiB above the code
  arm64: [
    0x00,
    0x00,
    0x08,
    0x10,
    0x01,
    0x00,
    0x40,
    0xb9,
    0xe1,
    0xff,
    0xff,
    0x34,
    0xc0,
    3,
    0x5f,
    0xd6,
  ],
  other: [],
} as const;

/** Puts the waiting handler into memory: answers its address, and what lets it go. */
function waitingHandler(): { address: bigint; letGo(): void } {
  const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS } = posix;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const address = libc.mmap(0n, 131072n, PROT_READ | PROT_WRITE, flags, -1, 0n);
  const code = Uint8Array.from(WAITING[arch]);
  libc.copy_out(address, code, BigInt(code.byteLength));
  check("mprotect", libc.mprotect(address, 65536n, PROT_READ | PROT_EXEC));
  return {
    address,
    letGo: () => libc.copy_out(address + 65536n, Uint8Array.of(1), 1n),
  };
}

await runCase({
  async blocks() {
    await using one = start();
    await using two = start();
    const [first, second] = [await one.call("id"), await two.call("id")];
    const before = [await one.call("blocked"), await two.call("blocked")] as const;
    const orders = [{ thread: first, block: bitOf(SIGUSR2) | bitOf(40) }, comeBy(second)];
    assertEquals(give(page, bitOf(SIGUSR2), orders), []);
    assertEquals(await one.call("blocked"), before[0] | bitOf(SIGUSR2) | bitOf(40));
    assertEquals(await two.call("blocked"), before[1]);
    assertEquals(handlerOf(CARRIER), BigInt(posix.SIG_DFL));
    assertEquals(give(page, 0n, []), []);
  },

  async ended() {
    const one = start();
    const thread = await one.call("id");
    await one.terminate();
    await waitUntil(() => blockedBy(thread) === null, 5000, "the thread's end");
    assertEquals(give(page, 0n, [comeBy(thread)]), []);
  },

  /** This is what keeps a closed descriptor's number from a late handler. */
  async inside() {
    await using one = start();
    const thread = await one.call("id");
    const handler = waitingHandler();
    check("sigaction", libc.sigaction(SIGUSR2, actionOf(handler.address), null));
    check("tgkill", libc.tgkill(libc.getpid(), thread, SIGUSR2));
    await waitUntil(() => (blockedBy(thread)! & bitOf(40)) !== 0n, 5000, "the thread is inside");
    const [late, ms] = timed(() => give(page, bitOf(SIGUSR2), [comeBy(thread)]));
    assertEquals(late, [thread]);
    assertGreaterOrEqual(ms, 1000);
    handler.letGo();
    assertEquals(give(page, bitOf(SIGUSR2), [comeBy(thread)]), []);
  },

  async deaf() {
    await using one = start();
    const thread = await one.call("id");
    let best = Infinity;
    for (let attempt = 0; attempt < 3 && best >= 900; attempt++) {
      const holding = one.call("hold", ALL, 3000);
      await waitUntil(() => (blockedBy(thread)! & bitOf(CARRIER)) !== 0n, 5000, "the mask");
      const [late, ms] = timed(() => give(page, bitOf(SIGUSR2), [comeBy(thread)]));
      assertEquals(late, []);
      best = Math.min(best, ms);
      await holding;
    }
    assertLess(best, 900);
  },

  /** An order that was not taken is withdrawn: it must not end the process later. */
  async carrierBlocked() {
    await using one = start();
    const thread = await one.call("id");
    const holding = one.call("hold", bitOf(CARRIER), 2500);
    await waitUntil(() => (blockedBy(thread)! & bitOf(CARRIER)) !== 0n, 5000, "the mask");
    assertEquals(give(page, bitOf(SIGUSR2), [comeBy(thread)]), [thread]);
    await holding;
    assertEquals(give(page, bitOf(SIGUSR2), [comeBy(thread)]), []);
  },

  async carriers() {
    await using one = start();
    const thread = await one.call("id");
    setDisposition(CARRIER, posix.SIG_IGN);
    setDisposition(CARRIER - 1, posix.SIG_IGN);
    const before = signalState();
    assertEquals(give(page, bitOf(CARRIER - 2), [comeBy(thread)]), []);
    assertEquals(signalState(), before);
    for (let signal = 1; signal <= 64; signal++) {
      if (handlerOf(signal) === BigInt(posix.SIG_DFL) && signal !== 9 && signal !== 19) {
        setDisposition(signal, posix.SIG_IGN);
      }
    }
    assertThrows(() => give(page, 0n, [comeBy(thread)]), UnsupportedError, "nothing uses");
    assert(signalState().caught === before.caught);
  },
});
