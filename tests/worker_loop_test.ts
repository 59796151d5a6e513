import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { getAffinity } from "../handles/affinity.ts";
import { EventFD } from "../handles/event_fd.ts";
import { socketPair } from "../handles/pipe.ts";
import type { FD } from "../handles/fd.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { QueueFullError, UnknownFDError } from "../loop/conn_errors.ts";
import { Loop } from "../loop/loop.ts";
import { assertBytes, decode, encode, pattern } from "./conn_fixture.ts";
import { bench, handler } from "./engine_fixture.ts";
import { deadline, test, waitUntil } from "./support.ts";

const buffer = new Uint8Array(new ArrayBuffer(65536));

/** Reads so many bytes from a handle that does not block. */
async function received(end: FD, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let got = 0;
  await waitUntil(
    () => {
      for (let count = end.read(buffer); count !== null; count = end.read(buffer)) {
        bytes.set(buffer.subarray(0, count), got);
        got += count;
      }
      return got >= length;
    },
    20_000,
    `${length} bytes`,
  );
  return bytes;
}

test("C02 C05 register, echo, unregister: the descriptor stays the caller's, and onClose was called", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(1);
  using pair = socketPair();
  await worker.registerConn(pair.left, handler, { carry: encode("before ") });
  pair.right.write(encode("hello"));
  assertEquals(decode(await received(pair.right, 12)), "before hello");
  await worker.unregisterConn(pair.left);
  const { seen } = await running.tell(1);
  assertEquals(seen, ["start", "close null"]);
  pair.right.write(encode("after"));
  assertEquals(decode(await received(pair.left, 5)), "after");
  assertEquals([worker.metrics().registered, worker.metrics().open, worker.index], [1, 0, 1]);
  await assertRejects(() => worker.unregisterConn(pair.left), UnknownFDError);
  await assertRejects(() => worker.write(pair.left, new Uint8Array(1)), UnknownFDError);
});

test("C03 C04 the same descriptor again is refused, on the same worker and on another", async () => {
  await using running = await bench();
  const { engine } = running;
  using pair = socketPair();
  await engine.workerLoop(0).registerConn(pair.left, handler);
  for (const worker of [0, 1]) {
    const call = (): Promise<void> => engine.workerLoop(worker).registerConn(pair.left, handler);
    const error = await assertRejects(call, SyscallError, "worker 0 has it");
    assertEquals(error.code, "EEXIST");
  }
  await assertRejects(() => engine.workerLoop(1).write(pair.left, buffer), UnknownFDError);
  await engine.workerLoop(0).unregisterConn(pair.left);
  await engine.workerLoop(1).registerConn(pair.left, handler);
  // Whoever comes first has it, also when all come at once.
  using other = socketPair();
  const calls = [0, 1, 0, 1].map((worker) =>
    engine.workerLoop(worker).registerConn(other.left, handler)
  );
  const outcomes = await Promise.allSettled(calls);
  assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
});

test("C06 C08 writes are copied at the call, and sent in their order, whatever their length", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(0);
  using pair = socketPair();
  await worker.registerConn(pair.left, handler);
  const lengths = Array.from({ length: 60 }, (_, index) => (index * 7919) % 100_000);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const answers: Promise<boolean>[] = [];
  let at = 0;
  for (const length of lengths) {
    const bytes = pattern(length, at);
    answers.push(worker.write(pair.left, bytes));
    bytes.fill(255);
    at += length;
  }
  assertBytes(await received(pair.right, total), pattern(total));
  const taken = await Promise.all(answers);
  assert(taken.includes(true) && taken.includes(false), "some had to wait");
});

test("C07 the cap of a connection holds across threads: none of it or all", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(0);
  using pair = socketPair();
  await worker.registerConn(pair.left, handler, { maxBacklog: 1_000_000 });
  const answers = await Promise.allSettled(
    Array.from({ length: 12 }, () => worker.write(pair.left, pattern(200_000))),
  );
  const refused = answers.filter(({ status }) => status === "rejected");
  assertGreater(refused.length, 0);
  for (const answer of refused) {
    const { reason } = answer as PromiseRejectedResult;
    assert(reason instanceof QueueFullError && reason.limit === 1_000_000, String(reason));
  }
  const all = (12 - refused.length) * 200_000;
  const bytes = await received(pair.right, all);
  for (let at = 0; at < all; at += 200_000) {
    assertBytes(bytes.subarray(at, at + 200_000), pattern(200_000));
  }
  assertEquals(pair.right.read(buffer), null);
});

test("C02 what cannot be registered is refused, and nothing is left of it", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(0);
  using blocking = socketPair({ blocking: true });
  using pair = socketPair();
  const nowhere = new URL("file:///nowhere/handler.ts");
  await assertRejects(() => worker.registerConn(blocking.left, handler), TypeError, "block");
  await assertRejects(() => worker.registerConn(pair.left, nowhere), Error, "nowhere");
  await assertRejects(() => worker.registerConn(987_654, handler), SyscallError, "EBADF");
  await assertRejects(
    () => worker.registerConn(pair.left, (() => {}) as unknown as string),
    TypeError,
    "cannot cross",
  );
  await assertRejects(() => worker.registerConn(pair.left, "./handler.ts"), TypeError, "whole URL");
  await assertRejects(() => worker.write(pair.left, "text" as never), TypeError, "typed array");
  await worker.registerConn(pair.left, handler);
  assertEquals(worker.metrics().registered, 1);
});

test("C05 a connection that ends by itself is free to be registered anew", async () => {
  await using running = await bench();
  const worker = running.engine.workerLoop(0);
  const pair = socketPair();
  await worker.registerConn(pair.left, handler);
  pair.right.close();
  await waitUntil(() => worker.metrics().open === 0, 5000, "its end");
  await assertRejects(() => worker.write(pair.left, buffer), UnknownFDError);
  pair.left.close();
});

test("C27 cpuId is the CPU that the thread is bound to, and -1 when it is not, or could not be", async () => {
  const cpus = getAffinity();
  {
    await using running = await bench({ affinity: [cpus[0]!, cpus.at(-1)!] });
    const { engine } = running;
    assertEquals([0, 1].map((n) => engine.workerLoop(n).cpuId), [cpus[0], cpus.at(-1)]);
  }
  {
    await using running = await bench({ affinity: [60_000, cpus[0]!] });
    const { engine } = running;
    const free = cpus.length === 1 ? cpus[0] : -1;
    assertEquals([0, 1].map((n) => engine.workerLoop(n).cpuId), [free, cpus[0]]);
  }
});

test("C17 a worker that sleeps is woken by what is sent to it: a thousand round trips", async () => {
  await using running = await bench({ workers: 1 });
  const worker = running.engine.workerLoop(0);
  using counter = EventFD.create();
  using pair = socketPair();
  await worker.registerConn(pair.left, handler);
  using loop = Loop.create({ attached: true });
  for (let round = 0; round < 1000; round++) {
    assertEquals(await worker.write(pair.left, new Uint8Array(1)), true);
    assertEquals(pair.right.read(buffer), 1);
  }
  counter.signal();
  await deadline(10_000, loop.readable(counter), "this thread's own loop");
});
