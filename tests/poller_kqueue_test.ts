import { closeSync, openSync } from "node:fs";
import { KqueuePoller } from "../loop/poller_kqueue.ts";
import { withKqueue } from "./kqueue_fixture.ts";
import { pollerConformance } from "./poller_conformance.ts";
import { stream } from "./poller_streams.ts";

pollerConformance({
  name: "KqueuePoller",
  poller: () => new KqueuePoller(),
  stream,
  unpollable: () => {
    const folder = openSync(new URL(".", import.meta.url), "r");
    return { target: folder, [Symbol.dispose]: () => closeSync(folder) };
  },
}, withKqueue("KqueuePoller"));
