// What a program shows is all there however soon it ends, and so is its status, every time.

import { Buffer } from "node:buffer";
import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { Console } from "../../handles/console.ts";
import { Loop } from "../../loop/loop.ts";
import { makePoller, pattern } from "../console_fixture.ts";
import { deadline, test, waitUntil } from "../support.ts";

const CHILDREN = 1000;
/** How many run at a time: whoever starts them must read them, too. */
const AT_ONCE = 4;
const OUTPUT = 20_000;
const MIB = 1024 * 1024;

const numbersOpen = (): number => fs.readdirSync("/proc/self/fd").length;

test(
  `K04 ${CHILDREN} programs show ${OUTPUT} bytes and end at once: all of it, and their status`,
  async () => {
    using poller = makePoller();
    const before = numbersOpen();
    const wrong: string[] = [];

    async function run(index: number): Promise<void> {
      const script = `printf %0${OUTPUT}d ${index}; exit ${index % 256}`;
      await using child = Console.spawn(["/bin/sh", "-c", script]);
      await using screen = poller.add(child.console, { hangup: "eof" });
      const shown = await new Response(screen.readable).text();
      const { code } = await child.process.exited({ loop: Loop.shared });
      const isAll = shown === String(index).padStart(OUTPUT, "0");
      if (!isAll || code !== index % 256) wrong.push(`${index}: ${shown.length}, status ${code}`);
    }

    let next = 0;
    const lines = Array.from({ length: AT_ONCE }, async () => {
      while (next < CHILDREN) await run(next++);
    });
    await deadline(100_000, Promise.all(lines), "all of them");
    assertEquals(wrong, []);
    await waitUntil(() => numbersOpen() === before, 5000, "what was open before, and no more");
  },
  { timeoutMs: 110_000 },
);

test("K05 10 MiB through a pty and back at the same time, byte by byte, while both are held up", async () => {
  using poller = makePoller();
  await using child = Console.spawn(["sh", "-c", "stty raw -echo; echo ready; exec cat"]);
  await using screen = poller.add(child.console);
  const ready = new Uint8Array(64);
  for (let at = 0; !new TextDecoder().decode(ready).includes("ready");) {
    at += await screen.read(ready.subarray(at));
  }
  const sent = pattern(10 * MIB);
  const got = new Uint8Array(sent.length);
  const written = screen.write(sent);
  for (let at = 0; at < got.length;) at += await screen.read(got.subarray(at, at + 65536));
  await written;
  assertEquals(Buffer.compare(got, sent), 0);
});

test("K05 10 MiB out of a program, and 10 MiB into one, byte by byte", async () => {
  using poller = makePoller();
  const sent = pattern(10 * MIB, 7);
  const digest = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const expected = await digest(sent);
  {
    const script = `stty raw -echo; echo; head -c ${sent.length} | sha256sum`;
    await using child = Console.spawn(["sh", "-c", script]);
    await using screen = poller.add(child.console, { hangup: "eof" });
    await screen.read(new Uint8Array(1));
    const [answer] = await Promise.all([new Response(screen.readable).text(), screen.write(sent)]);
    assertEquals(answer.trim().slice(0, 64), expected);
  }
  {
    const script = `stty raw; yes 0123456789abcdef | head -c ${sent.length}`;
    await using child = Console.spawn(["sh", "-c", script]);
    await using screen = poller.add(child.console, { hangup: "eof" });
    const all = new Uint8Array(await new Response(screen.readable).arrayBuffer());
    const line = new TextEncoder().encode("0123456789abcdef\n");
    const wanted = sent.map((_, index) => line[index % line.length]!);
    assertEquals([all.length, Buffer.compare(all, wanted)], [wanted.length, 0]);
  }
});
