// rustix, tests/event: what its eventfd case observes.

import { assertEquals } from "@std/assert";
import { EventFD } from "../../handles/event_fd.ts";
import type { EventFDWorker } from "../event_fd_worker.ts";
import { test, worker } from "../support.ts";

test("rustix: eventfd, what a thread adds in steps of 1 to 5 arrives as 15", async () => {
  await using thread = worker<EventFDWorker>(new URL("../event_fd_worker.ts", import.meta.url));
  using counter = EventFD.create({ blocking: true });
  const shared = counter.share();
  const signals = [1, 2, 3, 4, 5].map((value) => thread.call("signal", shared, value));
  assertEquals(await Promise.all(signals), Array(5).fill(true));
  assertEquals(counter.wait(), 15n);
});
