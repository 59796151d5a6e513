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
