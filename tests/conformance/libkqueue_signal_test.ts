// libkqueue signal.c, in a process of its own.

import { assertEquals } from "@std/assert";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated } from "../kqueue_queue.ts";
import { spawnScript } from "../support.ts";

const CASES = [
  "add, get, del",
  "fires while ignored",
  "data is the count since the last report",
  "oneshot",
  "disable and enable, dispatch",
  "two signals, two events",
  "multi_kqueue",
  "modify_clobbers_udata",
  "invalid numbers: EINVAL",
];

withKqueue("libkqueue: signals")(
  `libkqueue: signal, ${CASES.length} cases: ${CASES.join("; ")}`,
  async () => {
    // A kernel needs nothing blocked; libkqueue reads a signalfd, and does.
    const blocked = emulated ? ["USR1", "USR2"] : [];
    const script = "tests/conformance/libkqueue_signal_child.ts";
    const { code, stdout, stderr } = await spawnScript(script, { blocked });
    assertEquals([stderr, code], ["", 0]);
    assertEquals(stdout.trim().split("\n"), CASES);
  },
);
