// A child inherits the mask of the thread that starts it, and what is ignored.

import { caseTests } from "../signal_fixture.ts";

caseTests("tests/process/signal_children_child.ts", {
  clean: "I09 children start with no signal blocked, ignored or caught that was not before",
});
