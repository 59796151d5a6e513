import { FD } from "../handles/fd.ts";
import { EventFD, type SharedEventFD } from "../handles/event_fd.ts";
import type { SharedDescriptor } from "../handles/descriptor.ts";
import { libc } from "../ffi/libc.ts";
import { LoopWaker, type SharedWaker } from "../loop/waker.ts";
import { Loop } from "../loop/loop.ts";
import { serve } from "./support.ts";

const methods = {
  /** Answers each byte with one, under a loop of its own, until the other side is closed. */
  async answer(shared: SharedDescriptor): Promise<number> {
    using loop = Loop.create();
    using end = FD.from(shared);
    const byte = new Uint8Array(new ArrayBuffer(1));
    let rounds = 0;
    const watch = loop.watch(end, { readable: true, mode: "once" }, () => {
      for (let got = end.read(byte); got !== null; got = end.read(byte)) {
        if (got === 0) return watch.cancel();
        rounds++;
        end.write(byte);
      }
      watch.rearm();
    });
    await loop.run();
    return rounds;
  },

  /** Writes each counter once a round, as soon as the round before was taken. */
  signalRounds(counters: SharedEventFD[], go: SharedEventFD, rounds: number): void {
    const all = counters.map((counter) => EventFD.from(counter));
    const next = EventFD.from(go);
    for (let round = 0; round < rounds; round++) {
      next.wait();
      for (const counter of all) counter.signal();
    }
  },

  /** Wakes a loop so many times, with no pause in between: how many of them made a `write(2)`. */
  wake(shared: SharedWaker, times: number): number {
    const waker = LoopWaker.from(shared);
    libc.getpid(); // the calls are bound with the first one
    const { write } = libc;
    let writes = 0;
    libc.write = (...args) => {
      writes++;
      return write(...args);
    };
    for (let time = 0; time < times; time++) waker.wake();
    libc.write = write;
    return writes;
  },

  /** Writes a byte to a shared descriptor, and closes it. */
  write(shared: SharedDescriptor): void {
    using end = FD.from(shared);
    end.write(new Uint8Array(new ArrayBuffer(1)));
  },

  /** Closes a shared descriptor. */
  close(shared: SharedDescriptor): void {
    FD.from(shared).close();
  },
};

/** The methods, for the test. */
export type ConnWorker = typeof methods;

serve(methods);
