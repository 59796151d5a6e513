// As many connections on one engine as this machine allows, and the highest numbers that it has.

import { assertEquals, assertGreater } from "@std/assert";
import fs from "node:fs";
import { root, startScript, test } from "../support.ts";

/** The highest that this process may raise its limit of descriptors to. */
const hardLimit = Number(
  /^Max open files\s+\S+\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0,
);

/** What the runtime, the listeners and the loops need besides. */
const SPARE = 300;
const MANY = Math.min(20_000, hardLimit - SPARE);
if (MANY < 20_000) {
  console.log(`engines: ${MANY} connections instead of 20,000: the limit is ${hardLimit}`);
}

const IMPORTS = `
  import fs from "node:fs";
  import { backend } from "${root}ffi/platform.ts";
  import { libc } from "${root}ffi/libc.ts";
  import { Socket } from "${root}handles/socket.ts";
  import { bench, ask } from "${root}tests/engine_fixture.ts";
  import { waitUntil } from "${root}tests/support.ts";
  const raise = (limit) => {
    const values = new BigUint64Array(new ArrayBuffer(16)).fill(BigInt(limit));
    if (backend.bind("setrlimit", ["i32", "i32", "buf"])(7, values) !== 0) throw new Error("limit");
  };
  const lines = (async function* () {
    let text = "";
    for await (const part of (await import("node:process")).stdin) {
      text += part;
      for (let end = text.indexOf("\\n"); end >= 0; end = text.indexOf("\\n")) {
        yield text.slice(0, end);
        text = text.slice(end + 1);
      }
    }
  })();`;

const SERVER = `${IMPORTS}
  raise(${hardLimit});
  const { engine, address } = await bench();
  const open = () => fs.readdirSync("/proc/self/fd").length;
  const before = open();
  console.log(address.port);
  await lines.next();
  const { total, workers } = engine.metrics();
  console.log([total.open, total.accepts, total.errors, workers.every((one) => one.open > 0)].join());
  await waitUntil(() => engine.metrics().total.open === 0, 20_000, "the end of all");
  console.log(open() - before);
  console.log(await engine.shutdown());
  (await import("node:process")).exit(0);`;

const CLIENTS = `${IMPORTS}
  raise(${hardLimit});
  const port = Number((await lines.next()).value);
  const clients = [];
  for (let number = 0; number < ${MANY}; number++) {
    // Several addresses: the kernel searches long for a port when most of one address are taken.
    const options = { blocking: true, local: "127.0.0." + (2 + number % 4) + ":0" };
    const client = Socket.connect({ family: "inet", address: "127.0.0.1", port }, options);
    client.write(new Uint8Array([number % 251]));
    clients.push(client);
  }
  const byte = new Uint8Array(new ArrayBuffer(1));
  let wrong = 0;
  clients.forEach((client, number) => {
    if (client.read(byte) !== 1 || byte[0] !== number % 251) wrong++;
  });
  console.log(wrong);
  await lines.next();
  for (const client of clients) client.close();
  (await import("node:process")).exit(0);`;

test(`C36 ${MANY} connections on one engine, each answered, all closed`, async () => {
  await using server = startScript(SERVER, { timeoutMs: 60_000 });
  await using clients = startScript(CLIENTS, { timeoutMs: 60_000 });
  clients.write(`${await server.line()}\n`);
  assertEquals(await clients.line(50_000), "0", "wrong answers");
  server.write("count\n");
  assertEquals(await server.line(), `${MANY},${MANY},0,true`);
  clients.write("close\n");
  const left = Number(await server.line(30_000));
  assertGreater(20, left, "descriptors that are left");
  assertEquals(await server.line(), "0");
}, { timeoutMs: 90_000 });

test.if(
  hardLimit > 70_000,
  `the limit of descriptors is ${hardLimit} and cannot be raised`,
  "C36 numbers above 65,535 are connections of an engine like others",
  async () => {
    await using script = startScript(`${IMPORTS}
      raise(70_010);
      const { engine } = await bench();
      const listener = Socket.listen("127.0.0.1:0");
      const client = Socket.connect(listener.localAddress, { blocking: true });
      const server = listener.accept();
      const high = libc.fcntl(server.raw, 1030, 70_000);
      server.close();
      await engine.adoptConn(high);
      console.log(high, ask(client, "high"));
      await engine.shutdown({ deadline: 0 });
      console.log(client.read(new Uint8Array(8)));`);
    assertEquals([await script.line(), await script.line()], ["70000 high", "0"]);
  },
);
