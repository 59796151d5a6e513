import { MemFD } from "../handles/mem_fd.ts";
import { EpollPoller } from "../loop/poller_epoll.ts";
import { pollerConformance } from "./poller_conformance.ts";
import { stream } from "./poller_streams.ts";

pollerConformance({
  name: "EpollPoller",
  poller: () => new EpollPoller(),
  stream,
  unpollable: () => {
    const memory = MemFD.create("not to be polled");
    return { target: memory, [Symbol.dispose]: () => memory.close() };
  },
});
