// The other threads of the tests of epoll.

import { libc } from "../ffi/libc.ts";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { Epoll, type SharedEpoll } from "../handles/epoll.ts";
import { EPOLL, type EpollEvent, EpollEvents } from "../handles/epoll_events.ts";
import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { asleep } from "./epoll_fixture.ts";
import { serve } from "./support.ts";

const methods = {
  /** One wait; what it reports. */
  wait(shared: SharedEpoll, timeout: number | null = null, capacity: number = 8): EpollEvent[] {
    const events = new EpollEvents(capacity);
    Epoll.from(shared).wait(events, timeout);
    return [...events];
  },

  /** One wait, and how long it took. */
  timedWait(shared: SharedEpoll, timeout: number | bigint): [count: number, ms: number] {
    const set = Epoll.from(shared);
    const start = performance.now();
    const count = set.wait(new EpollEvents(1), timeout);
    return [count, performance.now() - start];
  },

  add(shared: SharedEpoll, target: number, mask: number, data: number | bigint): void {
    Epoll.from(shared).add(target, mask, data);
  },

  addCounter(shared: SharedEpoll, counter: SharedEventFD, mask: number): void {
    Epoll.from(shared).add(EventFD.from(counter), mask);
  },

  /** Adds a counter that is in the set already, and closes it afterwards. */
  addTwiceAndClose(shared: SharedEpoll, counter: SharedEventFD): string {
    const copy = EventFD.from(counter);
    let code = "";
    try {
      Epoll.from(shared).add(copy, EPOLL.IN);
    } catch (error) {
      ({ code } = error as { code: string });
    }
    copy.close();
    return code;
  },

  closeSet: (shared: SharedEpoll): void => Epoll.from(shared).close(),
  /** Closes a set as soon as a thread sleeps in it. */
  async closeAsleep(shared: SharedEpoll): Promise<void> {
    const set = Epoll.from(shared);
    await asleep(set);
    set.close();
  },

  closeFD: (shared: SharedDescriptor): void => FD.from(shared).close(),

  /** Waits, takes what each reported counter holds, and again, until the set is closed. */
  consume(shared: SharedEpoll, counters: SharedEventFD[], done: SharedArrayBuffer): number[] {
    const set = Epoll.from(shared);
    const handles = counters.map((counter) => EventFD.from(counter));
    const [events, progress] = [new EpollEvents(1), new Int32Array(done)];
    let [taken, empty] = [0, 0];
    try {
      for (;;) {
        set.wait(events);
        if (handles[events.dataLow(0)]!.wait() === null) empty++;
        else taken++;
        Atomics.add(progress, 0, 1);
        Atomics.notify(progress, 0);
      }
    } catch (error) {
      if ((error as Error).name !== "ClosedError") throw error;
    }
    return [taken, empty];
  },

  /** Whenever word 0 becomes 1, modifies the counter, and makes it 0 again. */
  modifyOnDemand(
    shared: SharedEpoll,
    counter: SharedEventFD,
    gate: SharedArrayBuffer,
    rounds: number,
  ): void {
    const [set, handle, words] = [Epoll.from(shared), EventFD.from(counter), new Int32Array(gate)];
    for (let round = 0; round < rounds; round++) {
      Atomics.wait(words, 0, 0, 10_000);
      set.modify(handle, EPOLL.IN | EPOLL.ERR | EPOLL.ET);
      Atomics.store(words, 0, 0);
      Atomics.notify(words, 0);
    }
  },

  /** Waits for an event, asks for the next; answers how many waits reported none. */
  waitOnDemand(shared: SharedEpoll, gate: SharedArrayBuffer, rounds: number): number {
    const [set, events, words] = [Epoll.from(shared), new EpollEvents(1), new Int32Array(gate)];
    let lost = 0;
    for (let round = 0; round < rounds; round++) {
      if (set.wait(events, 10_000) === 0) lost++;
      Atomics.wait(words, 0, 1, 10_000);
      Atomics.store(words, 0, 1);
      Atomics.notify(words, 0);
    }
    return lost;
  },

  /** Answers requests on a socket until its peer is gone, re-arming a ONESHOT by modify. */
  answer(shared: SharedEpoll, socket: SharedDescriptor): number {
    const [set, fd] = [Epoll.from(shared), FD.from(socket)];
    const [events, byte] = [new EpollEvents(1), new Uint8Array(1)];
    const mask = EPOLL.IN | EPOLL.ET | EPOLL.ONESHOT;
    set.add(fd, mask);
    for (let answers = 0;;) {
      if (set.wait(events, 20_000) === 0) throw new Error(`nothing for 20 s after ${answers}`);
      for (let got = fd.read(byte); got !== null; got = fd.read(byte)) {
        if (got === 0) return answers;
        fd.write(byte);
        answers++;
      }
      set.modify(fd, mask);
    }
  },

  /** Adds, modifies and deletes a number again and again, however it is used elsewhere. */
  churn(shared: SharedEpoll, target: number, rounds: number): Record<string, number> {
    const set = Epoll.from(shared);
    const outcomes: Record<string, number> = {};
    const verbs = [
      () => set.add(target, EPOLL.IN),
      () => set.modify(target, EPOLL.IN | EPOLL.OUT),
      () => set.delete(target),
    ];
    for (let round = 0; round < rounds; round++) {
      let code = "ok";
      try {
        verbs[round % 3]!();
      } catch (error) {
        code = (error as { code?: string }).code ?? (error as Error).name;
      }
      outcomes[code] = (outcomes[code] ?? 0) + 1;
    }
    return outcomes;
  },

  /** poll(2) on a set, then a wait that takes nothing it does not find; what both said. */
  pollThenWait(shared: SharedEpoll, ms: number): [polled: number, waited: number] {
    const set = Epoll.from(shared);
    const pollfd = new Int32Array([set.raw, 1]);
    const polled = libc.poll(pollfd, 1, ms);
    return [polled, set.wait(new EpollEvents(1), 0)];
  },
};

/** The methods, for the tests. */
export type EpollWorker = typeof methods;

serve(methods);
