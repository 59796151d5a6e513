/**
 * The clients of bench/fairness.ts, on a thread of their own: each connection sends a byte every 10 ms
 * and waits for its echo.
 *
 * @module
 */

import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { Loop } from "../loop/loop.ts";
import { LoopWaker, type SharedWaker } from "../loop/waker.ts";

/** What the thread is started with. */
export interface PingerOrders {
  readonly clients: readonly SharedDescriptor[];
  readonly waker: SharedWaker;
  readonly seconds: number;
}

/** What it answers: how long each echo took, in µs, and how many never came. */
export interface PingerAnswer {
  readonly times: Float64Array;
  readonly lost: number;
}

const PERIOD_MS = 10;

async function ping({ clients, seconds }: PingerOrders): Promise<PingerAnswer> {
  using loop = Loop.create();
  const times: number[] = [];
  const byte = new Uint8Array(new ArrayBuffer(1));
  const sentAt: (number | null)[] = clients.map(() => null);
  const conns = clients.map((client, index) =>
    loop.registerConn(FD.from(client), {
      onRecv: () => {
        times.push((performance.now() - sentAt[index]!) * 1000);
        sentAt[index] = null;
      },
    })
  );
  // A tenth of them each millisecond, so that they do not come in one burst.
  let beat = 0;
  const clock = loop.setInterval(1, () => {
    const phase = beat++ % PERIOD_MS;
    for (let index = phase; index < conns.length; index += PERIOD_MS) {
      if (sentAt[index] !== null) continue; // its echo is still awaited
      sentAt[index] = performance.now();
      conns[index]!.write(byte);
    }
  });
  loop.setTimer(seconds * 1000, () => {
    clock.cancel();
    loop.stop();
  });
  await loop.run();
  const now = performance.now();
  // One that is still awaited took at least so long: leaving it out would hide the worst.
  for (const sent of sentAt) if (sent !== null) times.push((now - sent) * 1000);
  const lost = sentAt.filter((sent) => sent !== null).length;
  return { times: Float64Array.from(times), lost };
}

const orders = workerData as PingerOrders;
const answer = await ping(orders);
parentPort!.postMessage(answer);
LoopWaker.from(orders.waker).wake();
process.exit(0);
