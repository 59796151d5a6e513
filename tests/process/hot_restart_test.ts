import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { type InetAddress, parseAddress } from "../../handles/socket_address.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import { decode, encode } from "../conn_fixture.ts";
import { deadline, type RunningScript, startScript, tempDir, test, waitUntil } from "../support.ts";

/** Asks for one line after another on one connection, and checks each answer. */
class KeepAlive implements Disposable {
  /** The processes that have answered, in their order. */
  readonly pids: string[] = [];
  answered = 0;
  error: Error | null = null;
  readonly #socket: Socket;
  readonly #conn: Connection;
  #rest = "";
  #most = Infinity;

  constructor(loop: Loop, address: InetAddress) {
    this.#socket = Socket.connect(address);
    this.#conn = loop.registerConn(this.#socket, {
      onRecv: (bytes) => this.#received(decode(bytes)),
      onClose: (error) => this.error ??= error ?? new Error("closed"),
    });
    this.#ask();
  }

  /** Ends after so many answers in all. */
  async finish(most: number = this.answered): Promise<void> {
    this.#most = most;
    const done = (): boolean => this.answered >= most || this.error !== null;
    await waitUntil(done, 30_000, `${most} answers`);
    if (this.error !== null) throw this.error;
  }

  [Symbol.dispose](): void {
    if (!this.#conn.closed) this.#conn.unregister();
    this.#socket.close();
  }

  /** A line in two parts: the connection may move in between. */
  #ask(): void {
    const line = encode(`line ${this.answered} of one\n`);
    this.#conn.write(line.subarray(0, 7));
    setTimeout(() => {
      if (!this.#conn.closed) this.#conn.write(line.subarray(7));
    }, 1);
  }

  #received(text: string): void {
    this.#rest += text;
    const end = this.#rest.indexOf("\n");
    if (end < 0) return;
    const [pid, ...answer] = this.#rest.slice(0, end).split(" ");
    this.#rest = this.#rest.slice(end + 1);
    const right = `${this.answered} line ${this.answered} of one`;
    if (answer.join(" ") !== right) this.error ??= new Error(`${answer.join(" ")}, not ${right}`);
    if (this.pids.at(-1) !== pid) this.pids.push(pid!);
    this.answered++;
    if (this.answered < this.#most) this.#ask();
  }
}

/** Starts the next process: resolves when it serves. */
async function next(address: string, path: string): Promise<[RunningScript, InetAddress]> {
  const script = startScript("examples/hot_restart.ts", {
    args: [address, path],
    timeoutMs: 100_000,
  });
  const line = await script.line();
  return [script, parseAddress(/serves (\S+)$/.exec(line)![1]!) as InetAddress];
}

test(
  "C30 examples: hot_restart twice: clients that stay see nothing of it, and new ones are never refused",
  async () => {
    using dir = tempDir();
    const path = `${dir.path}/control.sock`;
    using loop = Loop.create({ attached: true });
    const [first, address] = await next("127.0.0.1:0", path);
    const staying = Array.from({ length: 8 }, () => new KeepAlive(loop, address));
    let stopped = false;
    let newcomers = 0;
    const come = async (): Promise<void> => {
      for (; !stopped; newcomers++) {
        using client = new KeepAlive(loop, address);
        await client.finish(2);
      }
    };
    const storm = Promise.all([come(), come(), come(), come()]);
    storm.catch(() => stopped = true);
    const scripts = [first];
    try {
      for (let restart = 0; restart < 2; restart++) {
        const [script, again] = await next("unused:1", path);
        scripts.push(script);
        assertEquals(again, address);
        const { code, stdout, stderr } = await deadline(
          15_000,
          scripts[restart]!.result,
          "the old",
        );
        assertEquals([code, stderr], [0, ""]);
        assertStringIncludes(stdout, "has handed over");
        const pids = scripts.map(({ pid }) => String(pid));
        for (const client of staying) {
          await waitUntil(() => client.pids.length === pids.length, 30_000, "an answer of the new");
        }
        for (const client of staying) assertEquals(client.pids, pids);
      }
      stopped = true;
      await storm;
      for (const client of staying) await client.finish();
      assertGreater(newcomers, 10);
      assert(staying.every(({ answered }) => answered > 10));
    } finally {
      stopped = true;
      for (const client of staying) client[Symbol.dispose]();
      for (const script of scripts) await script[Symbol.asyncDispose]();
      await storm.catch(() => {});
    }
  },
  { timeoutMs: 120_000 },
);

test("C30 examples: hot_restart goes on when the new process dies before it accepts", async () => {
  using dir = tempDir();
  const path = `${dir.path}/control.sock`;
  using loop = Loop.create({ attached: true });
  const [script, address] = await next("127.0.0.1:0", path);
  await using _script = script;
  using client = new KeepAlive(loop, address);
  for (let round = 0; round < 3; round++) {
    Socket.connect(`unix:${path}`, { type: "seqpacket" }).close();
    assertStringIncludes(await script.line(), "goes on");
    using newcomer = new KeepAlive(loop, address);
    await newcomer.finish(2);
  }
  await client.finish(client.answered + 3);
});
