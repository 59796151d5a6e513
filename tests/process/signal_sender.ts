// Another process, which sends: `signal_sender.ts PID SIGNAL COUNT queue|kill [PER_SECOND]`.

import process from "node:process";
import { check, libc } from "../../ffi/libc.ts";
import { queueSignal } from "../signal_fixture.ts";

const [pid, signal, count] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const [kind, perSecond = "Infinity"] = process.argv.slice(5);
const began = performance.now();
for (let sent = 0; sent < count; sent++) {
  const due = began + sent * 1000 / Number(perSecond);
  while (performance.now() < due) libc.poll(null, 0, 1);
  if (kind === "queue") queueSignal(pid, signal, sent);
  else check("kill", libc.kill(pid, signal));
}
console.log(process.pid);
