// The encodings, byte by byte for both sizes of `struct kevent`, and the logic of a list of changes: no
// kernel is needed for these.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type KqueueName, kqueueTables } from "../ffi/kqueue.ts";
import { BSD_TABLE } from "../ffi/const_bsd.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import type { KqueueChange } from "../handles/kqueue_changes.ts";
import { DATA, FFLAGS, FILTER_FLAGS, IDENT, UDATA } from "../handles/kqueue_events.ts";
import { EV, NOTE } from "../handles/kqueue_words.ts";
import { pipe } from "../handles/pipe.ts";
import { FakeKqueue } from "./kqueue_fake.ts";
import { test } from "./support.ts";

const SYSTEMS: readonly KqueueName[] = ["darwin", "freebsd", "libkqueue"];

const { ADD, DELETE, CLEAR, ONESHOT, RECEIPT, DISPATCH, ERROR } = EV;

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A descriptor's number as the field `ident` has it. */
const ident = (number: number): string =>
  hex(new Uint8Array(BigUint64Array.of(BigInt(number)).buffer));

/** What one change is given to the kernel as. */
function encoded(system: KqueueName, change: KqueueChange): string {
  const kernel = new FakeKqueue(system);
  using queue = kernel.queue();
  queue.control([change]);
  return hex(kernel.made[0]!.changes);
}

/** A list of n events that nothing can be wrong with. */
const users = (length: number): KqueueChange[] =>
  Array.from({ length }, (_, ident) => ({ filter: "USER", ident, flags: ADD }));

test("K14 the places of the fields are those of the tables, on every system", () => {
  const sizes = SYSTEMS.map((name) => {
    const { layout } = kqueueTables(name);
    const { ident, filter, flags, fflags, data, udata } = layout;
    assertEquals([ident, filter, flags], [IDENT * 4, FILTER_FLAGS * 4, FILTER_FLAGS * 4 + 2]);
    assertEquals([fflags, data, udata], [FFLAGS * 4, DATA * 4, UDATA * 4]);
    return layout.size;
  });
  assertEquals(sizes, [32, 64, 32]);
});

test("K14 the words of EV, and the notes that are told as constants, are the same everywhere", () => {
  const alike = [
    ...Object.keys(EV).map((word) => `EV_${word}`),
    ..."LOWAT DELETE WRITE EXTEND ATTRIB LINK RENAME REVOKE EXIT FORK EXEC".split(" ")
      .map((word) => `NOTE_${word}`),
    ..."FFNOP FFAND FFOR FFCOPY FFLAGSMASK TRIGGER".split(" ").map((word) => `NOTE_${word}`),
  ] as (keyof typeof BSD_TABLE)[];
  for (const name of alike) assertEquals(BSD_TABLE[name][0], BSD_TABLE[name][1], name);
});

test("K13 libkqueue has FreeBSD's filters, Darwin's timers and Darwin's struct", () => {
  const { constants } = kqueueTables("libkqueue");
  assertEquals(constants.EVFILT_USER, -11);
  const { NOTE_SECONDS, NOTE_USECONDS, NOTE_NSECONDS, NOTE_ABSOLUTE } = constants;
  assertEquals([NOTE_SECONDS, NOTE_USECONDS, NOTE_NSECONDS, NOTE_ABSOLUTE], [1, 2, 4, 8]);
});

test("K14 a change is encoded byte by byte: 32 bytes on Darwin, 64 on FreeBSD", () => {
  const change: KqueueChange = {
    filter: "USER",
    ident: 0x1f_2e3d_4c5b_6a79,
    flags: ADD | CLEAR,
    fflags: NOTE.FFCOPY | NOTE.TRIGGER | 0xabcde,
    data: -2n,
    udata: 0xfedc_ba98_7654_3210n,
  };
  const ident = "796a5b4c3d2e1f00";
  const rest = "6100" + "debc0ac1" + "feffffffffffffff" + "1032547698badcfe";
  assertEquals(encoded("darwin", change), ident + "f6ff" + rest);
  assertEquals(encoded("libkqueue", change), ident + "f5ff" + rest);
  assertEquals(encoded("freebsd", change), ident + "f5ff" + rest + "00".repeat(32));
});

test("K14 each filter has its number, and what is left out is 0", () => {
  const ends = pipe();
  const cases = [
    ["READ", "ffff"],
    ["WRITE", "feff"],
    ["VNODE", "fcff"],
    ["PROC", "fbff"],
    ["SIGNAL", "faff"],
    ["TIMER", "f9ff"],
  ] as const;
  for (const system of SYSTEMS) {
    const tail = "00".repeat(kqueueTables(system).layout.size - 12);
    for (const [filter, number] of cases) {
      const expected = `0700000000000000${number}4200${tail}`;
      assertEquals(encoded(system, { filter, ident: 7, flags: DELETE }), expected);
    }
    const one = encoded(system, { filter: "READ", ident: ends.reader, flags: ADD });
    assertEquals(one.slice(0, 16), ident(ends.reader.raw));
  }
  ends.reader.close();
  ends.writer.close();
});

test("K14 the ends of the numbers: data with its sign, fflags with and without, udata without", () => {
  const at = (place: number, length: number, change: Partial<KqueueChange>): string =>
    encoded("darwin", { filter: "USER", ident: 1, flags: 0, ...change })
      .slice(place * 2, (place + length) * 2);
  assertEquals(at(16, 8, { data: Number.MIN_SAFE_INTEGER }), "010000000000e0ff");
  assertEquals(at(16, 8, { data: 2n ** 63n - 1n }), "ffffffffffffff7f");
  assertEquals(at(16, 8, { data: -(2n ** 63n) }), "0000000000000080");
  assertEquals(at(12, 4, { fflags: -1 }), "ffffffff");
  assertEquals(at(12, 4, { fflags: 0xffff_ffff }), "ffffffff");
  assertEquals(at(24, 8, { udata: 2n ** 64n - 1n }), "ffffffffffffffff");
  assertEquals(at(24, 8, { udata: Number.MAX_SAFE_INTEGER }), "ffffffffffff1f00");
});

test("K14 what no change can be is refused before any is made", () => {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  const good: KqueueChange = { filter: "USER", ident: 1, flags: ADD };
  const wrong: readonly [Partial<Record<keyof KqueueChange, unknown>>, typeof Error, string][] = [
    [{ filter: "FS" }, TypeError, 'the filter must be one of "READ"'],
    [{ filter: "READ", ident: -1 }, RangeError, "the ident of READ"],
    [{ filter: "READ", ident: 2 ** 31 }, RangeError, "the ident of READ"],
    [{ filter: "WRITE", ident: "3" }, TypeError, "the ident of WRITE, if no handle"],
    [{ filter: "PROC", ident: 0 }, RangeError, "the ident of PROC"],
    [{ filter: "SIGNAL", ident: -1 }, RangeError, "the ident of SIGNAL"],
    [{ ident: -1 }, RangeError, "the ident of USER"],
    [{ ident: 2 ** 53 }, RangeError, "the ident of USER"],
    [{ ident: 3n }, TypeError, "the ident of USER"],
    [{ flags: undefined }, TypeError, "flags"],
    [{ flags: ERROR }, RangeError, "none of them has 0x4000"],
    [{ flags: 0x1_0000 }, RangeError, "flags"],
    [{ fflags: 2 ** 32 }, RangeError, "fflags"],
    [{ fflags: 0.5 }, RangeError, "fflags"],
    [{ data: 2n ** 63n }, RangeError, "64 bits with a sign"],
    [{ data: "1" }, TypeError, "data"],
    [{ udata: -1n }, RangeError, "udata"],
    [{ udata: 2n ** 64n }, RangeError, "udata"],
    [{ filter: "TIMER", data: -1 }, RangeError, "must not be negative"],
  ];
  for (const [fields, kind, message] of wrong) {
    const list = [good, { ...good, ...fields } as KqueueChange];
    const error = assertThrows(() => queue.control(list), kind, "Kqueue.control: change 1: ");
    assert(error.message.includes(message), error.message);
  }
  for (const bad of [null, 3, "x", undefined, () => {}]) {
    assertThrows(() => queue.control([bad as never]), TypeError, "change 0 must be an object");
  }
  assertEquals(kernel.made, []);
});

test("cpython test_kqueue: test_issue30058, changes are anything that can be iterated over", () => {
  const kernel = new FakeKqueue("freebsd");
  using queue = kernel.queue();
  function* generated(): Generator<KqueueChange> {
    yield* users(3);
  }
  const custom = { [Symbol.iterator]: generated };
  for (const list of [users(3), new Set(users(3)), generated(), custom]) {
    queue.control(list);
    assertEquals(kernel.made.splice(0).map(({ nchanges }) => nchanges), [3]);
  }
  for (const bad of [3, {}, users(1)[0], true, undefined]) {
    assertThrows(() => queue.control(bad as never), TypeError, "something to iterate over");
  }
  function* broken(): Generator<KqueueChange> {
    yield* users(1);
    throw new Error("the list's own");
  }
  assertThrows(() => queue.control(broken()), Error, "the list's own");
  assertEquals([queue.control(null), queue.control([])], [0, 0]);
  assertEquals(kernel.made, []);
});

test("K14 a long list goes in parts of 256, in its order", () => {
  for (const system of SYSTEMS) {
    const kernel = new FakeKqueue(system);
    using queue = kernel.queue();
    queue.control(users(600));
    assertEquals(kernel.made.map(({ nchanges }) => nchanges), [256, 256, 88]);
    const { size } = kernel.layout;
    const idents = kernel.made.flatMap(({ changes }) =>
      Array.from(
        { length: changes.length / size },
        (_, index) => new DataView(changes.buffer).getUint32(index * size, true),
      )
    );
    assertEquals(idents, Array.from({ length: 600 }, (_, index) => index));
    assertEquals(
      kernel.made.every(({ timeout, nevents, nchanges }) =>
        timeout?.[0] === 0 && timeout[1] === 0 && nevents === nchanges
      ),
      true,
    );
  }
});

test("K08 a refused change is an event with ERROR; the others are made, and nothing waits", () => {
  for (const system of SYSTEMS) {
    const kernel = new FakeKqueue(system);
    using queue = kernel.queue();
    const events = kernel.events(4);
    kernel.answers.push((words) => kernel.receipts(words, [0, 2, 0]));
    const list = [
      { ...users(1)[0]!, flags: ADD | RECEIPT, udata: 5n },
      { ...users(2)[1]!, flags: DELETE | DISPATCH, udata: 6n },
      { ...users(3)[2]!, flags: ADD | ONESHOT },
    ];
    assertEquals(queue.control(list, events, null), 2);
    assertEquals([...events].map(({ ident, flags, data, udata }) => [ident, flags, data, udata]), [
      [0, ADD | RECEIPT | ERROR, 0, 5n],
      [1, DELETE | DISPATCH | ERROR, 2, 6n],
    ]);
    assertEquals(kernel.made.length, 1);
  }
});

test("K08 a refused change is thrown where there is no room for the answer", () => {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  const list = [...users(2), { filter: "PROC", ident: 9, flags: ADD, fflags: NOTE.EXIT } as const];
  const refuse = (...codes: number[]): SyscallError => {
    kernel.answers.push((words) => kernel.receipts(words, codes));
    return assertThrows(() => queue.control(list), SyscallError);
  };
  const missing = refuse(0, 2, 3);
  assertEquals([missing.code, missing.syscall, missing.fd], ["ENOENT", "kevent", queue.raw]);
  assertEquals(/USER 1: it is not in the queue.*change 1 of 3/.test(missing.message), true);
  assertEquals(refuse(0, 0, 3).message.includes("PROC 9: there is no such process"), true);
  // Too little room is no room: what would not fit is not dropped in silence.
  kernel.answers.push((words) => kernel.receipts(words, [2, 2, 0]));
  const small = kernel.events(1);
  assertThrows(() => queue.control(list, small, 0), SyscallError, "change 0 of 3");
});

test("K08 receipts that there is no room for: all is made, and nothing waits", () => {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  const events = kernel.events(1);
  kernel.ready = true; // a wait would have an event
  const list = users(2).map((change) => ({ ...change, flags: ADD | RECEIPT }));
  assertEquals([queue.control(list, events), events.length], [0, 0]);
  assertEquals(kernel.made.map(({ nchanges }) => nchanges), [2]);
});

test("K08 a call that fails as a whole is thrown by its errno", () => {
  const kernel = new FakeKqueue("freebsd");
  using queue = kernel.queue();
  kernel.answers.push("ENOMEM");
  const error = assertThrows(() => queue.control(users(1)), SyscallError);
  assertEquals([error.code, error.fd], ["ENOMEM", queue.raw]);
  kernel.answers.push("EBADF");
  assertEquals(
    assertThrows(() => queue.control(null, kernel.events(1), 0), SyscallError).code,
    "EBADF",
  );
});

test("K14 a handle in a change is lent to the call: a closed one is refused before any is made", () => {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  const ends = pipe();
  const { reader } = ends;
  const list = [users(1)[0]!, { filter: "READ", ident: reader, flags: ADD } as const];
  queue.control(list);
  assertEquals(kernel.made.splice(0).length, 1);
  const number = reader.raw;
  reader.close();
  // It leaves the queue before its number is given back.
  assertEquals(hex(kernel.made.splice(0)[0]!.changes).slice(0, 24), `${ident(number)}ffff4200`);
  assertThrows(() => queue.control(list), ClosedError);
  assertEquals(kernel.made, []);
  ends.writer.close();
});

test("K14 what closing a handle takes out: what was added, deleted and refused in any order", () => {
  const kernel = new FakeKqueue("darwin");
  using queue = kernel.queue();
  /** The changes that closing the handle makes, behind lists whose changes are answered so. */
  const atClose = (...lists: readonly (readonly [flags: number, code: number])[][]): number => {
    using ends = pipe();
    for (const list of lists) {
      kernel.answers.push((words) => kernel.receipts(words, list.map(([, code]) => code)));
      const changes = list.map((
        [flags],
      ) => ({ filter: "READ", ident: ends.reader, flags } as const));
      queue.control(changes, kernel.events(4), 0);
    }
    kernel.made.length = 0;
    ends.reader.close();
    return kernel.made.reduce((sum, { nchanges }) => sum + nchanges, 0);
  };
  const [refused, missing] = [22, 2];
  assertEquals(atClose([[ADD, 0]]), 1);
  assertEquals(atClose([[ADD, 0], [DELETE, 0]]), 0);
  assertEquals(atClose([[ADD, 0]], [[DELETE, 0], [ADD, 0]]), 1);
  assertEquals(atClose([[DELETE, missing], [ADD, 0]]), 1);
  assertEquals(atClose([[ADD, refused]]), 0);
  assertEquals(atClose([[ADD, refused], [ADD, 0]]), 1);
  assertEquals(atClose([[ADD, 0]], [[ADD, refused]]), 1); // the one before is still there
  assertEquals(atClose([[ADD, 0]], [[EV.DISABLE, refused]]), 1);
  assertEquals(atClose([[ADD, 0]], [[EV.ENABLE, missing]]), 0); // it was reported once
});
