import { socketPair } from "../handles/pipe.ts";
import { MemFD } from "../handles/mem_fd.ts";
import { EpollPoller } from "../loop/poller_epoll.ts";
import { pollerConformance, type TestStream } from "./poller_conformance.ts";
import { libc } from "../ffi/libc.ts";
import { socket } from "../ffi/const_socket.ts";

const block = new Uint8Array(64 * 1024);

function stream(): TestStream {
  const { left, right } = socketPair();
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
    endFar: () => void libc.shutdown(right.raw, socket.SHUT_WR),
    closeFar: () => right.close(),
    close: () => left.close(),
    [Symbol.dispose]: () => {
      left.close();
      right.close();
    },
  };
}

pollerConformance({
  name: "EpollPoller",
  poller: () => new EpollPoller(),
  stream,
  unpollable: () => {
    const memory = MemFD.create("not to be polled");
    return { target: memory, [Symbol.dispose]: () => memory.close() };
  },
});
