// A storm of signals during traffic. A signal ends the call that its thread is inside with EINTR,
// whatever the handler does, see signal(7); the kernel gives the timer's to the main thread first.

import { assert, assertEquals, assertGreater } from "@std/assert";
import { root, spawnScript, test } from "../support.ts";

/** Eight connections that echo, while a timer of the process fires each millisecond. */
const STORM = `
    import process from "node:process";
    import { errnoNumber } from "${root}ffi/errno.ts";
    import { errno, libc } from "${root}ffi/libc.ts";
    import { backend } from "${root}ffi/platform.ts";
    import { Loop } from "${root}loop/loop.ts";
    import { connection } from "${root}tests/socket_fixture.ts";

    let handled = 0;
    process.on("SIGALRM", () => void handled++);
    libc.getpid();
    // EINTR has to happen, or this shows nothing: the bare call is counted.
    const EINTR = errnoNumber("EINTR");
    let interrupted = 0;
    for (const name of ["epoll_wait", "epoll_pwait2", "read", "write"]) {
      const call = libc[name];
      libc[name] = (...args) => {
        const result = call(...args);
        if (result === -1 && errno() === EINTR) interrupted++;
        return result;
      };
    }

    using loop = Loop.create();
    const closes = [];
    let [wrong, messages] = [0, 0];
    const ends = Array.from({ length: 8 }, () => connection());
    const clients = ends.map(({ client, server }, index) => {
      const expected = [];
      loop.registerConn(server, {
        onRecv: (bytes, conn) => void conn.write(bytes),
        onClose: (error) => closes.push(String(error)),
      });
      const conn = loop.registerConn(client, {
        onRecv: (bytes) => {
          for (const byte of bytes) if (byte !== expected.shift()) wrong++;
        },
        onClose: (error) => closes.push(String(error)),
      });
      return () => {
        const message = Uint8Array.from({ length: 50 }, (_, at) => (index + at + messages) % 256);
        expected.push(...message);
        messages++;
        conn.write(message);
        return expected;
      };
    });
    // The loop sleeps between two beats, so that the storm finds it in the wait.
    const beat = loop.setInterval(2.3, () => {
      for (const send of clients) send();
    });

    const ITIMER_REAL = 0;
    const setitimer = backend.bind("setitimer", ["i32", "i32", "buf", "buf"]);
    const every = (microseconds) => {
      const period = BigInt(microseconds);
      setitimer(ITIMER_REAL, new BigInt64Array([0n, period, 0n, period]), null);
    };
    // For two seconds, and on a busy machine until there was enough of a storm.
    const over = () => {
      const enough = interrupted > 300 && handled > 30 && messages > 1000;
      if (!enough && performance.now() < last) return void loop.setTimer(100, over);
      beat.cancel();
      loop.post(() => loop.post(() => loop.post(() => loop.stop())));
    };
    const last = performance.now() + 20_000;
    loop.setTimer(2000, over);
    every(1000);
    await loop.run();
    every(0);
    const { connections } = loop.metrics();
    const result = { interrupted, handled, messages, wrong, closes, connections };
    console.log(JSON.stringify(result));
    process.exit(0);`;

test("C13 a signal each millisecond during traffic: no connection is lost, no byte wrong", async () => {
  const { code, stdout, stderr } = await spawnScript(STORM);
  assertEquals(code, 0, `${stdout}\n${stderr}`);
  const { interrupted, handled, messages, wrong, closes, connections } = JSON.parse(stdout) as {
    [key: string]: number;
  } & { closes: string[] };
  assertEquals([wrong, closes, connections], [0, [], 16]);
  assertGreater(interrupted!, 300, "times that EINTR was returned");
  assertGreater(handled!, 30, "times that the handler ran: signals of a burst are one");
  assert(messages! > 1000, `${messages} messages`);
});
