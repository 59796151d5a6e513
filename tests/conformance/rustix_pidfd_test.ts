// rustix, tests/process/pidfd.rs: what its cases observe.

import { assert, assertEquals } from "@std/assert";
import { PidFD } from "../../handles/pid_fd.ts";
import { libc } from "../../ffi/libc.ts";
import { exited, killed, shell, sleeper } from "../children.ts";
import { readable } from "../probes.ts";
import { test, waitUntil } from "../support.ts";

test("rustix: test_pidfd_waitid, a blocking wait for a stop that kill(2) causes", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid, { blocking: true });
  libc.kill(child.pid, 19);
  assertEquals(handle.wait({ exited: false, stopped: true })?.code, "stopped");
});

test("rustix: test_pidfd_poll, would-block, then readable, then the status", async () => {
  await using child = await shell("read line");
  using handle = PidFD.open(child.pid);
  assertEquals(handle.wait(), null);
  void child.write("");
  await waitUntil(() => readable(handle), 10_000, "the end of the child");
  assertEquals(handle.exitStatus(), exited(0));
});

test("rustix: pidfd_send_signal", async () => {
  await using child = await sleeper();
  using handle = PidFD.open(child.pid);
  handle.sendSignal("SIGKILL");
  assert(readable(handle, 10_000));
  assertEquals(handle.exitStatus(), killed("SIGKILL"));
});
