// libkqueue kqueue.c, user.c and test.c: the queue itself, and USER events.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { Kqueue } from "../../handles/kqueue.ts";
import { KqueueEvents } from "../../handles/kqueue_events.ts";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { pipe } from "../../handles/pipe.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated, TestQueue } from "../kqueue_queue.ts";
import { openDescriptors } from "../support/descriptors.ts";
import { waitUntil } from "../support.ts";

const real = withKqueue("libkqueue: the queue itself");

real("libkqueue: kqueue, cleanup: create and close 500 times leaves nothing", async () => {
  const before = openDescriptors()!.size;
  for (let round = 0; round < 500; round++) {
    const queue = Kqueue.create();
    queue.control([{ filter: "USER", ident: 1, flags: EV.ADD }]);
    queue.close();
    // The emulation's own thread gives the rest back: it must keep up.
    if (round % 50 === 49) {
      await waitUntil(() => openDescriptors()!.size <= before, 10_000, "what the queues had");
    }
  }
});

real("libkqueue: close_cleans_up_active_knotes", async () => {
  const before = openDescriptors()!.size;
  const queue = new TestQueue();
  const ends = pipe();
  queue.add("READ", ends.reader);
  ends.writer.write(new Uint8Array(1));
  queue.add("TIMER", 1, 0, { data: 1 });
  queue.add("USER", 1);
  queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER });
  assert(queue.next().length > 0);
  queue.queue.close();
  ends.reader.close();
  ends.writer.close();
  await waitUntil(() => openDescriptors()!.size <= before, 10_000, "what the queue had");
});

real("libkqueue: kevent (invalid fd): a closed queue is an error, by its name", () => {
  using ends = pipe(); // before the queue, whose number the emulation remembers for a moment
  const queue = Kqueue.create();
  queue.close();
  assertThrows(() => queue.control(null, new KqueueEvents(1), 0), ClosedError);
  // The kernels say EBADF of a descriptor that is no queue, the emulation ENOENT.
  const error = assertThrows(() => Kqueue.adopt(ends.reader.raw), SyscallError);
  assertEquals(error.code, emulated ? "ENOENT" : "EBADF");
});

real("libkqueue: knote_pool_exhaustion: 8192 USER events, or a name for what ran out", () => {
  using queue = new TestQueue();
  const list = Array.from(
    { length: 8192 },
    (_, ident) => ({ filter: "USER" as const, ident, flags: EV.ADD | EV.CLEAR }),
  );
  try {
    queue.queue.control(list);
  } catch (error) {
    const { code } = error as SyscallError;
    assert(["ENOMEM", "EMFILE"].includes(code), code);
    return;
  }
  const triggers = list.map((change) => ({ ...change, flags: 0, fflags: NOTE.TRIGGER }));
  queue.queue.control(triggers);
  const seen = new Set<number>();
  for (let found = queue.now(); found.length > 0; found = queue.now()) {
    for (const { ident } of found) seen.add(ident);
  }
  assertEquals(seen.size, 8192);
});

real(
  "libkqueue: more is ready than there is room for: each once, in as many calls as it takes",
  () => {
    using queue = new TestQueue();
    for (let ident = 0; ident < 10; ident++) {
      queue.add("USER", ident, EV.CLEAR);
      queue.change("USER", ident, 0, { fflags: NOTE.TRIGGER });
    }
    const events = new KqueueEvents(4);
    const seen: number[] = [];
    for (let round = 0; round < 10 && queue.queue.control(null, events, 0) > 0; round++) {
      assert(events.length <= 4);
      for (const { ident } of events) seen.push(ident);
    }
    assertEquals(seen.sort((a, b) => a - b), Array.from({ length: 10 }, (_, ident) => ident));
  },
);

real("libkqueue: user add_and_delete, get, enable_and_disable, oneshot", () => {
  using queue = new TestQueue();
  queue.add("USER", 1, EV.CLEAR);
  assertEquals(queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER }), "");
  const { ident, fflags, data } = queue.one();
  assertEquals([ident, fflags & NOTE.TRIGGER, data], [1, 0, 0]);
  assertEquals(queue.now(), []);
  assertEquals(queue.change("USER", 1, EV.DISABLE), "");
  if (emulated) queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER });
  assertEquals(queue.now(), []);
  assertEquals(queue.change("USER", 1, EV.ENABLE), "");
  queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER });
  assertEquals(queue.one().ident, 1);
  assertEquals(queue.change("USER", 1, EV.DELETE), "");
});

real("libkqueue: user fflags: FFCOPY, FFOR, FFAND and FFNOP on what is stored", () => {
  using queue = new TestQueue();
  queue.add("USER", 1, EV.CLEAR);
  const steps = [
    [NOTE.FFCOPY | 0xf0, 0xf0],
    [NOTE.FFOR | 0x0f, 0xff],
    [NOTE.FFAND | 0x3c, 0x3c],
    [NOTE.FFNOP | 0x81, 0x3c],
    [NOTE.FFCOPY | 0xffffff, 0xffffff],
  ] as const;
  for (const [fflags, stored] of steps) {
    // The trigger's bits are within those that can be stored: it is given by itself.
    assertEquals(queue.change("USER", 1, 0, { fflags }), "");
    assertEquals(queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER }), "");
    assertEquals(queue.one().fflags & NOTE.FFLAGSMASK, stored);
  }
});

real("libkqueue: user multi_trigger_merged: triggers that nobody saw are one", () => {
  using queue = new TestQueue();
  queue.add("USER", 1, EV.CLEAR);
  for (let times = 0; times < 10; times++) {
    queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER });
  }
  assertEquals([queue.one().ident, queue.now().length], [1, 0]);
});

real("libkqueue: user trigger_from_enable: ENABLE and TRIGGER in one change", () => {
  using queue = new TestQueue();
  queue.add("USER", 1, EV.DISPATCH);
  queue.change("USER", 1, 0, { fflags: NOTE.TRIGGER });
  assertEquals(queue.one().ident, 1);
  assertEquals(queue.now(), []);
  queue.change("USER", 1, EV.ENABLE, { fflags: NOTE.TRIGGER });
  assertEquals(queue.one().ident, 1);
});
