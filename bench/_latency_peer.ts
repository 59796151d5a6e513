/**
 * The other side of bench/latency.ts, on a thread of its own: does something at its time, and says
 * when it was. It serves HTTP as well.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";

/** What the thread is started with. */
export interface PeerOrders {
  readonly counter: SharedEventFD;
  /** One Float64: when the counter was written; 0 once that was seen. */
  readonly written: SharedArrayBuffer;
}

/** What it does from now on, each few milliseconds. */
export type PeerRequest = "signal" | "message" | "nothing" | "end";

const EVERY_MS = 3;

const timespec = new Int32Array(new ArrayBuffer(16));

/** The time in µs, which is the same on all threads: `CLOCK_MONOTONIC`. */
export function now(): number {
  libc.clock_gettime(posix.CLOCK_MONOTONIC, timespec);
  return timespec[0]! * 1e6 + timespec[2]! / 1000;
}

function serve({ counter, written }: PeerOrders): void {
  const bell = EventFD.from(counter);
  const when = new Float64Array(written);
  const server = createServer((_, response) => response.end("x"));
  let doing: PeerRequest = "nothing";
  setInterval(() => {
    if (doing === "message") parentPort!.postMessage(now());
    if (doing !== "signal" || when[0] !== 0) return;
    when[0] = now();
    bell.signal();
  }, EVERY_MS);
  parentPort!.on("message", (request: PeerRequest) => {
    doing = request;
    if (request === "end") process.exit(0); // ends this thread only
  });
  server.listen(0, "127.0.0.1", () => {
    parentPort!.postMessage((server.address() as AddressInfo).port);
  });
}

if ((workerData as PeerOrders | null)?.written !== undefined) serve(workerData as PeerOrders);
