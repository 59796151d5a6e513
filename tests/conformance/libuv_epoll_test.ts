// libuv, test/test-poll*.c: what it observes of the sets beneath it.

import { closeSync, openSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import type { FD } from "../../handles/fd.ts";
import { pipe } from "../../handles/pipe.ts";
import { count, reports } from "../epoll_fixture.ts";
import { test } from "../support.ts";
import { connection, shutdownWrite } from "../tcp.ts";

const { IN, OUT, RDHUP } = EPOLL;

test("libuv: poll_bad_fdtype, files and directories are refused when they are added", () => {
  using set = Epoll.create();
  for (const path of [new URL(import.meta.url), new URL(".", import.meta.url)]) {
    const file = openSync(path, "r");
    assertEquals(assertThrows(() => set.add(file, IN), SyscallError).code, "EPERM");
    closeSync(file);
  }
});

test("libuv: poll_nested_epoll, a set is readable when something in it is", () => {
  using outer = Epoll.create();
  using inner = Epoll.create();
  using ends = pipe();
  outer.add(inner, IN);
  inner.add(ends.reader, IN);
  assertEquals(count(outer), 0);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(outer), [[inner.raw, IN]]);
  assertEquals(reports(inner), [[ends.reader.raw, IN]]);
});

test("libuv: poll_multiple_handles, one descriptor twice is EEXIST", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN);
  assertEquals(assertThrows(() => set.add(ends.reader.raw, IN), SyscallError).code, "EEXIST");
});

/** One end of a connection that sends so much and takes what comes, in random portions. */
interface Party {
  readonly fd: FD;
  toSend: number;
  received: number;
  ended: boolean;
  spurious: number;
}

/** Numbers that look random and are the same in every run. */
function randomly(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >> 8) % below;
  };
}

function turn(party: Party, mask: number, below: (most: number) => number): void {
  if ((mask & IN) !== 0 && !party.ended) {
    const got = party.fd.read(new Uint8Array(1 + below(9000)));
    if (got === null) party.spurious++;
    else if (got === 0) party.ended = true;
    else party.received += got;
  }
  if ((mask & OUT) !== 0 && party.toSend > 0) {
    const sent = party.fd.write(new Uint8Array(Math.min(party.toSend, 1 + below(9000))));
    if (sent === null) party.spurious++;
    party.toSend -= sent ?? 0;
    if (party.toSend === 0) shutdownWrite(party.fd);
  }
}

/** Runs connections to their ends, with what is watched for toggled all the time. */
function exchange(bytesEachWay: readonly [number, number], pairs: number): Party[] {
  using stack = new DisposableStack();
  const set = stack.use(Epoll.create());
  const below = randomly(7);
  const parties = Array.from({ length: pairs }, () => connection()).flatMap((ends) =>
    ends.map((fd, side): Party => {
      const toSend = bytesEachWay[side]!;
      if (toSend === 0) shutdownWrite(fd);
      return { fd: stack.use(fd), toSend, received: 0, ended: false, spurious: 0 };
    })
  );
  const wanted = (party: Party): number =>
    (party.ended ? 0 : IN | RDHUP) | (party.toSend > 0 ? OUT : 0);
  parties.forEach((party, index) => set.add(party.fd, wanted(party), index));
  const events = new EpollEvents(5);
  for (let open = parties.length; open > 0;) {
    assert(set.wait(events, 10_000) > 0, `${open} ends are still open`);
    for (const { mask, data } of events) {
      const party = parties[Number(data)]!;
      if (below(4) === 0) { // not now: another wait must report it again
        set.modify(party.fd, wanted(party));
        continue;
      }
      turn(party, mask, below);
      if (wanted(party) !== 0) set.modify(party.fd, wanted(party));
      else {
        set.delete(party.fd);
        open--;
      }
    }
  }
  return parties;
}

test("libuv: poll_duplex, all bytes arrive in both directions, one end each", () => {
  const sizes = [700_000, 500_000] as const;
  const parties = exchange(sizes, 4);
  parties.forEach((party, index) => {
    const { toSend, received, ended, spurious } = party;
    assertEquals([toSend, received, ended], [0, sizes[1 - index % 2], true]);
    assert(spurious < 10, `${spurious} wake-ups for nothing`);
  });
});

test("libuv: poll_unidirectional, all bytes arrive in one direction", () => {
  const parties = exchange([900_000, 0], 4);
  const received = parties.map((party) => [party.received, party.ended]);
  assertEquals(received, parties.map((_, index) => [index % 2 === 0 ? 0 : 900_000, true]));
});
