import { EventMask } from "../loop/event_mask.ts";
import { memorySocketPair } from "../loop/memory_socket.ts";
import { MemoryPoller } from "../loop/poller_memory.ts";
import { pollerConformance, type TestStream } from "./poller_conformance.ts";
import { streamOf } from "./poller_streams.ts";

function stream(): TestStream {
  const { left, right } = memorySocketPair();
  return streamOf(left, right, () => right.shutdown("write"));
}

/** A source that says of itself that it is always ready. */
const file = {
  pollable: false,
  readiness: () => EventMask.IN,
  register: () => {},
  unregister: () => {},
  [Symbol.dispose]: () => {},
};

pollerConformance({
  name: "MemoryPoller",
  local: true,
  poller: () => new MemoryPoller(false),
  stream,
  unpollable: () => ({ target: file, [Symbol.dispose]: () => {} }),
});
