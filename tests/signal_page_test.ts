import fs from "node:fs";
import { assert, assertEquals } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { DATA, DATA_OFFSET, ORDER, RING_RECORDS, STUB_BYTES } from "../ffi/signal_stub.ts";
import { SignalPage } from "../handles/signal_page.ts";
import { test } from "./support.ts";

/** Writes into the data of a page as its handler would. */
function poke(page: SignalPage, place: number, value: ArrayBufferView): void {
  libc.copy_out(page.address + BigInt(DATA_OFFSET + place), value, BigInt(value.byteLength));
}

function peek(page: SignalPage, place: number): number {
  const word = new Uint32Array(new ArrayBuffer(4));
  libc.copy_in(word, page.address + BigInt(DATA_OFFSET + place), 4n);
  return word[0]!;
}

/** A record with one value, at a place of the ring. */
function spill(page: SignalPage, index: number, signo: number, value: number): void {
  const record = new Int32Array(new ArrayBuffer(structs.siginfo_t.size));
  record[0] = signo;
  record[structs.siginfo_t.si_value / 4] = value;
  poke(page, DATA.ring + (index % RING_RECORDS) * structs.siginfo_t.size, record);
}

const valueOf = (record: Uint8Array): number =>
  new DataView(record.buffer).getInt32(structs.siginfo_t.si_value, true);

/** Runs with a page of its own, and unmaps it: nothing was ever installed. */
function withPage(use: (page: SignalPage) => void): void {
  const page = SignalPage.make();
  try {
    use(page);
  } finally {
    libc.munmap(page.address, BigInt(STUB_BYTES));
  }
}

test("I09 SignalPage: the code can be run and not written, the data written and not run", () => {
  withPage((page) => {
    const rights = (address: bigint): string | undefined =>
      fs.readFileSync("/proc/self/maps", "utf8").split("\n").map((line) =>
        /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line)
      ).find((line) =>
        line !== null && BigInt(`0x${line[1]}`) <= address && address < BigInt(`0x${line[2]}`)
      )?.[3];
    assertEquals(rights(page.address), "r-xp");
    assertEquals(rights(page.address + BigInt(DATA_OFFSET)), "rw-p");
    assertEquals(rights(page.address + BigInt(STUB_BYTES - 1)), "rw-p");
    assertEquals(page.address % 4096n, 0n);
  });
});

test("I09 SignalPage.isAt: tells this library's handlers from all others", () => {
  withPage((page) => {
    assert(SignalPage.isAt(page.address));
    assert(!SignalPage.isAt(page.address + 4n) && !SignalPage.isAt(page.address + 65536n));
    assert(!SignalPage.isAt(8n));
  });
});

test("I09 SignalPage: the pipe, the signals, the process and a nonce that no user has", () => {
  withPage((page) => {
    page.setPipe(77);
    page.setBits(0x8000_0000_0000_0001n);
    assertEquals(peek(page, DATA.fd), 77);
    assertEquals([peek(page, DATA.bits), peek(page, DATA.bits + 4)], [1, 0x8000_0000]);
    assertEquals(peek(page, DATA.pid), libc.getpid());
    assert(peek(page, DATA.nonce) >= 2 ** 31);
    withPage((other) => assert(peek(other, DATA.nonce) !== peek(page, DATA.nonce)));
  });
});

test("I09 SignalPage.order: a siginfo_t of SI_QUEUE with the nonce", () => {
  withPage((page) => {
    const order = new DataView(page.order(300, 0x8000_0000_0000_0002n).buffer);
    assertEquals(order.byteLength, structs.siginfo_t.size);
    assertEquals(order.getInt32(structs.siginfo_t.si_code, true), -1);
    assertEquals(order.getInt32(ORDER.number, true), 300);
    assertEquals(order.getUint32(ORDER.nonce, true), peek(page, DATA.nonce));
    assertEquals(order.getBigUint64(ORDER.block, true), 0x8000_0000_0000_0002n);
    poke(page, DATA.acks + 2, Uint8Array.of(1));
    assertEquals(page.acks(4), Uint8Array.of(0, 0, 1, 0));
    page.clearAcks(4);
    assertEquals(page.acks(4), new Uint8Array(4));
  });
});

test("I09 SignalPage.takeSpilled: the oldest first, while they are accepted", () => {
  withPage((page) => {
    assert(!page.spilled);
    for (let index = 0; index < 3; index++) spill(page, index, 40, index);
    poke(page, DATA.head, Uint32Array.of(3));
    assert(page.spilled);
    const taken: number[] = [];
    page.takeSpilled((record) => taken.push(valueOf(record)) < 2); // the second is refused
    assertEquals([taken, page.spilled], [[0, 1], true]);
    page.takeSpilled((record) => taken.push(valueOf(record)) > 0);
    assertEquals([taken, page.spilled], [[0, 1, 1, 2], false]);
  });
});

test("I09 SignalPage.takeSpilled: stops at a record that is still being written", () => {
  withPage((page) => {
    spill(page, 0, 40, 5);
    spill(page, 1, 0, 6); // claimed, and its signo not written yet
    poke(page, DATA.head, Uint32Array.of(2));
    const taken: number[] = [];
    const take = (): void => page.takeSpilled((record) => taken.push(valueOf(record)) > 0);
    take();
    assertEquals([taken, page.spilled], [[5], true]);
    spill(page, 1, 40, 6);
    take();
    assertEquals([taken, page.spilled], [[5, 6], false]);
  });
});

test("I09 SignalPage.takeSpilled: the ring and its counters wrap around", () => {
  withPage((page) => {
    const most = 2 ** 32 - 1;
    poke(page, DATA.head, Uint32Array.of(1, most - 1)); // head and tail: three records
    for (const [value, index] of [most - 1, most, 0].entries()) spill(page, index, 40, value);
    const taken: number[] = [];
    page.takeSpilled((record) => taken.push(valueOf(record)) > 0);
    assertEquals([taken, page.spilled, peek(page, DATA.tail)], [[0, 1, 2], false, 1]);
    page.takeSpilled(() => assertNever());
  });
});

function assertNever(): never {
  throw new Error("a record was taken twice");
}
