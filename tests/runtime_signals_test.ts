// What the runtimes do with signals on their own account: each case in a process of its own.

import { caseTests } from "./signal_fixture.ts";

caseTests("tests/process/runtime_signals_child.ts", {
  settles: "I09 runtime's signals: what it would install later is there, or never will be",
  restores: "I09 runtime's signals: an ignored signal stays ignored where the runtime leaves none",
  listeners: "I09 runtime's signals: a handler with a listener is not idle",
  others: "I09 runtime's signals: handlers of other signals are never idle",
});
