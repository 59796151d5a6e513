import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import {
  assertAllGone,
  directed,
  type DirectedServer,
  folder,
  load,
  RawClient,
  total,
} from "../httpd_fixture.ts";
import { hasCommand, test, waitUntil } from "../support.ts";

const SIZES = [1, 700, 20_000, 8_000_000];

/** A folder whose name is long, and three times as long where it is encoded. */
const LONG = Array(3).fill(" ".repeat(250)).join("/");

/** Small, so that nobody waits long for a limit to pass, and far above what a busy machine takes. */
const TIMEOUTS = { header: 1500, idle: 3000, write: 1500 };

/** The connections that are open now. */
const open = async (server: DirectedServer): Promise<number> =>
  total(await server.tell({ order: "tell" }), "open");

/** Those who behave, while the others do not: at the end all their answers were right. */
async function amongOthers(
  body: (server: DirectedServer) => Promise<void>,
  timeouts: typeof TIMEOUTS = TIMEOUTS,
): Promise<void> {
  using dir = folder(...SIZES);
  fs.mkdirSync(`${dir.path}/${LONG}`, { recursive: true });
  await using server = await directed(dir.path, timeouts);
  const orders = { stayers: 4, comers: 2, depth: 4, sizes: SIZES.slice(0, 3) };
  await using others = await load({ port: server.port, ...orders });
  await body(server);
  const { cut, cutInside, resetAtOnce, resetLater, answered, turnedAway } = await others.finish();
  assertEquals([cut, cutInside, resetAtOnce, resetLater, turnedAway], [0, 0, 0, 0, 0]);
  assert(answered > 0);
  assertEquals((await server.tell({ order: "tell" })).deaths, []);
  await assertAllGone(server);
  await server.finish();
}

test("httpd: who sends a header byte by byte is ended by its limit, at any pace", () =>
  amongOthers(async (server) => {
    const begin = performance.now();
    const clients = Array.from({ length: 20 }, () => new RawClient(server.port));
    // The header never ends, and a byte of it comes long before a connection counts as idle.
    const drip = setInterval(() => clients.forEach((client) => client.say("G")), 100);
    try {
      for (const client of clients) {
        assert(["end", "ECONNRESET", "EPIPE"].includes(await client.end()));
      }
    } finally {
      clearInterval(drip);
      for (const client of clients) client[Symbol.dispose]();
    }
    assert(performance.now() - begin >= TIMEOUTS.header);
  }));

test("httpd: who asks for more and more and never reads costs one file, and is ended", () =>
  amongOthers(async (server) => {
    using greedy = new RawClient(server.port, "pause");
    for (let time = 0; time < 200; time++) greedy.get(...Array(50).fill("/3.bin") as string[]);
    using chatty = new RawClient(server.port, "pause");
    const long = `/${LONG.replaceAll(" ", "%20")}`;
    for (let time = 0; time < 100; time++) chatty.get(...Array(50).fill(long) as string[]);
    const errors = async (): Promise<number> =>
      total(await server.tell({ order: "tell" }), "errors");
    // On a busy machine the first has reached its end before the second comes.
    const both = async (): Promise<boolean> => await open(server) >= 8 || await errors() >= 1;
    await waitUntil(both, 10_000, "both to be there");
    const { pendingBytes } = (await server.tell({ order: "tell" })).metrics[0]!.total;
    assert(pendingBytes < 100_000, `${pendingBytes} bytes wait`);
    await waitUntil(async () => await errors() >= 2, 10_000, "their end");
  }));

test("httpd: connections that say nothing, half-open ones too, are ended", () =>
  amongOthers(async (server) => {
    const silent = Array.from({ length: 20 }, () => new RawClient(server.port));
    using kept = new RawClient(server.port);
    using half = new RawClient(server.port);
    assertEquals((await kept.get("/1.bin").answer()).body.length, 700);
    // It has said that it will send no more, and does not read what it has asked for.
    using deaf = new RawClient(server.port, "pause");
    deaf.get("/3.bin").finish();
    half.say("GET /1.bin HTTP/1.1\r\nHost: x\r\n").finish();
    for (const client of [...silent, kept, half]) assertEquals(await client.end(), "end");
    for (const client of silent) client[Symbol.dispose]();
  }));

const CLIENT = `
import os, socket, sys, time
conns = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(30)]
for number, conn in enumerate(conns):
    if number % 3 == 0: conn.sendall(b"GET /3.bin HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 5)
    if number % 3 == 1: conn.sendall(b"GET /1.bin HTTP/1.1\\r\\nHo")
print("there", flush=True)
time.sleep(60)
`;

test.if(
  hasCommand("python3"),
  "there is no python3 to be the client",
  "httpd: kill -9 of a client in the middle of everything is nobody else's loss",
  () =>
    amongOthers(async (server) => {
      const client = spawn("python3", ["-c", CLIENT, String(server.port)]);
      const ended = once(client, "exit");
      await once(client.stdout, "data");
      await waitUntil(async () => await open(server) >= 30, 10_000, "its connections");
      process.kill(client.pid!, "SIGKILL");
      await ended;
      client.stdin.destroy();
      client.stdout.destroy();
      client.stderr.destroy();
      await waitUntil(async () => await open(server) <= 6, 10_000, "their end");
    }, { header: 60_000, idle: 60_000, write: 60_000 }), // it is not these that end them
);
