// What closing a SignalFD restores, and what creating one refuses, each in a process of its own.

import { assertEquals } from "@std/assert";
import { caseTests } from "../signal_fixture.ts";
import { spawnScript, test } from "../support.ts";

const CHILD = "tests/process/signal_close_child.ts";

caseTests(CHILD, {
  state: "I09 closing restores every disposition, and no thread's mask was ever touched",
  unread: "I09 what was not read is discarded, and kills nobody",
  elsewhere: "I08 a shared handle is read, changed and closed on another thread",
  blocked: "I08 closing ends a read that waits on another thread",
  refused: "I09 a refused signal leaves all as it was",
  twoThreads: "I09 a signal of another thread's handle is refused, and the message names share()",
  runtimesOwn: "I09 every signal that the runtime handles is refused",
  listenerLater: "I09 a listener that came later has the signal after closing",
  descriptors: "I09 without a descriptor left nothing is changed, and nothing is lost",
  blockedBefore: "I09 a signal that was blocked before is received, and blocked again afterwards",
});

caseTests(CHILD, {
  foreign: "X03 a late signal never writes to a file that has the closed pipe's number",
}, 30_000);

test("I09 after closing, SIGTERM ends the process as before", async () => {
  const { code, signal, stderr } = await spawnScript(CHILD, { args: ["kills"] });
  assertEquals([code, signal], [null, "SIGTERM"], stderr);
});
