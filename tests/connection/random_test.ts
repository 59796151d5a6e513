// Connections that do everything at random moments. Whatever happens: what one side received is what
// the other sent, in order; a pair that nobody broke delivers all of it; each side is closed once; and
// the loop ends by itself, which it does not when a wake-up was lost.

import { assert, assertEquals } from "@std/assert";
import type { Descriptor } from "../../handles/descriptor.ts";
import { Socket } from "../../handles/socket.ts";
import type { Connection } from "../../loop/connection.ts";
import { Loop } from "../../loop/loop.ts";
import { named, pattern, random, unixConnection } from "../conn_fixture.ts";
import { connection } from "../socket_fixture.ts";
import { deadline, test, waitUntil } from "../support.ts";

const PAIRS = 6;

/** One end of a pair. */
class Side {
  readonly loop: Loop;
  readonly next: () => number;
  readonly handle: Descriptor;
  readonly total: number;
  readonly closes: string[] = [];
  readonly conn: Connection;
  sent = 0;
  received = 0;
  peerEnded = false;

  constructor(loop: Loop, next: () => number, handle: Descriptor) {
    this.loop = loop;
    this.next = next;
    this.handle = handle;
    this.total = Math.floor(next() ** 2 * 3_000_000);
    this.conn = loop.registerConn(handle, {
      onRecv: (bytes) => this.#received(bytes),
      onEnd: () => void (this.peerEnded = true),
      onDrain: () => this.send(),
      onClose: (error) => this.closes.push(named(error)),
    });
  }

  /** Writes until it has to wait, or at random for a while; ends when all is written. */
  send(): void {
    while (this.sent < this.total && !this.conn.closed) {
      const size = Math.min(Math.ceil(this.next() ** 3 * 400_000), this.total - this.sent);
      const bytes = pattern(size, this.sent);
      this.sent += size;
      const cut = Math.floor(this.next() * size);
      const taken = this.next() < 0.5
        ? this.conn.write(bytes)
        : this.conn.writev([bytes.subarray(0, cut), bytes.subarray(cut)]);
      if (this.next() < 0.1) return this.#later(() => this.send());
      if (!taken && this.next() < 0.8) return; // the rest at onDrain
    }
    if (!this.conn.closed) this.conn.end();
  }

  #received(bytes: Uint8Array): void {
    assertEquals(bytes[0], this.received % 251);
    assertEquals(bytes.at(-1), (this.received + bytes.byteLength - 1) % 251);
    this.received += bytes.byteLength;
    if (this.next() > 0.2) return;
    this.conn.pause();
    this.#later(() => this.conn.closed || this.conn.resume());
  }

  #later(task: () => void): void {
    if (this.next() < 0.5) this.loop.post(task);
    else this.loop.setTimer(this.next() * 2, task);
  }
}

interface Pair {
  readonly sides: readonly [Side, Side];
  readonly broken: boolean;
}

/** Breaks a connection off in one of the ways in which that happens. */
function breakOff({ handle, conn, next }: Side): void {
  const way = Math.floor(next() * 3);
  if (way === 0) return conn.unregister();
  if (way === 1 && handle instanceof Socket && handle.valid) handle.linger = 0;
  handle.close();
}

function assertRight({ sides: [one, other], broken }: Pair, what: string): void {
  assertEquals([one.closes.length, other.closes.length], [1, 1], what);
  assert(one.received <= other.sent && other.received <= one.sent, what);
  if (broken) return;
  assertEquals([one.closes, other.closes], [["null"], ["null"]], what);
  assertEquals([one.received, other.received], [other.total, one.total], what);
  assert(one.peerEnded && other.peerEnded, what);
}

async function run(seed: number, attached: boolean): Promise<void> {
  using stack = new DisposableStack();
  const loop = stack.use(Loop.create({ attached }));
  const next = random(seed);
  const pairs = Array.from({ length: PAIRS }, (_, index): Pair => {
    const { client, server } = stack.use(index % 2 === 0 ? connection() : unixConnection());
    const sides = [new Side(loop, next, client), new Side(loop, next, server)] as const;
    const broken = next() < 0.3;
    if (broken) loop.setTimer(next() * 8, () => breakOff(sides[0]));
    return { sides, broken };
  });
  const all = pairs.flatMap(({ sides }) => sides);
  for (const side of all) side.send();
  const clock = loop.setInterval(1, () => {
    // What was unregistered leaves its peer waiting, because the descriptor is still open.
    for (const { sides: [one, other] } of pairs) {
      if (one.conn.closed && !other.conn.closed) one.handle.close();
    }
    if (all.every(({ closes }) => closes.length > 0)) clock.cancel();
  });
  if (attached) await waitUntil(() => !clock.active, 10_000, `the end of seed ${seed}`);
  else await deadline(10_000, loop.run(), `the end of seed ${seed}`);
  for (const [index, pair] of pairs.entries()) assertRight(pair, `seed ${seed}, pair ${index}`);
  const { connections, pendingBytes } = loop.metrics();
  assertEquals([connections, pendingBytes], [0, 0], `seed ${seed}`);
}

for (const attached of [false, true]) {
  test(`C06 C08 C12 random connections, ${attached ? "attached" : "dedicated"}`, async () => {
    for (let seed = 1; seed <= 15; seed++) await run(seed, attached);
  });
}
