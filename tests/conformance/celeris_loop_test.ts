// What celeris' worker loop is tested for: registration, order, unknown descriptors, one thread.

import { assertEquals, assertThrows } from "@std/assert";
import { libc } from "../../ffi/libc.ts";
import { getAffinity } from "../../handles/affinity.ts";
import { socketPair } from "../../handles/pipe.ts";
import { UnknownFDError } from "../../loop/conn_errors.ts";
import type { ConnHandlers } from "../../loop/conn_options.ts";
import { Loop } from "../../loop/loop.ts";
import { hasCommand, root, spawnScript, test } from "../support.ts";
import { assertBytes, drain, encode, onRecv, until } from "../conn_fixture.ts";

test("celeris: RegisterUnregister, bytes exact, an answer, onClose(null) once, the fd stays open", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = until("hello");
  const conn = loop.registerConn(pair.left.raw, {
    ...handlers,
    onRecv: (bytes, conn) => {
      conn.write(encode("world"));
      handlers.onRecv(bytes, conn);
    },
  });
  pair.right.write(encode("hello"));
  await loop.run();
  await loop.run();
  assertEquals([seen, conn.closed], [["recv hello", "close null"], true]);
  assertBytes(drain(pair.right).bytes, encode("world"));
  pair.left.write(encode("still open"));
  assertBytes(drain(pair.right).bytes, encode("still open"));
});

test("celeris: WriteSerialization, 100 writes of 16 bytes from many tasks, none interleaved", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  loop.registerConn(pair.left, { onRecv });
  const got: string[] = [];
  let rest = "";
  loop.registerConn(pair.right, {
    onRecv: (bytes) => {
      rest += new TextDecoder().decode(bytes.slice());
      for (; rest.length >= 16; rest = rest.slice(16)) got.push(rest.slice(0, 16));
      if (got.length === 100) loop.stop();
    },
  });
  const sent = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(16, "."));
  const tasks = sent.map(async (text, index) => {
    for (let turn = 0; turn < index % 7; turn++) await Promise.resolve();
    loop.write(pair.left, encode(text));
  });
  await Promise.all([loop.run(), ...tasks]);
  assertEquals(got.sort(), sent.sort());
});

test("celeris: FDCollisionRejected, a descriptor that is taken changes nothing", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const { seen, handlers } = until("x");
  const conn = loop.registerConn(pair.left, handlers);
  assertThrows(() => loop.registerConn(pair.left, { onRecv }), Error, "EEXIST");
  assertThrows(() => loop.registerConn(pair.left.raw, { onRecv }), Error, "EEXIST");
  assertEquals([conn.closed, loop.metrics().connections], [false, 1]);
  pair.right.write(encode("x"));
  await loop.run();
  assertEquals(seen, ["recv x", "close null"]);
});

test("celeris: UnknownFD, from a write and from unregistering", () => {
  using loop = Loop.create();
  using pair = socketPair();
  for (const target of [pair.left, pair.left.raw, 123_456]) {
    assertThrows(() => loop.write(target, encode("x")), UnknownFDError);
    assertThrows(() => loop.unregisterConn(target), UnknownFDError);
  }
});

test("celeris: CallbackOnWorkerGoroutine, every callback on one thread", async () => {
  using loop = Loop.create();
  using pair = socketPair();
  const threads: number[] = [];
  const note = (): void => void threads.push(libc.gettid());
  let deliveries = 0;
  const handlers: ConnHandlers = {
    onRecv: (_, conn) => {
      note();
      if (++deliveries === 3) conn.end();
      else pair.right.write(encode("next"));
    },
    onEnd: note,
    onClose: note,
  };
  loop.registerConn(pair.left, handlers);
  pair.right.write(encode("first"));
  loop.setTimer(1, () => pair.right.close());
  await loop.run();
  assertEquals(threads, Array.from({ length: 5 }, () => libc.gettid()));
});

test("celeris: fd < 0 and null callbacks, before any call", () => {
  using loop = Loop.create();
  using pair = socketPair();
  for (const fd of [-1, -2, 2 ** 31, 1.5]) {
    assertThrows(() => loop.registerConn(fd, { onRecv }), RangeError, "Loop.registerConn");
  }
  for (const handlers of [null, undefined, {}, { onRecv: null }, { onRecv, onClose: null }]) {
    assertThrows(() => loop.registerConn(pair.left, handlers as never), TypeError);
  }
  assertEquals(loop.metrics().connections, 0);
});

test.if(
  hasCommand("taskset"),
  "there is no taskset(1)",
  "celeris: CPUID, the CPU that the loop is pinned to, as sched_getaffinity has it, else −1",
  async () => {
    const allowed = getAffinity();
    const script = `
      import process from "node:process";
      import { spawnSync } from "node:child_process";
      import { getAffinity } from "${root}handles/affinity.ts";
      import { Loop } from "${root}loop/loop.ts";
      using loop = Loop.create();
      const seen = [];
      for (const cpus of process.argv.slice(2)) {
        spawnSync("taskset", ["-cp", cpus, String(process.pid)]);
        seen.push([loop.cpuId, ...getAffinity()]);
      }
      console.log(JSON.stringify(seen));`;
    const args = [allowed.join(","), ...allowed.map(String)];
    const { code, stdout, stderr } = await spawnScript(script, { args });
    assertEquals([code, stderr], [0, ""]);
    const [free, ...pinned] = JSON.parse(stdout) as number[][];
    assertEquals(free, [allowed.length === 1 ? allowed[0]! : -1, ...allowed]);
    assertEquals(pinned, allowed.map((cpu) => [cpu, cpu]));
  },
);
