// CPython test_kqueue.py.

import { spawnSync } from "node:child_process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../../handles/closed_error.ts";
import { Kqueue } from "../../handles/kqueue.ts";
import type { KqueueChange } from "../../handles/kqueue_changes.ts";
import { KqueueEvents } from "../../handles/kqueue_events.ts";
import { EV, NOTE } from "../../handles/kqueue_words.ts";
import { socketPair } from "../../handles/pipe.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { TestQueue } from "../kqueue_queue.ts";
import { flagsOf } from "../probes.ts";

const real = withKqueue("cpython: test_kqueue");

const { ADD, ENABLE, DELETE, ONESHOT, CLEAR } = EV;

real("cpython: test_create_queue", () => {
  const queue = Kqueue.create();
  assert(queue.raw > 0 && !queue.closed);
  queue.close();
  assert(queue.closed && queue.raw === -1);
});

real("cpython: test_create_event: what is given comes back as it was", () => {
  using queue = new TestQueue();
  const cases = [
    { ident: 1, udata: 0n },
    { ident: 1000, udata: 3n },
    { ident: Number.MAX_SAFE_INTEGER, udata: 2n ** 64n - 1n },
  ];
  for (const { ident, udata } of cases) {
    queue.add("USER", ident, CLEAR, { udata });
    queue.change("USER", ident, 0, { fflags: NOTE.TRIGGER, udata });
    const event = queue.one();
    assertEquals([event.ident, event.udata, event.data], [ident, udata, 0]);
  }
});

real("cpython: test_queue_event: the set is exact at each step", () => {
  using queue = new TestQueue();
  using pair = socketPair();
  const { left: client, right: server } = pair;
  const both = [client, server];
  for (const end of both) {
    queue.add("READ", end, ENABLE);
    queue.add("WRITE", end, ENABLE);
  }
  const found = (): string[] =>
    queue.next().map(({ ident, filter, flags }) => `${ident} ${filter} ${flags}`).sort();
  const expected = (...list: [end: typeof client, filter: string][]): string[] =>
    list.map(([{ raw }, filter]) => `${raw} ${filter} 0`).sort();
  assertEquals(found(), expected([client, "WRITE"], [server, "WRITE"]));
  client.write(new TextEncoder().encode("Hello!"));
  server.write(new TextEncoder().encode("world!!!"));
  assertEquals(
    found(),
    expected([client, "READ"], [client, "WRITE"], [server, "READ"], [server, "WRITE"]),
  );
  for (const filter of ["READ", "WRITE"] as const) {
    assertEquals(queue.change(filter, client, DELETE), "");
  }
  assertEquals(queue.change("READ", server, DELETE), "");
  assertEquals(found(), expected([server, "WRITE"]));
  assertEquals(queue.change("WRITE", server, DELETE), "");
  assertEquals(queue.now(), []);
});

real("cpython: test_pair: both ends of a pair in one list, oneshot", () => {
  using queue = new TestQueue();
  using pair = socketPair();
  const events = new KqueueEvents(2);
  const list: KqueueChange[] = [
    { filter: "READ", ident: pair.left, flags: ADD | ONESHOT },
    { filter: "READ", ident: pair.right, flags: ADD | ONESHOT },
  ];
  assertEquals(queue.queue.control(list, events, 0), 0);
  pair.left.write(new Uint8Array(3));
  pair.right.write(new Uint8Array(4));
  assertEquals(queue.queue.control(null, events), 2);
  assertEquals([...events].map(({ data }) => data).sort(), [3, 4]);
});

real(
  "cpython: test_issue30058: a list, a tuple, something with __len__ and __iter__, and nothing",
  () => {
    using queue = new TestQueue();
    using pair = socketPair();
    const list: KqueueChange[] = [
      { filter: "READ", ident: pair.left, flags: ADD | CLEAR },
      { filter: "READ", ident: pair.right, flags: ADD | CLEAR },
    ];
    const custom = {
      length: 7, // too many: what it gives counts
      *[Symbol.iterator](): Generator<KqueueChange> {
        yield* list;
      },
    };
    for (const changes of [list, Object.freeze([...list]), custom, new Set(list), [], null]) {
      assertEquals(queue.queue.control(changes, new KqueueEvents(1), 0), 0);
    }
  },
);

real("cpython: test_close: closing again is fine, and all else an error", () => {
  const queue = Kqueue.create();
  queue.close();
  queue.close();
  assertThrows(() => queue.control(null), ClosedError);
});

real("cpython: test_fd_non_inheritable: not inherited by a program that is started", () => {
  using queue = Kqueue.create();
  assertEquals(flagsOf(queue).cloexec, true);
  const { status } = spawnSync("sh", ["-c", `[ ! -e /dev/fd/${queue.raw} ]`]);
  assertEquals(status, 0);
});
