// A server without a descriptor left: the clients are here, the server is a process with a low limit.

import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { outcome } from "../acceptor_fixture.ts";
import { root, type RunningScript, startScript, test, turn, waitUntil } from "../support.ts";

/** More than the server can have. */
const CLIENTS = 80;

/** The time in which the server must not run, and in how many such times it may have to be looked for. */
const WINDOW_MS = 2000;
const WINDOWS = 3;

/** A clock tick of /proc, USER_HZ, which is the same on every machine. */
const TICK_MS = 10;

/** Greets each client with a byte and echoes what it sends; prints its port, then what goes wrong. */
function server(overload: "wait" | "refuse"): RunningScript {
  return startScript(
    `
    import fs from "node:fs";
    import process from "node:process";
    import { backend } from "${root}ffi/platform.ts";
    import { Socket } from "${root}handles/socket.ts";
    import { Loop } from "${root}loop/loop.ts";
    const loop = Loop.create();
    const listener = Socket.listen("127.0.0.1:0");
    const acceptor = loop.accept(listener, {
      onAccept(socket) {
        const onRecv = (bytes, conn) => conn.write(bytes);
        loop.registerConn(socket, { onRecv, onClose: () => socket.close() }).write(new Uint8Array(1));
      },
      onError: (error) => console.log(error.code),
    }, { overload: "${overload}" });
    console.log(listener.localAddress.port);
    process.on("SIGWINCH", () => {}); // Deno 2.9 opens a pair for signals late, and panics without
    const open = fs.readdirSync("/proc/self/fd").map(Number);
    const RLIMIT_NOFILE = 7;
    const limit = new BigUint64Array(new ArrayBuffer(16));
    backend.bind("getrlimit", ["i32", "i32", "buf"])(RLIMIT_NOFILE, limit);
    let numbers = 0;
    for (let free = 0; free < 40; numbers++) if (!open.includes(numbers)) free++;
    limit[0] = BigInt(numbers);
    backend.bind("setrlimit", ["i32", "i32", "buf"])(RLIMIT_NOFILE, limit);
    await loop.run();`,
    // Bun wakes its main thread about once a second to ask whether there is garbage.
    { env: { BUN_GC_TIMER_DISABLE: "1" }, timeoutMs: 60_000 },
  );
}

/** The CPU time that a process has used, in ms: fields 14 and 15 of /proc/pid/stat. */
function cpuTime(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) * TICK_MS;
}

/** The least part of a processor that a process used in one of several times. */
async function cpuShare(pid: number): Promise<number> {
  let least = Infinity;
  for (let window = 0; window < WINDOWS && least >= 0.05; window++) {
    const [before, begin] = [cpuTime(pid), performance.now()];
    await turn(WINDOW_MS);
    least = Math.min(least, (cpuTime(pid) - before) / (performance.now() - begin));
  }
  return least;
}

/** Whether a connection still echoes what is sent on it. */
function echoes(client: Socket): boolean {
  client.write(new Uint8Array(1));
  return outcome(client) === "bytes";
}

/** Clients, as many as were let in and those that were not, once the server says that it is full. */
async function fill(script: RunningScript): Promise<{ inside: Socket[]; outside: Socket[] }> {
  const address = `127.0.0.1:${await script.line()}`;
  const clients = Array.from({ length: CLIENTS }, () => Socket.connect(address));
  assertEquals(await script.line(), "EMFILE");
  const inside: Socket[] = [];
  // They are accepted in the order in which they came.
  for (const client of clients) {
    if (outcome(client, inside.length === 0 ? 5000 : 200) !== "bytes") break;
    inside.push(client);
  }
  return { inside, outside: clients.slice(inside.length) };
}

test(
  "C21 EMFILE: under 5 % of a processor, nobody inside is lost, and who waits gets in at once",
  async () => {
    await using script = server("wait");
    const { inside, outside } = await fill(script);
    using all = new DisposableStack();
    for (const client of [...inside, ...outside]) all.use(client);
    assert(inside.length >= 10 && outside.length >= 30, `${inside.length} inside`);
    const share = await cpuShare(script.pid);
    assert(share < 0.05, `${(share * 100).toFixed(1)} % of a processor`);
    assertEquals(inside.filter(echoes).length, inside.length);
    assertEquals(outcome(outside[0]!, 0), "nothing");
    for (const client of inside.splice(0, 5)) client.close();
    assertEquals(outside.slice(0, 5).map((client) => outcome(client)), Array(5).fill("bytes"));
    assertEquals(outcome(outside[5]!, 100), "nothing");
    assertEquals([...inside, ...outside.slice(0, 5)].filter((client) => !echoes(client)), []);
  },
  { timeoutMs: 60_000 },
);

test(
  "C21 EMFILE, overload: refuse: who cannot be served gets FIN at once, under 5 % of a processor",
  async () => {
    await using script = server("refuse");
    const { inside, outside } = await fill(script);
    using all = new DisposableStack();
    for (const client of [...inside, ...outside]) all.use(client);
    // The first of them was looked at already, and has read the end that it reads again.
    assertEquals(outside.map((client) => outcome(client)), outside.map(() => "FIN"));
    const share = await cpuShare(script.pid);
    assert(share < 0.05, `${(share * 100).toFixed(1)} % of a processor`);
    assertEquals(inside.filter(echoes).length, inside.length);
    const address = inside[0]!.remoteAddress!;
    inside.pop()!.close();
    await waitUntil(
      () => {
        using client = Socket.connect(address, { blocking: true });
        return outcome(client) === "bytes";
      },
      10_000,
      "a client is served again",
    );
  },
  { timeoutMs: 60_000 },
);
