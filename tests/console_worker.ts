import { Console, type SharedConsole } from "../handles/console.ts";
import { ConsoleStopper, type SharedConsoleStopper } from "../loop/console_stopper.ts";
import { serve } from "./support.ts";

const now = (): number => performance.timeOrigin + performance.now();

const methods = {
  stop(shared: SharedConsoleStopper): void {
    ConsoleStopper.from(shared).stop();
  },

  /** Each time that the first word is counted up, notes the time and stops; ends at −1. */
  stopAtCommand(shared: SharedConsoleStopper, memory: SharedArrayBuffer): void {
    const stopper = ConsoleStopper.from(shared);
    const words = new Int32Array(memory, 0, 2);
    const times = new Float64Array(memory, 8, 1);
    // Not in the call itself: its answer tells that this thread is ready.
    setTimeout(() => {
      for (let seen = 0;;) {
        Atomics.wait(words, 0, seen);
        seen = Atomics.load(words, 0);
        if (seen === -1) return;
        Atomics.wait(words, 1, 0, 3); // until the other thread sleeps in the kernel
        times[0] = now();
        stopper.stop();
      }
    }, 0);
  },

  /** Stops again and again until that fails, as memory tells: what it failed with. */
  stopUntilClosed(shared: SharedConsoleStopper, memory: SharedArrayBuffer): string {
    const stopper = ConsoleStopper.from(shared);
    const stopped = new Int32Array(memory);
    try {
      for (;;) {
        stopper.stop();
        Atomics.add(stopped, 0, 1);
        Atomics.notify(stopped, 0);
      }
    } catch (error) {
      return (error as Error).name;
    }
  },

  setRaw(shared: SharedConsole): void {
    Console.from(shared).setRaw();
  },
};

/** The methods, for the test. */
export type ConsoleWorker = typeof methods;

serve(methods);
