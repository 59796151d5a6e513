// Ten thousand signals while eight workers spin, some started before the handle and some after.

import { caseTests } from "../signal_fixture.ts";

caseTests("tests/process/signal_storm_child.ts", {
  burst: "I09 of 10,000 real-time signals none is lost while eight workers spin",
  late: "I09 of 10,000 real-time signals none is lost when they are read after the last was sent",
  steady: "I09 a signal a millisecond, and none is lost",
}, 60_000);
