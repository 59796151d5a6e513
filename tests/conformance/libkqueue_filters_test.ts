// libkqueue, the cases that each of its files has for its own filter: what the flags do is the same for
// all of them.

import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import type { Descriptor } from "../../handles/descriptor.ts";
import { socketPair } from "../../handles/pipe.ts";
import { EV, type KqueueFilter, NOTE } from "../../handles/kqueue_words.ts";
import { withKqueue } from "../kqueue_fixture.ts";
import { emulated, type Extra, TestQueue } from "../kqueue_queue.ts";
import { tempDir } from "../support.ts";

const real = withKqueue("libkqueue: the flags of every filter");

/** Something that a filter reports. */
interface Source extends Disposable {
  readonly filter: KqueueFilter;
  readonly ident: Descriptor | number;
  readonly extra: Extra;
  /** Makes it report, in the queues that it is given. */
  activate(...queues: readonly TestQueue[]): void;
  /** Takes away what is level-triggered about it. */
  drain(): void;
}

const bytes = new Uint8Array(64 * 1024);

function sockets(filter: "READ" | "WRITE"): Source {
  const { left, right } = socketPair();
  const empty = (): void => {
    while ((left.read(bytes) ?? 0) > 0);
  };
  const fill = (): void => {
    while (left.write(bytes) !== null);
  };
  const free = (): void => {
    while ((right.read(bytes) ?? 0) > 0);
  };
  if (filter === "WRITE") fill();
  return {
    filter,
    ident: left,
    extra: {},
    activate: () => filter === "READ" ? void right.write(bytes.subarray(0, 1)) : free(),
    drain: filter === "READ" ? empty : fill,
    [Symbol.dispose]: () => {
      left.close();
      right.close();
    },
  };
}

function user(): Source {
  return {
    filter: "USER",
    ident: 7,
    extra: {},
    activate: (...queues) => {
      for (const queue of queues) {
        assertEquals(queue.change("USER", 7, 0, { fflags: NOTE.TRIGGER, udata: 1n }), "");
      }
    },
    drain: () => {},
    [Symbol.dispose]: () => {},
  };
}

function file(): Source {
  const dir = tempDir();
  const path = `${dir.path}/watched`;
  const fd = fs.openSync(path, "w+");
  return {
    filter: "VNODE",
    ident: fd,
    extra: { fflags: NOTE.ATTRIB },
    activate: () => fs.utimesSync(path, new Date(), new Date()),
    drain: () => {},
    [Symbol.dispose]: () => {
      fs.closeSync(fd);
      dir[Symbol.dispose]();
    },
  };
}

const SOURCES: Readonly<Record<string, () => Source>> = {
  READ: () => sockets("READ"),
  WRITE: () => sockets("WRITE"),
  USER: user,
  VNODE: file,
};

/** Registers one case for each filter. */
function each(
  name: string,
  body: (source: Source, queue: TestQueue) => void,
  except: readonly KqueueFilter[] = [],
): void {
  for (const [filter, make] of Object.entries(SOURCES)) {
    if (except.includes(filter as KqueueFilter)) continue;
    real(`libkqueue: ${filter.toLowerCase()} ${name}`, () => {
      using source = make();
      using queue = new TestQueue();
      body(source, queue);
    });
  }
}

each(
  "add_without_ev_add, del_nonexistent, enable_nonexistent: ENOENT",
  ({ filter, ident }, queue) => {
    for (const flags of [0, EV.DELETE, EV.ENABLE, EV.DISABLE]) {
      assertEquals(queue.change(filter, ident, flags), "ENOENT");
    }
  },
);

each("add, get and del: the filter and the ident, and then nothing", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  assertEquals(queue.now(), []);
  source.activate(queue);
  const event = queue.one();
  assertEquals(event.filter, filter);
  assertEquals(event.ident, typeof ident === "number" ? ident : ident.raw);
  assertEquals(queue.change(filter, ident, EV.DELETE), "");
  source.activate();
  assertEquals(queue.now(), []);
  assertEquals(queue.change(filter, ident, EV.DELETE), "ENOENT");
});

each("oneshot: reported once, and out of the queue then", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.ONESHOT, { ...extra, udata: 1n });
  source.activate(queue);
  assertEquals((queue.one().flags & EV.ONESHOT) !== 0, true);
  source.drain();
  if (filter !== "USER") source.activate(queue);
  assertEquals(queue.now(), []);
  assertEquals(queue.change(filter, ident, EV.DELETE), "ENOENT");
});

each("dispatch: silent after one report until ENABLE", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.DISPATCH | EV.CLEAR, { ...extra, udata: 1n });
  source.activate(queue);
  assertEquals(queue.one().filter, filter);
  source.drain();
  if (filter === "READ" || filter === "WRITE") source.activate(queue);
  assertEquals(queue.now(), []);
  assertEquals(queue.change(filter, ident, EV.ENABLE, { ...extra, udata: 1n }), "");
  if (filter === "USER" || filter === "VNODE") source.activate(queue);
  assertEquals(queue.one().filter, filter);
});

each("clear: only new activity is reported", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  source.activate(queue);
  assertEquals([queue.one().filter, queue.now().length], [filter, 0]);
  source.drain();
  assertEquals(queue.now(), []);
  source.activate(queue);
  assertEquals([queue.one().filter, queue.now().length], [filter, 0]);
});

each(
  "disable_drains, disable_and_enable: what was pending is not reported while disabled",
  (source, queue) => {
    const { filter, ident, extra } = source;
    queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
    if (filter !== "USER") source.activate(queue);
    assertEquals(queue.change(filter, ident, EV.DISABLE, { ...extra, udata: 1n }), "");
    assertEquals(queue.now(), []);
    assertEquals(queue.change(filter, ident, EV.ENABLE, { ...extra, udata: 1n }), "");
    if (filter === "USER" || filter === "VNODE") source.activate(queue);
    assertEquals(queue.one().filter, filter);
  },
);

each("delete_drains: what was pending is gone", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  source.activate(queue);
  assertEquals(queue.change(filter, ident, EV.DELETE), "");
  assertEquals(queue.now(), []);
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  if (filter === "USER" || filter === "VNODE") assertEquals(queue.now(), []);
});

each("udata_preserved: all 64 bits, with every report", (source, queue) => {
  const { filter, ident, extra } = source;
  const udata = filter === "USER" ? 1n : 0xfedc_ba98_7654_3210n;
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata });
  for (let round = 0; round < 2; round++) {
    source.activate(queue);
    assertEquals(queue.one().udata, udata);
    source.drain();
  }
});

each("modify_clobbers_udata: adding it again replaces the udata", (source, queue) => {
  const { filter, ident, extra } = source;
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 0xdead_beef_0000_0001n });
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  source.activate(queue);
  assertEquals(queue.one().udata, 1n);
});

each("multi_kqueue: the same ident in two queues is two events", (source, queue) => {
  const { filter, ident, extra } = source;
  using other = new TestQueue();
  queue.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  other.add(filter, ident, EV.CLEAR, { ...extra, udata: 1n });
  source.activate(queue, other);
  assertEquals([queue.one().filter, other.one().filter], [filter, filter]);
  assertEquals(queue.change(filter, ident, EV.DELETE), "");
  source.drain();
  source.activate(other);
  assertEquals([queue.now().length, other.one().filter], [0, filter]);
});

each(
  "receipt_preserved: a report says what has happened, not that its change had an answer",
  (source, queue) => {
    const { filter, ident, extra } = source;
    queue.add(filter, ident, EV.CLEAR | EV.RECEIPT, { ...extra, udata: 1n });
    source.activate(queue);
    const { flags } = queue.one();
    assert((flags & (EV.RECEIPT | EV.ADD | EV.ERROR)) === 0, `flags are ${flags}`);
  },
);

each("level: without CLEAR it is reported for as long as it lasts", (source, queue) => {
  const { filter, ident } = source;
  queue.add(filter, ident, 0, { udata: 1n });
  source.activate(queue);
  for (let round = 0; round < 3; round++) assertEquals(queue.one().filter, filter);
  if (filter === "USER") return; // it lasts until it is cleared
  source.drain();
  assertEquals(queue.now(), []);
}, ["VNODE"]);

real("libkqueue: DISPATCH and ONESHOT together", () => {
  using queue = new TestQueue();
  const code = queue.change("USER", 1, EV.ADD | EV.DISPATCH | EV.ONESHOT);
  assertEquals(code, emulated ? "EINVAL" : "");
});
