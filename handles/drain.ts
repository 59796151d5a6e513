/**
 * How a listener ends without hurting anybody who has reached it.
 *
 * Kernel: SO_ATTACH_FILTER is Linux 2.2.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import type { Descriptor } from "./descriptor.ts";
import { control } from "./io.ts";
import type { Reserve } from "./reserve.ts";
import { getOption, OPTION } from "./socket_options.ts";
import { turnAway } from "./turn_away.ts";

/**
 * Stops a listener for good: nobody new gets in, and whoever waits is accepted and gets FIN. Closes
 * it. Answers how many were turned away.
 *
 * @param reserve spent when there is no other descriptor to accept with
 */
export function drainListener(listener: Descriptor, reserve: Reserve): number {
  if (getOption(listener, OPTION.domain) === posix.AF_UNIX) {
    // From here on connect(2) is refused, and what was queued before can still be accepted.
    control("shutdown", listener, (fd) => libc.shutdown(fd, socket.SHUT_RD));
  }
  const count = turnAway(listener, Infinity, reserve);
  listener.close();
  return count;
}
