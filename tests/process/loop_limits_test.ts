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
