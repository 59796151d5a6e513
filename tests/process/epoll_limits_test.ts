// What must not be tried in the process of the other tests: no descriptor left, number 0 free, a
// kernel without epoll_pwait2(2).

import { assert, assertEquals } from "@std/assert";
import { root, scriptLines, test } from "../support.ts";

const IMPORTS = `
  import fs from "node:fs";
  import { backend } from "${root}ffi/platform.ts";
  import { libc } from "${root}ffi/libc.ts";
  import { Epoll } from "${root}handles/epoll.ts";
  import { EPOLL, EpollEvents } from "${root}handles/epoll_events.ts";
  import { EventFD } from "${root}handles/event_fd.ts";
  import { pipe } from "${root}handles/pipe.ts";
  import { leaveRoom, openNumbers } from "${root}tests/descriptor_limit.ts";
  const events = new EpollEvents(4);
  const name = (call) => {
    try { return String(call()); } catch (error) { return error.code ?? error.name; }
  };`;

const lines = (source: string): Promise<string[]> => scriptLines(`${IMPORTS}${source}`);

test("I16 no descriptor left: create, adopt and share say EMFILE, and what is there goes on", async () => {
  const printed = await lines(`
    const set = Epoll.create();
    const number = libc.epoll_create1(0);
    const counter = EventFD.create({ initial: 1 });
    const kept = [];
    leaveRoom(3);
    for (let each = name(() => kept.push(Epoll.create())); each !== "EMFILE";) {
      each = name(() => kept.push(Epoll.create()));
    }
    console.log(name(() => Epoll.create()), name(() => Epoll.adopt(number)), name(() => set.share()));
    set.add(counter, EPOLL.IN);
    console.log(set.wait(events, 0), name(() => set.share()));
    kept.pop().close();
    console.log(name(() => set.share().kind), set.wait(events, 0));
    kept.pop().close();
    console.log(name(() => Epoll.adopt(number).raw) === String(number));`);
  assertEquals(printed, ["EMFILE EMFILE EMFILE", "1 EMFILE", "Epoll 1", "true"]);
});

test("mio: poll_closes_fd, 2000 sets made, shared and closed under a low limit leave nothing", async () => {
  const printed = await lines(`
    const ends = pipe();
    const before = openNumbers().length;
    leaveRoom(8);
    for (let round = 0; round < 2000; round++) {
      const set = Epoll.create();
      set.add(ends.reader, EPOLL.IN);
      if (round % 2 === 0) set.share();
      set.close();
    }
    console.log(openNumbers().length === before);`);
  assertEquals(printed, ["true"]);
});

test("I01 number 0 is a descriptor: as a set, as a target, as a doorbell", async () => {
  const printed = await lines(`
    const counter = EventFD.create({ initial: 1 });
    libc.close(0);
    const zero = Epoll.create();
    zero.add(counter, EPOLL.IN, 7);
    console.log(zero.raw, zero.valid, zero.wait(events, 0), events.dataLow(0));
    zero.close();
    console.log(zero.raw);
    const set = Epoll.create();
    const first = set.raw === 0 ? Epoll.create() : set;
    if (set.raw === 0) set.close();
    const target = EventFD.create({ initial: 1 });
    first.add(target, EPOLL.IN);
    console.log(target.raw, first.wait(events, 0), events.data(0));
    target.close();
    const { doorbell } = first.share();
    console.log(new Int32Array(doorbell)[1], first.wait(events, 0));
    first.close();
    console.log(fs.existsSync("/proc/self/fd/0"));`);
  assertEquals(printed, ["0 true 1 7", "-1", "0 1 0n", "0 0", "false"]);
});

test("R11 without epoll_pwait2 a fraction is rounded up, never down, and it is tried once", async () => {
  const [found, calls, ...waits] = await lines(`
    const set = Epoll.create();
    const missing = backend.bind("syscall", ["i32", "i32"]);
    let calls = 0;
    const real = libc.epoll_pwait2;
    set.wait(events, 0.5);
    libc.epoll_pwait2 = () => (calls++, missing(99_999)); // the real ENOSYS of a call that is not there
    const waits = [[0.2, 1], [1.5, 2], [2.25, 3], [3_400_000n, 4], [1n, 1]].map(([timeout, ms]) => {
      let best = Infinity;
      for (let run = 0; run < 9 || (best > ms + 0.5 && run < 500); run++) {
        const began = performance.now();
        if (set.wait(events, timeout) !== 0) throw new Error("nothing was ready");
        best = Math.min(best, performance.now() - began);
      }
      return best;
    });
    console.log(typeof real);
    console.log(calls);
    for (const wait of waits) console.log(wait);`);
  assertEquals([found, calls], ["function", "1"]);
  [0.2, 1.5, 2.25, 3.4, 1e-6].forEach((ms, index) => {
    const took = Number(waits[index]);
    assert(took >= ms && took >= Math.ceil(ms) - 0.01, `${took} ms for ${ms} ms`);
    assert(took < Math.ceil(ms) + 2, `${took} ms for ${ms} ms`);
  });
});
