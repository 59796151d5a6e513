/** The demo's second thread: kicks the counter three times, at its own timer's pace. */

import { parentPort } from "node:worker_threads";
import { EventFD, type SharedEventFD, TimerFD } from "@fdloop/fdloop";

parentPort!.once("message", (shared: SharedEventFD) => {
  const counter = EventFD.from(shared);
  using timer = TimerFD.create({ blocking: true });
  timer.arm(150, 150);
  for (let kick = 1; kick <= 3; kick++) {
    timer.expirations();
    counter.signal(kick);
  }
});
