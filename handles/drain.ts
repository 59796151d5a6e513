/**
 * How a listener ends without hurting anybody who has reached it.
 *
 * close(2) answers whoever waits in the backlog with RST, and so does it whoever gets there between
 * the last accept4(2) and the close: on a busy port one in two hundred. For TCP, filters close that gap:
 *
 * 1. Most of the backlog is taken first, so that what follows is short.
 * 2. From then on no SYN gets in. A client that sends one now repeats it after a second, by when
 *    nobody listens (ECONNREFUSED), or another listener of the port does.
 * 3. Those who have begun may finish: a moment is left for the last packet of their handshakes.
 * 4. From then on no packet gets in, so that what accept4(2) does not have now will not come.
 *
 * What remains is a client whose handshake takes longer than that moment, because it is far away: its
 * last packet is dropped or comes too late, and what it sends is answered by RST, unless the sysctl
 * `net.ipv4.tcp_migrate_req` lets another listener of the port have it. So it is with those whom
 * TCP_DEFER_ACCEPT holds back until they send something. membarrier(2) could tell when every processor
 * has left the old filter behind, in place of the last pause here; it takes 8 to 20 ms.
 *
 * Kernel: SO_ATTACH_FILTER is Linux 2.2.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { Borrowed } from "./borrowed.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { control } from "./io.ts";
import { readableWithin } from "./poll.ts";
import type { Reserve } from "./reserve.ts";
import { attachFilter, NO_PACKET, NO_SYN } from "./socket_filter.ts";
import { getOption, OPTION } from "./socket_options.ts";
import { turnAway } from "./turn_away.ts";

/** How long the backlog is worked off while it still grows, in ms. */
const BACKLOG_MS = 1;
const BATCH = 64;

/** Where a sandbox forbids filters, a storm of clients must not keep this from ending. */
const MOST_UNFILTERED = 65536;

/** The moment for handshakes in progress, in ms: enough for a client on the same network. */
const HANDSHAKE_MS = 1;

/** How long another processor may still work on a packet that it got before the last filter, in ms. */
const PACKET_MS = 0.05;

/**
 * Stops a listener for good: nobody new gets in, and whoever waits is accepted and gets FIN. Closes
 * it. Answers how many were turned away.
 *
 * @param reserve spent when there is no other descriptor to accept with
 */
export function drainListener(listener: Descriptor, reserve: Reserve): number {
  const fd = acquire(listener);
  let count: number;
  try {
    // Held for all of it: a copy that closes the listener meanwhile closes it afterwards.
    const held = new Borrowed(fd);
    const isUnix = getOption(held, OPTION.domain) === posix.AF_UNIX;
    count = isUnix ? drainUnix(held, reserve) : drainTcp(held, reserve);
  } finally {
    release(listener);
  }
  listener.close();
  return count;
}

/** From shutdown(2) on connect(2) is refused, and what was queued before can still be accepted. */
function drainUnix(listener: Borrowed, reserve: Reserve): number {
  control("shutdown", listener, (fd) => libc.shutdown(fd, socket.SHUT_RD));
  return turnAway(listener, Infinity, reserve);
}

function drainTcp(listener: Borrowed, reserve: Reserve): number {
  let count = 0;
  const take = (most: number): number => {
    const taken = turnAway(listener, most, reserve);
    count += taken;
    return taken;
  };
  const soon = performance.now() + BACKLOG_MS;
  while (take(BATCH) === BATCH && performance.now() < soon);
  if (!attachFilter(listener.raw, NO_SYN)) {
    take(MOST_UNFILTERED);
    return count;
  }
  take(Infinity);
  const end = performance.now() + HANDSHAKE_MS;
  while (performance.now() < end && readableWithin(listener, HANDSHAKE_MS)) take(Infinity);
  attachFilter(listener.raw, NO_PACKET);
  for (const last = performance.now() + PACKET_MS; performance.now() < last;) take(Infinity);
  return count;
}
