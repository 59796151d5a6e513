import { EventMask } from "../loop/event_mask.ts";
import { memorySocketPair } from "../loop/memory_socket.ts";
import { MemoryPoller } from "../loop/poller_memory.ts";
import { pollerConformance, type TestStream } from "./poller_conformance.ts";

const block = new Uint8Array(64 * 1024);

function stream(): TestStream {
  const pair = memorySocketPair();
  const { left, right } = pair;
  const drain = (end: typeof left): void => {
    while ((end.read(block) ?? 0) > 0);
  };
  return {
    target: left,
    duplicate: () => {
      const copy = left.dup();
      return { target: copy, [Symbol.dispose]: () => copy.close() };
    },
    drain: () => drain(left),
    fill: () => {
      while (left.write(block) !== null);
    },
    send: () => void right.write(block.subarray(0, 1)),
    drainFar: () => drain(right),
    endFar: () => right.shutdown("write"),
    closeFar: () => right.close(),
    close: () => left.close(),
    [Symbol.dispose]: () => pair[Symbol.dispose](),
  };
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
