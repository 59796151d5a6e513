/**
 * How long a listener takes to stop and to start again, and how many connections a thread accepts,
 * against the same work in C (accept.c).
 *
 *     node .ci/bench.mjs accept           both runtimes
 *     bun bench/accept.ts
 *     deno run -A bench/accept.ts
 *
 * To stop is `Acceptor.drain`, which leaves nobody behind, with an empty backlog and with 64 clients in
 * it; to start again is `PortGroup.reopen` and `Loop.accept`. Of accepting, it is the CPU time of the
 * thread, turn by turn beside that of the twin: a connection is accepted and closed.
 */

import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import { Socket } from "../handles/socket.ts";
import type { SocketAddress } from "../handles/socket_address.ts";
import { Loop } from "../loop/loop.ts";
import { bindPort, type PortGroup } from "../loop/port_group.ts";
import { median, ratios, spread } from "./_statistics.ts";
import { type Twin, withTwin } from "./_twin.ts";

const PAUSES = 300;

/** What stopping and starting may take, in ms. */
const AIM_MS = 5;

const CONNECTIONS = 4000;
const TURNS = 20;
const WARM_UP_TURNS = 5;

/** Connects so many clients, none of which leaves a port in TIME_WAIT behind. */
function connectAll(address: SocketAddress, count: number): Disposable {
  const clients = Array.from({ length: count }, () => {
    const client = Socket.connect(address, { blocking: true });
    client.linger = 0;
    return client;
  });
  return {
    [Symbol.dispose]: () => {
      for (const client of clients) client.close();
    },
  };
}

function report(what: string, times: readonly number[]): void {
  const shown = (value: number): string => value.toFixed(3).padStart(8);
  const reached = median(times) < AIM_MS ? "" : `  misses the aim of ${AIM_MS} ms`;
  console.log(
    `${what.padEnd(34)} ${shown(Math.min(...times))} ${shown(median(times))} ` +
      `${shown(Math.max(...times))}${reached}`,
  );
}

/** Stops and starts a listener with so many clients in its backlog. */
function pauses(loop: Loop, group: PortGroup, queued: number): void {
  const stops: number[] = [];
  const starts: number[] = [];
  const handlers = { onAccept: (socket: Socket): void => socket.close() };
  let acceptor = loop.accept(group.listeners[0]!, handlers);
  for (let round = 0; round < PAUSES; round++) {
    using _clients = connectAll(group.address, queued);
    const begin = performance.now();
    const turnedAway = acceptor.drain();
    const stopped = performance.now();
    acceptor = loop.accept(group.reopen(0), handlers);
    starts.push(performance.now() - stopped);
    stops.push(stopped - begin);
    if (turnedAway !== queued) throw new Error(`${turnedAway} turned away, not ${queued}`);
  }
  acceptor.close();
  report(`pause with ${queued} clients queued`, stops);
  report("resume", starts);
}

const timespec = new Uint32Array(new ArrayBuffer(16));

/** The CPU time of this thread in nanoseconds. */
function threadTime(): number {
  libc.clock_gettime(posix.CLOCK_THREAD_CPUTIME_ID, timespec);
  return timespec[0]! * 1e9 + timespec[2]!;
}

/** Accepts what waits, in a loop: nanoseconds for each connection. */
async function acceptAll(loop: Loop, listener: Socket): Promise<number> {
  using _clients = connectAll(listener.localAddress, CONNECTIONS);
  let left = CONNECTIONS;
  const begin = threadTime();
  using _acceptor = loop.accept(listener, {
    onAccept: (socket) => {
      socket.close();
      if (--left === 0) loop.stop();
    },
  });
  await loop.run();
  return (threadTime() - begin) / CONNECTIONS;
}

async function accepts(loop: Loop, listener: Socket, twin: Twin): Promise<void> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let turn = -WARM_UP_TURNS; turn < TURNS; turn++) {
    const { nanoseconds } = await twin.run("accept", CONNECTIONS);
    const own = await acceptAll(loop, listener);
    if (turn < 0) continue;
    theirs.push(nanoseconds / CONNECTIONS);
    ours.push(own);
  }
  const perSecond = (times: readonly number[]): string => (1e9 / median(times)).toFixed(0);
  console.log(
    `\naccepted and closed per second of CPU time: C ${perSecond(theirs)}, ` +
      `${backend.runtime} ${perSecond(ours)}; time over C's: ${spread(ratios(ours, theirs))}`,
  );
}

console.log(`${backend.runtime} ${backend.version}: ms, least, median, most of ${PAUSES}\n`);
using loop = Loop.create();
using group = await bindPort("127.0.0.1:0", 1);
for (const queued of [0, 64]) pauses(loop, group, queued);
await withTwin("accept", (twin) => accepts(loop, group.listeners[0]!, twin));
