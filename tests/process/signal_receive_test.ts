// Signals that would end the process are received instead, each case in a process of its own.

import { caseTests } from "../signal_fixture.ts";

caseTests("tests/process/signal_receive_child.ts", {
  kill: "I08 I09 kill(1) of another process: its id, its user, SI_USER",
  queue: "I08 I09 sigqueue(3) of another process: with its value",
  child: "I08 SIGCHLD: status and times of a child that the runtime reaps all the same",
  thread: "I09 a signal to one of the runtime's own threads is received too",
  idle: "I09 a process that waits in its event loop receives",
  workerLater: "I09 a worker that starts later takes no signal away",
  every: "I09 every signal that nothing handles can be received",
  batch: "I10 many records come with one read",
  epoll: "I19 an epoll set reports the signal",
  disjoint: "I08 two handles for different signals each get their own",
  same: "I08 of several handles for one signal the first has it, then the oldest",
  setMask: "I08 setMask: what is added is received, what is dropped is restored",
});

caseTests("tests/process/signal_receive_child.ts", {
  overflow: "I09 more signals than the pipe holds all arrive, read in any portions",
  full: "I09 beyond 66,048 unread signals they are dropped, and the next arrive again",
}, 40_000);
