// Orders to other threads, each case in a process of its own.

import { caseTests } from "../signal_fixture.ts";

caseTests("tests/process/signal_orders_child.ts", {
  blocks: "I09 orders: each thread comes by, and blocks what it is told",
  ended: "I09 orders: a thread that has ended is not waited for",
  inside: "I09 orders: a thread that is inside a handler is waited for, and has not come by",
  deaf: "I09 orders: a thread that blocks everything on its own account is excused",
  carrierBlocked: "I09 orders: one that was not taken within a second is withdrawn",
  carriers: "I09 orders: only a signal that nothing uses carries them, and it is given back",
});
