/**
 * The thread of a worker of an Engine. It is a module of its own because threads are started by a
 * module's URL.
 *
 * @module
 */

import { threadProcess, type Threads } from "./worker_orders.ts";
import type { WorkerOrders } from "./worker_orders.ts";
import { WorkerSide } from "./worker_side.ts";

const { workerData, parentPort } = threadProcess()
  .getBuiltinModule("node:worker_threads") as Threads;

// Whoever imports this module for another reason has no orders.
if (workerData?.claims instanceof SharedArrayBuffer && parentPort !== null) {
  const side = new WorkerSide(workerData as WorkerOrders);
  parentPort.postMessage({ waker: side.shareWaker() });
  void side.serve();
}
