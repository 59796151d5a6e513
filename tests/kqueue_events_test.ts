import { assertEquals, assertThrows } from "@std/assert";
import { kqueueTables } from "../ffi/kqueue.ts";
import { EventMemory, eventsOn, KqueueEvents, received } from "../handles/kqueue_events.ts";
import { EV } from "../handles/kqueue_words.ts";
import { withKqueue } from "./kqueue_fixture.ts";
import { FakeKqueue } from "./kqueue_fake.ts";
import { test } from "./support.ts";

/** `struct kevent` as C would write it. */
function kevent(system: "darwin" | "freebsd", user: number): Uint8Array {
  const { size } = kqueueTables(system).layout;
  const view = new DataView(new ArrayBuffer(size));
  view.setBigUint64(0, 0x1f_ffff_ffff_fffen, true);
  view.setInt16(8, user, true);
  view.setUint16(10, EV.EOF | EV.CLEAR | EV.ADD | EV.ENABLE | EV.RECEIPT, true);
  view.setUint32(12, 0x8000_0001, true);
  view.setBigInt64(16, -0x1_0000_0001n, true);
  view.setBigUint64(24, 0xfedc_ba98_7654_3210n, true);
  return new Uint8Array(view.buffer);
}

for (const [system, user] of [["darwin", -10], ["freebsd", -11]] as const) {
  test(`K14 an event is read byte by byte as ${system} writes it, also from shared memory`, () => {
    const { size } = kqueueTables(system).layout;
    const memory = new SharedArrayBuffer(3 * size);
    const events = eventsOn(new EventMemory(kqueueTables(system), 0, memory));
    assertEquals([events.capacity, events.length], [3, 0]);
    new Uint8Array(memory).set(kevent(system, user), size);
    new Uint8Array(memory).set(kevent(system, -7), 0);
    received(events, 2);
    assertEquals([...events].map(({ filter }) => filter), ["TIMER", "USER"]);
    assertEquals([...events][1], {
      filter: "USER",
      ident: Number.MAX_SAFE_INTEGER - 1,
      flags: EV.EOF | EV.CLEAR, // what was asked for is not what has happened
      fflags: 0x8000_0001,
      data: -0x1_0000_0001,
      udata: 0xfedc_ba98_7654_3210n,
    });
    assertEquals([events.udataLow(1), events.udataHigh(1)], [0x7654_3210, 0xfedc_ba98]);
  });
}

test("K14 only what the last call reported can be read", () => {
  const kernel = new FakeKqueue("darwin");
  const events = kernel.events(2);
  assertThrows(() => events.filter(0), RangeError, "the last call reported none");
  received(events, 1);
  assertEquals(events.ident(0), 0);
  const reads = ["filter", "ident", "flags", "fflags", "data", "udata", "udataLow", "udataHigh"];
  for (const read of reads as (keyof KqueueEvents)[]) {
    for (const bad of [1, -1, 0.5, NaN]) {
      assertThrows(() => (events[read] as (index: number) => unknown)(bad), RangeError);
    }
    assertThrows(() => (events[read] as (index: unknown) => unknown)("0"), TypeError);
  }
});

withKqueue("KqueueEvents")(
  "nevents_validation: the room is checked before memory is touched",
  () => {
    for (const bad of [0, -1, 0.5, NaN, 2 ** 31, 1_048_577]) {
      assertThrows(() => new KqueueEvents(bad), RangeError, "KqueueEvents: the capacity");
    }
    for (const bad of ["4", null, undefined, 4n]) {
      assertThrows(() => new KqueueEvents(bad as never), TypeError, "KqueueEvents: the capacity");
    }
    const events = new KqueueEvents(1_048_576);
    assertEquals([events.capacity, String(events)], [1_048_576, "[object KqueueEvents]"]);
  },
);
