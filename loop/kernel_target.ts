/**
 * Which of a Loop's targets a kernel can watch.
 *
 * @module
 */

import { Descriptor } from "../handles/descriptor.ts";
import type { Target } from "./poller.ts";

/**
 * What the kernel knows of a target.
 *
 * @throws {TypeError} when that is nothing
 */
export function inKernel(target: Target): Descriptor | number {
  if (typeof target === "number" || target instanceof Descriptor) return target;
  throw new TypeError(
    "Loop: a source in memory has no descriptor: make the loop with `poller: new VirtualPoller()`, " +
      "or put the source into an EventPoll and watch that with a PollWatch",
  );
}
