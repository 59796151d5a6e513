// A loop in a process that has no descriptor left.

import { assertEquals } from "@std/assert";
import { root, spawnScript, test } from "../support.ts";

test("C02 no descriptor left for the timer of a limit: EMFILE, and the connection is not half there", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import { FD } from "${root}handles/fd.ts";
    import { socketPair } from "${root}handles/pipe.ts";
    import { Loop } from "${root}loop/loop.ts";
    import { limitDescriptors } from "${root}tests/descriptor_limit.ts";
    limitDescriptors(500);
    const loop = Loop.create();
    const pair = socketPair();
    const spare = [];
    try {
      for (;;) spare.push(FD.duplicate(0));
    } catch (error) {
      console.log(error.code);
    }
    const handlers = { onRecv: (bytes, conn) => conn.unregister() };
    const register = () => loop.registerConn(pair.left, handlers, { timeouts: { idle: 10_000 } });
    try {
      register();
    } catch (error) {
      console.log(error.code, error.syscall);
    }
    const { connections, timers } = loop.metrics();
    console.log(connections, timers);
    await loop.run();
    loop.registerConn(pair.left, handlers).unregister(); // without a limit there is no timer
    await loop.run();
    for (const fd of spare) fd.close();
    const conn = register();
    pair.right.write(new Uint8Array(1));
    await loop.run();
    console.log(conn.closed, loop.metrics().timers);`);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertEquals(stdout, "EMFILE\nEMFILE timerfd_create\n0 0\ntrue 0\n");
});

test("R08 no descriptor left to hear of a closing on another thread: EMFILE, and nothing is half-made", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import { backend } from "${root}ffi/platform.ts";
    import { EventFD } from "${root}handles/event_fd.ts";
    import { FD } from "${root}handles/fd.ts";
    import { Loop } from "${root}loop/loop.ts";
    const RLIMIT_NOFILE = 7;
    backend.bind("setrlimit", ["i32", "i32", "buf"])(RLIMIT_NOFILE, new BigUint64Array([500n, 500n]));
    const loop = Loop.create();
    const [own, shared] = [EventFD.create(), EventFD.create()];
    shared.share();
    const watch = loop.watch(own, { readable: true }, () => {
      console.log("reported", own.wait());
      watch.cancel();
    });
    const spare = [];
    try {
      for (;;) spare.push(FD.duplicate(0));
    } catch {}
    const attempt = (call) => {
      try {
        call();
        console.log("done");
      } catch (error) {
        console.log(error.code, error.syscall);
      }
    };
    const share = () => own.share();
    const start = () => loop.watch(shared, { readable: true }, () => {}).cancel();
    attempt(share);
    attempt(start);
    own.signal(3); // it is as it was
    await loop.run();
    for (const fd of spare) fd.close();
    attempt(share);
    attempt(start);
    await loop.run();`);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertEquals(stdout, "EMFILE eventfd\nEMFILE eventfd\nreported 3n\ndone\ndone\n");
});

test("X05 no descriptor left for the thread of an attached loop: EMFILE, and nothing stays open", async () => {
  const { code, stdout, stderr } = await spawnScript(`
    import { FD } from "${root}handles/fd.ts";
    import { Loop } from "${root}loop/loop.ts";
    import { limitDescriptors } from "${root}tests/descriptor_limit.ts";
    const fill = () => {
      const spare = [];
      try {
        for (;;) spare.push(FD.duplicate(0));
      } catch {
        return spare;
      }
    };
    const warm = Loop.create({ attached: true });
    await new Promise((resolve) => warm.setTimer(1, resolve));
    limitDescriptors(500);
    const spare = fill();
    for (const fd of spare.splice(0, 2)) fd.close(); // for the set and its bell
    try {
      Loop.create({ attached: true });
    } catch (error) {
      console.log(error.code, error.syscall);
    }
    const free = fill();
    for (const fd of [...spare, ...free]) fd.close();
    console.log(free.length);
    warm.close();`);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertEquals(stdout, "EMFILE eventfd\n2\n");
});

test("C19 no descriptor left when a write begins to wait: its limit has the timer already", async () => {
  const { code, stdout, stderr } = await spawnScript(
    `
    import { FD } from "${root}handles/fd.ts";
    import { socketPair } from "${root}handles/pipe.ts";
    import { Loop } from "${root}loop/loop.ts";
    import { limitDescriptors } from "${root}tests/descriptor_limit.ts";
    limitDescriptors(500);
    const loop = Loop.create();
    const pair = socketPair();
    const handlers = { onRecv() {}, onDrain: (conn) => conn.unregister() };
    const conn = loop.registerConn(pair.left, handlers, { timeouts: { write: 60_000 } });
    const spare = [];
    try {
      for (;;) spare.push(FD.duplicate(0));
    } catch {}
    const bytes = 3_000_000;
    console.log(conn.write(new Uint8Array(bytes)));
    for (const fd of spare) fd.close();
    let received = 0;
    const peer = loop.registerConn(pair.right, {
      onRecv: ({ byteLength }, peer) => {
        received += byteLength;
        if (received === bytes) peer.unregister();
      },
    });
    await loop.run();
    console.log(received, loop.metrics().timers);`,
    { timeoutMs: 20_000 },
  );
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  assertEquals(stdout, "false\n3000000 0\n");
});
