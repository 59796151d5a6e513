// gVisor, test/syscalls/linux/epoll.cc: what it observes, of epoll in user space.

import { assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { EntryFlags, EventMask } from "../../loop/event_mask.ts";
import { EventPoll } from "../../loop/event_poll.ts";
import { EventPollError } from "../../loop/event_poll_error.ts";
import { MemoryCounter } from "../../loop/memory_counter.ts";
import { memoryPipe } from "../../loop/memory_pipe.ts";
import { memorySocketPair } from "../../loop/memory_socket.ts";
import { test } from "../support.ts";

const { IN, OUT } = EventMask;
const { OneShot, EdgeTriggered } = EntryFlags;

const TAGS = [0xdead_beef_0000_0000n, 0xdead_beef_0000_0001n, 0xdead_beef_0000_0002n] as const;

/** Three counters in a poll, under 64-bit data. */
function three(mask: number): { poll: EventPoll; counters: MemoryCounter[] } {
  const poll = new EventPoll();
  const counters = TAGS.map(() => MemoryCounter.create());
  counters.forEach((file, index) => poll.addEntry({ file }, 0, mask, TAGS[index]!));
  return { poll, counters };
}

const reports = (poll: EventPoll): [number | bigint, number][] =>
  poll.readEvents(8).map(({ mask, data }) => [data, mask]);

const codeOf = (call: () => void): string => assertThrows(call, EventPollError).code;

test("gvisor EventPoll: AllWritable and LastReadable", () => {
  const { poll, counters } = three(IN | OUT);
  assertEquals(reports(poll), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], OUT]]);
  counters[2]!.signal();
  assertEquals(reports(poll), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], IN | OUT]]);
});

test("gvisor EventPoll: LastNonWritable, a full counter is not", () => {
  const { poll, counters } = three(IN | OUT);
  counters[2]!.signal(2n ** 64n - 2n);
  assertEquals(reports(poll), [[TAGS[0], OUT], [TAGS[1], OUT], [TAGS[2], IN]]);
});

test("gvisor EventPoll: Timeout and TimeoutNoFds, 200 ms", async () => {
  const { poll } = three(IN);
  using empty = new EventPoll();
  await Promise.all([poll, empty].map(async (each) => {
    const began = performance.now();
    assertEquals(await each.wait(8, { timeout: 200 }), []);
    assertGreaterOrEqual(performance.now() - began, 200);
  }));
});

test("gvisor EventPoll: WaitThenUnblock and UnblockWithNewFD, with the data exact", async () => {
  const { poll, counters } = three(IN);
  const waiting = poll.wait(8);
  counters[0]!.signal();
  assertEquals(await waiting, [{ mask: IN, data: TAGS[0] }]);
  counters[0]!.wait();
  const other = poll.wait(8);
  const file = MemoryCounter.create({ initial: 1 });
  poll.addEntry({ file }, 0, IN, 0xdeadbeef_facefeedn);
  assertEquals(await other, [{ mask: IN, data: 0xdeadbeef_facefeedn }]);
});

test("gvisor EventPoll: Oneshot, an update to OUT and OneShot: one report, then none", () => {
  const { poll, counters } = three(IN);
  poll.updateEntry({ file: counters[0]! }, OneShot, OUT, TAGS[0]);
  assertEquals([reports(poll), reports(poll)], [[[TAGS[0], OUT]], []]);
});

test("gvisor EventPoll: EdgeTriggered, what is an edge for a writer and what is not", () => {
  using poll = new EventPoll();
  using counter = MemoryCounter.create();
  poll.addEntry({ file: counter }, EdgeTriggered, OUT, 1);
  assertEquals([reports(poll), reports(poll)], [[[1, OUT]], []]);
  counter.signal(2n ** 64n - 2n);
  assertEquals([counter.signal(), reports(poll)], [false, []], "full");
  counter.wait();
  assertEquals([reports(poll), reports(poll)], [[[1, OUT]], []], "room again");
  poll.updateEntry({ file: counter }, EdgeTriggered, OUT, 2);
  assertEquals([reports(poll), reports(poll)], [[[2, OUT]], []], "an update, with the new data");
});

test("gvisor EventPoll: DoubleLayerEpoll, twice", async () => {
  using outer = new EventPoll();
  using inner = new EventPoll();
  using ends = memoryPipe();
  inner.addEntry({ file: ends.reader }, 0, IN, 1);
  outer.addEntry({ file: inner }, 0, IN, 2);
  for (let time = 0; time < 2; time++) {
    assertEquals([reports(outer), reports(inner)], [[], []]);
    const waiting = outer.wait(8);
    ends.writer.write(new Uint8Array(1));
    assertEquals(await waiting, [{ mask: IN, data: 2 }]);
    assertEquals(reports(inner), [[1, IN]]);
    assertEquals(ends.reader.read(new Uint8Array(1)), 1);
  }
  assertEquals([reports(outer), reports(inner)], [[], []]);
});

test("gvisor EventPoll: DoubleEpollOneShot, 4096 requests and answers, both ends re-arming", async () => {
  using pair = memorySocketPair();
  const rounds = 4096;
  const side = async (end: typeof pair.left, begins: boolean): Promise<void> => {
    using poll = new EventPoll();
    const byte = new Uint8Array(1);
    const [id, flags] = [{ file: end }, EdgeTriggered | OneShot];
    poll.addEntry(id, flags, IN, 1);
    for (let round = 0; round < rounds; round++) {
      if (begins) end.write(byte);
      while (end.read(byte) === null) {
        poll.updateEntry(id, flags, IN, 1);
        assertEquals((await poll.wait(1, { timeout: 10_000 })).length, 1, `round ${round}`);
      }
      if (!begins) end.write(byte);
    }
  };
  await Promise.all([side(pair.left, true), side(pair.right, false)]);
});

test("gvisor EventPoll: CycleOfOneFails, CycleOfThreeFails, RegularFiles and CloseFile", () => {
  const [one, two, three] = [new EventPoll(), new EventPoll(), new EventPoll()];
  assertEquals(codeOf(() => one.addEntry({ file: one }, 0, IN, 1)), "EINVAL");
  one.addEntry({ file: two }, 0, IN, 1);
  two.addEntry({ file: three }, 0, IN, 1);
  assertEquals(codeOf(() => three.addEntry({ file: one }, 0, IN, 1)), "ELOOP");
  const file = { pollable: false, readiness: () => IN, register() {}, unregister() {} };
  for (const verb of ["addEntry", "updateEntry", "removeEntry"] as const) {
    assertEquals(codeOf(() => one[verb]({ file }, 0, IN, 1)), "EPERM");
  }
  const ends = memoryPipe();
  for (const end of [MemoryCounter.create(), ends.writer, ends.reader]) {
    three.addEntry({ file: end.file }, 0, IN | OUT, 1);
    assertEquals(three.readEvents(1).length, 1);
    end.close();
    assertEquals([three.readEvents(1).length, three.size], [0, 0]);
  }
});
